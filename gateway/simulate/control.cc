#include "gateway/simulate/control.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/control_desk.h"
#include "gateway/simulate/morning.h"

namespace gateway::simulate {
namespace {

using sdk::json::Value;
using sdk::json::Writer;

constexpr std::string_view kHelp =
    R"(GET    accounts               bots, their webhooks and secrets; also "bots"
POST   bots/ID/revoke         the token is answered 401 from now on
POST   events                 somebody does something; also "updates"; shorthand:
         {"bot": 7012345678, "from": "ana", "text": "Hola"}
         "bot"      may be left out while there is one
         "from"     ana yulia sakura ahmed juergen marie nobody tom li priya noa owner,
                    or a User object; default ana
         "chat"     a Chat object; default the private chat
         one of     "text" "photo" "video" "animation" "audio" "voice" "video_note" "document"
                    "sticker" "location" "venue" "contact" (true or a caption, an emoji, a name),
                    "callback": data, "reaction": emoji ("" removes), "blocked": true|false
         further    "message_id" (of "callback", "reaction", "edit": true), "reply_to", "quote",
                    "date", "kind" (channel_post, business_message, ...), "copies",
                    "extra": members to add to the message
         or         {"update": {...}}   an Update object; update_id is added where it is missing
POST   raw?bot=ID             the body is delivered byte for byte
POST   scenario               {"bot": ID, "name": "morning", "seed": 1, "pace": 0}
)";

constexpr std::string_view kCommonHelp =
    R"(GET    calls?after=N          calls of the Bot API
GET    sent?bot=ID&chat=ID    messages the bot has sent
GET    deliveries?after=N     attempts to deliver updates
GET    stats                  figures of deliveries
GET    idle                   {"idle": true} when no update waits
POST   faults                 {"kind": ..., "count": 1, ...}
         of the Bot API  too_many_requests (retry_after), server_error, bad_gateway, slow
                         (delay_ms), refuse (status, description), garbage, reset_before_body,
                         reset_after_body, reset_midway, down; "method" and "bot" narrow them
         of deliveries   wrong_secret, no_secret, twice_secret, duplicate (copies), reorder, drop
DELETE faults                 ends all of them
POST   reset                  forgets everything but bots and their webhooks
)";

HttpReply json(std::string body, int status = 200) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

HttpReply error(int status, std::string_view detail) {
  return json(object({{"detail", json_text(detail)}}), status);
}

HttpReply done() { return json("{\"ok\":true}"); }

std::int64_t number_in(const sdk::Form& form, std::string_view name) {
  const std::string_view text = sdk::find(form, name).value_or("");
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The bot a request names, or the only one; 0 where that is not clear.
std::int64_t chosen_bot(const TelegramSimulator& telegram, std::int64_t named) {
  if (named != 0) return named;
  const auto bots = telegram.bots();
  return bots.size() == 1 ? bots.front().id : 0;
}

std::int64_t id_of(Value value) {
  const std::string_view digits = value.digits().value_or("");
  std::int64_t id = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), id);
  return id;
}

std::optional<User> user_of(Value value) {
  if (!value.exists()) return *find_person("ana");
  if (const auto key = value.text()) {
    const User* const user = find_person(*key);
    return user == nullptr ? std::nullopt : std::optional<User>(*user);
  }
  if (!value.is_object() || !value["id"].integer()) return std::nullopt;
  return User{*value["id"].integer(),
              std::string(value["first_name"].text_or("")),
              std::string(value["last_name"].text_or("")),
              std::string(value["username"].text_or("")),
              std::string(value["language_code"].text_or("")),
              value["is_bot"].boolean().value_or(false)};
}

std::optional<Chat> chat_of(Value value) {
  if (!value.is_object() || !value["id"].integer()) return std::nullopt;
  return Chat{*value["id"].integer(),
              std::string(value["type"].text_or("private")),
              std::string(value["title"].text_or("")),
              std::string(value["username"].text_or("")),
              std::string(value["first_name"].text_or("")),
              std::string(value["last_name"].text_or(""))};
}

// The members of the content a shorthand asks for; empty where it asks for none.
Members content_of(Value wish, World& world, Bot& bot) {
  const auto word = [&](std::string_view name) { return wish[name].text_or(""); };
  if (const auto text = wish["text"].text()) return world.text(*text);
  if (wish["photo"].exists()) return world.photo(bot, word("photo"));
  if (wish["video"].exists()) return world.video(bot, word("video"));
  if (wish["animation"].exists()) return world.animation(bot, word("animation"));
  if (wish["audio"].exists()) return world.audio(bot, wish["audio"].text_or("Track"), "Somebody");
  if (wish["voice"].exists()) return world.voice(bot, 4);
  if (wish["video_note"].exists()) return world.video_note(bot, 4);
  if (wish["document"].exists()) {
    return world.document(bot, wish["document"].text_or("notes.txt"), "application/octet-stream",
                          12'345);
  }
  if (wish["sticker"].exists()) return world.sticker(bot, word("sticker"));
  if (wish["location"].exists()) {
    return world.location(wish["location"].at(0).number().value_or(40.4168),
                          wish["location"].at(1).number().value_or(-3.7038));
  }
  if (wish["venue"].exists()) {
    return world.venue(40.4168, -3.7038, wish["venue"].text_or("Café \"Sol\""), "Plaza 1\nMadrid");
  }
  if (wish["contact"].exists()) {
    return world.contact(wish["contact"].text_or("34600111222"), "Ana", 0);
  }
  return {};
}

struct Made {
  std::int64_t update_id = 0;
  std::int64_t chat_id = 0;
  std::int64_t message_id = 0;
};

// The update a ready Update object stands for.
Update given_update(Value given, World& world, Bot& bot) {
  std::string kind;
  Value content;
  for (const auto& [name, value] : given.members()) {
    if (name == "update_id") continue;
    kind = name;
    content = value;
  }
  if (given["update_id"].exists()) {
    return world.verbatim(bot, ascii_json(given.dump()), "given:" + kind);
  }
  return world.other(bot, kind, content.dump(), "given:" + kind);
}

// What a shorthand asks for, or the reason why not.
Result<std::vector<Update>> make(Value wish, World& world, Bot& bot) {
  if (wish["update"].is_object())
    return std::vector<Update>{given_update(wish["update"], world, bot)};
  const auto from = user_of(wish["from"]);
  if (!from) return fail(Errc::invalid_argument, "\"from\" is neither a person nor a User");
  const auto chat = chat_of(wish["chat"]);
  if (wish["chat"].exists() && !chat) return fail(Errc::invalid_argument, "\"chat\" is no Chat");
  const std::int64_t chat_id = chat ? chat->id : from->id;
  const std::int64_t message_id = id_of(wish["message_id"]);
  if (chat) world.chat(bot, *chat);
  if (const auto data = wish["callback"].text()) {
    return std::vector<Update>{world.callback(bot, *from, chat_id, message_id, *data)};
  }
  if (const auto emoji = wish["reaction"].text()) {
    return std::vector<Update>{
        world.reaction(bot, *from, chat_id, message_id, wish["before"].text_or(""), *emoji)};
  }
  if (const auto blocked = wish["blocked"].boolean()) {
    return std::vector<Update>{world.membership(bot, *from, chat_id, *blocked ? "member" : "kicked",
                                                *blocked ? "kicked" : "member")};
  }
  Incoming incoming;
  incoming.kind =
      wish["kind"].text_or(wish["edit"].boolean().value_or(false) ? "edited_message" : "message");
  if (incoming.kind.find("channel_post") == std::string::npos) incoming.from = from;
  incoming.chat = chat ? chat : std::optional<Chat>(private_chat(*from));
  incoming.message_id = message_id;
  incoming.reply_to = id_of(wish["reply_to"]);
  incoming.quote = wish["quote"].text_or("");
  incoming.date = id_of(wish["date"]);
  incoming.content = content_of(wish, world, bot);
  for (const auto& [name, value] : wish["extra"].members()) {
    incoming.content.emplace_back(std::string(name), value.dump());
  }
  if (incoming.content.empty()) return fail(Errc::invalid_argument, "the update has no content");
  return std::vector<Update>{world.message(bot, incoming)};
}

HttpReply post_update(TelegramSimulator& telegram, Value wish) {
  const std::int64_t bot_id = chosen_bot(telegram, id_of(wish["bot"]));
  const std::int64_t copies = wish["copies"].integer().value_or(1);
  std::string refused;
  Made made;
  const bool known = telegram.act(bot_id, [&](World& world, Bot& bot) {
    auto updates = make(wish, world, bot);
    if (!updates) {
      refused = updates.error().message;
      return std::vector<Update>{};
    }
    made = {updates->front().update_id, updates->front().chat_id, updates->front().message_id};
    for (std::int64_t i = 1; i < std::min<std::int64_t>(copies, 1'000); ++i) {
      Update copy = updates->front();
      copy.queue += "#" + std::to_string(i);
      updates->push_back(std::move(copy));
    }
    return std::move(*updates);
  });
  if (!known) return error(404, "no such bot; it appears with its first call of the Bot API");
  if (!refused.empty()) return error(400, refused);
  return json(object({{"update_id", std::to_string(made.update_id)},
                      {"chat_id", std::to_string(made.chat_id)},
                      {"message_id", std::to_string(made.message_id)}}));
}

HttpReply post_raw(TelegramSimulator& telegram, const sdk::Form& query, const std::string& body) {
  const std::int64_t bot_id = chosen_bot(telegram, number_in(query, "bot"));
  if (!telegram.deliver_verbatim(bot_id, body)) return error(404, "no such bot");
  return done();
}

HttpReply post_scenario(TelegramSimulator& telegram, Value wish) {
  if (wish["name"].text_or("morning") != "morning") {
    return error(400, "the only scenario is \"morning\"");
  }
  const std::int64_t seed = wish["seed"].integer().value_or(1);
  const auto beats = morning(static_cast<std::uint64_t>(seed));
  const std::int64_t begin =
      wish["begin"].integer().value_or(std::chrono::duration_cast<std::chrono::seconds>(
                                           std::chrono::system_clock::now().time_since_epoch())
                                           .count() -
                                       beats.back().at_s);
  const std::int64_t bot_id = chosen_bot(telegram, id_of(wish["bot"]));
  if (!play(telegram, bot_id, beats, begin, wish["pace"].number().value_or(0))) {
    return error(404, "no such bot; it appears with its first call of the Bot API");
  }
  return json(object({{"beats", std::to_string(beats.size())}, {"seed", std::to_string(seed)}}));
}

HttpReply post_fault(TelegramSimulator& telegram, Value wish) {
  auto fault = parse_fault(wish);
  if (!fault) return error(400, fault.error().message);
  if (auto* const call = std::get_if<CallFault>(&*fault)) {
    telegram.inject(ApiFault{std::move(*call)});
  } else if (const auto* const delivery = std::get_if<DeliveryFault>(&*fault)) {
    telegram.inject(*delivery);
  } else {
    telegram.set_down(true);
  }
  return done();
}

HttpReply get_bots(const TelegramSimulator& telegram) {
  Writer writer;
  writer.array();
  for (const BotView& bot : telegram.bots()) {
    writer.object().member("id", bot.id).member("username", bot.username).key("webhook");
    if (bot.webhook) {
      writer.object().member("url", bot.webhook->url);
      writer.member("secret_token", bot.webhook->secret_token);
      writer.member("max_connections", bot.webhook->max_connections).end();
    } else {
      writer.null();
    }
    writer.key("allowed_updates").array();
    for (const std::string& kind : bot.allowed_updates) writer.value(kind);
    writer.end().end();
  }
  return json(writer.end().take());
}

HttpReply get_calls(const TelegramSimulator& telegram, const sdk::Form& query) {
  Writer writer;
  writer.array();
  for (const Call& call : telegram.calls(number_in(query, "after"))) {
    writer.object().member("number", call.number).member("at_ms", call.at_ms);
    writer.member("bot", call.bot_id).member("method", call.method).key("params");
    writer.raw(call.params.empty() ? "{}" : call.params).member("status", call.status);
    writer.member("description", call.description).member("fault", call.fault).end();
  }
  return json(writer.end().take());
}

HttpReply get_sent(const TelegramSimulator& telegram, const sdk::Form& query) {
  Writer writer;
  writer.array();
  for (const SentMessage& sent : telegram.sent(number_in(query, "bot"), number_in(query, "chat"))) {
    writer.object().member("number", sent.number).member("bot", sent.bot_id);
    writer.member("chat_id", sent.chat_id).member("message_id", sent.message_id);
    writer.member("reply_to", sent.reply_to).member("method", sent.method);
    writer.member("text", sent.text).key("message").raw(sent.json).end();
  }
  return json(writer.end().take());
}

HttpReply get_deliveries(const TelegramSimulator& telegram, const sdk::Form& query) {
  Writer writer;
  writer.array();
  for (const Delivery& delivery : telegram.deliveries(number_in(query, "after"))) {
    writer.object().member("number", delivery.number).member("bot", delivery.account);
    writer.member("update_id", delivery.id).member("kind", delivery.kind);
    writer.member("attempt", delivery.attempt).member("status", delivery.status);
    writer.member("error", delivery.error).member("latency_us", delivery.latency_us).end();
  }
  return json(writer.end().take());
}

}  // namespace

std::string telegram_help(std::string_view prefix) {
  return "Simulated Telegram, under " + std::string(prefix) + "\n" + std::string(kHelp);
}

HttpReply control(TelegramSimulator& telegram, const HttpRequest& request) {
  return control(telegram, request, request.path.substr(kControlPath.size()));
}

HttpReply control(TelegramSimulator& telegram, const HttpRequest& request, std::string path) {
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  const sdk::Form query = sdk::parse_form(request.query);
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  if (get && (path.empty() || path == "/")) {
    HttpReply reply;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = telegram_help("/_simulate/") + std::string(kCommonHelp);
    return reply;
  }
  if (get && (path == "/bots" || path == "/accounts")) return get_bots(telegram);
  if (get && path == "/calls") return get_calls(telegram, query);
  if (get && path == "/sent") return get_sent(telegram, query);
  if (get && path == "/deliveries") return get_deliveries(telegram, query);
  if (get && path == "/stats") return json(to_json(telegram.delivery_stats()));
  if (get && path == "/idle") {
    return json(telegram.delivery_stats().pending == 0 ? "{\"idle\":true}" : "{\"idle\":false}");
  }
  if (request.method == "DELETE" && path == "/faults") {
    telegram.clear_faults();
    return done();
  }
  if (post && path == "/reset") {
    telegram.reset();
    return done();
  }
  if (post && path == "/raw") return post_raw(telegram, query, request.body);
  constexpr std::string_view kRevoke = "/revoke";
  if (post && path.rfind("/bots/", 0) == 0 && path.size() > 6 + kRevoke.size() &&
      path.substr(path.size() - kRevoke.size()) == kRevoke) {
    std::int64_t id = 0;
    std::from_chars(path.data() + 6, path.data() + path.size() - kRevoke.size(), id);
    return telegram.revoke(id) ? done() : error(404, "no such bot");
  }
  if (post && path == "/events") path = "/updates";
  if (post && (path == "/updates" || path == "/scenario" || path == "/faults")) {
    const auto document =
        sdk::json::Document::parse(request.body.empty() ? "{}" : std::string_view(request.body));
    if (!document) return error(400, "the body is no JSON: " + document.error().reason);
    if (path == "/updates") return post_update(telegram, document->root());
    if (path == "/scenario") return post_scenario(telegram, document->root());
    return post_fault(telegram, document->root());
  }
  return error(404, "unknown; GET /_simulate/ lists what there is");
}

}  // namespace gateway::simulate
