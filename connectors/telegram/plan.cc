#include "connectors/telegram/plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "connectors/telegram/place.h"
#include "connectors/telegram/receive.h"

namespace telegram {
namespace {

using connector::Attachment;
using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Value;
using sdk::json::Writer;

constexpr std::string_view kBase = "https://api.telegram.org";

// Limits in UTF-16 units, https://core.telegram.org/bots/api#sendmessage (read 2026-11-20).
constexpr std::size_t kMaxTextUnits = 4096;
constexpr std::size_t kMaxCaptionUnits = 1024;
// One message of ours becomes at most so many of Telegram's.
constexpr std::size_t kMaxPieces = 12;

constexpr std::int64_t kMaxConnections = 40;

// Omitting the list keeps the one of an earlier registration, and the default list has no
// reactions, so it is always given.
constexpr std::array<std::string_view, 12> kAllowedUpdates{"message",
                                                           "edited_message",
                                                           "channel_post",
                                                           "edited_channel_post",
                                                           "callback_query",
                                                           "my_chat_member",
                                                           "message_reaction",
                                                           "message_reaction_count",
                                                           "business_connection",
                                                           "business_message",
                                                           "edited_business_message",
                                                           "deleted_business_messages"};

// What getWebhookInfo reports stays there after it was cured.
constexpr std::int64_t kRecentErrorMs = 15 * 60 * 1000;
constexpr std::int64_t kManyPending = 50;

std::string api_url(const Channel& channel, std::string_view prefix, std::string_view rest) {
  std::string url(kBase);
  url += prefix;
  // The schema keeps the token free of what would need encoding, except that a colon is fine here.
  for (const char c : channel.setting("bot_token")) {
    url += c == ':' ? std::string(1, c) : sdk::url_encode(std::string_view(&c, 1));
  }
  url += '/';
  url += rest;
  return url;
}

Call get(const Channel& channel, std::string_view method) {
  return {.method = "GET", .url = api_url(channel, "/bot", method)};
}

Call post(const Channel& channel, std::string_view method, std::string json) {
  return connector::json_call(api_url(channel, "/bot", method), std::move(json));
}

// The envelope around every answer of the Bot API.
class Answer {
 public:
  explicit Answer(const Response& response) : response_(response) {
    auto document = sdk::json::Document::parse(response.body);
    if (document) document_ = *std::move(document);
  }

  bool ok() const {
    return connector::is_success(response_) && root()["ok"].boolean().value_or(false);
  }
  // Telegram itself refused; what a proxy in between says has no such form.
  bool refused() const { return root()["ok"].boolean() == false; }
  Value result() const { return root()["result"]; }
  std::string_view description() const { return root()["description"].text_or(""); }
  bool says(std::string_view words) const {
    return sdk::lower_ascii(description()).find(words) != std::string::npos;
  }
  std::int64_t code() const { return root()["error_code"].integer().value_or(response_.status); }
  Value parameter(std::string_view name) const { return root()["parameters"][name]; }
  const Response& response() const { return response_; }

 private:
  Value root() const { return document_ ? document_->root() : Value(); }

  const Response& response_;
  std::optional<sdk::json::Document> document_;
};

std::string cleaned(const Channel& channel, std::string_view words) {
  const std::string_view token = channel.setting("bot_token");
  const std::array<std::string_view, 3> secrets{
      token, token.substr(std::min(token.size(), token.find(':') + 1)), channel.secret};
  return connector::without_secrets(words, secrets);
}

std::int64_t wait_ms(const Channel& channel, const Answer& answer) {
  constexpr std::int64_t kLongest = 3600;
  if (const auto seconds = answer.parameter("retry_after").integer()) {
    return std::clamp<std::int64_t>(*seconds, 1, kLongest) * 1000;
  }
  return connector::retry_after_ms(answer.response(), channel.now_ms);
}

// Section "Making requests" of the Bot API, and the table of its server (Client.cpp, Query.cpp).
Fail fail_of(const Channel& channel, const Answer& answer, Repeat repeat) {
  Fail fail = connector::fail_from(answer.response(), repeat, channel.now_ms);
  if (!answer.refused()) return fail;
  if (!answer.description().empty()) fail.why = cleaned(channel, answer.description());
  fail.platform_code = std::to_string(answer.code());
  switch (answer.code()) {
    case 429:
      fail.code = Failure::rate;
      fail.retry_after_ms = wait_ms(channel, answer);
      break;
    case 401:
    case 404:  // the methods we call exist, so it is the token in the path that does not
      fail.code = Failure::auth;
      break;
    case 409:  // another setWebhook at the same moment
      fail.code = Failure::retry;
      break;
    default:
      break;
  }
  return fail;
}

Fail permanent(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }

// ---- the webhook

std::string set_webhook_body(const Channel& channel) {
  Writer body;
  body.object().member("url", channel.webhook_url).member("secret_token", channel.secret);
  body.member("max_connections", kMaxConnections).key("allowed_updates").array();
  for (const std::string_view kind : kAllowedUpdates) body.value(kind);
  body.end().member("drop_pending_updates", false).end();
  return body.take();
}

// "2025-11-20 01:02:03 UTC".
std::string utc(std::int64_t unix_seconds) {
  const std::chrono::sys_seconds when{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{when - day};
  const auto two = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return std::to_string(static_cast<int>(date.year())) + "-" +
         two(static_cast<unsigned>(date.month())) + "-" + two(static_cast<unsigned>(date.day())) +
         " " + two(time.hours().count()) + ":" + two(time.minutes().count()) + ":" +
         two(time.seconds().count()) + " UTC";
}

// What Telegram last met when it delivered to us, if that was a moment ago.
std::optional<std::string> recent_error(const Channel& channel, Value info) {
  const std::string_view message = info["last_error_message"].text_or("");
  const std::int64_t date = info["last_error_date"].integer().value_or(0);
  constexpr std::int64_t kLatest = 253'402'300'799;
  if (message.empty() || date <= 0 || date > kLatest ||
      channel.now_ms - date * 1000 > kRecentErrorMs) {
    return std::nullopt;
  }
  return "Telegram could not deliver to this channel: " + cleaned(channel, message) + " (" +
         utc(date) + ")";
}

// The host only: a path may hold somebody's secret.
std::string origin_of(const Channel& channel, std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return "another address";
  return cleaned(channel, url.substr(0, url.find_first_of("/?#", scheme + 3)));
}

std::string_view path_of(std::string_view url) {
  const auto scheme = url.find("://");
  const auto slash = scheme == std::string_view::npos ? scheme : url.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view() : url.substr(slash);
}

// A server that speaks less of the Bot API than Telegram does.
bool unknown_method(const Answer& answer) { return answer.code() == 404; }

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return get(channel, "getMe");
  const Answer me(so_far[0]);
  if (!me.ok()) return fail_of(channel, me, Repeat::safe);
  if (so_far.size() == 1) return post(channel, "setWebhook", set_webhook_body(channel));
  const Answer set(so_far[1]);
  if (!set.ok()) {
    Fail fail = fail_of(channel, set, Repeat::safe);
    // Whatever it does not like is about our address: no HTTPS, a port, a host without DNS.
    if (set.refused() && set.code() == 400) fail.code = Failure::config;
    return fail;
  }
  if (so_far.size() == 2) return get(channel, "getWebhookInfo");
  const Answer info(so_far[2]);
  // The webhook is set; an answer that cannot confirm it is a warning, which the next check
  // settles.
  if (!info.ok() && !unknown_method(info)) return fail_of(channel, info, Repeat::safe);
  Done done{.state = {{"account", std::string(me.result()["id"].digits().value_or(""))},
                      {"username", std::string(me.result()["username"].text_or(""))}}};
  const std::string_view url = info.result()["url"].text_or("");
  if (url.empty()) {
    done.results.emplace_back("warning", "Telegram does not show the webhook it was given");
  } else if (url != channel.webhook_url) {
    done.results.emplace_back("warning",
                              "another program points this bot at " + origin_of(channel, url));
  }
  if (auto error = recent_error(channel, info.result())) {
    done.results.emplace_back("warning", *std::move(error));
  }
  return done;
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return get(channel, "getWebhookInfo");
  const Answer info(so_far[0]);
  if (!info.ok() && !unknown_method(info)) return fail_of(channel, info, Repeat::safe);
  // Whoever has taken the bot over since keeps it.
  const std::string_view url = info.result()["url"].text_or("");
  if (!url.empty() && url != channel.webhook_url) return Done{};
  if (so_far.size() == 1) {
    Writer body;
    body.object().member("drop_pending_updates", false).end();
    return post(channel, "deleteWebhook", body.take());
  }
  const Answer deleted(so_far[1]);
  if (!deleted.ok()) return fail_of(channel, deleted, Repeat::safe);
  return Done{};
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return get(channel, "getWebhookInfo");
  const Answer answer(so_far[0]);
  if (!answer.ok()) return fail_of(channel, answer, Repeat::safe);
  const Value info = answer.result();
  Done done;
  bool repairable = false;
  const auto problem = [&done](std::string sentence) {
    done.results.emplace_back("problem", std::move(sentence));
  };
  const std::string_view url = info["url"].text_or("");
  if (url.empty()) {
    problem("Telegram has no webhook registered for this bot");
    repairable = true;
  } else if (url != channel.webhook_url) {
    // The same channel at an address the gateway had before. Anything else belongs to somebody, and
    // taking it back unasked would start a fight.
    repairable = path_of(url) == path_of(channel.webhook_url);
    problem(repairable ? "this bot's webhook is registered at an earlier address, " +
                             origin_of(channel, url)
                       : "another program has taken this bot over: its webhook points at " +
                             origin_of(channel, url));
  } else {
    std::string missing;
    const std::vector<Value> allowed = info["allowed_updates"].elements();
    for (const std::string_view kind : kAllowedUpdates) {
      const bool found = std::any_of(allowed.begin(), allowed.end(),
                                     [&](Value one) { return one.text_or("") == kind; });
      if (!found) missing += (missing.empty() ? "" : ", ") + std::string(kind);
    }
    if (!missing.empty()) {
      problem("Telegram is not asked to deliver " + missing);
      repairable = true;
    }
  }
  if (auto error = recent_error(channel, info)) problem(*std::move(error));
  if (const auto pending = info["pending_update_count"].integer();
      pending && *pending > kManyPending) {
    problem(std::to_string(*pending) + " updates wait at Telegram");
  }
  if (repairable) done.results.emplace_back("repair", "register");
  return done;
}

// ---- sending

// Opens the JSON object every sending method takes.
Writer addressed(const Place& place, const std::optional<std::string>& reply_to) {
  Writer body;
  body.object().key("chat_id").raw(place.chat);
  if (!place.topic.empty()) body.key("message_thread_id").raw(place.topic);
  if (!place.direct_topic.empty()) body.key("direct_messages_topic_id").raw(place.direct_topic);
  if (!place.business.empty()) body.member("business_connection_id", place.business);
  if (reply_to) {
    body.key("reply_parameters").object().key("message_id").raw(*reply_to);
    body.member("allow_sending_without_reply", true).end();
  }
  return body;
}

bool flagged(const Attachment& attachment, std::string_view flag) {
  return connector::find(attachment.extra, flag) == "1";
}

struct Method {
  std::string_view name;
  std::string_view field;
  bool captioned;
};

std::optional<Method> method_for(const Attachment& attachment) {
  const std::string& kind = attachment.kind;
  if (kind == "image") return Method{"sendPhoto", "photo", true};
  if (kind == "video") {
    if (flagged(attachment, "animation")) return Method{"sendAnimation", "animation", true};
    // Telegram takes round videos by file id only, not by URL.
    if (flagged(attachment, "video_note") && !attachment.media_id.empty()) {
      return Method{"sendVideoNote", "video_note", false};
    }
    return Method{"sendVideo", "video", true};
  }
  if (kind == "audio") {
    return flagged(attachment, "voice") ? Method{"sendVoice", "voice", true}
                                        : Method{"sendAudio", "audio", true};
  }
  if (kind == "sticker") return Method{"sendSticker", "sticker", false};
  if (kind == "file") return Method{"sendDocument", "document", true};
  return std::nullopt;
}

std::optional<double> degrees(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole && value >= -180 && value <= 180 ? std::optional(value) : std::nullopt;
}

// What one message of ours becomes: a list of calls whose length depends on the message alone.
class Composer {
 public:
  Composer(const Channel& channel, const Place& place, std::optional<std::string> reply_to)
      : channel_(channel), place_(place), reply_to_(std::move(reply_to)) {}

  sdk::Expected<std::vector<Call>, Fail> compose(const Event& input) {
    std::string_view text = input.text;
    for (const Attachment& attachment : input.attachments) {
      const bool takes_text = calls_.empty() && !text.empty() && is_captioned(attachment) &&
                              sdk::utf16_length(text) <= kMaxCaptionUnits;
      if (auto fail = add(attachment, takes_text ? text : std::string_view())) return *fail;
      if (takes_text) text = {};
    }
    for (const std::string& piece : sdk::split_utf16(text, kMaxTextUnits)) {
      // Telegram refuses a message of blanks, and the last piece may be what was left behind a cut.
      if (piece.find_first_not_of(" \t\n") == std::string::npos) continue;
      Writer body = addressed();
      body.member("text", piece).end();
      calls_.push_back(post(channel_, "sendMessage", body.take()));
    }
    if (calls_.empty()) return permanent("the message has neither text nor attachments");
    if (calls_.size() > kMaxPieces) {
      return permanent("the message would become " + std::to_string(calls_.size()) +
                       " messages at Telegram, more than " + std::to_string(kMaxPieces));
    }
    return std::move(calls_);
  }

 private:
  // Only the first piece answers.
  Writer addressed() { return telegram::addressed(place_, std::exchange(reply_to_, std::nullopt)); }

  static bool is_captioned(const Attachment& attachment) {
    const auto method = method_for(attachment);
    return method && method->captioned;
  }

  std::optional<Fail> add(const Attachment& attachment, std::string_view caption) {
    if (attachment.kind == "location") return add_location(attachment);
    if (attachment.kind == "contact") return add_contact(attachment);
    const auto method = method_for(attachment);
    if (!method) return permanent("Telegram has no attachments of this kind");
    const std::string& what = attachment.url.empty() ? attachment.media_id : attachment.url;
    if (what.empty()) return permanent("an attachment has neither a URL nor a media id");
    Writer body = addressed();
    body.member(method->field, what);
    if (!caption.empty()) body.member("caption", caption);
    body.end();
    calls_.push_back(post(channel_, method->name, body.take()));
    return std::nullopt;
  }

  std::optional<Fail> add_location(const Attachment& attachment) {
    const auto latitude = degrees(connector::find(attachment.extra, "latitude").value_or(""));
    const auto longitude = degrees(connector::find(attachment.extra, "longitude").value_or(""));
    if (!latitude || !longitude) return permanent("a location has no latitude or longitude");
    const auto title = connector::find(attachment.extra, "title");
    const auto address = connector::find(attachment.extra, "address");
    Writer body = addressed();
    body.member("latitude", *latitude).member("longitude", *longitude);
    if (title && address) body.member("title", *title).member("address", *address);
    body.end();
    calls_.push_back(post(channel_, title && address ? "sendVenue" : "sendLocation", body.take()));
    return std::nullopt;
  }

  std::optional<Fail> add_contact(const Attachment& attachment) {
    const auto phone_number = connector::find(attachment.extra, "phone_number");
    const auto first_name = connector::find(attachment.extra, "first_name");
    if (!phone_number || !first_name) return permanent("a contact has no phone number or name");
    Writer body = addressed();
    body.member("phone_number", *phone_number).member("first_name", *first_name);
    for (const std::string_view name : {"last_name", "vcard"}) {
      if (const auto value = connector::find(attachment.extra, name)) body.member(name, *value);
    }
    body.end();
    calls_.push_back(post(channel_, "sendContact", body.take()));
    return std::nullopt;
  }

  const Channel& channel_;
  const Place& place_;
  std::optional<std::string> reply_to_;
  std::vector<Call> calls_;
};

// Changes of what was sent before; repeating one does no harm.
sdk::Expected<std::vector<Call>, Fail> change(const Channel& channel, const Place& place,
                                              const Event& input) {
  if (input.kind == EventKind::typing) {
    Writer body = addressed(place, std::nullopt);
    body.member("action", "typing").end();
    return std::vector{post(channel, "sendChatAction", body.take())};
  }
  const auto target = message_id_in(place, input.message);
  if (!target) return permanent("the message to change is not one of this conversation");
  Writer body;
  body.object();
  if (!place.business.empty()) body.member("business_connection_id", place.business);
  if (input.kind == EventKind::deleted && !place.business.empty()) {
    body.key("message_ids").array().raw(*target).end().end();
    return std::vector{post(channel, "deleteBusinessMessages", body.take())};
  }
  body.key("chat_id").raw(place.chat).key("message_id").raw(*target);
  if (input.kind == EventKind::deleted) {
    body.end();
    return std::vector{post(channel, "deleteMessage", body.take())};
  }
  if (input.kind == EventKind::reaction) {
    body.key("reaction").array();
    if (!input.text.empty()) {
      body.object().member("type", "emoji").member("emoji", input.text).end();
    }
    body.end().end();
    return std::vector{post(channel, "setMessageReaction", body.take())};
  }
  if (input.text.empty() || sdk::utf16_length(input.text) > kMaxTextUnits) {
    return permanent("an edited message must have 1 to 4096 characters");
  }
  body.member("text", input.text).end();
  return std::vector{post(channel, "editMessageText", body.take())};
}

bool is_change(EventKind kind) {
  return kind == EventKind::edited || kind == EventKind::deleted || kind == EventKind::reaction ||
         kind == EventKind::typing;
}

// Refusals that mean: it is already as we want it.
bool is_already_so(EventKind kind, const Answer& answer) {
  if (!answer.refused() || answer.code() != 400) return false;
  if (kind == EventKind::edited) return answer.says("message is not modified");
  return kind == EventKind::deleted && answer.says("message to delete not found");
}

Step send(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  auto place = parse_thread(input.thread);
  if (!place) return permanent("the conversation's thread is not one of Telegram");
  const Repeat repeat = is_change(input.kind) ? Repeat::safe : Repeat::harmful;
  bool moved = false;
  const auto compose = [&] {
    if (is_change(input.kind)) return change(channel, *place, input);
    // Message ids begin anew in a chat that moved: an answer could point at a wrong message.
    auto reply_to = moved ? std::nullopt : message_id_in(*place, input.reply_to);
    return Composer(channel, *place, std::move(reply_to)).compose(input);
  };
  auto calls = compose();
  if (!calls) return calls.error();

  Done done;
  std::size_t sent = 0;
  for (const Response& response : so_far) {
    const Answer answer(response);
    if (answer.ok() || is_already_so(input.kind, answer)) {
      const auto id = answer.result()["message_id"].digits();
      if (id) done.results.emplace_back("message", message_of(*place, *id));
      if (++sent == calls->size()) break;
      continue;
    }
    const auto new_chat = answer.parameter("migrate_to_chat_id").digits();
    if (answer.refused() && new_chat && is_id(*new_chat) && !moved && !is_change(input.kind)) {
      moved = true;
      place->chat = *new_chat;
      place->topic.clear();
      done.results.emplace_back("moved_to", thread_of(*place));
      calls = compose();
      if (!calls) return calls.error();
      continue;
    }
    Fail fail = fail_of(channel, answer, repeat);
    if (answer.refused() && answer.code() == 403) fail.code = Failure::unreachable;
    if (sent > 0) {
      fail.why = "part " + std::to_string(sent + 1) + " of " + std::to_string(calls->size()) +
                 " was not accepted: " + fail.why;
    }
    return fail;
  }
  if (sent == calls->size()) return done;
  return std::move((*calls)[sent]);
}

// ---- files and buttons

// Telegram's paths are relative, like "photos/file_1.jpg".
std::optional<std::string> encoded_path(std::string_view path) {
  if (path.empty() || path.starts_with('/') || path.find("..") != std::string_view::npos) {
    return std::nullopt;
  }
  std::string encoded;
  for (const char c : path) {
    encoded += c == '/' ? std::string(1, c) : sdk::url_encode(std::string_view(&c, 1));
  }
  return encoded;
}

Step fetch_media(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.attachments.empty() || input.attachments[0].media_id.empty()) {
    return permanent("there is no media id to fetch");
  }
  const Attachment& attachment = input.attachments[0];
  const Fail too_big{.code = Failure::permanent,
                     .why = "the file is larger than the 20 MiB Telegram hands out to bots",
                     .platform_code = "too_big"};
  if (attachment.size > kMaxDownloadBytes) return too_big;
  if (so_far.empty()) {
    Writer body;
    body.object().member("file_id", attachment.media_id).end();
    return post(channel, "getFile", body.take());
  }
  const Answer found(so_far[0]);
  if (!found.ok()) {
    return found.says("file is too big") ? too_big : fail_of(channel, found, Repeat::safe);
  }
  const auto path = encoded_path(found.result()["file_path"].text_or(""));
  if (!path) return permanent("Telegram named no file that can be fetched");
  if (so_far.size() == 1) {
    Call call{.method = "GET", .url = api_url(channel, "/file/bot", *path)};
    call.answer_is_media = true;
    return call;
  }
  if (!connector::is_success(so_far[1])) {
    Fail fail = connector::fail_from(so_far[1], Repeat::safe, channel.now_ms);
    // The link lives an hour; asking again makes a new one.
    if (so_far[1].status == 404) fail.code = Failure::retry;
    return fail;
  }
  Done done;
  if (!attachment.mime_type.empty()) done.results.emplace_back("mime_type", attachment.mime_type);
  std::string_view name = attachment.file_name;
  if (name.empty()) {
    name = found.result()["file_path"].text_or("");
    name.remove_prefix(name.rfind('/') + 1);
  }
  done.results.emplace_back("file_name", name);
  return done;
}

// Without it the button's spinner turns on the contact's screen.
Step acknowledge(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const auto id = connector::find(input.extra, "callback_query_id");
  if (!id || id->empty()) return permanent("the event is no button that was pressed");
  if (so_far.empty()) {
    Writer body;
    body.object().member("callback_query_id", *id).end();
    return post(channel, "answerCallbackQuery", body.take());
  }
  const Answer answer(so_far[0]);
  if (!answer.ok()) return fail_of(channel, answer, Repeat::safe);
  return Done{};
}

}  // namespace

Step plan(const Channel& channel, connector::Operation operation, const Event& input,
          std::span<const Response> so_far) {
  using enum connector::Operation;
  switch (operation) {
    case register_webhook:
      return telegram::register_webhook(channel, so_far);
    case unregister_webhook:
      return telegram::unregister_webhook(channel, so_far);
    case check:
      return telegram::check(channel, so_far);
    case send:
      return telegram::send(channel, input, so_far);
    case fetch_media:
      return telegram::fetch_media(channel, input, so_far);
    case acknowledge:
      return telegram::acknowledge(channel, input, so_far);
    case signal:
      // Bots have no read marks, and what they do shows for five seconds without an end.
      if (input.kind != EventKind::typing || input.state == "off") return Done{};
      return telegram::send(channel, input, so_far);
    case poll:
      break;
  }
  return permanent("Telegram delivers by itself and is not polled");
}

}  // namespace telegram
