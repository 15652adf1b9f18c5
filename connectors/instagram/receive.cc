#include "connectors/instagram/receive.h"

#include <algorithm>
#include <array>
#include <optional>

#include "connectors/instagram/account.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/meta.h"

namespace instagram {
namespace {

using connector::Attachment;
using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Request;
using sdk::json::Document;
using sdk::json::Value;

// Samples and old payloads carry seconds where the documents say milliseconds.
constexpr std::int64_t kLeastMilliseconds = 100'000'000'000;

std::string text_of(Value value) { return std::string(value.text_or("")); }
std::string id_of(Value value) { return std::string(value.digits().value_or("")); }
bool is_true(Value value) { return value.boolean().value_or(false); }

std::int64_t milliseconds(Value time) {
  std::int64_t value = time.integer().value_or(0);
  if (value == 0) {
    for (const char c : time.text_or("")) {
      if (c < '0' || c > '9' || value > kLeastMilliseconds * 1000) return 0;
      value = value * 10 + (c - '0');
    }
  }
  return value > 0 && value < kLeastMilliseconds ? value * 1000 : value;
}

void put(connector::Pairs& extra, std::string name, Value value) {
  if (const auto digits = value.digits(); digits && !digits->empty()) {
    extra.emplace_back(std::move(name), *digits);
  }
}

void put_referral(connector::Pairs& extra, Value referral) {
  for (const std::string_view name : {"ref", "source", "type", "ad_id", "referer_uri"}) {
    put(extra, "referral_" + std::string(name), referral[name]);
  }
  put(extra, "referral_product", referral["product"]["id"]);
  for (const std::string_view name : {"ad_title", "photo_url", "video_url", "post_id"}) {
    put(extra, "referral_" + std::string(name), referral["ads_context_data"][name]);
  }
}

// Instagram asks that stories are shown from its own servers and not kept.
bool is_story(std::string_view type) { return type == "story_mention" || type == "ig_story"; }
bool is_shared_post(std::string_view type) {
  return type == "ig_post" || type == "ig_reel" || type == "reel";
}

std::string kind_of(std::string_view type) {
  if (type == "image" || type == "video" || type == "audio") return std::string(type);
  if (type == "like_heart" || type == "sticker") return "sticker";
  return "file";  // what it is shows when it is fetched
}

Attachment attachment_of(Value item) {
  const std::string_view type = item["type"].text_or("");
  const Value payload = item["payload"];
  Attachment attachment{.kind = kind_of(type)};
  // The links die within days or with the story, so the bytes are fetched.
  (is_story(type) ? attachment.url : attachment.media_id) = text_of(payload["url"]);
  if (attachment.kind != type) attachment.extra.emplace_back("shared", type);
  put(attachment.extra, "title", payload["title"]);
  put(attachment.extra, "post_id", payload["ig_post_media_id"]);
  put(attachment.extra, "reel_id", payload["reel_video_id"]);
  return attachment;
}

// One shared post may come both as "share" and as what it is.
bool says_the_same(Value share, Value message) {
  for (const Value other : message["attachments"].elements()) {
    const std::string_view type = other["type"].text_or("");
    if (!is_shared_post(type) && !is_story(type)) continue;
    const auto url = other["payload"]["url"].text();
    if (!url || url == share["payload"]["url"].text()) return true;
  }
  return false;
}

void add_template(Event& event, Value payload) {
  for (const Value element : payload["generic"]["elements"].elements()) {
    for (const std::string_view name : {"title", "subtitle"}) {
      const std::string_view words = element[name].text_or("");
      if (!words.empty()) event.text += (event.text.empty() ? "" : "\n") + std::string(words);
    }
  }
  if (event.text.empty()) event.extra.emplace_back("unsupported", "template");
}

void add_attachments(Event& event, Value message) {
  for (const Value item : message["attachments"].elements()) {
    const std::string_view type = item["type"].text_or("");
    if (type == "template") {
      add_template(event, item["payload"]);
    } else if (type == "unsupported_type") {
      event.extra.emplace_back("unsupported", "message");
    } else if (type != "share" || !says_the_same(item, message)) {
      event.attachments.push_back(attachment_of(item));
    }
  }
  if (is_true(message["is_unsupported"]) && event.attachments.empty() &&
      !connector::find(event.extra, "unsupported")) {
    event.extra.emplace_back("unsupported", "message");
  }
}

void add_reply(Event& event, Value reply) {
  event.reply_to = text_of(reply["mid"]);
  const Value story = reply["story"];
  if (!story.is_object()) return;
  put(event.extra, "reply_to_story", story["id"]);
  event.attachments.push_back(
      {.kind = "file", .url = text_of(story["url"]), .extra = {{"shared", "story"}}});
}

// One item of messaging[] or standby[]: who, when, and one key that says what.
class Item {
 public:
  Item(const Channel& channel, std::string_view entry, Value value, bool standby)
      : value_(value), standby_(standby) {
    const std::string sender = id_of(value["sender"]["id"]);
    const std::string recipient = id_of(value["recipient"]["id"]);
    // Who of the two is the account: the entry says it, else the flag of an echo.
    from_account_ = is_true(value["message"]["is_echo"]) ||
                    (!sender.empty() && sender == entry && recipient != entry);
    event_.contact = from_account_ ? recipient : sender;
    event_.sender = sender == event_.contact ? std::string() : sender;
    account_ = entry;
    const std::string& ours = from_account_ ? sender : recipient;
    if (!is_own(channel, entry) && (ours.empty() || !is_own(channel, ours))) {
      event_.account = entry;
    }
    event_.thread = event_.contact;
    event_.sent_ms = milliseconds(value["timestamp"]);
    if (!event_.contact.empty()) event_.contact_name = placeholder_name(event_.contact);
  }

  Event event() && {
    if (value_["message"].is_object()) {
      read_message(value_["message"]);
    } else if (value_["reaction"].is_object()) {
      read_reaction(value_["reaction"]);
    } else if (value_["read"].is_object()) {
      read_seen(value_["read"]);
    } else if (value_["postback"].is_object()) {
      read_postback(value_["postback"]);
    } else if (value_["message_edit"].is_object()) {
      read_edit(value_["message_edit"]);
    } else if (value_["referral"].is_object()) {
      read_referral(value_["referral"]);
    } else if (!read_notice()) {
      become_unknown();
    }
    // Whoever writes has agreed that the profile is read.
    const bool is_customers =
        event_.kind == EventKind::message || event_.kind == EventKind::callback;
    if (is_customers && event_.account.empty()) event_.extra.emplace_back("acknowledge", "1");
    if (standby_) event_.extra.emplace_back("standby", "1");
    return std::move(event_);
  }

 private:
  // A mid stands for the message, its echo, its removal, its reactions and the read mark alike.
  void identify(std::string_view kind, std::string_view mid, std::string_view more = "") {
    event_.key = account_ + ":" + std::string(kind) + ":" + std::string(mid);
    if (!more.empty()) event_.key += ":" + std::string(more);
  }
  std::string time() const { return std::to_string(event_.sent_ms); }

  // Kept as it came, until somebody knows what it is.
  void become_unknown() {
    event_.kind = EventKind::unknown;
    event_.key.clear();
    event_.text.clear();
    event_.attachments.clear();
    event_.key = account_ + ":unknown:" + value_.dump();
  }

  void read_message(Value message) {
    event_.message = text_of(message["mid"]);
    if (event_.message.empty() || event_.contact.empty() || is_true(message["is_self"])) {
      return become_unknown();
    }
    if (is_true(message["is_deleted"])) {
      event_.kind = EventKind::deleted;
      return identify("deleted", event_.message);
    }
    event_.kind = from_account_ ? EventKind::echo : EventKind::message;
    identify("message", event_.message);
    event_.text = text_of(message["text"]);
    put(event_.extra, "quick_reply", message["quick_reply"]["payload"]);
    put(event_.extra, "app_id", message["app_id"]);
    add_reply(event_, message["reply_to"]);
    add_attachments(event_, message);
    put_referral(event_.extra, message["referral"]);
  }

  void read_reaction(Value reaction) {
    event_.kind = EventKind::reaction;
    event_.message = text_of(reaction["mid"]);
    if (event_.message.empty() || event_.contact.empty()) return become_unknown();
    const std::string_view action = reaction["action"].text_or("");
    if (action == "react") {
      event_.text = reaction["emoji"].text_or(emoji_of(reaction["reaction"].text_or("")));
    }
    event_.sender = from_account_ ? event_.sender : event_.contact;
    identify("reaction", event_.message, std::string(action) + ":" + time());
  }

  static std::string_view emoji_of(std::string_view reaction) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNames{{
        {"love", "\u2764\uFE0F"},
        {"smile", "\U0001F606"},
        {"angry", "\U0001F620"},
        {"sad", "\U0001F622"},
        {"wow", "\U0001F62E"},
        {"like", "\U0001F44D"},
        {"dislike", "\U0001F44E"},
    }};
    for (const auto& [name, emoji] : kNames) {
      if (name == reaction) return emoji;
    }
    return "\u2764\uFE0F";
  }

  // "Seen" speaks of everything up to the message it names.
  void read_seen(Value read) {
    event_.kind = EventKind::status;
    event_.state = "read";
    event_.message = text_of(read["mid"]);
    if (event_.message.empty()) return become_unknown();
    event_.extra.emplace_back("up_to", "1");
    identify("read", event_.message);
  }

  void read_postback(Value postback) {
    if (event_.contact.empty()) return become_unknown();
    event_.kind = EventKind::callback;
    const std::string payload = text_of(postback["payload"]);
    event_.text = postback["title"].text_or(payload);
    event_.extra.emplace_back("payload", payload);
    put_referral(event_.extra, postback["referral"]);
    const std::string mid = text_of(postback["mid"]);
    identify("postback", mid.empty() ? event_.contact + ":" + time() : mid,
             mid.empty() ? payload : "");
  }

  void read_edit(Value edit) {
    event_.kind = EventKind::edited;
    event_.message = text_of(edit["mid"]);
    // Seen in the wild without a sender and a text: then nothing is known of the new content.
    if (event_.message.empty() || event_.contact.empty() || !edit["text"].text()) {
      return become_unknown();
    }
    event_.text = text_of(edit["text"]);
    put(event_.extra, "edits", edit["num_edit"]);
    identify("edited", event_.message, edit["num_edit"].digits().value_or(time()));
  }

  void read_referral(Value referral) {
    if (event_.contact.empty()) return become_unknown();
    event_.kind = EventKind::notice;
    const std::string_view ref = referral["ref"].text_or("");
    event_.text = "Came by a link" + (ref.empty() ? std::string() : ": " + std::string(ref));
    put_referral(event_.extra, referral);
    event_.message = "referral:" + event_.contact + ":" + time();
    identify("referral", event_.contact, time() + ":" + std::string(ref));
  }

  // Handing a conversation over, and the consent to be written to.
  bool read_notice() {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kNotices{{
        {"pass_thread_control", "Another app was given the conversation"},
        {"take_thread_control", "Another app has taken the conversation"},
        {"request_thread_control", "Another app asks for the conversation"},
        {"app_roles", "The roles of the connected apps changed"},
        {"optin", "The customer agreed to be written to"},
    }};
    if (event_.contact.empty()) return false;
    for (const auto& [name, words] : kNotices) {
      const Value found = value_[name];
      if (!found.exists()) continue;
      event_.kind = EventKind::notice;
      event_.text = words;
      put(event_.extra, "previous_owner_app_id", found["previous_owner_app_id"]);
      put(event_.extra, "new_owner_app_id", found["new_owner_app_id"]);
      put(event_.extra, "metadata", found["metadata"]);
      event_.message = std::string(name) + ":" + event_.contact + ":" + time();
      identify(name, event_.contact, time());
      return true;
    }
    return false;
  }

  const Value value_;
  const bool standby_;
  bool from_account_ = false;
  std::string account_;
  Event event_;
};

// A comment is answered in private, so it begins a conversation of its own.
Event comment_event(const Channel& channel, const std::string& entry, std::int64_t entry_ms,
                    std::string_view field, Value value) {
  Event event{.kind = EventKind::message};
  event.message = id_of(value["id"]);
  event.contact = id_of(value["from"]["id"]);
  const bool is_comment = field == "comments" || field == "live_comments";
  if (!is_own(channel, entry)) event.account = entry;
  if (!is_comment || event.message.empty() || event.contact.empty()) {
    return {.kind = EventKind::unknown,
            .account = event.account,
            .key = entry + ":" + std::string(field) + ":" + value.dump()};
  }
  event.thread = std::string(kCommentThread) + event.message;
  event.key = entry + ":comment:" + event.message;
  event.contact_name = value["from"]["username"].text_or(placeholder_name(event.contact));
  event.text = text_of(value["text"]);
  event.sent_ms = entry_ms;
  event.reply_to = id_of(value["parent_id"]);
  event.extra.emplace_back("comment", field);
  put(event.extra, "media_id", value["media"]["id"]);
  put(event.extra, "media_type", value["media"]["media_product_type"]);
  if (!channel.kept(kAccount).empty() && is_own(channel, event.contact)) {
    event.kind = EventKind::echo;
  }
  return event;
}

void read_change(const Channel& channel, const std::string& entry, std::int64_t entry_ms,
                 Value change, std::vector<Event>& events) {
  const std::string_view field = change["field"].text_or("");
  const Value value = change["value"];
  // What the dashboard's test button sends: an item of messaging[] in another place.
  if (value["sender"].is_object() || value["recipient"].is_object()) {
    events.push_back(Item(channel, entry, value, false).event());
  } else {
    events.push_back(comment_event(channel, entry, entry_ms, field, value));
  }
}

void read_entry(const Channel& channel, Value entry, std::vector<Event>& events) {
  const std::string id = id_of(entry["id"]);
  const std::int64_t time_ms = milliseconds(entry["time"]);
  const std::size_t before = events.size();
  for (const Value item : entry["messaging"].elements()) {
    events.push_back(Item(channel, id, item, false).event());
  }
  for (const Value item : entry["standby"].elements()) {
    events.push_back(Item(channel, id, item, true).event());
  }
  for (const Value change : entry["changes"].elements()) {
    read_change(channel, id, time_ms, change, events);
  }
  if (entry["field"].exists()) read_change(channel, id, time_ms, entry, events);
  if (events.size() == before) {
    Event unknown{.kind = EventKind::unknown, .key = id + ":entry:" + entry.dump()};
    if (!is_own(channel, id)) unknown.account = id;
    events.push_back(std::move(unknown));
  }
}

// Two equal events in one delivery are told apart by their place in it, which every repetition of
// the delivery shares.
void tell_apart(std::vector<Event>& events) {
  std::vector<std::string> seen;
  for (Event& event : events) {
    const auto times = std::count(seen.begin(), seen.end(), event.key);
    seen.push_back(event.key);
    if (times > 0) event.key += "#" + std::to_string(times);
  }
}

}  // namespace

// The customer's name comes with a profile that no delivery carries.
std::string placeholder_name(std::string_view igsid) {
  return "Instagram user " +
         std::string(igsid.substr(igsid.size() - std::min<std::size_t>(igsid.size(), 4)));
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  if (auto reply = connector::meta::handshake_reply(request)) {
    return connector::Received{.events = {}, .reply = std::move(reply)};
  }
  const auto document = Document::parse(request.body);
  if (!document) return Fail{.why = "a delivery that is no JSON: " + document.error().reason};
  const Value root = document->root();
  if (root["object"].text_or("") != "instagram") {
    return Fail{.why = "a delivery for another product than Instagram"};
  }
  connector::Received received;
  for (const Value entry : root["entry"].elements()) read_entry(channel, entry, received.events);
  tell_apart(received.events);
  return received;
}

std::vector<std::string> accounts(const Request& request) {
  std::vector<std::string> found;
  const auto add = [&](std::string id) {
    if (!id.empty() && std::find(found.begin(), found.end(), id) == found.end()) {
      found.push_back(std::move(id));
    }
  };
  if (const auto handshake = connector::meta::handshake_account(request)) return {*handshake};
  const auto document = Document::parse(request.body);
  if (!document) return found;
  for (const Value entry : document->root()["entry"].elements()) add(id_of(entry["id"]));
  return found;
}

}  // namespace instagram
