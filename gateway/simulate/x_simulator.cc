#include "gateway/simulate/x_simulator.h"

#include <algorithm>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/sample_file.h"
#include "gateway/simulate/sms_internal.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::string_view kHelp = R"(Simulated X, under /_simulate/x/
GET    accounts               apps, users, webhooks and subscriptions
POST   apps                   {"consumer_key", "consumer_secret", "bearer", "id"}
POST   users                  {"id", "username", "name", "consumer_key", "access_token",
                              "access_token_secret", "oauth2_token", "refresh_token"}
POST   crc                    asks every webhook for its CRC token again
POST   closed                 {"id"}: nobody may write to this person
POST   events                 somebody does something; shorthand:
         {"user": "1730000000000000001", "from": "ana", "text": "Hola"}
         "user"     may be left out while there is one
         "from"     ana yulia sakura ahmed juergen marie nobody tom li priya noa, any other name, or
                    {"id", "name", "username"}
         one of     "text" (with "image", "location" or "quick_reply"), "image": true or a text,
                    "typing": true, "read": id of a message, "echo": text (written in the X client),
                    "mention": text, "chat": true (encrypted), "revoked": true
         or         {"batch": [...]}: one body where the older API is subscribed
)";

constexpr std::int64_t kEpochMs = 1'288'834'974'657;  // of the ids' clock
constexpr std::size_t kToldKept = 10'000;

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

std::size_t code_points(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string entity_json(std::string_view url, std::string_view expanded, std::size_t begin,
                        std::size_t end) {
  const std::size_t host = expanded.find("://");
  return object({{"url", json_text(url)},
                 {"expanded_url", json_text(expanded)},
                 {"display_url",
                  json_text(host == std::string_view::npos ? expanded : expanded.substr(host + 3))},
                 {"indices", "[" + std::to_string(begin) + "," + std::to_string(end) + "]"}});
}

}  // namespace

XSimulator::XSimulator(XOptions options)
    : Platform("x", static_cast<const PlatformOptions&>(options),
               {{"api.x.com", {"https://api.x.com", "https://api.twitter.com"}},
                {"ton.twitter.com", {"https://ton.twitter.com"}}},
               std::string(kHelp)),
      x_(std::move(options)) {}

XSimulator::~XSimulator() { stop(); }

void XSimulator::add_app(const NewApp& app) {
  const std::lock_guard lock(mutex_);
  apps_[app.consumer_key] = {app};
}

void XSimulator::add_user(const NewUser& user) {
  const std::lock_guard lock(mutex_);
  User& made = users_[user.id];
  made.given = user;
  made.revoked = false;
  if (made.given.access_token.empty()) made.given.access_token = user.id + "-simulatedtoken";
}

void XSimulator::revoke(const std::string& user_id) {
  const std::lock_guard lock(mutex_);
  const auto wish = Document::parse(object({{"user", json_text(user_id)}, {"revoked", "true"}}));
  const auto made = act_locked(wish->root());
  static_cast<void>(made);
}

void XSimulator::close_messages(const std::string& person_id) {
  const std::lock_guard lock(mutex_);
  closed_.insert(person_id);
}

std::vector<XSimulator::Webhook> XSimulator::webhooks() const {
  const std::lock_guard lock(mutex_);
  return webhooks_;
}

std::set<std::string> XSimulator::subscriptions(const std::string& user_id) const {
  const std::lock_guard lock(mutex_);
  std::set<std::string> out;
  for (const Subscription& subscription : xaa_) {
    if (subscription.user_id == user_id) out.insert(subscription.event_type);
  }
  for (const auto& [webhook, user] : aaa_) {
    if (user == user_id) out.insert("aaa");
  }
  return out;
}

bool XSimulator::wait_subscribed(const std::string& user_id,
                                 std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] {
    return std::any_of(aaa_.begin(), aaa_.end(),
                       [&](const auto& entry) { return entry.second == user_id; }) ||
           std::any_of(xaa_.begin(), xaa_.end(), [&](const Subscription& subscription) {
             return subscription.user_id == user_id && subscription.event_type == "dm.received";
           });
  });
}

// A wrong token, a redirect or a TLS error make a webhook invalid at once; what may pass, a
// time-out or 5xx, does not.
void XSimulator::check_webhooks() {
  const std::lock_guard lock(mutex_);
  for (const Webhook& webhook : webhooks_) {
    Waiting waiting = crc(apps_.at(webhook.app), webhook.url,
                          [this, id = webhook.id](const std::string& reason, bool transient) {
                            for (Webhook& known : webhooks_) {
                              if (known.id == id && !transient) known.valid = reason.empty();
                            }
                            changed_.notify_all();
                            return HttpReply();
                          });
    sender_.fetch(std::move(waiting.call),
                  [this, then = std::move(waiting.then)](const HttpOutcome& outcome) {
                    const std::lock_guard relock(mutex_);
                    then(outcome);
                  });
  }
}

std::string XSimulator::say(const std::string& user_id, std::string_view who,
                            std::string_view text) {
  const auto made = act(
      object({{"user", json_text(user_id)}, {"from", json_text(who)}, {"text", json_text(text)}}));
  if (!made) return {};
  const auto document = Document::parse(*made);
  return std::string(document->root()["ids"].at(0).text_or(""));
}

Result<std::string> XSimulator::act(std::string_view wish) {
  const auto document = Document::parse(wish);
  if (!document) return fail(Errc::invalid_argument, document.error().reason);
  const std::lock_guard lock(mutex_);
  return act_locked(document->root());
}

Result<std::string> XSimulator::act_locked(Value wish) {
  std::vector<std::string> ids;
  std::vector<Happened> all;
  std::vector<Value> wishes{wish};
  if (wish["batch"].is_array()) wishes = wish["batch"].elements();
  for (const Value one : wishes) {
    auto made = make(one, ids);
    if (!made) return made.error();
    for (Happened& happened : *made) all.push_back(std::move(happened));
  }
  tell(all);
  std::vector<std::string> list;
  for (const std::string& id : ids) list.push_back(json_text(id));
  return object({{"ids", array(list)}});
}

std::string XSimulator::mint_snowflake() {
  const std::int64_t id =
      ((clock_.now_ms() - kEpochMs) << 22) | static_cast<std::int64_t>(below(1u << 22));
  last_snowflake_ = std::max(id, last_snowflake_ + 1);
  return std::to_string(last_snowflake_);
}

std::string XSimulator::only_user() const {
  return users_.size() == 1 ? users_.begin()->first : std::string();
}

const XSimulator::Webhook* XSimulator::find_webhook(const std::string& id) const {
  for (const Webhook& webhook : webhooks_) {
    if (webhook.id == id) return &webhook;
  }
  return nullptr;
}

// The smaller id first, by number.
std::string XSimulator::conversation_of(const std::string& a, const std::string& b) const {
  const bool swapped = a.size() != b.size() ? a.size() > b.size() : a > b;
  return swapped ? b + "-" + a : a + "-" + b;
}

std::pair<std::string, std::string> XSimulator::name_of(const std::string& id) const {
  if (const auto user = users_.find(id); user != users_.end()) {
    return {user->second.given.username, user->second.given.name};
  }
  if (const auto person = people_.find(id); person != people_.end()) {
    const Contact contact = contact_of(person->second);
    return {contact.handle, contact.name};
  }
  return {"user" + id, "User " + id};
}

std::string XSimulator::users_v1(const std::set<std::string>& ids) const {
  Members members;
  for (const std::string& id : ids) {
    const auto [username, name] = name_of(id);
    members.emplace_back(
        id, object({{"id", json_text(id)},
                    {"created_timestamp", json_text("1500000000123")},
                    {"name", json_text(name)},
                    {"screen_name", json_text(username)},
                    {"protected", "false"},
                    {"verified", "false"},
                    {"followers_count", "3"},
                    {"friends_count", "4"},
                    {"statuses_count", "5"},
                    {"profile_image_url_https",
                     json_text("https://pbs.twimg.com/profile_images/" + id + "_normal.jpg")}}));
  }
  return object(members);
}

std::string XSimulator::users_v2(const std::set<std::string>& ids) const {
  Members members;
  for (const std::string& id : ids) {
    const auto [username, name] = name_of(id);
    members.emplace_back(
        id,
        object({{"data", object({{"id", json_text(id)},
                                 {"name", json_text(name)},
                                 {"username", json_text(username)},
                                 {"description", json_text("")},
                                 {"url", json_text("")},
                                 {"protected", "false"},
                                 {"verified", "false"},
                                 {"verified_type", json_text("none")},
                                 {"created_at", json_text("2019-04-20T19:55:59.000Z")},
                                 {"profile_image_url",
                                  json_text("https://pbs.twimg.com/profile_images/" + id + ".jpg")},
                                 {"public_metrics",
                                  object({{"followers_count", "97"},
                                          {"followers_count_str", json_text("97")}})}})}}));
  }
  return object(members);
}

// The message_create of both APIs. Links are shortened, text is escaped for HTML, indices count
// code points; media has a link of its own at the text's end.
XSimulator::Happened XSimulator::direct_message(const std::string& user_id,
                                                const std::string& person_id, bool from_us,
                                                const std::string& source_app, const Dm& dm,
                                                const Members& extra) {
  std::string text;
  std::vector<std::string> urls;
  std::string_view rest = dm.text;
  while (!rest.empty()) {
    const std::size_t at = std::min(rest.find("https://"), rest.find("http://"));
    text += html_escaped(rest.substr(0, at));
    if (at == std::string_view::npos) break;
    rest.remove_prefix(at);
    const std::string_view link = rest.substr(0, rest.find_first_of(" \n\t"));
    rest.remove_prefix(link.size());
    const std::string shortened = "https://t.co/" + mint("abcdefghijklmnopqrstuvwxyzABCDEF", 10);
    const std::size_t begin = code_points(text);
    text += shortened;
    urls.push_back(entity_json(shortened, link, begin, code_points(text)));
  }
  Members message_data;
  Members attachment;
  if (!dm.media_id.empty()) {
    const Media& media = media_.at(dm.media_id);
    const std::string shortened = "https://t.co/" + mint("abcdefghijklmnopqrstuvwxyzABCDEF", 10);
    if (!text.empty()) text += ' ';
    const std::size_t begin = code_points(text);
    text += shortened;
    const std::string expanded = "https://twitter.com/messages/media/" + dm.id;
    urls.push_back(entity_json(shortened, expanded, begin, code_points(text)));
    const bool video = media.category == "dm_video";
    const std::string file = "https://ton.twitter.com/1.1/ton/data/dm/" + dm.id + "/" +
                             dm.media_id + "/" + mint_hex(8) + (video ? ".mp4" : ".jpg");
    Members one{
        {"id", dm.media_id},
        {"id_str", json_text(dm.media_id)},
        {"indices", "[" + std::to_string(begin) + "," + std::to_string(code_points(text)) + "]"},
        {"media_url", json_text(file)},
        {"media_url_https", json_text(file)},
        {"url", json_text(shortened)},
        {"display_url", json_text("pic.twitter.com/" + shortened.substr(13))},
        {"expanded_url", json_text(expanded)},
        {"type", json_text(video ? "video" : "photo")},
        {"sizes",
         object({{"small", object({{"w", "680"}, {"h", "510"}, {"resize", json_text("fit")}})}})}};
    if (video) {
      one.emplace_back("video_info",
                       object({{"variants", array({object({{"bitrate", "320000"},
                                                           {"content_type", json_text("video/mp4")},
                                                           {"url", json_text(file)}})})}}));
    }
    attachment = {{"type", json_text("media")}, {"media", object(one)}};
  }
  message_data = {{"text", json_text(text)},
                  {"entities", object({{"hashtags", "[]"},
                                       {"symbols", "[]"},
                                       {"user_mentions", "[]"},
                                       {"urls", array(urls)}})}};
  if (!attachment.empty()) message_data.emplace_back("attachment", object(attachment));
  for (const auto& member : extra) message_data.push_back(member);
  Members create{{"target", object({{"recipient_id", json_text(from_us ? person_id : user_id)}})},
                 {"sender_id", json_text(from_us ? user_id : person_id)}};
  if (!source_app.empty()) create.emplace_back("source_app_id", json_text(source_app));
  create.emplace_back("message_data", object(message_data));
  Happened happened;
  happened.user_id = user_id;
  happened.event_type = from_us ? "dm.sent" : "dm.received";
  happened.id = dm.id;
  happened.aaa_name = "direct_message_events";
  happened.aaa_item = object({{"type", json_text("message_create")},
                              {"id", json_text(dm.id)},
                              {"created_timestamp", json_text(std::to_string(dm.at_ms))},
                              {"message_create", object(create)}});
  happened.people = {user_id, person_id};
  happened.xaa_payload = object({{"direct_message_events", array({happened.aaa_item})},
                                 {"users", users_v2(happened.people)}});
  return happened;
}

Result<std::vector<XSimulator::Happened>> XSimulator::make(Value wish,
                                                           std::vector<std::string>& ids) {
  const std::string user_id(wish["user"].digits().value_or(only_user()));
  if (users_.count(user_id) == 0) return fail(Errc::not_found, "no such user");
  const std::string key(wish["from"]["name"].text_or(wish["from"].text_or("ana")));
  const std::string person_id(wish["from"]["id"].text_or(contact_of(key).x_id));
  people_.emplace(person_id, key);
  const std::string now = std::to_string(clock_.now_ms());
  Happened happened;
  happened.user_id = user_id;
  happened.people = {user_id, person_id};
  const auto small = [&](std::string_view event_type, const std::string& name, Members item) {
    happened.event_type = event_type;
    happened.aaa_name = name;
    happened.id = std::string(event_type) + ":" + now;
    happened.aaa_item = object(item);
    happened.xaa_payload =
        object({{name, array({happened.aaa_item})}, {"users", users_v2(happened.people)}});
    return std::vector<Happened>{happened};
  };
  const auto target = object({{"recipient_id", json_text(user_id)}});
  if (wish["typing"].boolean().value_or(false)) {
    return small("dm.indicate_typing", "direct_message_indicate_typing_events",
                 {{"created_timestamp", json_text(now)},
                  {"sender_id", json_text(person_id)},
                  {"target", target}});
  }
  if (const auto read = wish["read"].digits()) {
    return small("dm.read", "direct_message_mark_read_events",
                 {{"created_timestamp", json_text(now)},
                  {"sender_id", json_text(person_id)},
                  {"target", target},
                  {"last_read_event_id", json_text(*read)}});
  }
  if (wish["revoked"].boolean().value_or(false)) {
    users_.at(user_id).revoked = true;
    const std::string app = apps_.at(users_.at(user_id).given.consumer_key).given.id;
    happened.event_type = "oauth.revoke";
    happened.id = "revoke:" + user_id;
    happened.aaa_name = "user_event";
    happened.aaa_item =
        object({{"revoke", object({{"date_time", json_text(iso_ms(clock_.now_ms()))},
                                   {"target", object({{"app_id", json_text(app)}})},
                                   {"source", object({{"user_id", json_text(user_id)}})}})}});
    happened.xaa_payload = object({{"date_time", json_text(iso_ms(clock_.now_ms()))},
                                   {"user_id", json_text(user_id)},
                                   {"app_id", json_text(app)}});
    return std::vector<Happened>{std::move(happened)};
  }
  if (wish["chat"].boolean().value_or(false)) {
    happened.event_type = "chat.received";
    happened.id = mint_uuid();
    happened.xaa_payload =
        object({{"conversation_id", json_text(conversation_of(user_id, person_id))},
                {"sender_id", json_text(person_id)},
                {"encoded_event", json_text(sdk::base64("opaque-" + mint_hex(16)))},
                {"conversation_key_version", json_text(now)}});
    return std::vector<Happened>{std::move(happened)};
  }
  if (const auto mention = wish["mention"].text()) {
    const std::string id = mint_snowflake();
    const auto [username, name] = name_of(person_id);
    posts_[id] = {person_id, user_id};
    ids.push_back(id);
    happened.event_type = "post.mention.create";
    happened.id = id;
    happened.aaa_name = "tweet_create_events";
    const std::string text = "@" + users_.at(user_id).given.username + " " + std::string(*mention);
    // The number is rounded as a double would be; the text has all digits.
    happened.aaa_item = object(
        {{"created_at", json_text(rfc2822(clock_.now_ms()))},
         {"id", id.substr(0, id.size() - 3) + "000"},
         {"id_str", json_text(id)},
         {"text", json_text(html_escaped(text))},
         {"truncated", "false"},
         {"in_reply_to_status_id_str", "null"},
         {"user", object({{"id_str", json_text(person_id)},
                          {"screen_name", json_text(username)},
                          {"name", json_text(name)}})},
         {"entities",
          object(
              {{"hashtags", "[]"}, {"symbols", "[]"}, {"user_mentions", "[]"}, {"urls", "[]"}})}});
    // The payload is the post, and what it names is beside it
    // (https://docs.x.com/x-api/activity/event-payloads).
    happened.xaa_payload = object({{"id", json_text(id)},
                                   {"text", json_text(text)},
                                   {"author_id", json_text(person_id)},
                                   {"created_at", json_text(iso_ms(clock_.now_ms()))},
                                   {"conversation_id", json_text(id)}});
    happened.xaa_includes =
        object({{"users", array({object({{"id", json_text(person_id)},
                                         {"name", json_text(name)},
                                         {"username", json_text(username)}})})}});
    return std::vector<Happened>{std::move(happened)};
  }
  const auto echo = wish["echo"].text();
  Dm dm;
  dm.id = mint_snowflake();
  dm.user_id = user_id;
  dm.person_id = person_id;
  dm.sender_id = echo ? user_id : person_id;
  dm.text = echo.value_or(wish["text"].text_or(wish["image"].text_or("")));
  dm.at_ms = clock_.now_ms();
  Members extra;
  if (wish["image"].exists() && wish["image"].boolean().value_or(true)) {
    dm.media_id = mint_snowflake();
    Media media;
    media.owner = person_id;
    media.category = "dm_image";
    media.type = "image/jpeg";
    media.bytes = sample_file(media.type, 40'000);
    media.finalized = true;
    media_[dm.media_id] = std::move(media);
  }
  if (wish["location"].exists()) {
    extra.emplace_back(
        "attachment",
        object({{"type", json_text("location")},
                {"location",
                 object({{"type", json_text("shared_coordinate")},
                         {"shared_coordinate",
                          object({{"coordinates",
                                   object({{"type", json_text("Point")},
                                           {"coordinates", "[-3.7038,40.4168]"}})}})}})}}));
  }
  if (const auto metadata = wish["quick_reply"].text()) {
    extra.emplace_back("quick_reply_response", object({{"type", json_text("options")},
                                                       {"metadata", json_text(*metadata)}}));
  }
  if (dm.text.empty() && dm.media_id.empty() && extra.empty()) {
    return fail(Errc::invalid_argument, "the message has no content");
  }
  ids.push_back(dm.id);
  // Written in a client of X, by the customer or by the account's owner.
  Happened made =
      direct_message(user_id, person_id, echo.has_value(), echo ? "3033300" : "", dm, extra);
  dm.json = made.aaa_item;
  dms_.push_back(std::move(dm));
  return std::vector<Happened>{std::move(made)};
}

// To every subscription: one body per event in the Activity API, one for all of a user in the
// older.
void XSimulator::tell(const std::vector<Happened>& all, std::chrono::milliseconds delay) {
  std::size_t told = 0;
  for (const Happened& happened : all) {
    for (const Subscription& subscription : xaa_) {
      const bool fits = subscription.event_type == happened.event_type &&
                        (subscription.user_id.empty() || subscription.user_id == happened.user_id);
      const Webhook* const webhook = find_webhook(subscription.webhook_id);
      if (!fits || webhook == nullptr || !webhook->valid) continue;
      Members filter;
      if (!subscription.user_id.empty()) {
        filter.emplace_back("user_id", json_text(subscription.user_id));
      }
      const bool chat = happened.event_type.rfind("chat.", 0) == 0;
      const std::string uuid = chat ? mint_uuid()
                                    : std::to_string(static_cast<std::int64_t>(
                                          (below(1ull << 32) << 32) | below(1ull << 32)));
      Members data{{"event_uuid", json_text(uuid)},
                   {"filter", object(filter)},
                   {"event_type", json_text(happened.event_type)}};
      if (!subscription.tag.empty()) data.emplace_back("tag", json_text(subscription.tag));
      data.emplace_back("payload", happened.xaa_payload);
      if (!happened.xaa_includes.empty()) data.emplace_back("includes", happened.xaa_includes);
      post(*webhook, happened.user_id, happened.event_type, object({{"data", object(data)}}), false,
           delay);
      ++told;
    }
  }
  for (const auto& [webhook_id, user_id] : aaa_) {
    const Webhook* const webhook = find_webhook(webhook_id);
    if (webhook == nullptr || !webhook->valid) continue;
    std::vector<std::pair<std::string, std::vector<std::string>>> lists;
    std::set<std::string> people;
    std::string alone;
    for (const Happened& happened : all) {
      if (happened.user_id != user_id || happened.aaa_name.empty()) continue;
      if (happened.aaa_name == "user_event") {
        alone = happened.aaa_item;
        continue;
      }
      auto list = std::find_if(lists.begin(), lists.end(),
                               [&](const auto& known) { return known.first == happened.aaa_name; });
      if (list == lists.end()) list = lists.insert(lists.end(), {happened.aaa_name, {}});
      list->second.push_back(happened.aaa_item);
      people.insert(happened.people.begin(), happened.people.end());
    }
    if (!alone.empty()) {
      post(*webhook, user_id, "user_event", object({{"user_event", alone}}), true, delay);
      ++told;
    }
    if (lists.empty()) continue;
    Members body{{"for_user_id", json_text(user_id)}};
    for (const auto& [name, items] : lists) body.emplace_back(name, array(items));
    body.emplace_back("users", users_v1(people));
    post(*webhook, user_id, lists.front().first, object(body), true, delay);
    ++told;
  }
  if (told == 0) sender_.count_unwanted();
}

// The older API repeats after 3, 27 and 242 seconds; of the Activity API nothing is promised.
void XSimulator::post(const Webhook& webhook, const std::string& account, const std::string& kind,
                      std::string body, bool retries, std::chrono::milliseconds delay) {
  told_.push_back({clock_.now_ms(), webhook.id, body, kind, account});
  if (told_.size() > kToldKept) told_.erase(told_.begin());
  WebhookEvent event;
  event.account = account;
  event.id = sdk::hex(sdk::sha256(body)).substr(0, 16);
  event.kind = kind;
  event.request = [url = webhook.url, body = std::move(body),
                   secret = apps_.at(webhook.app).given.consumer_secret](int, Defect defect) {
    HttpCall call;
    call.url = url;
    call.body = body;
    call.timeout = std::chrono::milliseconds(10'000);
    call.headers = {{"Content-Type", "application/json"}, {"User-Agent", "XBot/1.0"}};
    const auto proof = [&](std::string_view key) {
      return "sha256=" + sdk::base64(sdk::hmac_sha256(key, body));
    };
    add_proof(call, "x-twitter-webhooks-signature", proof(secret), proof("another secret"), defect);
    return call;
  };
  event.retry = retry_after(
      retries ? std::vector<std::int64_t>{3'000, 27'000, 242'000} : std::vector<std::int64_t>{},
      is_200);
  sender_.post(std::move(event), delay);
}

std::optional<Platform::Answer> XSimulator::control(const ControlRequest& request) {
  const Value wish = request.json;
  const auto word = [&](std::string_view name, std::string_view fallback = {}) {
    return std::string(wish[name].digits().value_or(fallback));
  };
  if (request.method == "GET" && request.path == "/accounts") {
    std::vector<std::string> apps, users, hooks, subscriptions;
    for (const auto& [key, app] : apps_) {
      apps.push_back(object({{"id", json_text(app.given.id)},
                             {"consumer_key", json_text(key)},
                             {"consumer_secret", json_text(app.given.consumer_secret)},
                             {"bearer", json_text(app.given.bearer)}}));
    }
    for (const auto& [id, user] : users_) {
      users.push_back(object({{"id", json_text(id)},
                              {"username", json_text(user.given.username)},
                              {"access_token", json_text(user.given.access_token)},
                              {"access_token_secret", json_text(user.given.access_token_secret)},
                              {"revoked", user.revoked ? "true" : "false"}}));
    }
    for (const Webhook& webhook : webhooks_) {
      hooks.push_back(object({{"id", json_text(webhook.id)},
                              {"url", json_text(webhook.url)},
                              {"valid", webhook.valid ? "true" : "false"}}));
    }
    for (const Subscription& subscription : xaa_) {
      subscriptions.push_back(object({{"event_type", json_text(subscription.event_type)},
                                      {"user", json_text(subscription.user_id)},
                                      {"webhook", json_text(subscription.webhook_id)}}));
    }
    for (const auto& [webhook, user] : aaa_) {
      subscriptions.push_back(object({{"event_type", json_text("aaa")},
                                      {"user", json_text(user)},
                                      {"webhook", json_text(webhook)}}));
    }
    return control_json(object({{"apps", array(apps)},
                                {"users", array(users)},
                                {"webhooks", array(hooks)},
                                {"subscriptions", array(subscriptions)}}));
  }
  if (request.method != "POST") return std::nullopt;
  if (!wish.is_object()) return control_error(400, "the body is no JSON object");
  const NewApp app;
  if (request.path == "/events") {
    const auto made = act_locked(wish);
    return made ? control_json(*made) : control_error(400, made.error().message);
  }
  if (request.path == "/apps") {
    const std::string key = word("consumer_key", app.consumer_key);
    apps_[key] = {{key, word("consumer_secret", app.consumer_secret), word("bearer", app.bearer),
                   word("id", app.id)}};
    return control_done();
  }
  if (request.path == "/users") {
    NewUser user;
    user.id = word("id");
    user.username = word("username", user.username);
    user.name = word("name", user.name);
    user.consumer_key = word("consumer_key", user.consumer_key);
    user.access_token = word("access_token", user.id + "-simulatedtoken");
    user.access_token_secret = word("access_token_secret", user.access_token_secret);
    user.oauth2_token = word("oauth2_token");
    user.refresh_token = word("refresh_token");
    if (user.id.empty() || apps_.count(user.consumer_key) == 0) {
      return control_error(400, "an id, and the consumer_key of an app that exists");
    }
    users_[user.id] = {user, false};
    return control_done();
  }
  if (request.path == "/closed") {
    closed_.insert(word("id"));
    return control_done();
  }
  if (request.path == "/crc") {
    sender_.after({}, [this] { check_webhooks(); });
    return control_done();
  }
  return std::nullopt;
}

void XSimulator::forget() {
  dms_.clear();
  media_.clear();
  posts_.clear();
  closed_.clear();
  people_.clear();
  windows_.clear();
  told_.clear();
}

}  // namespace gateway::simulate
