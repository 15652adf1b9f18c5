#include "gateway/simulate/world.h"

#include <algorithm>
#include <array>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

constexpr std::size_t kMessagesKept = 2'000;  // per chat
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kCallbackLifetimeMs = 150'000;

constexpr std::array<std::string_view, 25> kUpdateKinds = {"message",
                                                           "edited_message",
                                                           "channel_post",
                                                           "edited_channel_post",
                                                           "business_connection",
                                                           "business_message",
                                                           "edited_business_message",
                                                           "deleted_business_messages",
                                                           "guest_message",
                                                           "message_reaction",
                                                           "message_reaction_count",
                                                           "inline_query",
                                                           "chosen_inline_result",
                                                           "callback_query",
                                                           "shipping_query",
                                                           "pre_checkout_query",
                                                           "purchased_paid_media",
                                                           "poll",
                                                           "poll_answer",
                                                           "my_chat_member",
                                                           "chat_member",
                                                           "chat_join_request",
                                                           "chat_boost",
                                                           "removed_chat_boost",
                                                           "managed_bot"};

bool valid_token(std::string_view token) {
  const std::size_t colon = token.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon > 16 || token[0] == '0') return false;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(token.begin(), token.begin() + static_cast<std::ptrdiff_t>(colon), digit)) {
    return false;
  }
  const std::string_view secret = token.substr(colon + 1);
  return secret.size() == 35 && std::all_of(secret.begin(), secret.end(), [&](char c) {
           return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                  c == '-';
         });
}

std::string number(std::int64_t n) { return std::to_string(n); }

std::string number(double n) {
  sdk::json::Writer writer;
  return writer.value(n).take();
}

void append(Members& to, Members more) {
  for (auto& member : more) to.push_back(std::move(member));
}

std::string_view queue_prefix(std::string_view kind) {
  // Kinds with a queue of their own may overtake one another within a chat.
  if (kind == "message" || kind == "edited_message") return "message:";
  if (kind == "channel_post" || kind == "edited_channel_post") return "post:";
  if (kind.find("business") != std::string_view::npos) return "business:";
  return kind;
}

std::string queue_of(std::string_view kind, std::int64_t id) {
  return std::string(queue_prefix(kind)) + number(id);
}

// Without reply_to_message, as a replied-to message is never nested.
std::string without_reply(const std::string& json) {
  const auto document = sdk::json::Document::parse(json);
  if (!document) return json;
  sdk::json::Writer writer;
  writer.object();
  for (const auto& [name, value] : document->root().members()) {
    if (name != "reply_to_message" && name != "quote") writer.member(name, value);
  }
  return writer.end().take();
}

}  // namespace

bool is_update_kind(std::string_view kind) {
  return std::find(kUpdateKinds.begin(), kUpdateKinds.end(), kind) != kUpdateKinds.end();
}

bool wants(const Bot& bot, std::string_view kind) {
  if (bot.allowed_updates.empty()) {
    return kind != "chat_member" && kind != "message_reaction" && kind != "message_reaction_count";
  }
  return std::find(bot.allowed_updates.begin(), bot.allowed_updates.end(), kind) !=
         bot.allowed_updates.end();
}

World::World(std::uint64_t seed, const Clock& clock) : clock_(clock), random_(seed) {}

std::uint64_t World::below(std::uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

std::string World::mint_id(std::size_t characters) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string id;
  while (id.size() < characters) id += kAlphabet[random_() & 63u];
  return id;
}

std::string World::mint_number() { return std::to_string(random_() >> 1); }

Bot* World::authenticate(std::string_view token) {
  if (!valid_token(token)) return nullptr;
  const std::int64_t id = std::stoll(std::string(token.substr(0, token.find(':'))));
  auto [at, fresh] = bots_.try_emplace(id);
  Bot& bot = at->second;
  if (fresh) {
    bot.token = token;
    bot.user = {id, "Shop Help", "", "shop_help_" + number(id) + "_bot", "", true};
    bot.next_update_id = static_cast<std::int64_t>(100'000'000 + below(800'000'000));
  }
  return sdk::equal_secret(bot.token, token) && !bot.revoked ? &bot : nullptr;
}

Bot* World::find_bot(std::int64_t id) {
  const auto at = bots_.find(id);
  return at == bots_.end() ? nullptr : &at->second;
}

ChatState& World::chat(Bot& bot, const Chat& chat) {
  auto [at, fresh] = bot.chats.try_emplace(chat.id);
  if (fresh) {
    at->second.chat = chat;
    at->second.next_message_id = static_cast<std::int64_t>(2 + below(900));
  }
  return at->second;
}

void World::remember(ChatState& chat, std::int64_t message_id, StoredMessage message) {
  chat.messages[message_id] = std::move(message);
  if (chat.messages.size() > kMessagesKept) chat.messages.erase(chat.messages.begin());
}

Update World::wrap(Bot& bot, std::string_view kind, std::string_view json, std::string queue,
                   std::int64_t chat_id, std::int64_t message_id) {
  Update update;
  update.bot_id = bot.user.id;
  update.update_id = bot.next_update_id++;
  update.kind = kind;
  update.body = ascii_json(
      object({{"update_id", number(update.update_id)}, {update.kind, std::string(json)}}));
  update.queue = std::move(queue);
  update.chat_id = chat_id;
  update.message_id = message_id;
  update.lifetime_ms = kind == "callback_query" ? kCallbackLifetimeMs : kDayMs;
  return update;
}

Update World::message(Bot& bot, const Incoming& incoming) {
  const Chat chat_value =
      incoming.chat ? *incoming.chat : private_chat(incoming.from.value_or(User{}));
  ChatState& state = chat(bot, chat_value);
  const bool edit = incoming.kind.rfind("edited_", 0) == 0;
  const std::int64_t id = incoming.message_id != 0 ? incoming.message_id : state.next_message_id++;
  if (!edit) state.next_message_id = std::max(state.next_message_id, id + 1);
  const std::int64_t date = incoming.date != 0 ? incoming.date : now();

  Members members{{"message_id", number(id)}};
  if (incoming.from) members.emplace_back("from", to_json(*incoming.from));
  members.emplace_back("chat", to_json(state.chat));
  const auto before = state.messages.find(id);
  std::int64_t first_date = date;
  if (edit && before != state.messages.end()) {
    if (const auto old = sdk::json::Document::parse(before->second.json)) {
      first_date = old->root()["date"].integer().value_or(date);
    }
  }
  members.emplace_back("date", number(first_date));
  if (edit) members.emplace_back("edit_date", number(date));
  if (incoming.reply_to != 0) {
    const auto target = state.messages.find(incoming.reply_to);
    // A deleted or unknown target is simply missing.
    if (target != state.messages.end()) {
      members.emplace_back("reply_to_message", without_reply(target->second.json));
      if (!incoming.quote.empty()) {
        const std::size_t at = target->second.text.find(incoming.quote);
        const auto position = sdk::utf16_length(
            std::string_view(target->second.text).substr(0, at == std::string::npos ? 0 : at));
        members.emplace_back("quote",
                             object({{"text", json_text(incoming.quote)},
                                     {"position", number(static_cast<std::int64_t>(position))},
                                     {"is_manual", "true"}}));
      }
    }
  }
  append(members, incoming.content);
  const std::string json = object(members);

  StoredMessage stored{json, {}, incoming.from ? incoming.from->id : 0};
  for (const auto& [name, value] : incoming.content) {
    if (name != "text" && name != "caption") continue;
    if (const auto text = sdk::json::Document::parse(value)) {
      stored.text = text->root().text_or("");
    }
  }
  remember(state, id, std::move(stored));
  // Whoever writes can be written to.
  if (state.chat.type == "private") state.forbidden.clear();
  return wrap(bot, incoming.kind, json, queue_of(incoming.kind, state.chat.id), state.chat.id, id);
}

Update World::callback(Bot& bot, const User& from, std::int64_t chat_id, std::int64_t message_id,
                       std::string_view data) {
  const std::string id = mint_number();
  bot.callbacks[id] = false;
  Members members{{"id", json_text(id)}, {"from", to_json(from)}};
  const auto at = bot.chats.find(chat_id);
  const Chat where = at != bot.chats.end() ? at->second.chat : private_chat(from);
  const bool known = at != bot.chats.end() && at->second.messages.count(message_id) != 0;
  members.emplace_back(
      "message",
      known
          ? at->second.messages[message_id].json
          : object({{"chat", to_json(where)}, {"message_id", number(message_id)}, {"date", "0"}}));
  members.emplace_back("chat_instance", json_text("-" + mint_number()));
  members.emplace_back("data", json_text(data));
  return wrap(bot, "callback_query", object(members), queue_of("callback_query", from.id), where.id,
              message_id);
}

Update World::reaction(Bot& bot, const User& from, std::int64_t chat_id, std::int64_t message_id,
                       std::string_view before, std::string_view after) {
  const auto list = [](std::string_view emoji) {
    if (emoji.empty()) return std::string("[]");
    return "[" + object({{"type", json_text("emoji")}, {"emoji", json_text(emoji)}}) + "]";
  };
  const auto at = bot.chats.find(chat_id);
  const Chat where = at != bot.chats.end() ? at->second.chat : private_chat(from);
  const Members members{{"chat", to_json(where)},       {"message_id", number(message_id)},
                        {"user", to_json(from)},        {"date", number(now())},
                        {"old_reaction", list(before)}, {"new_reaction", list(after)}};
  return wrap(bot, "message_reaction", object(members), queue_of("message_reaction", where.id),
              where.id, message_id);
}

Update World::membership(Bot& bot, const User& from, std::int64_t chat_id, std::string_view before,
                         std::string_view after) {
  const auto at = bot.chats.find(chat_id);
  ChatState& state = at != bot.chats.end() ? at->second : chat(bot, private_chat(from));
  const auto member = [&](std::string_view status) {
    Members members{{"user", to_json(bot.user)}, {"status", json_text(status)}};
    if (status == "kicked") members.emplace_back("until_date", "0");
    return object(members);
  };
  const bool gone = after == "kicked" || after == "left";
  if (!gone) {
    state.forbidden.clear();
  } else if (state.chat.type == "private") {
    state.forbidden = "Forbidden: bot was blocked by the user";
  } else {
    state.forbidden = "Forbidden: bot was kicked from the " + state.chat.type + " chat";
  }
  const Members members{{"chat", to_json(state.chat)},
                        {"from", to_json(from)},
                        {"date", number(now())},
                        {"old_chat_member", member(before)},
                        {"new_chat_member", member(after)}};
  return wrap(bot, "my_chat_member", object(members), queue_of("my_chat_member", state.chat.id),
              state.chat.id, 0);
}

Update World::business_connection(Bot& bot, const User& owner, std::string_view id, bool enabled) {
  if (enabled) {
    bot.business_connections.emplace(id);
  } else {
    bot.business_connections.erase(std::string(id));
  }
  const Members members{{"id", json_text(id)},
                        {"user", to_json(owner)},
                        {"user_chat_id", number(owner.id)},
                        {"date", number(now())},
                        {"is_enabled", enabled ? "true" : "false"},
                        {"rights", object({{"can_reply", "true"}})}};
  return wrap(bot, "business_connection", object(members),
              queue_of("business_connection", owner.id), owner.id, 0);
}

Update World::business_deleted(Bot& bot, std::string_view connection, std::int64_t chat_id,
                               const std::vector<std::int64_t>& message_ids) {
  std::string ids = "[";
  ChatState& state = bot.chats[chat_id];
  for (const std::int64_t id : message_ids) {
    if (ids.size() > 1) ids += ',';
    ids += number(id);
    state.messages.erase(id);
  }
  const Members members{{"business_connection_id", json_text(connection)},
                        {"chat", to_json(state.chat)},
                        {"message_ids", ids + "]"}};
  return wrap(bot, "deleted_business_messages", object(members),
              queue_of("deleted_business_messages", chat_id), chat_id,
              message_ids.empty() ? 0 : message_ids.front());
}

std::pair<Update, Update> World::migrate(Bot& bot, const User& from, std::int64_t chat_id,
                                         std::int64_t new_chat_id) {
  Chat successor = bot.chats[chat_id].chat;
  successor.id = new_chat_id;
  successor.type = "supergroup";
  Incoming farewell;
  farewell.from = from;
  farewell.chat = bot.chats[chat_id].chat;
  farewell.content = {{"migrate_to_chat_id", number(new_chat_id)}};
  Update old_side = message(bot, farewell);
  bot.chats[chat_id].migrated_to = new_chat_id;
  Incoming arrival;
  arrival.from = User{1087968824, "Group", "", "GroupAnonymousBot", "", true};
  arrival.chat = successor;
  arrival.message_id = 1;  // ids start anew in the new chat
  arrival.content = {{"sender_chat", to_json(successor)},
                     {"migrate_from_chat_id", number(chat_id)}};
  return {std::move(old_side), message(bot, arrival)};
}

Update World::other(Bot& bot, std::string_view kind, std::string_view json, std::string queue) {
  return wrap(bot, kind, json, std::move(queue), 0, 0);
}

Update World::verbatim(Bot& bot, std::string body, std::string queue) {
  Update update;
  update.bot_id = bot.user.id;
  update.kind = "verbatim";
  update.body = std::move(body);
  update.queue = std::move(queue);
  update.lifetime_ms = kDayMs;
  return update;
}

std::string World::mint_file(Bot& bot, std::string_view kind, std::string_view extension,
                             std::int64_t size) {
  std::string id = "AgACAgQ" + mint_id(56);
  File file;
  file.path =
      std::string(kind) + "s/file_" + std::to_string(bot.files.size()) + std::string(extension);
  file.unique_id = "AQAD" + mint_id(12);
  file.size = size;
  bot.files.emplace(id, std::move(file));
  return id;
}

Members World::file_members(Bot& bot, std::string_view kind, std::string_view extension,
                            std::int64_t size) {
  const std::string id = mint_file(bot, kind, extension, size);
  return {{"file_id", json_text(id)},
          {"file_unique_id", json_text(bot.files.find(id)->second.unique_id)},
          {"file_size", number(size)}};
}

Members World::text(std::string_view text) const {
  Members members{{"text", json_text(text)}};
  if (text.size() > 1 && text[0] == '/') {
    const std::size_t end = std::min(text.find(' '), text.size());
    members.emplace_back("entities", "[" +
                                         object({{"offset", "0"},
                                                 {"length", std::to_string(end)},
                                                 {"type", json_text("bot_command")}}) +
                                         "]");
  }
  return members;
}

namespace {

Members with_caption(Members members, std::string_view caption) {
  if (!caption.empty()) members.emplace_back("caption", json_text(caption));
  return members;
}

}  // namespace

Members World::photo(Bot& bot, std::string_view caption) {
  std::string sizes = "[";
  for (const std::int64_t width : {90, 320, 1280}) {
    Members size =
        file_members(bot, "photo", ".jpg", width * 25 + static_cast<std::int64_t>(below(5'000)));
    append(size, {{"width", number(width)}, {"height", number(width * 3 / 4)}});
    if (sizes.size() > 1) sizes += ',';
    sizes += object(size);
  }
  return with_caption({{"photo", sizes + "]"}}, caption);
}

Members World::video(Bot& bot, std::string_view caption) {
  Members members{{"duration", "7"},
                  {"width", "1280"},
                  {"height", "720"},
                  {"file_name", json_text("IMG_0042.MP4")},
                  {"mime_type", json_text("video/mp4")}};
  append(members,
         file_members(bot, "video", ".mp4", 900'000 + static_cast<std::int64_t>(below(400'000))));
  return with_caption({{"video", object(members)}}, caption);
}

Members World::animation(Bot& bot, std::string_view caption) {
  // The same file is under `document` too.
  const Members file =
      file_members(bot, "animation", ".mp4", 40'000 + static_cast<std::int64_t>(below(90'000)));
  Members animation{{"file_name", json_text("hello.mp4")},
                    {"mime_type", json_text("video/mp4")},
                    {"duration", "3"},
                    {"width", "320"},
                    {"height", "240"}};
  append(animation, file);
  Members document{{"file_name", json_text("hello.mp4")}, {"mime_type", json_text("video/mp4")}};
  append(document, file);
  return with_caption({{"animation", object(animation)}, {"document", object(document)}}, caption);
}

Members World::audio(Bot& bot, std::string_view title, std::string_view performer) {
  Members members{{"duration", "183"},
                  {"title", json_text(title)},
                  {"performer", json_text(performer)},
                  {"file_name", json_text("track.mp3")},
                  {"mime_type", json_text("audio/mpeg")}};
  append(members, file_members(bot, "audio", ".mp3", 2'900'000));
  return {{"audio", object(members)}};
}

Members World::voice(Bot& bot, int seconds) {
  Members members{{"duration", std::to_string(seconds)}, {"mime_type", json_text("audio/ogg")}};
  append(members, file_members(bot, "voice", ".oga", seconds * 3'900));
  return {{"voice", object(members)}};
}

Members World::video_note(Bot& bot, int seconds) {
  Members members{{"duration", std::to_string(seconds)}, {"length", "240"}};
  append(members, file_members(bot, "video_note", ".mp4", seconds * 60'000));
  return {{"video_note", object(members)}};
}

Members World::document(Bot& bot, std::string_view name, std::string_view mime_type,
                        std::int64_t size, std::string_view caption) {
  Members members;
  if (!name.empty()) members.emplace_back("file_name", json_text(name));
  if (!mime_type.empty()) members.emplace_back("mime_type", json_text(mime_type));
  const std::size_t dot = name.rfind('.');
  append(members, file_members(bot, "document",
                               dot == std::string_view::npos ? "" : name.substr(dot), size));
  return with_caption({{"document", object(members)}}, caption);
}

Members World::sticker(Bot& bot, std::string_view emoji) {
  Members members{{"width", "512"}, {"height", "512"}};
  if (!emoji.empty()) members.emplace_back("emoji", json_text(emoji));
  append(members,
         {{"is_animated", "false"}, {"is_video", "false"}, {"type", json_text("regular")}});
  append(members, file_members(bot, "sticker", ".webp", 24'000));
  return {{"sticker", object(members)}};
}

Members World::location(double latitude, double longitude) const {
  return {{"location", object({{"latitude", number(latitude)}, {"longitude", number(longitude)}})}};
}

Members World::venue(double latitude, double longitude, std::string_view title,
                     std::string_view address) const {
  // `location` is set beside `venue`.
  Members members = location(latitude, longitude);
  const std::string place = members.front().second;
  members.emplace_back(
      "venue",
      object({{"location", place}, {"title", json_text(title)}, {"address", json_text(address)}}));
  return members;
}

Members World::contact(std::string_view phone, std::string_view name, std::int64_t user_id) const {
  Members members{{"phone_number", json_text(phone)}, {"first_name", json_text(name)}};
  if (user_id != 0) members.emplace_back("user_id", number(user_id));
  return {{"contact", object(members)}};
}

Members World::poll(std::string_view question, const std::vector<std::string>& options) {
  std::string list = "[";
  for (const std::string& option : options) {
    if (list.size() > 1) list += ',';
    list += object({{"text", json_text(option)}, {"voter_count", "0"}});
  }
  return {{"poll", object({{"id", json_text(mint_number())},
                           {"question", json_text(question)},
                           {"options", list + "]"},
                           {"total_voter_count", "0"},
                           {"is_closed", "false"},
                           {"is_anonymous", "true"},
                           {"type", json_text("regular")},
                           {"allows_multiple_answers", "false"}})}};
}

std::int64_t World::earlier_bot_message(Bot& bot, const Chat& where, std::string_view text,
                                        std::int64_t date) {
  ChatState& state = chat(bot, where);
  const std::int64_t id = state.next_message_id++;
  remember(state, id,
           {object({{"message_id", number(id)},
                    {"from", to_json(bot.user)},
                    {"chat", to_json(state.chat)},
                    {"date", number(date)},
                    {"text", json_text(text)}}),
            std::string(text), bot.user.id});
  return id;
}

}  // namespace gateway::simulate
