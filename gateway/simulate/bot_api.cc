#include "gateway/simulate/bot_api.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/html_text.h"

namespace gateway::simulate {

struct BotApi::Destination {
  ChatState* chat = nullptr;
  std::int64_t reply_to = 0;
  std::string business_connection;
};

namespace {

constexpr std::size_t kTextUnits = 4096;
constexpr std::size_t kTextBytes = 32768;
constexpr std::size_t kCaptionUnits = 1024;
constexpr std::int64_t kDownloadBytes = 20 << 20;
constexpr std::size_t kPhotoUpload = 10u << 20;
constexpr std::size_t kFileUpload = 50u << 20;

std::string number(std::int64_t n) { return std::to_string(n); }

ApiAnswer ok(std::string_view result, std::string_view description = {}) {
  Members members{{"ok", "true"}, {"result", std::string(result)}};
  if (!description.empty()) members.emplace_back("description", json_text(description));
  return {200, ascii_json(object(members)), {}, 0};
}

ApiAnswer refuse(int code, std::string description, Members parameters = {}) {
  Members members{{"ok", "false"},
                  {"error_code", std::to_string(code)},
                  {"description", json_text(description)}};
  std::int64_t retry_after = 0;
  for (const auto& [name, value] : parameters) {
    if (name == "retry_after") retry_after = std::stoll(value);
  }
  if (!parameters.empty()) members.emplace_back("parameters", object(parameters));
  return {code, ascii_json(object(members)), std::move(description), retry_after};
}

ApiAnswer bad_request(std::string_view what) {
  return refuse(400, "Bad Request: " + std::string(what));
}

// An Error whose cause, where it is a number, names the chat's successor.
ApiAnswer answer_of(const Error& error) {
  switch (error.code) {
    case Errc::forbidden:
      return refuse(403, error.message);
    case Errc::too_large:
      return refuse(413, error.message);
    case Errc::conflict:
      return refuse(400, error.message, {{"migrate_to_chat_id", error.cause}});
    default:
      return refuse(400, error.message);
  }
}

Error bad(std::string_view what) {
  return fail(Errc::invalid_argument, "Bad Request: " + std::string(what));
}

struct Text {
  std::string text;
  Members members;  // under the name given
};

// Text or caption by any parse mode, checked against its limit.
Result<Text> read_text(const Params& params, std::string_view name, std::size_t limit) {
  std::string text(params.text(name));
  std::string entities(params.text(name == "text" ? "entities" : "caption_entities"));
  if (text.size() > kTextBytes) return bad("Text is too long");
  if (!sdk::is_valid_utf8(text)) return bad("strings must be encoded in UTF-8");
  const std::string mode = sdk::lower_ascii(params.text("parse_mode"));
  if (mode == "html") {
    auto parsed = parse_html(text);
    if (!parsed) return bad("can't parse entities: " + parsed.error().message);
    text = std::move(parsed->text);
    entities = std::move(parsed->entities);
  } else if (!mode.empty() && mode != "markdown" && mode != "markdownv2") {
    return bad("unsupported parse_mode");
  }
  if (sdk::utf16_length(text) > limit) {
    return bad(name == "text" ? "message is too long" : "message caption is too long");
  }
  Text out{text, {}};
  if (!text.empty()) out.members.emplace_back(std::string(name), json_text(text));
  if (!entities.empty() && !text.empty()) {
    const auto document = sdk::json::Document::parse(entities);
    if (!document || !document->root().is_array()) {
      return bad("can't parse entities: expected an Array");
    }
    out.members.emplace_back(name == "text" ? "entities" : "caption_entities",
                             document->root().dump());
  }
  return out;
}

bool is_http_url(std::string_view value) {
  return value.rfind("http://", 0) == 0 || value.rfind("https://", 0) == 0;
}

bool is_reserved(const std::array<int, 4>& a) {
  return a[0] == 0 || a[0] == 10 || a[0] == 127 || a[0] >= 224 || (a[0] == 169 && a[1] == 254) ||
         (a[0] == 172 && a[1] >= 16 && a[1] < 32) || (a[0] == 192 && a[1] == 168) ||
         (a[0] == 100 && a[1] >= 64 && a[1] < 128);
}

}  // namespace

std::optional<std::string> refuse_webhook_url(std::string_view url, UrlRules rules) {
  const auto parts = parse_web_url(url);
  if (!parts) return "Bad Request: invalid webhook URL specified";
  if (rules == UrlRules::any || (rules == UrlRules::loopback && is_loopback(parts->host))) {
    return {};
  }
  const std::string prefix = "Bad Request: bad webhook: ";
  if (parts->scheme != "https") return prefix + "An HTTPS URL must be provided for webhook";
  if (parts->port != 80 && parts->port != 88 && parts->port != 443 && parts->port != 8443) {
    return prefix + "Webhook can be set up only on ports 80, 88, 443 or 8443";
  }
  if (const auto address = ipv4(parts->host); address && is_reserved(*address)) {
    return prefix + "IP address " + parts->host + " is reserved";
  }
  return {};
}

const std::vector<BotApi::Entry>& BotApi::methods() {
  static const std::vector<Entry> kMethods = {
      {"getme", &BotApi::get_me},
      {"logout", &BotApi::log_out},
      {"close", &BotApi::log_out},
      {"setwebhook", &BotApi::set_webhook},
      {"deletewebhook", &BotApi::delete_webhook},
      {"getwebhookinfo", &BotApi::get_webhook_info},
      {"getupdates", &BotApi::get_updates},
      {"sendmessage", &BotApi::send_message},
      {"sendphoto", &BotApi::send_photo},
      {"sendvideo", &BotApi::send_video},
      {"sendanimation", &BotApi::send_animation},
      {"sendaudio", &BotApi::send_audio},
      {"sendvoice", &BotApi::send_voice},
      {"sendvideonote", &BotApi::send_video_note},
      {"senddocument", &BotApi::send_document},
      {"sendsticker", &BotApi::send_sticker},
      {"sendmediagroup", &BotApi::send_media_group},
      {"sendlocation", &BotApi::send_location},
      {"sendvenue", &BotApi::send_venue},
      {"sendcontact", &BotApi::send_contact},
      {"sendchataction", &BotApi::send_chat_action},
      {"answercallbackquery", &BotApi::answer_callback_query},
      {"setmessagereaction", &BotApi::set_message_reaction},
      {"editmessagetext", &BotApi::edit_message_text},
      {"deletemessage", &BotApi::delete_message},
      {"deletemessages", &BotApi::delete_messages},
      {"readbusinessmessage", &BotApi::read_business_message},
      {"getfile", &BotApi::get_file},
      {"getchat", &BotApi::get_chat},
  };
  return kMethods;
}

ApiAnswer BotApi::call(std::string_view token, std::string_view method, const Params& params) {
  Bot* const bot = world_.authenticate(token);
  if (bot == nullptr) {
    const bool formless =
        token.find(':') == std::string_view::npos || token[0] == '0' || token.size() > 80;
    return refuse(401, formless ? "Unauthorized: invalid token specified" : "Unauthorized");
  }
  const std::string name = sdk::lower_ascii(method);
  for (const Entry& entry : methods()) {
    if (entry.name == name) return (this->*entry.method)(*bot, params);
  }
  return refuse(404, "Not Found: method not found");
}

ApiAnswer BotApi::get_me(Bot& bot, const Params&) {
  return ok(object({{"id", number(bot.user.id)},
                    {"is_bot", "true"},
                    {"first_name", json_text(bot.user.first_name)},
                    {"username", json_text(bot.user.username)},
                    {"can_join_groups", "true"},
                    {"can_read_all_group_messages", "false"},
                    {"supports_inline_queries", "false"},
                    {"can_connect_to_business", "true"},
                    {"has_main_web_app", "false"}}));
}

ApiAnswer BotApi::log_out(Bot&, const Params&) { return ok("true"); }

ApiAnswer BotApi::set_webhook(Bot& bot, const Params& params) {
  const std::string_view url = params.text("url");
  if (url.empty()) return delete_webhook(bot, params);
  if (auto reason = refuse_webhook_url(url, rules_.urls)) return refuse(400, *reason);
  const std::string_view secret = params.text("secret_token");
  if (secret.size() > 256) return bad_request("secret token is too long");
  const bool legal = std::all_of(secret.begin(), secret.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
  });
  if (!legal) return bad_request("secret token contains unallowed characters");
  const Upload* const certificate = params.upload("certificate");
  if (certificate != nullptr && certificate->bytes.size() > (3u << 20)) {
    return bad_request("certificate size is too big");
  }
  const std::int64_t now = world_.now_ms();
  if (bot.webhook_set_at_ms != 0 && now - bot.webhook_set_at_ms < rules_.set_webhook_interval_ms) {
    return refuse(429, "Too Many Requests: retry after 1", {{"retry_after", "1"}});
  }

  std::vector<std::string> allowed = bot.allowed_updates;
  if (const auto list = params.find("allowed_updates")) {
    const auto document = sdk::json::Document::parse(*list);
    if (!document || !document->root().is_array()) {
      return bad_request("can't parse allowed_updates: expected an Array of strings");
    }
    // Unknown names are passed over; a list without a known one means the default.
    allowed.clear();
    for (const auto& element : document->root().elements()) {
      const std::string kind(element.text_or(""));
      if (is_update_kind(kind)) allowed.push_back(kind);
    }
    std::sort(allowed.begin(), allowed.end());
    allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
  }
  Webhook webhook;
  webhook.url = url;
  webhook.secret_token = secret;
  webhook.max_connections =
      std::clamp<std::int64_t>(params.integer("max_connections").value_or(40), 1, 100);
  webhook.ip_address = params.text("ip_address");
  webhook.has_custom_certificate = certificate != nullptr;
  const bool drop = params.flag("drop_pending_updates");
  const bool same = bot.webhook == webhook && bot.allowed_updates == allowed && !drop;
  bot.webhook = std::move(webhook);
  bot.allowed_updates = std::move(allowed);
  bot.webhook_set_at_ms = now;
  if (same) return ok("true", "Webhook is already set");
  desk_.webhook_changed(bot, drop);
  return ok("true", "Webhook was set");
}

ApiAnswer BotApi::delete_webhook(Bot& bot, const Params& params) {
  const bool drop = params.flag("drop_pending_updates");
  const bool was_set = bot.webhook.has_value();
  bot.webhook.reset();
  if (was_set || drop) desk_.webhook_changed(bot, drop);
  return ok("true", was_set ? "Webhook was deleted" : "Webhook is already deleted");
}

ApiAnswer BotApi::get_webhook_info(Bot& bot, const Params&) {
  const DeliveryDesk::Health health = desk_.health(bot.user.id);
  Members members;
  members.emplace_back("url", json_text(bot.webhook ? bot.webhook->url : ""));
  members.emplace_back("has_custom_certificate",
                       bot.webhook && bot.webhook->has_custom_certificate ? "true" : "false");
  members.emplace_back("pending_update_count", number(health.pending));
  if (bot.webhook) {
    if (!bot.webhook->ip_address.empty()) {
      members.emplace_back("ip_address", json_text(bot.webhook->ip_address));
    }
    if (health.last_error_date != 0) {
      members.emplace_back("last_error_date", number(health.last_error_date));
      members.emplace_back("last_error_message", json_text(health.last_error_message));
    }
    members.emplace_back("max_connections", number(bot.webhook->max_connections));
  }
  if (!bot.allowed_updates.empty()) {
    sdk::json::Writer list;
    list.array();
    for (const std::string& kind : bot.allowed_updates) list.value(kind);
    members.emplace_back("allowed_updates", list.end().take());
  }
  return ok(object(members));
}

ApiAnswer BotApi::get_updates(Bot& bot, const Params& params) {
  if (bot.webhook) {
    return refuse(
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook "
        "to delete the webhook first");
  }
  const std::int64_t limit =
      std::clamp<std::int64_t>(params.integer("limit").value_or(100), 1, 100);
  std::string list = "[";
  for (const std::string& body : desk_.poll(bot.user.id, params.integer("offset").value_or(0),
                                            static_cast<std::size_t>(limit))) {
    if (list.size() > 1) list += ',';
    list += body;
  }
  return ok(list + "]");
}

Result<BotApi::Destination> BotApi::destination(Bot& bot, const Params& params) {
  const std::string_view chat_id = params.text("chat_id");
  if (chat_id.empty()) return bad("chat_id is empty");
  Destination to;
  if (chat_id[0] == '@') {
    for (auto& [id, state] : bot.chats) {
      if (state.chat.username == chat_id.substr(1)) to.chat = &state;
    }
  } else if (const auto id = params.integer("chat_id")) {
    const auto at = bot.chats.find(*id);
    if (at != bot.chats.end()) to.chat = &at->second;
  }
  if (to.chat == nullptr) return bad("chat not found");
  to.business_connection = params.text("business_connection_id");
  if (!to.business_connection.empty() &&
      bot.business_connections.count(to.business_connection) == 0) {
    return bad("BUSINESS_CONNECTION_INVALID");
  }
  if (to.chat->migrated_to != 0) {
    return fail(Errc::conflict, "Bad Request: group chat was upgraded to a supergroup chat",
                number(to.chat->migrated_to));
  }
  if (!to.chat->forbidden.empty()) return fail(Errc::forbidden, to.chat->forbidden);

  std::int64_t reply_to = params.integer("reply_to_message_id").value_or(0);
  bool optional = params.flag("allow_sending_without_reply");
  if (const auto text = params.find("reply_parameters")) {
    const auto document = sdk::json::Document::parse(*text);
    if (!document || !document->root().is_object()) {
      return bad("can't parse reply parameters JSON object");
    }
    reply_to = document->root()["message_id"].integer().value_or(0);
    optional = document->root()["allow_sending_without_reply"].boolean().value_or(false);
  }
  if (reply_to != 0 && to.chat->messages.count(reply_to) != 0) {
    to.reply_to = reply_to;
  } else if (reply_to != 0 && !optional) {
    return bad("message to be replied not found");
  }
  return to;
}

std::string BotApi::deliver(Bot& bot, const Destination& to, std::string_view method,
                            const Members& content, std::string_view text) {
  ChatState& chat = *to.chat;
  const std::int64_t id = chat.next_message_id++;
  Members members{{"message_id", number(id)}};
  if (chat.chat.type == "channel") {
    members.emplace_back("sender_chat", to_json(chat.chat));
  } else {
    members.emplace_back("from", to_json(bot.user));
  }
  members.emplace_back("chat", to_json(chat.chat));
  members.emplace_back("date", number(world_.now()));
  if (!to.business_connection.empty()) {
    members.emplace_back("business_connection_id", json_text(to.business_connection));
    members.emplace_back("sender_business_bot", to_json(bot.user));
  }
  for (const auto& member : content) members.push_back(member);
  const std::string plain = object(members);
  if (to.reply_to != 0) {
    members.emplace_back("reply_to_message", chat.messages[to.reply_to].json);
  }
  world_.remember(chat, id, {plain, std::string(text), bot.user.id});
  SentMessage message;
  message.number = static_cast<std::int64_t>(sent_.size()) + 1;
  message.bot_id = bot.user.id;
  message.chat_id = chat.chat.id;
  message.message_id = id;
  message.reply_to = to.reply_to;
  message.method = method;
  message.text = text;
  message.json = object(members);
  sent_.push_back(message);
  return message.json;
}

ApiAnswer BotApi::send_message(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  const auto text = read_text(params, "text", kTextUnits);
  if (!text) return answer_of(text.error());
  if (sdk::trim(text->text).find_first_not_of("\n\r") == std::string_view::npos) {
    return bad_request("message text is empty");
  }
  return ok(deliver(bot, *to, "sendMessage", text->members, text->text));
}

Result<Members> BotApi::media(Bot& bot, std::string_view kind, std::string_view value,
                              const Upload* upload) {
  std::string id;
  if (upload != nullptr) {
    if (upload->bytes.size() > (kind == "photo" ? kPhotoUpload : kFileUpload)) {
      return fail(Errc::too_large, "Request Entity Too Large");
    }
    if (upload->bytes.empty()) return bad("file must be non-empty");
    id = world_.mint_file(bot, kind, "", static_cast<std::int64_t>(upload->bytes.size()));
  } else if (value.empty()) {
    return bad("there is no " + std::string(kind) + " in the request");
  } else if (is_http_url(value)) {
    id = world_.mint_file(bot, kind, "", 48'000);
  } else if (bot.files.find(value) != bot.files.end()) {
    id = value;
  } else {
    return bad("wrong file identifier/HTTP URL specified");
  }
  const File& file = bot.files.find(id)->second;
  return Members{{"file_id", json_text(id)},
                 {"file_unique_id", json_text(file.unique_id)},
                 {"file_size", number(file.size)}};
}

namespace {

// The members of a message with this file, under the name and in the shape of its kind.
Members file_content(std::string_view kind, Members file, const Upload* upload) {
  const auto add = [&](const char* name, std::string json) {
    file.emplace_back(name, std::move(json));
  };
  if (kind == "photo") {
    add("width", "1280");
    add("height", "960");
    return {{"photo", "[" + object(file) + "]"}};
  }
  if (kind == "video" || kind == "animation" || kind == "sticker") {
    add("width", "512");
    add("height", "512");
  }
  if (kind == "sticker") {
    add("is_animated", "false");
    add("is_video", "false");
    add("type", json_text("regular"));
  } else if (kind != "document") {
    add("duration", "1");
  }
  if (kind == "video_note") add("length", "240");
  if (upload != nullptr && kind == "document") {
    add("file_name", json_text(sdk::sanitize(upload->file_name)));
    add("mime_type", json_text(sdk::sanitize(upload->content_type)));
  }
  return {{std::string(kind), object(file)}};
}

}  // namespace

ApiAnswer BotApi::send_file(Bot& bot, const Params& params, std::string_view method,
                            std::string_view kind) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  const auto caption = read_text(params, "caption", kCaptionUnits);
  if (!caption) return answer_of(caption.error());
  const Upload* const upload = params.upload(kind);
  auto file = media(bot, kind, params.text(kind), upload);
  if (!file) return answer_of(file.error());
  Members content = file_content(kind, std::move(*file), upload);
  for (const auto& member : caption->members) content.push_back(member);
  return ok(deliver(bot, *to, method, content, caption->text));
}

ApiAnswer BotApi::send_photo(Bot& bot, const Params& params) {
  return send_file(bot, params, "sendPhoto", "photo");
}
ApiAnswer BotApi::send_video(Bot& bot, const Params& params) {
  return send_file(bot, params, "sendVideo", "video");
}
ApiAnswer BotApi::send_animation(Bot& bot, const Params& params) {
  return send_file(bot, params, "sendAnimation", "animation");
}
ApiAnswer BotApi::send_audio(Bot& bot, const Params& params) {
  return send_file(bot, params, "sendAudio", "audio");
}
ApiAnswer BotApi::send_voice(Bot& bot, const Params& params) {
  return send_file(bot, params, "sendVoice", "voice");
}
ApiAnswer BotApi::send_video_note(Bot& bot, const Params& params) {
  return send_file(bot, params, "sendVideoNote", "video_note");
}
ApiAnswer BotApi::send_document(Bot& bot, const Params& params) {
  return send_file(bot, params, "sendDocument", "document");
}
ApiAnswer BotApi::send_sticker(Bot& bot, const Params& params) {
  return send_file(bot, params, "sendSticker", "sticker");
}

ApiAnswer BotApi::send_media_group(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  const auto document = sdk::json::Document::parse(params.text("media"));
  if (!document || !document->root().is_array()) {
    return bad_request("can't parse media JSON object");
  }
  const auto items = document->root().elements();
  if (items.size() < 2 || items.size() > 10) {
    return bad_request("wrong number of messages in the album; expected 2-10");
  }
  const std::string group = world_.mint_number();
  std::vector<std::pair<Members, std::string>> contents;
  for (const auto& item : items) {
    const std::string kind(item["type"].text_or(""));
    if (kind != "photo" && kind != "video" && kind != "audio" && kind != "document") {
      return bad_request("type of the media to be sent is invalid");
    }
    std::string_view value = item["media"].text_or("");
    const Upload* upload = nullptr;
    if (value.rfind("attach://", 0) == 0) {
      upload = params.upload(value.substr(9));
      if (upload == nullptr) return bad_request("wrong file identifier/HTTP URL specified");
    }
    auto file = media(bot, kind, value, upload);
    if (!file) return answer_of(file.error());
    std::string caption(item["caption"].text_or(""));
    if (sdk::utf16_length(caption) > kCaptionUnits) {
      return bad_request("message caption is too long");
    }
    Members content = file_content(kind, std::move(*file), upload);
    content.emplace_back("media_group_id", json_text(group));
    if (!caption.empty()) content.emplace_back("caption", json_text(caption));
    contents.emplace_back(std::move(content), std::move(caption));
  }
  std::string list = "[";
  for (const auto& [content, caption] : contents) {
    if (list.size() > 1) list += ',';
    list += deliver(bot, *to, "sendMediaGroup", content, caption);
  }
  return ok(list + "]");
}

namespace {

std::optional<double> coordinate(const Params& params, std::string_view name) {
  const auto text = params.find(name);
  if (!text) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

}  // namespace

ApiAnswer BotApi::send_location(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  const auto latitude = coordinate(params, "latitude");
  const auto longitude = coordinate(params, "longitude");
  if (!latitude || *latitude < -90 || *latitude > 90) return bad_request("latitude is empty");
  if (!longitude || *longitude < -180 || *longitude > 180) return bad_request("longitude is empty");
  return ok(deliver(bot, *to, "sendLocation", world_.location(*latitude, *longitude), {}));
}

ApiAnswer BotApi::send_venue(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  const auto latitude = coordinate(params, "latitude");
  const auto longitude = coordinate(params, "longitude");
  if (!latitude || !longitude) return bad_request("latitude is empty");
  if (params.text("title").empty()) return bad_request("title must be non-empty");
  return ok(deliver(
      bot, *to, "sendVenue",
      world_.venue(*latitude, *longitude, params.text("title"), params.text("address")), {}));
}

ApiAnswer BotApi::send_contact(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  if (params.text("phone_number").empty()) return bad_request("phone number is empty");
  if (params.text("first_name").empty()) return bad_request("first name is empty");
  return ok(deliver(bot, *to, "sendContact",
                    world_.contact(params.text("phone_number"), params.text("first_name"), 0), {}));
}

ApiAnswer BotApi::send_chat_action(Bot& bot, const Params& params) {
  constexpr std::array<std::string_view, 11> kActions = {
      "typing",        "upload_photo",      "record_video",     "upload_video",
      "record_voice",  "upload_voice",      "upload_document",  "choose_sticker",
      "find_location", "record_video_note", "upload_video_note"};
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  if (std::find(kActions.begin(), kActions.end(), params.text("action")) == kActions.end()) {
    return bad_request("wrong parameter action in request");
  }
  return ok("true");
}

ApiAnswer BotApi::answer_callback_query(Bot& bot, const Params& params) {
  const auto at = bot.callbacks.find(params.text("callback_query_id"));
  if (at == bot.callbacks.end()) {
    return bad_request("query is too old and response timeout expired or query ID is invalid");
  }
  if (sdk::utf16_length(params.text("text")) > 200) return bad_request("MESSAGE_TOO_LONG");
  at->second = true;
  return ok("true");
}

ApiAnswer BotApi::set_message_reaction(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  if (to->chat->messages.count(params.integer("message_id").value_or(0)) == 0) {
    return bad_request("message to react not found");
  }
  if (const auto reaction = params.find("reaction")) {
    const auto document = sdk::json::Document::parse(*reaction);
    if (!document || !document->root().is_array()) {
      return bad_request("can't parse reaction types JSON object");
    }
  }
  return ok("true");
}

ApiAnswer BotApi::edit_message_text(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  const auto at = to->chat->messages.find(params.integer("message_id").value_or(0));
  if (at == to->chat->messages.end()) return bad_request("message to edit not found");
  if (at->second.sender != bot.user.id) return bad_request("message can't be edited");
  const auto text = read_text(params, "text", kTextUnits);
  if (!text) return answer_of(text.error());
  if (text->text.empty()) return bad_request("message text is empty");
  if (text->text == at->second.text) {
    return bad_request(
        "message is not modified: specified new message content and reply markup are exactly the "
        "same as a current content and reply markup of the message");
  }
  Members members{{"message_id", number(at->first)},
                  {"from", to_json(bot.user)},
                  {"chat", to_json(to->chat->chat)},
                  {"date", number(world_.now())},
                  {"edit_date", number(world_.now())}};
  for (const auto& member : text->members) members.push_back(member);
  at->second.json = object(members);
  at->second.text = text->text;
  return ok(at->second.json);
}

ApiAnswer BotApi::delete_message(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  if (to->chat->messages.erase(params.integer("message_id").value_or(0)) == 0) {
    return bad_request("message to delete not found");
  }
  return ok("true");
}

ApiAnswer BotApi::delete_messages(Bot& bot, const Params& params) {
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  const auto document = sdk::json::Document::parse(params.text("message_ids"));
  if (!document || !document->root().is_array() || document->root().size() > 100) {
    return bad_request("message identifiers are not specified");
  }
  for (const auto& id : document->root().elements()) {
    to->chat->messages.erase(id.integer().value_or(0));
  }
  return ok("true");
}

ApiAnswer BotApi::read_business_message(Bot& bot, const Params& params) {
  if (bot.business_connections.count(std::string(params.text("business_connection_id"))) == 0) {
    return bad_request("BUSINESS_CONNECTION_INVALID");
  }
  const auto to = destination(bot, params);
  if (!to) return answer_of(to.error());
  if (to->chat->messages.count(params.integer("message_id").value_or(0)) == 0) {
    return bad_request("MESSAGE_ID_INVALID");
  }
  return ok("true");
}

ApiAnswer BotApi::get_file(Bot& bot, const Params& params) {
  const std::string id(params.text("file_id"));
  const auto at = bot.files.find(id);
  if (at == bot.files.end()) return bad_request("invalid file_id");
  if (at->second.size > kDownloadBytes) return bad_request("file is too big");
  return ok(object({{"file_id", json_text(id)},
                    {"file_unique_id", json_text(at->second.unique_id)},
                    {"file_size", number(at->second.size)},
                    {"file_path", json_text(at->second.path)}}));
}

ApiAnswer BotApi::get_chat(Bot& bot, const Params& params) {
  const auto at = bot.chats.find(params.integer("chat_id").value_or(0));
  if (at == bot.chats.end()) return bad_request("chat not found");
  return ok(to_json(at->second.chat));
}

std::optional<std::string> BotApi::download(std::string_view token, std::string_view path) {
  Bot* const bot = world_.authenticate(token);
  if (bot == nullptr) return std::nullopt;
  for (const auto& [id, file] : bot->files) {
    if (file.path != path || file.size > kDownloadBytes) continue;
    // Bytes of the announced length that differ from file to file and never from call to call.
    std::string bytes = path.size() > 4 && path.substr(path.size() - 4) == ".jpg"
                            ? std::string("\xFF\xD8\xFF\xE0", 4)
                            : std::string("simulated file ");
    bytes += file.unique_id;
    const std::string pattern = sdk::sha256(file.unique_id);
    while (static_cast<std::int64_t>(bytes.size()) < file.size) bytes += pattern;
    bytes.resize(static_cast<std::size_t>(file.size));
    return bytes;
  }
  return std::nullopt;
}

}  // namespace gateway::simulate
