#include "connectors/line/receive.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"

namespace line {
namespace {

using connector::Attachment;
using connector::Event;
using connector::EventKind;
using connector::Pairs;
using sdk::json::Value;

// A fact LINE may leave out.
void add(Pairs& extra, std::string_view name, Value value) {
  if (const auto told = value.digits(); told && !told->empty()) extra.emplace_back(name, *told);
}

void add_if(Pairs& extra, std::string_view name, Value value) {
  if (value.boolean().value_or(false)) extra.emplace_back(name, "1");
}

// Where it happened and who did it. In a group and a room the conversation is with all of them, and
// a member speaks; LINE leaves out the member who has not agreed to be named.
void set_source(Event& event, Value source) {
  const std::string user(source["userId"].text_or(""));
  for (const std::string_view many : {"groupId", "roomId"}) {
    if (const auto id = source[many].text()) {
      event.thread = event.contact = *id;
      event.sender = user;
      return;
    }
  }
  event.thread = event.contact = user;
}

// The bytes are LINE's, to be fetched by the message's id, or lie where an app put them.
Attachment media(std::string_view kind, Value message) {
  Attachment attachment{.kind = std::string(kind)};
  const Value provider = message["contentProvider"];
  if (provider["type"].text_or("line") == "external") {
    attachment.url = provider["originalContentUrl"].text_or("");
  } else {
    attachment.media_id = message["id"].digits().value_or("");
  }
  add(attachment.extra, "duration_ms", message["duration"]);
  return attachment;
}

Attachment file(Value message) {
  Attachment attachment = media("file", message);
  attachment.file_name = message["fileName"].text_or("");
  attachment.size = message["fileSize"].integer().value_or(-1);
  return attachment;
}

Attachment location(Value message) {
  Attachment attachment{.kind = "location"};
  for (const std::string_view name : {"latitude", "longitude", "title", "address"}) {
    add(attachment.extra, name, message[name]);
  }
  return attachment;
}

Attachment sticker(Value message) {
  Attachment attachment{.kind = "sticker"};
  add(attachment.extra, "package_id", message["packageId"]);
  add(attachment.extra, "sticker_id", message["stickerId"]);
  add(attachment.extra, "resource_type", message["stickerResourceType"]);
  std::string keywords;
  for (const Value keyword : message["keywords"].elements()) {
    if (!keywords.empty()) keywords += ", ";
    keywords += keyword.text_or("");
  }
  if (!keywords.empty()) attachment.extra.emplace_back("keywords", std::move(keywords));
  return attachment;
}

void read_message(Event& event, Value message) {
  event.kind = EventKind::message;
  event.message = message["id"].digits().value_or("");
  event.text = message["text"].text_or("");
  event.reply_to = message["quotedMessageId"].digits().value_or("");
  const std::string_view type = message["type"].text_or("");
  if (type == "image" || type == "video" || type == "audio") {
    event.attachments.push_back(media(type, message));
  } else if (type == "file") {
    event.attachments.push_back(file(message));
  } else if (type == "location") {
    event.attachments.push_back(location(message));
  } else if (type == "sticker") {
    event.attachments.push_back(sticker(message));
  } else if (type != "text") {
    event.extra.emplace_back("unsupported", type.empty() ? "message" : type);
  }
  add(event.extra, "image_set", message["imageSet"]["id"]);
  add(event.extra, "image_set_index", message["imageSet"]["index"]);
  add(event.extra, "image_set_total", message["imageSet"]["total"]);
  for (const Value mentioned : message["mention"]["mentionees"].elements()) {
    add_if(event.extra, "mentions_us", mentioned["isSelf"]);
  }
  // What a quoting answer and a read mark need; neither expires.
  add(event.extra, "quote_token", message["quoteToken"]);
  add(event.extra, "mark_as_read_token", message["markAsReadToken"]);
}

// A line in the conversation that nobody wrote.
void become_notice(Event& event, std::string text) {
  event.kind = EventKind::notice;
  event.text = std::move(text);
}

void become_state(Event& event, EventKind kind, std::string_view state) {
  event.kind = kind;
  event.state = state;
}

// One notice per member, each with a key of its own.
std::vector<Event> members(const Event& common, Value people, std::string_view what) {
  std::vector<Event> events;
  for (const Value one : people.elements()) {
    Event event = common;
    event.sender = one["userId"].text_or("");
    event.key += ":" + (event.sender.empty() ? std::to_string(events.size()) : event.sender);
    become_notice(event, std::string(what));
    events.push_back(std::move(event));
  }
  if (events.empty()) events.push_back(common);
  return events;
}

void read_postback(Event& event, Value postback) {
  // LINE does not tell under which message the button stood, so `message` stays empty.
  event.kind = EventKind::callback;
  event.text = postback["data"].text_or("");
  for (const auto& [name, value] : postback["params"].members()) {
    add(event.extra, "params." + std::string(name), value);
  }
}

// A video of ours was watched to its end. A send makes the tracking id an alias of its message.
void read_watched(Event& event, Value watched) {
  event.message = watched["trackingId"].text_or("");
  if (!event.message.empty()) become_state(event, EventKind::status, "read");
}

void read_link(Event& event, Value link) {
  const bool linked = link["result"].text_or("") == "ok";
  become_notice(event, linked ? "Account linked" : "Account could not be linked");
  add(event.extra, "link_nonce", link["nonce"]);
}

void read_membership(Event& event, Value membership) {
  const std::string type(membership["type"].text_or("changed"));
  become_notice(event, "Membership: " + type);
  add(event.extra, "membership_id", membership["membershipId"]);
}

bool read_account(Event& event, std::string_view type) {
  using Named = std::pair<std::string_view, std::string_view>;
  for (const auto& [name, state] :
       {Named{"activated", "active"}, Named{"deactivated", "standby"},
        Named{"botSuspended", "suspended"}, Named{"botResumed", "active"}}) {
    if (type != name) continue;
    become_state(event, EventKind::account_state, state);
    return true;
  }
  return false;
}

// Every event has an id that its redeliveries repeat. One without is told by all it says.
std::string key_of(Value item) {
  const std::string_view id = item["webhookEventId"].text_or("");
  return id.empty() ? "sha256:" + sdk::hex(sdk::sha256(item.dump())) : std::string(id);
}

std::vector<Event> events_of(Value item) {
  Event event{.kind = EventKind::unknown};
  event.sent_ms = item["timestamp"].integer().value_or(0);
  event.key = key_of(item);
  set_source(event, item["source"]);
  // Another bot answers in this chat now; what is said is told all the same.
  if (item["mode"].text_or("") == "standby") event.extra.emplace_back("mode", "standby");

  const std::string_view type = item["type"].text_or("");
  if (read_account(event, type)) return {event};
  // The rest is about a conversation. Without one nothing can be said of it.
  if (event.thread.empty()) return {event};
  if (type == "message" && !item["message"]["id"].digits().value_or("").empty()) {
    read_message(event, item["message"]);
  } else if (type == "unsend") {
    event.kind = EventKind::deleted;
    event.message = item["unsend"]["messageId"].digits().value_or("");
  } else if (type == "follow") {
    become_state(event, EventKind::contact_state, "active");
    add_if(event.extra, "is_unblocked", item["follow"]["isUnblocked"]);
  } else if (type == "unfollow") {
    become_state(event, EventKind::contact_state, "blocked");
  } else if (type == "join") {
    become_state(event, EventKind::contact_state, "active");
  } else if (type == "leave") {
    become_state(event, EventKind::contact_state, "left");
  } else if (type == "memberJoined") {
    return members(event, item["joined"]["members"], "Joined the chat");
  } else if (type == "memberLeft") {
    return members(event, item["left"]["members"], "Left the chat");
  } else if (type == "postback") {
    read_postback(event, item["postback"]);
  } else if (type == "videoPlayComplete") {
    read_watched(event, item["videoPlayComplete"]);
  } else if (type == "accountLink") {
    read_link(event, item["link"]);
  } else if (type == "membership") {
    read_membership(event, item["membership"]);
  }
  return {event};
}

}  // namespace

connector::ReceiveResult receive(const connector::Channel&, const connector::Request& request) {
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) return connector::Fail{.why = "a delivery that " + document.error().reason};
  const Value events = document->root()["events"];
  if (!events.is_array()) return connector::Fail{.why = "a delivery without a list of events"};
  // An empty list is LINE asking whether anybody is there; the empty 200 is the answer.
  connector::Received received;
  for (const Value item : events.elements()) {
    for (Event& event : events_of(item)) received.events.push_back(std::move(event));
  }
  return received;
}

}  // namespace line
