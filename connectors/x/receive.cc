#include "connectors/x/receive.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/x/api.h"
#include "connectors/x/content.h"
#include "connectors/x/ids.h"

namespace x {
namespace {

using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Request;
using sdk::json::Value;

constexpr std::size_t kMaxEvents = 1000;
constexpr std::size_t kMaxTokenBytes = 1024;
constexpr std::size_t kMaxAccounts = 64;

// Collects a delivery's events, each once.
class Events {
 public:
  void push(Event event) {
    if (all_.size() < kMaxEvents && keys_.insert(event.key).second)
      all_.push_back(std::move(event));
  }
  // A kind that means nothing to a conversation, or that is not known.
  void push_unknown(const Delivery& delivery, std::string_view update, Value content,
                    std::string_view uuid = {}) {
    Event event{.kind = EventKind::unknown, .account = delivery.account};
    const std::string identity =
        uuid.empty() ? sdk::hex(sdk::sha256(content.dump())).substr(0, 32) : std::string(uuid);
    event.key = "unknown:" + std::string(update) + ":" + identity;
    event.extra = {{"update", std::string(update)}};
    push(std::move(event));
  }
  std::vector<Event> take() { return std::move(all_); }

 private:
  std::vector<Event> all_;
  std::set<std::string> keys_;
};

// ---- what both envelopes carry

// X does not promise any order; ids are in the order of time.
void add_messages(const Delivery& delivery, Value messages, Value body, Events& events) {
  std::vector<Value> sorted = messages.elements();
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](Value a, Value b) { return is_less(id_of(a["id"]), id_of(b["id"])); });
  for (const Value message : sorted) {
    if (auto event = direct_message(delivery, message, body["users"], body["apps"])) {
      events.push(*std::move(event));
    } else {
      events.push_unknown(delivery, "direct_message_events", message);
    }
  }
}

// {created_timestamp, sender_id, target: {recipient_id}}: facts about a conversation without an id
// of their own.
std::optional<Event> receipt(const Delivery& delivery, EventKind kind, Value value, Value users) {
  const std::string sender = id_of(value["sender_id"]);
  std::string recipient = id_of(value["target"]["recipient_id"]);
  if (recipient.empty()) recipient = delivery.self;
  // What the account itself does in X's own app concerns nobody here.
  if (sender.empty() || recipient.empty() || sender == delivery.self) return std::nullopt;
  Event event{.kind = kind, .account = delivery.account};
  event.thread = direct_thread(sender, recipient);
  event.contact = sender;
  event.contact_name = name_of(user_in(users, sender));
  if (event.contact_name.empty()) event.contact_name = sender;
  event.sent_ms = ms_of(value["created_timestamp"]);
  event.key = sender + ":" + std::to_string(event.sent_ms);
  return event;
}

void add_typing(const Delivery& delivery, Value typing, Value users, Events& events) {
  auto event = receipt(delivery, EventKind::typing, typing, users);
  if (!event) return events.push_unknown(delivery, "direct_message_indicate_typing_events", typing);
  event->key = "typing:" + event->key;
  event->state = "on";
  events.push(*std::move(event));
}

void add_read(const Delivery& delivery, Value read, Value users, Events& events) {
  auto event = receipt(delivery, EventKind::status, read, users);
  const std::string last = id_of(read["last_read_event_id"]);
  if (!event || last.empty()) {
    return events.push_unknown(delivery, "direct_message_mark_read_events", read);
  }
  event->message = last;
  event->key = "read:" + event->key + ":" + last;
  event->state = "read";
  // Everything before it is read, too.
  event->extra = {{"up_to", "1"}};
  events.push(*std::move(event));
}

void add_deleted(const Delivery& delivery, std::string id, std::int64_t when_ms, Value content,
                 Events& events) {
  if (id.empty()) return events.push_unknown(delivery, "tweet_delete_events", content);
  Event event{.kind = EventKind::deleted, .account = delivery.account};
  event.key = "post_deleted:" + id;
  event.message = std::move(id);
  event.sent_ms = when_ms;
  events.push(std::move(event));
}

// The account took its consent back: nothing is delivered any more, nothing can be sent.
void add_revoked(const std::string& self, std::string user, std::string_view when, Value content,
                 Events& events) {
  if (user.empty()) return events.push_unknown({}, "oauth.revoke", content);
  Event event{.kind = EventKind::account_state};
  if (!self.empty() && user != self) event.account = user;
  event.key = "revoke:" + user + ":" + std::string(when);
  event.state = "revoked";
  event.text = "The account took the app's access back on X";
  event.sent_ms = iso_ms(when);
  event.extra = {{"user_id", std::move(user)}};
  events.push(std::move(event));
}

void add_replay(Value status, Events& events) {
  const std::string job = id_of(status["job_id"]);
  const std::string_view state = status["job_state"].text_or("");
  if (job.empty() || state.empty()) return events.push_unknown({}, "replay_job_status", status);
  Event event{.kind = EventKind::account_state};
  event.key = "replay:" + job + ":" + std::string(state);
  event.state = state == "Complete" ? "replayed" : "replay_incomplete";
  event.text = status["job_state_description"].text_or(state);
  event.extra = {{"job_id", job}, {"webhook_id", id_of(status["webhook_id"])}};
  events.push(std::move(event));
}

// ---- Account Activity API

// Kinds that are documented and mean nothing to a conversation come as unknown ones, like every
// kind that is not documented.
void add_activity(const Delivery& delivery, std::string_view kind, Value items, bool mentions,
                  Value body, Events& events) {
  if (kind == "direct_message_events" && items.is_array()) {
    return add_messages(delivery, items, body, events);
  }
  if (kind == "replay_job_status") return add_replay(items, events);
  if (kind == "user_event" && items["revoke"].is_object()) {
    const Value revoke = items["revoke"];
    return add_revoked(delivery.self, id_of(revoke["source"]["user_id"]),
                       revoke["date_time"].text_or(""), items, events);
  }
  if (!items.is_array()) return events.push_unknown(delivery, kind, items);
  for (const Value item : items.elements()) {
    if (kind == "direct_message_indicate_typing_events") {
      add_typing(delivery, item, body["users"], events);
    } else if (kind == "direct_message_mark_read_events") {
      add_read(delivery, item, body["users"], events);
    } else if (kind == "tweet_delete_events") {
      add_deleted(delivery, id_of(item["status"]["id"]), ms_of(item["timestamp_ms"]), item, events);
    } else if (auto event = kind == "tweet_create_events" && mentions ? legacy_post(delivery, item)
                                                                      : std::nullopt) {
      if (body["user_has_blocked"].text_or("") == "true" ||
          body["user_has_blocked"].boolean().value_or(false)) {
        event->extra.emplace_back("blocked", "1");
      }
      events.push(*std::move(event));
    } else {
      events.push_unknown(delivery, kind, item);
    }
  }
}

bool is_envelope(std::string_view member) {
  constexpr std::array<std::string_view, 6> kEnvelope{
      "for_user_id", "users", "apps", "is_blocked_by", "user_has_blocked", "includes"};
  return std::find(kEnvelope.begin(), kEnvelope.end(), member) != kEnvelope.end();
}

void add_activities(const Delivery& delivery, Value body, bool mentions, Events& events) {
  for (const auto& [kind, items] : body.members()) {
    if (!is_envelope(kind)) add_activity(delivery, kind, items, mentions, body, events);
  }
}

// ---- X Activity API

// End-to-end encrypted: that somebody wrote can be told, what they wrote cannot. Shown so that an
// agent looks into X's own app.
void add_encrypted(const Delivery& delivery, std::string_view type, Value data, Events& events) {
  const Value payload = data["payload"];
  const std::string uuid(data["event_uuid"].text_or(""));
  const std::string id(payload["id"].text_or(uuid));
  const std::string sender = id_of(payload["sender_id"]);
  const std::string thread = conversation_thread(payload["conversation_id"].text_or(""));
  const auto place = parse_thread(thread);
  if (id.empty() || sender.empty() || !place) {
    return events.push_unknown(delivery, type, data, uuid);
  }
  const bool is_ours = type == "chat.sent" || sender == delivery.self;
  Event event{.kind = is_ours ? EventKind::echo : EventKind::message};
  event.account = delivery.account;
  event.thread = thread;
  event.message = "chat:" + id;
  event.key = event.message;
  if (place->kind == Thread::Kind::group) {
    event.contact = thread;
    event.contact_name = "Group " + thread;
    event.sender = sender;
  } else {
    event.contact = !is_ours ? sender : place->first == sender ? place->second : place->first;
    event.contact_name = event.contact;
    if (is_ours) event.sender = sender;
  }
  event.text = "Encrypted X Chat message: open it in X";
  event.sent_ms = ms_of(payload["created_at_msec"]);
  event.extra = {{"unsupported", "encrypted"}, {"encrypted", "1"}};
  events.push(std::move(event));
}

bool is_post_of_others(std::string_view type) {
  return type == "post.mention.create" || type == "post.reply.create" ||
         type == "post.quote.create";
}

// The documents name the kinds of receipts and show no payload of theirs: the arrays of the Account
// Activity API are expected, one bare receipt is understood.
void add_direct(const Delivery& delivery, std::string_view type, Value data, Events& events) {
  const Value payload = data["payload"];
  if (type == "dm.read" && payload["last_read_event_id"].exists()) {
    return add_read(delivery, payload, payload["users"], events);
  }
  if (type == "dm.indicate_typing" && payload["sender_id"].exists()) {
    return add_typing(delivery, payload, payload["users"], events);
  }
  constexpr std::array<std::string_view, 3> kArrays{"direct_message_events",
                                                    "direct_message_indicate_typing_events",
                                                    "direct_message_mark_read_events"};
  const bool has_one = std::any_of(kArrays.begin(), kArrays.end(),
                                   [&](std::string_view name) { return payload[name].size() > 0; });
  if (!has_one) {
    return events.push_unknown(delivery, type, data, data["event_uuid"].text_or(""));
  }
  for (const std::string_view name : kArrays) {
    if (payload[name].exists()) {
      add_activity(delivery, name, payload[name], false, payload, events);
    }
  }
}

// Whose activity a message is where neither the filter nor the channel names the user.
std::string user_by_direction(std::string_view type, Value payload) {
  const Value create = payload["direct_message_events"].at(0)["message_create"];
  if (type == "dm.sent") return id_of(create["sender_id"]);
  return type == "dm.received" ? id_of(create["target"]["recipient_id"]) : std::string();
}

void add_x_activity(const Account& account, Value data, Events& events) {
  const std::string_view type = data["event_type"].text_or("");
  const std::string_view uuid = data["event_uuid"].text_or("");
  const Value payload = data["payload"];
  const std::string own = account.user_id();
  std::string self = id_of(data["filter"]["user_id"]);
  if (self.empty()) self = own.empty() ? user_by_direction(type, payload) : own;
  const Delivery delivery{.self = self,
                          .account = own.empty() || self == own ? std::string() : self,
                          .now_ms = account.channel().now_ms};
  if (type == "dm.received" || type == "dm.sent" || type == "dm.read" ||
      type == "dm.indicate_typing") {
    return add_direct(delivery, type, data, events);
  }
  if (type == "chat.received" || type == "chat.sent") {
    return add_encrypted(delivery, type, data, events);
  }
  if (type == "oauth.revoke") {
    return add_revoked(own, id_of(payload["user_id"]), payload["date_time"].text_or(""), data,
                       events);
  }
  if (type == "post.delete") {
    return add_deleted(delivery, id_of(payload["id"]), 0, data, events);
  }
  if (is_post_of_others(type) && account.mentions()) {
    const Value includes = data["includes"].exists() ? data["includes"] : payload["includes"];
    if (auto event = post(delivery, payload, includes)) return events.push(*std::move(event));
  }
  events.push_unknown(delivery, type, data, uuid);
}

connector::Received challenge_answer(const Channel& channel, const Request& request) {
  sdk::json::Writer body;
  body.object().member("response_token",
                       webhook_mac(channel.setting("api_secret"), crc_token(request)));
  return {.events = {},
          .reply = connector::Response{.status = 200,
                                       .headers = {{"content-type", "application/json"}},
                                       .body = body.end().take()}};
}

}  // namespace

std::string webhook_mac(std::string_view consumer_secret, std::string_view data) {
  return "sha256=" + sdk::base64(sdk::hmac_sha256(consumer_secret, data));
}

std::string crc_token(const Request& request) {
  if (request.method != "GET" || request.query.size() > 8 * kMaxTokenBytes) return {};
  const sdk::Form form = sdk::parse_form(request.query, 20);
  const std::string_view token = sdk::find(form, "crc_token").value_or(std::string_view());
  // The answer is what X would sign a delivery of the same bytes with, so nothing that could be a
  // delivery may be a challenge.
  const bool is_challenge =
      token.size() <= kMaxTokenBytes && token.find('{') == std::string_view::npos;
  return is_challenge ? std::string(token) : std::string();
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  if (request.method == "GET") return challenge_answer(channel, request);
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) {
    return connector::Fail{.code = connector::Failure::permanent,
                           .why = "the delivery " + document.error().reason};
  }
  const Value root = document->root();
  if (!root.is_object()) {
    return connector::Fail{.code = connector::Failure::permanent,
                           .why = "the delivery is no JSON object"};
  }
  const Account account(channel);
  Events events;
  const std::vector<Value> activities =
      root["data"].is_array() ? root["data"].elements() : std::vector{root["data"]};
  bool is_x_activity = false;
  for (const Value data : activities) {
    if (!data["event_type"].is_string()) continue;
    is_x_activity = true;
    add_x_activity(account, data, events);
  }
  if (!is_x_activity) {
    const std::string own = account.user_id();
    std::string self = id_of(root["for_user_id"]);
    if (self.empty()) self = own;
    const Delivery delivery{.self = self,
                            .account = own.empty() || self == own ? std::string() : self,
                            .now_ms = channel.now_ms};
    add_activities(delivery, root, account.mentions(), events);
  }
  return connector::Received{.events = events.take(), .reply = {}};
}

std::vector<std::string> accounts(const Request& request) {
  // Nobody has verified it yet.
  constexpr sdk::json::Limits kLimits{.bytes = 1u << 20, .depth = 32, .nodes = 50'000};
  const auto document = sdk::json::Document::parse(request.body, kLimits);
  if (!document) return {};
  const Value root = document->root();
  std::vector<std::string> found;
  const auto name = [&found](Value id) {
    std::string account = id_of(id);
    const bool is_new = std::find(found.begin(), found.end(), account) == found.end();
    if (!account.empty() && is_new && found.size() < kMaxAccounts) {
      found.push_back(std::move(account));
    }
  };
  name(root["for_user_id"]);
  name(root["user_event"]["revoke"]["source"]["user_id"]);
  const std::vector<Value> activities =
      root["data"].is_array() ? root["data"].elements() : std::vector{root["data"]};
  for (const Value data : activities) {
    name(data["filter"]["user_id"]);
    if (data["event_type"].text_or("") == "oauth.revoke") name(data["payload"]["user_id"]);
  }
  return found;
}

}  // namespace x
