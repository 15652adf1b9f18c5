#include "gateway/simulate/meta_simulator.h"

#include <condition_variable>
#include <future>
#include <utility>

#include "gateway/simulate/meta_internal.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::string_view kHelp =
    R"(Simulated Meta (WhatsApp and Instagram), under /_simulate/meta/
GET    accounts               apps, numbers, Instagram accounts, and where their events go
POST   apps                   {"id", "secret", "requires_proof"}
POST   numbers                {"id", "token", "waba", "display_number", "app", "manages"}
POST   instagram              {"id", "token", "username", "page", "app"}
POST   revoke                 {"token"}: answered 401 from now on
POST   undeliverable          {"number", "to"}: messages to it fail with 131026
POST   dashboard              {"app", "object", "callback_url", "verify_token", "fields": [...]}
         subscribes as the App Dashboard does; the callback is asked for the challenge
POST   events                 somebody does something; shorthand:
         {"number": "7794189252778687", "from": "ana", "text": "Hola"}      WhatsApp
         {"account": "17841400000000001", "from": "ana", "text": "Hola"}    Instagram
         "number", "account"  may be left out while there is one
         "from"     ana yulia sakura ahmed juergen marie nobody tom li priya noa, any other name, or
                    {"name", "wa_id", "user_id", "username"} or {"name", "id"}
         WhatsApp   "text" "image" "video" "audio" "voice" "document" "sticker" "location" "contacts"
                    "button" "button_reply" "list_reply" "order" "system" "unsupported",
                    "reaction": emoji, "edit": text, "revoke": true with "message_id",
                    "status": sent|delivered|read|played|failed with "message_id" ("code"),
                    "content": {"type": ..., ...} any other type; "value" and "field": any change
         Instagram  "text" "image" "images": n, "video" "audio" "file" "share" "story_mention"
                    "story_reply" "like_heart" "unsupported" "postback" "referral", "reaction": emoji,
                    "edit": text, "revoke", "seen" with "message_id"; "comment": text, "live": true;
                    "standby": true; "item" and "field" ("list": "changes"): any item
         further    "echo": true (from the phone app), "reply_to", "timestamp", "without_phone": true
         or         {"batch": [...]}: one body for all that have one destination
POST   raw?id=ID              the body is signed and delivered byte for byte
)";

}  // namespace

MetaSimulator::MetaSimulator(MetaOptions options)
    : Platform(
          "meta", static_cast<const PlatformOptions&>(options),
          {{"graph.facebook.com", {"https://graph.facebook.com"}},
           {"graph.instagram.com", {"https://graph.instagram.com", "https://api.instagram.com"}},
           {"lookaside.fbsbx.com", {"https://lookaside.fbsbx.com"}}},
          std::string(kHelp)),
      meta_(std::move(options)) {
  world_.apps[std::string(kMetaAppId)] = {
      std::string(kMetaAppId), std::string(kMetaAppSecret), false, {}};
}

MetaSimulator::~MetaSimulator() { stop(); }

void MetaSimulator::add_app(const std::string& id, const std::string& secret, bool requires_proof) {
  const std::lock_guard lock(mutex_);
  world_.apps[id] = {id, secret, requires_proof, {}};
}

void MetaSimulator::insert_number(const NewNumber& wanted) {
  WhatsAppNumber number;
  number.id = wanted.id;
  number.app_id = wanted.app_id;
  number.waba_id = wanted.waba_id.empty() ? "9" + wanted.id : wanted.waba_id;
  number.display_number =
      wanted.display_number.empty()
          ? "+1 555-000-" + wanted.id.substr(wanted.id.size() < 4 ? 0 : wanted.id.size() - 4)
          : wanted.display_number;
  number.verified_name = "Blue Vase";
  number.registered = wanted.registered;
  WhatsAppAccount& account = world_.accounts[number.waba_id];
  account.id = number.waba_id;
  account.name = "Blue Vase";
  if (!wanted.token.empty()) {
    MetaToken& token = world_.tokens[wanted.token];
    token.app_id = wanted.app_id;
    token.issued_ms = clock_.now_ms();
    token.manages = wanted.manages;
    token.assets.insert({number.id, number.waba_id});
  }
  world_.numbers[number.id] = std::move(number);
  changed_.notify_all();
}

void MetaSimulator::insert_instagram(const NewInstagram& wanted) {
  InstagramAccount account;
  account.user_id = wanted.user_id;
  account.username = wanted.username;
  account.page_id = wanted.page_id;
  account.app_id = wanted.app_id;
  account.app_scoped_id =
      wanted.app_scoped_id.empty() ? "2" + wanted.user_id.substr(1) : wanted.app_scoped_id;
  if (!wanted.token.empty()) {
    MetaToken& token = world_.tokens[wanted.token];
    token.app_id = wanted.app_id;
    token.instagram = wanted.page_id.empty();
    token.issued_ms = clock_.now_ms();
    token.assets.insert(wanted.user_id);
    if (!wanted.page_id.empty()) token.assets.insert(wanted.page_id);
  }
  world_.instagram[account.user_id] = std::move(account);
  changed_.notify_all();
}

void MetaSimulator::add_number(const NewNumber& number) {
  const std::lock_guard lock(mutex_);
  insert_number(number);
}

void MetaSimulator::add_instagram(const NewInstagram& account) {
  const std::lock_guard lock(mutex_);
  insert_instagram(account);
}

void MetaSimulator::revoke(const std::string& token) {
  const std::lock_guard lock(mutex_);
  if (MetaToken* const known = token_of(token)) known->revoked = true;
}

void MetaSimulator::make_undeliverable(const std::string& number_id, const std::string& wa_id) {
  const std::lock_guard lock(mutex_);
  const auto at = world_.numbers.find(number_id);
  if (at != world_.numbers.end()) at->second.undeliverable.insert(wa_id);
}

std::string MetaSimulator::webhook_of(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  Change change;
  change.account = id;
  change.field = "messages";
  change.party = world_.instagram.count(id) != 0 ? Party::instagram : Party::number;
  if (change.party == Party::number && world_.numbers.count(id) == 0) return {};
  const auto to = destination(change);
  return to ? to->url : std::string();
}

std::optional<MetaSubscription> MetaSimulator::subscription(const std::string& object_name,
                                                            const std::string& app_id) const {
  const std::lock_guard lock(mutex_);
  const auto app = world_.apps.find(app_id);
  if (app == world_.apps.end()) return std::nullopt;
  const auto at = app->second.subscriptions.find(object_name);
  if (at == app->second.subscriptions.end()) return std::nullopt;
  return at->second;
}

std::optional<WhatsAppNumber> MetaSimulator::number(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = world_.numbers.find(id);
  return at == world_.numbers.end() ? std::nullopt : std::optional(at->second);
}

std::optional<InstagramAccount> MetaSimulator::instagram(const std::string& user_id) const {
  const std::lock_guard lock(mutex_);
  const auto at = world_.instagram.find(user_id);
  return at == world_.instagram.end() ? std::nullopt : std::optional(at->second);
}

bool MetaSimulator::wait_webhook(const std::string& id, std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] {
    Change change;
    change.account = id;
    change.field = "messages";
    change.party = world_.instagram.count(id) != 0 ? Party::instagram : Party::number;
    if (change.party == Party::number && world_.numbers.count(id) == 0) return false;
    return destination(change).has_value();
  });
}

HttpReply MetaSimulator::subscribe_by_hand(const std::string& object_name,
                                           const std::string& callback_url,
                                           const std::string& verify_token,
                                           const std::vector<std::string>& fields,
                                           std::chrono::milliseconds patience) {
  std::optional<Answer> answered;
  {
    const std::lock_guard lock(mutex_);
    answered = subscribe(std::string(kMetaAppId), object_name, callback_url, verify_token,
                         {fields.begin(), fields.end()});
  }
  if (auto* const reply = std::get_if<HttpReply>(&*answered)) return std::move(*reply);
  auto& waiting = std::get<Waiting>(*answered);
  const auto promise = std::make_shared<std::promise<HttpReply>>();
  auto future = promise->get_future();
  sender_.fetch(std::move(waiting.call),
                [this, promise, then = std::move(waiting.then)](const HttpOutcome& outcome) {
                  const std::lock_guard lock(mutex_);
                  promise->set_value(then(outcome));
                });
  if (future.wait_for(patience) == std::future_status::ready) return future.get();
  return control_error(504, "the callback has not answered");
}

std::string MetaSimulator::say(std::string_view wish_json) {
  const auto made = act(wish_json);
  if (!made) return {};
  const auto document = Document::parse(*made);
  return std::string(document->root()["ids"].at(0).text_or(""));
}

std::string MetaSimulator::whatsapp_says(const std::string& number_id, std::string_view who,
                                         std::string_view text) {
  return say(object(
      {{"number", json_text(number_id)}, {"from", json_text(who)}, {"text", json_text(text)}}));
}

std::string MetaSimulator::instagram_says(const std::string& user_id, std::string_view who,
                                          std::string_view text) {
  return say(object(
      {{"account", json_text(user_id)}, {"from", json_text(who)}, {"text", json_text(text)}}));
}

Result<std::string> MetaSimulator::act(std::string_view wish) {
  const auto document = Document::parse(wish);
  if (!document) return fail(Errc::invalid_argument, document.error().reason);
  const std::lock_guard lock(mutex_);
  std::string refused;
  std::string made = act_locked(document->root(), refused);
  if (!refused.empty()) return fail(Errc::invalid_argument, refused);
  return made;
}

std::string MetaSimulator::act_locked(Value wish, std::string& refused) {
  std::vector<std::string> ids;
  auto changes = changes_of(wish, ids);
  if (!changes) {
    refused = changes.error().message;
    return {};
  }
  deliver(std::move(*changes));
  std::vector<std::string> list;
  for (const std::string& id : ids) list.push_back(json_text(id));
  return object({{"ids", array(list)}});
}

std::string MetaSimulator::only_number() const {
  return world_.numbers.size() == 1 ? world_.numbers.begin()->first : std::string();
}

std::string MetaSimulator::only_instagram() const {
  return world_.instagram.size() == 1 ? world_.instagram.begin()->first : std::string();
}

std::string MetaSimulator::accounts_json() const {
  std::vector<std::string> apps, numbers, instagram;
  for (const auto& [id, app] : world_.apps) {
    Members subscriptions;
    for (const auto& [name, made] : app.subscriptions) {
      std::vector<std::string> fields;
      for (const std::string& field : made.fields) fields.push_back(json_text(field));
      subscriptions.emplace_back(name, object({{"callback_url", json_text(made.callback_url)},
                                               {"verify_token", json_text(made.verify_token)},
                                               {"fields", array(fields)}}));
    }
    apps.push_back(object({{"id", json_text(id)},
                           {"secret", json_text(app.secret)},
                           {"subscriptions", object(subscriptions)}}));
  }
  for (const auto& [id, number] : world_.numbers) {
    Change change;
    change.party = Party::number;
    change.account = id;
    change.field = "messages";
    const auto to = destination(change);
    numbers.push_back(object({{"id", json_text(id)},
                              {"waba", json_text(number.waba_id)},
                              {"app", json_text(number.app_id)},
                              {"webhook", to ? json_text(to->url) : "null"}}));
  }
  for (const auto& [id, account] : world_.instagram) {
    Change change;
    change.party = Party::instagram;
    change.account = id;
    change.field = "messages";
    const auto to = destination(change);
    instagram.push_back(object({{"id", json_text(id)},
                                {"username", json_text(account.username)},
                                {"page", json_text(account.page_id)},
                                {"app", json_text(account.app_id)},
                                {"webhook", to ? json_text(to->url) : "null"}}));
  }
  return object(
      {{"apps", array(apps)}, {"numbers", array(numbers)}, {"instagram", array(instagram)}});
}

std::optional<Platform::Answer> MetaSimulator::control(const ControlRequest& request) {
  const Value wish = request.json;
  const auto word = [&](std::string_view name, std::string_view fallback = {}) {
    return std::string(wish[name].digits().value_or(fallback));
  };
  if (request.method == "GET" && request.path == "/accounts") {
    return control_json(accounts_json());
  }
  if (request.method != "POST") return std::nullopt;
  if (request.path == "/raw") {
    const std::string id(sdk::find(request.query, "id").value_or(only_number()));
    Change change;
    change.account = id;
    change.field = "messages";
    change.party = world_.instagram.count(id) != 0 ? Party::instagram : Party::number;
    if (change.party == Party::number && world_.numbers.count(id) == 0) {
      return control_error(404, "no such number or account");
    }
    const auto to = destination(change);
    if (!to) return control_error(409, "nobody has subscribed to it");
    deliver_body(id, "raw", to->url, to->app_id, request.body, change.party == Party::instagram,
                 {});
    return control_done();
  }
  if (!wish.is_object()) return control_error(400, "the body is no JSON object");
  if (request.path == "/events") {
    std::string refused;
    std::string made = act_locked(wish, refused);
    return refused.empty() ? control_json(made) : control_error(400, refused);
  }
  if (request.path == "/apps") {
    if (word("id").empty() || word("secret").empty()) return control_error(400, "id and secret");
    world_.apps[word("id")] = {
        word("id"), word("secret"), wish["requires_proof"].boolean().value_or(false), {}};
    return control_done();
  }
  if (request.path == "/numbers" || request.path == "/instagram") {
    const std::string app_id = word("app", kMetaAppId);
    if (word("id").empty() || world_.apps.count(app_id) == 0) {
      return control_error(400, "an id, and an app that exists");
    }
    if (request.path == "/numbers") {
      insert_number({word("id"), word("token"), word("waba"), word("display_number"), app_id,
                     wish["registered"].boolean().value_or(true),
                     wish["manages"].boolean().value_or(true)});
    } else {
      insert_instagram({word("id"), word("token"), word("username", "blue_vase"), word("page"),
                        app_id, word("app_scoped_id")});
    }
    return control_done();
  }
  if (request.path == "/revoke") {
    MetaToken* const token = token_of(word("token"));
    if (token == nullptr) return control_error(404, "no such token");
    token->revoked = true;
    return control_done();
  }
  if (request.path == "/undeliverable") {
    const auto at = world_.numbers.find(word("number", only_number()));
    if (at == world_.numbers.end()) return control_error(404, "no such number");
    at->second.undeliverable.insert(word("to"));
    return control_done();
  }
  if (request.path == "/dashboard") {
    std::set<std::string> fields;
    for (const Value field : wish["fields"].elements()) fields.emplace(field.text_or(""));
    const std::string app_id = word("app", kMetaAppId);
    if (world_.apps.count(app_id) == 0) return control_error(404, "no such app");
    return subscribe(app_id, word("object", kWhatsAppObject), word("callback_url"),
                     word("verify_token"), std::move(fields));
  }
  return std::nullopt;
}

void MetaSimulator::forget() {
  world_.media.clear();
  world_.files.clear();
  for (auto& [id, number] : world_.numbers) {
    number.messages.clear();
    number.last_inbound_ms.clear();
    number.undeliverable.clear();
  }
  for (auto& [id, account] : world_.instagram) {
    account.messages.clear();
    account.last_inbound_ms.clear();
    account.people.clear();
  }
}

}  // namespace gateway::simulate
