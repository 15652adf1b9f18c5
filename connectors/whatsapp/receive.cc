#include "connectors/whatsapp/receive.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "connectors/sdk/meta.h"
#include "connectors/sdk/text.h"
#include "connectors/whatsapp/change.h"
#include "connectors/whatsapp/content.h"
#include "connectors/whatsapp/graph.h"
#include "connectors/whatsapp/people.h"

namespace whatsapp {
namespace {

using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Pairs;
using sdk::json::Value;

// What the gateway takes of one delivery.
constexpr std::size_t kMaxEvents = 1000;
constexpr std::int64_t kDayMs = 24 * 60 * 60 * 1000;

void add_person(Pairs& extra, const Person& person) {
  add(extra, "wa_id", person.wa_id);
  add(extra, "user_id", person.user_id);
  add(extra, "parent_user_id", person.parent_user_id);
  add(extra, "username", person.username);
}

// The contact is who the thread is with; in a group that is the group, and the person speaks.
void set_people(Event& event, const Person& person, std::string_view group) {
  if (group.empty()) {
    event.thread = event.contact = id_of(person);
    event.contact_name = person.name;
  } else {
    event.thread = event.contact = group_thread(group);
    event.sender = id_of(person);
    event.sender_name = person.name;
  }
  add_person(event.extra, person);
}

enum class Author { contact, business };

// Turns one delivery into events, in the order of the delivery.
class Reader {
 public:
  Reader(const Channel& channel, Value root) : channel_(channel), root_(root) {}

  std::vector<Event> read() {
    count_content();
    for (const Value entry : root_["entry"].elements()) {
      for (const Value change : entry["changes"].elements()) {
        read_change(change_of(channel_, entry, change));
      }
    }
    if (left_out_ > 0) events_.push_back(left_out());
    return std::move(events_);
  }

 private:
  // Moves of threads are dropped before anything else is: the next message brings them again.
  void count_content() {
    std::size_t content = 0;
    for (const Value entry : root_["entry"].elements()) {
      for (const Value change : entry["changes"].elements()) {
        std::size_t listed = 0;
        for (const std::string_view list : {"messages", "statuses", "message_echoes", "errors",
                                            "calls", "user_preferences", "groups"}) {
          listed += change["value"][list].size();
        }
        content += std::max<std::size_t>(listed, 1);
      }
    }
    limit_ = content > kMaxEvents ? kMaxEvents - 1 : kMaxEvents;
    moves_left_ = content < kMaxEvents ? kMaxEvents - content : 0;
  }

  // What is said twice in one delivery counts once.
  void emit(Event event) {
    if (!keys_.insert(event.key).second) return;
    if (events_.size() < limit_) {
      events_.push_back(std::move(event));
    } else {
      ++left_out_;
    }
  }

  Event left_out() const {
    Event event{.kind = EventKind::unknown};
    event.key = events_.front().key + ":and " + std::to_string(left_out_) + " more";
    event.extra = {{"left_out", std::to_string(left_out_)}};
    return event;
  }

  void read_change(const Change& change) {
    const std::string_view field = change.field;
    if (!change.value.is_object()) return emit(unknown(change, "", change.value));
    if (field == "messages" || field == "smb_message_echoes" || field == "message_echoes") {
      return read_messages(change);
    }
    if (field == "history") return read_history(change);
    if (field == "user_id_update") return read_user_id_updates(change);
    if (field == "user_preferences") return read_preferences(change);
    if (field == "calls") return read_calls(change);
    if (field.starts_with("group_")) return read_groups(change);
    if (is_account_field(field)) return emit(account_event(change));
    emit(unknown(change, "", change.value));
  }

  void read_messages(const Change& change) {
    const Value value = change.value;
    bool explained = false;
    for (const Value message : value["messages"].elements()) {
      const std::string_view type = message["type"].text_or("");
      explained |=
          message["errors"].size() == 0 && !message[type].exists() && type != "request_welcome";
      read_message(change, message, Author::contact);
    }
    for (const Value message : value["message_echoes"].elements()) {
      read_message(change, message, Author::business);
    }
    for (const Value status : value["statuses"].elements()) read_status(change, status);
    // A message that came without its content has taken the errors as the reason.
    if (!explained) {
      for (const Value error : value["errors"].elements()) emit(error_event(change, error));
    }
    constexpr std::array<std::string_view, 3> kEnvelope{"messaging_product", "metadata",
                                                        "contacts"};
    constexpr std::array<std::string_view, 4> kLists{"messages", "message_echoes", "statuses",
                                                     "errors"};
    for (const auto& [name, member] : value.members()) {
      const bool is_list = std::find(kLists.begin(), kLists.end(), name) != kLists.end();
      const bool was_read = is_list && (member.is_array() || member.is_null());
      if (!was_read && std::find(kEnvelope.begin(), kEnvelope.end(), name) == kEnvelope.end()) {
        emit(unknown(change, name, member));
      }
    }
  }

  // ---- messages

  Person author_of(const Change& change, Value message) const {
    return person_of(change.value["contacts"], message["from"], message["from_user_id"],
                     message["from_parent_user_id"]);
  }

  Person receiver_of(const Change& change, Value message) const {
    return person_of(change.value["contacts"], message["to"], message["to_user_id"],
                     message["to_parent_user_id"]);
  }

  void read_message(const Change& change, Value message, Author author) {
    const std::string_view type = message["type"].text_or("");
    const std::string id = scalar(message["id"]);
    const std::string group = scalar(message["group_id"]);
    const Person person =
        author == Author::contact ? author_of(change, message) : receiver_of(change, message);
    const bool addressed = group.empty() ? !id_of(person).empty() : is_opaque_id(group);
    if (!is_opaque_id(id)) return emit(unknown(change, type, message));
    if (type == "system" && author == Author::contact) {
      return read_system(change, message, person, id);
    }
    if (!addressed) return emit(unknown(change, type, message));

    Event event =
        event_of(change, author == Author::contact ? EventKind::message : EventKind::echo);
    event.message = id;
    event.key = key_of(change, "message", id);
    if (const std::int64_t at = milliseconds(message["timestamp"]); at > 0) event.sent_ms = at;
    set_people(event, person, group);
    if (author == Author::business) event.sender = scalar(message["from"]);
    if (!fill(change, message, event)) return emit(unknown(change, type, message));
    if (group.empty()) emit_move(change, person, event.sent_ms);
    emit(std::move(event));
  }

  // What the message says, or does to another one; false where it does not say to which.
  static bool fill(const Change& change, Value message, Event& event) {
    const std::string_view type = message["type"].text_or("");
    const Value body = message[type];
    if (type == "reaction" || type == "revoke" || type == "edit") {
      event.message = scalar(body[type == "reaction" ? "message_id" : "original_message_id"]);
    }
    if (type == "reaction") {
      event.kind = EventKind::reaction;
      // One that was taken back has an empty emoji, or none.
      event.text = scalar(body["emoji"]);
    } else if (type == "revoke") {
      event.kind = EventKind::deleted;
    } else if (type == "edit") {
      event.kind = EventKind::edited;
      set_content(event, body["message"], Value());
    } else if (type == "request_welcome") {
      event.kind = EventKind::notice;
      event.text = "The contact opened the chat for the first time";
      event.extra.emplace_back("service", type);
    } else {
      set_content(event, message, change.value["errors"]);
    }
    return is_opaque_id(event.message);
  }

  // ---- who a thread is with changes its name

  // The first message that names a person by both ids takes the thread of the phone number along to
  // the user id. Once a day and person is enough, and has the same key for every redelivery.
  void emit_move(const Change& change, const Person& person, std::int64_t at_ms) {
    if (person.wa_id.empty() || person.user_id.empty()) return;
    const std::int64_t day = at_ms / kDayMs;
    const std::string id = person.wa_id + ":" + person.user_id + ":" + std::to_string(day);
    Event moved = move(change, person.wa_id, person.user_id, id, day * kDayMs);
    if (moves_left_ == 0 || keys_.contains(moved.key)) return;
    --moves_left_;
    emit(std::move(moved));
  }

  static Event move(const Change& change, const std::string& from, const std::string& to,
                    std::string_view id, std::int64_t at_ms) {
    Event event = event_of(change, EventKind::thread_moved);
    event.thread = event.contact = from;
    event.text = to;
    event.key = key_of(change, "moved", id);
    event.sent_ms = at_ms;
    return event;
  }

  // Of several old names the first is the most likely to have a live conversation. Whether there
  // was anything to move.
  bool emit_moves(const Change& change, const std::array<std::string, 3>& from,
                  const std::string& to, const std::string& id, std::int64_t at_ms) {
    bool any = false;
    for (const std::string& old : from) {
      if (old.empty() || old == to) continue;
      emit(move(change, old, to, id + ":" + old, at_ms));
      any = true;
    }
    return any;
  }

  // "User <name> changed from <old> to <new>", where the field for the old one is missing.
  static std::string old_user_id(Value system) {
    std::string old = scalar(system["previous_user_id"]);
    if (old.empty()) {
      const std::string_view body = system["body"].text_or("");
      const std::string to = " to " + scalar(system["user_id"]);
      constexpr std::string_view kFrom = " changed from ";
      const auto at = body.rfind(kFrom);
      if (at != std::string_view::npos && body.ends_with(to) &&
          body.size() >= at + kFrom.size() + to.size()) {
        old = body.substr(at + kFrom.size(), body.size() - at - kFrom.size() - to.size());
      }
    }
    return is_user_id(old) ? old : std::string();
  }

  // https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference
  // /messages/system (read 2026-11-21).
  void read_system(const Change& change, Value message, const Person& person,
                   const std::string& id) {
    const Value system = message["system"];
    const std::string type = scalar(system["type"]);
    const std::int64_t at_ms = milliseconds(message["timestamp"]);
    if (type.ends_with("_changed_number") || type == "user_changed_user_id") {
      const std::string user_id = scalar(system["user_id"]);
      const std::string wa_id =
          scalar(system["wa_id"].exists() ? system["wa_id"] : system["new_wa_id"]);
      const std::string to = is_user_id(user_id) ? user_id : is_wa_id(wa_id) ? wa_id : "";
      const std::array<std::string, 3> from{old_user_id(system), person.user_id, person.wa_id};
      if (!to.empty() && emit_moves(change, from, to, id, at_ms)) return;
    }
    if (id_of(person).empty()) return emit(unknown(change, type, message));
    Event event = event_of(change, EventKind::notice);
    event.message = id;
    event.key = key_of(change, "message", id);
    if (at_ms > 0) event.sent_ms = at_ms;
    set_people(event, person, "");
    event.text = system["body"].text_or("");
    if (event.text.empty()) event.text = "WhatsApp reported a change of this contact";
    event.extra.emplace_back("service", type.empty() ? "system" : type);
    add_scalars(event.extra, "identity", message["identity"]);
    emit(std::move(event));
  }

  void read_user_id_updates(const Change& change) {
    const std::vector<Value> updates = change.value["user_id_update"].elements();
    if (updates.empty()) return emit(unknown(change, "", change.value));
    for (const Value update : updates) {
      const std::string to = scalar(update["user_id"]["current"]);
      const std::string previous = scalar(update["user_id"]["previous"]);
      const std::string wa_id = scalar(update["wa_id"]);
      const std::array<std::string, 3> from{is_user_id(previous) ? previous : "",
                                            is_wa_id(wa_id) ? wa_id : "", ""};
      if (!is_user_id(to) || !emit_moves(change, from, to, to, milliseconds(update["timestamp"]))) {
        emit(unknown(change, "", update));
      }
    }
  }

  // ---- what became of our messages

  static std::string_view state_of(std::string_view status) {
    // Voice messages and videos that were played have been read before.
    if (status == "played") return "read";
    constexpr std::array<std::string_view, 4> kStates{"sent", "delivered", "read", "failed"};
    const auto found = std::find(kStates.begin(), kStates.end(), status);
    return found == kStates.end() ? std::string_view() : *found;
  }

  void read_status(const Change& change, Value status) {
    const std::string id = scalar(status["id"]);
    const std::string name = scalar(status["status"]);
    const bool is_deletion = name == "deleted";
    if (!is_opaque_id(id) || (state_of(name).empty() && !is_deletion)) {
      return emit(unknown(change, name, status));
    }
    Event event = event_of(change, is_deletion ? EventKind::deleted : EventKind::status);
    event.message = id;
    event.state = is_deletion ? "" : state_of(name);
    if (const std::int64_t at = milliseconds(status["timestamp"]); at > 0) event.sent_ms = at;
    const bool in_group = scalar(status["recipient_type"]) == "group";
    const Person person =
        in_group ? person_of(change.value["contacts"], status["recipient_participant_id"],
                             status["recipient_participant_user_id"],
                             status["recipient_participant_parent_user_id"])
                 : person_of(change.value["contacts"], status["recipient_id"],
                             status["recipient_user_id"], status["recipient_parent_user_id"]);
    set_people(event, person, in_group ? scalar(status["recipient_id"]) : std::string());
    event.key = key_of(change, "status", id + ":" + name);
    if (in_group) event.key += ":" + id_of(person);
    if (name == "played") event.extra.emplace_back("played", "1");
    add(event.extra, "message_key", scalar(status["biz_opaque_callback_data"]));
    if (const Value errors = status["errors"]; errors.size() > 0) {
      event.code = scalar(errors.at(0)["code"]);
      event.text = words_of(errors.at(0));
      add_errors(event.extra, errors);
    }
    add_scalars(event.extra, "pricing", status["pricing"]);
    add_scalars(event.extra, "conversation", status["conversation"]);
    emit(std::move(event));
  }

  // ---- the phone app's past

  // Up to six months of chats, told once when a number of the phone app is connected. As messages
  // they would be thousands of unread ones of conversations that are over, so they are kept as they
  // came and shown to nobody.
  void read_history(const Change& change) {
    const std::vector<Value> chunks = change.value["history"].elements();
    for (const Value chunk : chunks) {
      for (const Value error : chunk["errors"].elements()) emit(error_event(change, error));
      if (chunk["threads"].size() == 0) continue;
      Event event = unknown(change, "chunk", chunk);
      event.extra.emplace_back("history", "1");
      add_scalars(event.extra, "", chunk["metadata"]);
      std::size_t messages = 0;
      for (const Value thread : chunk["threads"].elements()) messages += thread["messages"].size();
      event.extra.emplace_back("threads", std::to_string(chunk["threads"].size()));
      event.extra.emplace_back("messages", std::to_string(messages));
      emit(std::move(event));
    }
    // Files of these chats come later, as messages of the same field.
    if (chunks.empty()) {
      Event event = unknown(change, "media", change.value);
      event.extra.emplace_back("history", "1");
      emit(std::move(event));
    }
  }

  // ---- the rest

  void read_preferences(const Change& change) {
    const std::vector<Value> preferences = change.value["user_preferences"].elements();
    if (preferences.empty()) return emit(unknown(change, "", change.value));
    for (const Value preference : preferences) {
      Event event = unknown(change, scalar(preference["category"]), preference);
      const Person person = person_of(change.value["contacts"], preference["wa_id"],
                                      preference["user_id"], preference["parent_user_id"]);
      set_people(event, person, "");
      event.text = preference["detail"].text_or("");
      event.state = scalar(preference["value"]);
      if (const auto at = milliseconds(preference["timestamp"]); at > 0) event.sent_ms = at;
      emit(std::move(event));
    }
  }

  void read_calls(const Change& change) {
    const std::vector<Value> calls = change.value["calls"].elements();
    const std::vector<Value> statuses = change.value["statuses"].elements();
    if (calls.empty() && statuses.empty()) return emit(unknown(change, "", change.value));
    for (const Value call : calls) {
      const bool is_ours = scalar(call["direction"]) == "BUSINESS_INITIATED";
      emit_call(change, call, is_ours ? receiver_of(change, call) : author_of(change, call));
    }
    for (const Value status : statuses) {
      emit_call(change, status,
                person_of(change.value["contacts"], status["recipient_id"],
                          status["recipient_user_id"], status["recipient_parent_user_id"]));
    }
  }

  void emit_call(const Change& change, Value call, const Person& person) {
    Event event = unknown(change, "call", call);
    set_people(event, person, "");
    event.state = scalar(call["event"].exists() ? call["event"] : call["status"]);
    if (const auto at = milliseconds(call["timestamp"]); at > 0) event.sent_ms = at;
    for (const std::string_view name : {"id", "direction", "status", "duration"}) {
      add(event.extra, name, scalar(call[name]));
    }
    emit(std::move(event));
  }

  static std::string names_of(Value people) {
    std::string names;
    for (const Value one : people.elements()) {
      if (names.size() > 500) return names + ", ...";
      std::string name = scalar(one["username"]);
      if (name.empty()) name = scalar(one["wa_id"].exists() ? one["wa_id"] : one["input"]);
      if (name.empty()) name = scalar(one["user_id"]);
      if (!name.empty()) names += (names.empty() ? "" : ", ") + name;
    }
    return names.empty() ? "Somebody" : names;
  }

  static std::string sentence_of(Value group) {
    const std::string type = scalar(group["type"]);
    if (group["errors"].size() > 0) return {};
    if (type == "group_create") return "The group \"" + scalar(group["subject"]) + "\" was created";
    if (type == "group_delete") return "The group was deleted";
    if (type == "group_participants_add") return names_of(group["added_participants"]) + " joined";
    if (type == "group_participants_remove") {
      return names_of(group["removed_participants"]) + " left";
    }
    if (type == "group_join_request_created") return "Somebody asks to join";
    if (type == "group_join_request_revoked") return "Somebody no longer asks to join";
    if (type == "group_suspend") return "WhatsApp suspended the group";
    if (type == "group_suspend_cleared") return "The group is no longer suspended";
    if (type == "group_settings_update") return "The settings of the group changed";
    return {};
  }

  // https://developers.facebook.com/documentation/business-messaging/whatsapp/groups/webhooks (read
  // 2026-11-21).
  void read_groups(const Change& change) {
    const std::vector<Value> groups = change.value["groups"].elements();
    if (groups.empty()) return emit(unknown(change, "", change.value));
    for (const Value group : groups) {
      const std::string id = scalar(group["group_id"]);
      const std::string sentence = sentence_of(group);
      if (!is_opaque_id(id) || sentence.empty()) {
        emit(unknown(change, scalar(group["type"]), group));
        continue;
      }
      Event event = event_of(change, EventKind::notice);
      event.thread = event.contact = group_thread(id);
      event.contact_name = scalar(group["subject"]);
      event.key = content_key(change, "group", group);
      event.text = sentence;
      if (const auto at = milliseconds(group["timestamp"]); at > 0) event.sent_ms = at;
      event.extra.emplace_back("service", scalar(group["type"]));
      add_scalars(event.extra, "", group);
      emit(std::move(event));
    }
  }

  const Channel& channel_;
  const Value root_;
  std::vector<Event> events_;
  std::set<std::string> keys_;
  std::size_t limit_ = kMaxEvents;
  std::size_t moves_left_ = 0;
  std::size_t left_out_ = 0;
};

Fail not_understood(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }

}  // namespace

connector::ReceiveResult receive(const Channel& channel, const connector::Request& request) {
  if (auto reply = connector::meta::handshake_reply(request)) {
    return connector::Received{.events = {}, .reply = std::move(reply)};
  }
  const auto document = sdk::json::Document::parse(request.body, kDeliveryLimits);
  if (!document) return not_understood("the delivery " + document.error().reason);
  const Value root = document->root();
  if (!root["entry"].is_array()) return not_understood("the delivery has no entries");
  if (const auto object = root["object"].text(); object && *object != "whatsapp_business_account") {
    return not_understood("the delivery is not about WhatsApp");
  }
  return connector::Received{.events = Reader(channel, root).read(), .reply = {}};
}

}  // namespace whatsapp
