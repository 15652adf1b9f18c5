#include "connectors/telegram/receive.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "connectors/sdk/text.h"
#include "connectors/telegram/place.h"

namespace telegram {
namespace {

using connector::Attachment;
using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Pairs;
using sdk::json::Value;

constexpr std::size_t kMaxEvents = 1000;

// Facts about the delivery every event of it needs.
struct Update {
  std::string id;
  std::string_view kind;
  std::string_view bot;  // our own user id, once registration has told it
};

std::string text_of(Value value) { return std::string(value.text_or("")); }

// The shortest text of a scalar: strings as they are, numbers by their digits.
std::string scalar(Value value) {
  if (const auto digits = value.digits()) return std::string(*digits);
  if (const auto truth = value.boolean()) return *truth ? "1" : "0";
  return {};
}

void add(Pairs& pairs, std::string_view name, std::string value) {
  if (!value.empty()) pairs.emplace_back(name, std::move(value));
}

std::string name_of(Value user_or_chat) {
  std::string name = text_of(user_or_chat["title"]);
  if (!name.empty()) return name;
  name = text_of(user_or_chat["first_name"]);
  const std::string_view last = user_or_chat["last_name"].text_or("");
  if (!name.empty() && !last.empty()) name += ' ';
  name += last;
  return name.empty() ? text_of(user_or_chat["username"]) : name;
}

std::int64_t milliseconds(Value unix_seconds) {
  const std::int64_t seconds = unix_seconds.integer().value_or(0);
  // InaccessibleMessage has date 0; anything beyond the year 9999 is no date.
  return seconds > 0 && seconds < 253'402'300'800 ? seconds * 1000 : 0;
}

bool is_private(Value chat) { return chat["type"].text_or("") == "private"; }

// Identity of an event: update ids may restart at random after a week without traffic, so the
// number alone is not one (https://core.telegram.org/bots/api#update, read 2026-11-20).
std::string key_of(const Update& update, std::string_view chat, std::string_view rest) {
  std::string key = update.id;
  for (const std::string_view part : {update.kind, chat, rest}) {
    key += ':';
    key += part;
  }
  return key;
}

Event unknown(const Update& update, Value content) {
  Event event{.kind = EventKind::unknown};
  const Value chat = content["chat"]["id"];
  const Value number = content["message_id"].exists() ? content["message_id"] : content["date"];
  event.key = key_of(update, scalar(chat), scalar(number));
  event.sent_ms = milliseconds(content["date"]);
  event.extra = {{"update", std::string(update.kind)}};
  return event;
}

// Thread, contact and sender. In a private chat the contact is the person; a group or channel is
// itself the contact, and who speaks there is the sender.
void set_people(Event& event, const Place& place, Value chat, Value from, Value sender_chat) {
  event.thread = thread_of(place);
  event.contact = place.chat;
  event.contact_name = name_of(chat);
  const Value author = sender_chat.exists() ? sender_chat : from;
  const std::string id = scalar(author["id"]);
  if (id == event.contact) return;
  event.sender = id;
  event.sender_name = name_of(author);
}

// "text (or caption), and entities counted in UTF-16 units": links hidden behind words would be
// lost with the formatting, so they are listed.
std::string links_of(std::string_view text, Value entities) {
  constexpr std::size_t kMaxLinks = 100;
  sdk::json::Writer links;
  links.array();
  std::size_t count = 0;
  for (const Value entity : entities.elements()) {
    if (entity["type"].text_or("") != "text_link" || count == kMaxLinks) continue;
    const auto offset = entity["offset"].integer().value_or(-1);
    const auto length = entity["length"].integer().value_or(-1);
    const auto units = static_cast<std::int64_t>(text.size());
    if (offset < 0 || length <= 0 || offset > units || length > units) continue;
    const std::size_t from = sdk::utf16_offset(text, static_cast<std::size_t>(offset));
    const std::size_t to = sdk::utf16_offset(text, static_cast<std::size_t>(offset + length));
    links.object().member("text", text.substr(from, to - from));
    links.member("url", entity["url"].text_or("")).end();
    ++count;
  }
  links.end();
  return count == 0 ? std::string() : links.take();
}

void set_text(Event& event, Value text, Value entities) {
  event.text = text_of(text);
  add(event.extra, "links", links_of(event.text, entities));
}

// "/start order-99A_x", in groups "/start@shop_help_bot order-99A_x": what a deep link carried.
void set_start_payload(Event& event) {
  std::string_view rest = event.text;
  if (!rest.starts_with("/start")) return;
  const auto blank = rest.find(' ');
  const std::string_view command = rest.substr(0, blank);
  if (blank == std::string_view::npos || (command != "/start" && !command.starts_with("/start@"))) {
    return;
  }
  add(event.extra, "start_payload", std::string(sdk::trim(rest.substr(blank))));
}

Attachment file(std::string_view kind, Value media) {
  Attachment attachment{.kind = std::string(kind),
                        .media_id = text_of(media["file_id"]),
                        .mime_type = text_of(media["mime_type"]),
                        .file_name = text_of(media["file_name"]),
                        .size = media["file_size"].integer().value_or(-1)};
  for (const std::string_view name : {"file_unique_id", "width", "height", "length", "duration",
                                      "performer", "title", "emoji", "set_name"}) {
    add(attachment.extra, name, scalar(media[name]));
  }
  if (attachment.size > kMaxDownloadBytes) attachment.extra.emplace_back("too_big", "1");
  return attachment;
}

// The platform offers each size as a file of its own, ascending.
std::optional<Attachment> photo(Value sizes) {
  const std::vector<Value> all = sizes.elements();
  for (auto size = all.rbegin(); size != all.rend(); ++size) {
    if ((*size)["file_id"].text_or("").empty()) continue;
    Attachment attachment = file("image", *size);
    attachment.mime_type = "image/jpeg";
    return attachment;
  }
  return std::nullopt;
}

Attachment sticker(Value media) {
  Attachment attachment = file("sticker", media);
  if (media["is_animated"].boolean().value_or(false)) {
    attachment.mime_type = "application/x-tgsticker";
  } else {
    attachment.mime_type =
        media["is_video"].boolean().value_or(false) ? "video/webm" : "image/webp";
  }
  return attachment;
}

Attachment location(Value place) {
  Attachment attachment{.kind = "location"};
  for (const std::string_view name : {"latitude", "longitude", "horizontal_accuracy", "live_period",
                                      "heading", "proximity_alert_radius"}) {
    add(attachment.extra, name, scalar(place[name]));
  }
  return attachment;
}

Attachment venue(Value value) {
  Attachment attachment = location(value["location"]);
  for (const std::string_view name : {"title", "address", "foursquare_id", "google_place_id"}) {
    add(attachment.extra, name, scalar(value[name]));
  }
  return attachment;
}

Attachment contact(Value value, Value from) {
  Attachment attachment{.kind = "contact"};
  for (const std::string_view name :
       {"phone_number", "first_name", "last_name", "user_id", "vcard"}) {
    add(attachment.extra, name, scalar(value[name]));
  }
  const std::string id = scalar(value["user_id"]);
  // Only then the number is the sender's own; anybody can share anybody's card.
  if (!id.empty() && id == scalar(from["id"])) attachment.extra.emplace_back("own", "1");
  return attachment;
}

// One primary attachment. The order matters: Telegram sends animation and document, venue and
// location, live_photo and photo together for one thing (telegram-bot-api, Client.cpp).
std::optional<Attachment> attachment_of(Value message) {
  const auto flagged = [](Attachment attachment, std::string_view flag) {
    attachment.extra.emplace_back(flag, "1");
    return attachment;
  };
  if (!message["live_photo"]["file_id"].text_or("").empty()) {
    return flagged(file("video", message["live_photo"]), "live_photo");
  }
  if (message["animation"].is_object()) {
    return flagged(file("video", message["animation"]), "animation");
  }
  if (message["photo"].is_array()) return photo(message["photo"]);
  if (message["video"].is_object()) return file("video", message["video"]);
  if (message["video_note"].is_object()) {
    return flagged(file("video", message["video_note"]), "video_note");
  }
  if (message["audio"].is_object()) return file("audio", message["audio"]);
  if (message["voice"].is_object()) return flagged(file("audio", message["voice"]), "voice");
  if (message["document"].is_object()) return file("file", message["document"]);
  if (message["sticker"].is_object()) return sticker(message["sticker"]);
  if (message["venue"].is_object()) return venue(message["venue"]);
  if (message["location"].is_object()) return location(message["location"]);
  if (message["contact"].is_object()) return contact(message["contact"], message["from"]);
  return std::nullopt;
}

std::string names_of(Value users) {
  std::string names;
  for (const Value user : users.elements()) {
    if (!names.empty()) names += ", ";
    const std::string name = name_of(user);
    names += name.empty() ? "somebody" : name;
  }
  return names;
}

// A sentence for a service message; the key it was found by goes to `key`.
std::string notice_of(Value message, std::string& key) {
  struct Fixed {
    std::string_view key;
    std::string_view sentence;
  };
  constexpr std::array<Fixed, 29> kSentences{{
      {"new_chat_photo", "The chat's photo was changed"},
      {"delete_chat_photo", "The chat's photo was removed"},
      {"group_chat_created", "The group was created"},
      {"supergroup_chat_created", "The group was created"},
      {"channel_chat_created", "The channel was created"},
      {"pinned_message", "A message was pinned"},
      {"message_auto_delete_timer_changed", "The time after which messages vanish was changed"},
      {"forum_topic_edited", "The topic was changed"},
      {"forum_topic_closed", "The topic was closed"},
      {"forum_topic_reopened", "The topic was opened again"},
      {"general_forum_topic_hidden", "The general topic was hidden"},
      {"general_forum_topic_unhidden", "The general topic is shown again"},
      {"video_chat_scheduled", "A video chat was scheduled"},
      {"video_chat_started", "A video chat was started"},
      {"video_chat_ended", "The video chat has ended"},
      {"video_chat_participants_invited", "Members were invited to the video chat"},
      {"boost_added", "The chat was boosted"},
      {"users_shared", "Contacts were shared with the bot"},
      {"chat_shared", "A chat was shared with the bot"},
      {"write_access_allowed", "The bot was allowed to write"},
      {"connected_website", "The contact logged in on a website"},
      {"proximity_alert_triggered", "Somebody came near a shared location"},
      {"chat_background_set", "The chat's background was changed"},
      {"successful_payment", "A payment was made"},
      {"refunded_payment", "A payment was refunded"},
      {"giveaway_created", "A giveaway was created"},
      {"giveaway_completed", "A giveaway was completed"},
      {"checklist_tasks_done", "Tasks of a checklist were done"},
      {"checklist_tasks_added", "Tasks were added to a checklist"},
  }};
  key = "new_chat_members";
  if (message[key].size() > 0) return names_of(message[key]) + " joined";
  key = "left_chat_member";
  if (message[key].is_object()) {
    const std::string name = name_of(message[key]);
    return (name.empty() ? "Somebody" : name) + " left";
  }
  key = "new_chat_title";
  if (const auto title = message[key].text()) {
    return "The chat was renamed to \"" + std::string(*title) + "\"";
  }
  key = "forum_topic_created";
  if (message[key].is_object()) {
    return "The topic \"" + text_of(message[key]["name"]) + "\" was opened";
  }
  for (const Fixed& fixed : kSentences) {
    if (!message[fixed.key].exists()) continue;
    key = fixed.key;
    return std::string(fixed.sentence);
  }
  key.clear();
  return {};
}

// What a message is besides its content. A member that is none of these names content we do not
// know yet.
bool is_envelope(std::string_view member) {
  constexpr std::array<std::string_view, 41> kEnvelope{"message_id",
                                                       "message_thread_id",
                                                       "from",
                                                       "sender_chat",
                                                       "sender_boost_count",
                                                       "sender_business_bot",
                                                       "sender_tag",
                                                       "date",
                                                       "business_connection_id",
                                                       "chat",
                                                       "forward_origin",
                                                       "forward_from",
                                                       "forward_from_chat",
                                                       "forward_from_message_id",
                                                       "forward_signature",
                                                       "forward_sender_name",
                                                       "forward_date",
                                                       "is_topic_message",
                                                       "is_automatic_forward",
                                                       "reply_to_message",
                                                       "external_reply",
                                                       "quote",
                                                       "reply_to_story",
                                                       "via_bot",
                                                       "edit_date",
                                                       "has_protected_content",
                                                       "is_from_offline",
                                                       "media_group_id",
                                                       "author_signature",
                                                       "entities",
                                                       "link_preview_options",
                                                       "effect_id",
                                                       "caption",
                                                       "caption_entities",
                                                       "show_caption_above_media",
                                                       "has_media_spoiler",
                                                       "reply_markup",
                                                       "guest_query_id",
                                                       "direct_messages_topic",
                                                       "is_paid_post",
                                                       "reply_to_checklist_task_id"};
  return std::find(kEnvelope.begin(), kEnvelope.end(), member) != kEnvelope.end();
}

// Content this connector has no form for: its name, and the words in it if it has any.
void set_unsupported(Event& event, Value message) {
  std::string label;
  for (const auto& [member, value] : message.members()) {
    if (is_envelope(member) || value.is_null()) continue;
    label = member;
    break;
  }
  const Value content = message[label];
  if (event.text.empty()) {
    if (label == "dice") {
      event.text = text_of(content["emoji"]) + " " + scalar(content["value"]);
    } else {
      for (const std::string_view words : {"question", "title", "text", "data"}) {
        event.text = text_of(content[words]);
        if (!event.text.empty()) break;
      }
    }
  }
  event.extra.emplace_back("unsupported", label.empty() ? "empty" : label);
}

std::string forwarded_from(Value origin) {
  for (const std::string_view who : {"sender_user", "sender_chat", "chat"}) {
    if (origin[who].is_object()) return name_of(origin[who]);
  }
  const std::string name = text_of(origin["sender_user_name"]);
  return name.empty() && origin.is_object() ? "hidden" : name;
}

void set_circumstances(Event& event, const Place& place, Value message) {
  const Value reply = message["reply_to_message"];
  if (const std::string id = scalar(reply["message_id"]); !id.empty()) {
    event.reply_to = message_of(place, id);
  }
  add(event.extra, "quote", text_of(message["quote"]["text"]));
  add(event.extra, "reply_to_story", scalar(message["reply_to_story"]["id"]));
  if (message["external_reply"].is_object()) {
    add(event.extra, "reply_elsewhere", forwarded_from(message["external_reply"]["origin"]));
  }
  add(event.extra, "forwarded_from", forwarded_from(message["forward_origin"]));
  add(event.extra, "media_group_id", text_of(message["media_group_id"]));
  add(event.extra, "via_bot", text_of(message["via_bot"]["username"]));
  add(event.extra, "automatic_forward", scalar(message["is_automatic_forward"]));
  add(event.extra, "sent_automatically", scalar(message["is_from_offline"]));
  add(event.extra, "protected", scalar(message["has_protected_content"]));
  add(event.extra, "business_connection_id", place.business);
  add(event.extra, "business_bot", text_of(message["sender_business_bot"]["username"]));
  add(event.extra, "guest_query_id", text_of(message["guest_query_id"]));
  // Behind a sender_chat, `from` is one of Telegram's stand-ins.
  const Value person = message["sender_chat"].exists() ? Value() : message["from"];
  add(event.extra, "username", text_of(person["username"]));
  add(event.extra, "language_code", text_of(person["language_code"]));
}

// Who wrote it: the contact, or the business by another way than through us.
EventKind author_of(const Update& update, const Place& place, Value message) {
  const std::string from = scalar(message["from"]["id"]);
  if (!update.bot.empty() && from == update.bot) return EventKind::echo;
  // A business connection only covers private chats, whose id is the customer's; who else writes
  // there is the owner of the account, or a bot on the owner's behalf.
  const bool of_business = !place.business.empty() && (message["sender_business_bot"].exists() ||
                                                       (!from.empty() && from != place.chat));
  return of_business ? EventKind::echo : EventKind::message;
}

Event moved(Event event, std::string_view from, std::string_view to) {
  event.kind = EventKind::thread_moved;
  event.thread = from;
  event.contact = from;
  event.text = to;
  event.message.clear();
  return event;
}

Event message_event(const Update& update, Value message) {
  const auto place = place_of(message);
  const std::string id = scalar(message["message_id"]);
  if (!place || !is_id(id)) return unknown(update, message);

  const bool is_edit = update.kind.starts_with("edited_");
  Event event{.kind = is_edit ? EventKind::edited : author_of(update, *place, message)};
  const Value date =
      is_edit && message["edit_date"].exists() ? message["edit_date"] : message["date"];
  event.message = message_of(*place, id);
  event.key = key_of(update, place->chat, is_edit ? id + ":" + scalar(date) : id);
  event.sent_ms = milliseconds(date);
  event.sequence = message["message_id"].integer().value_or(0);
  set_people(event, *place, message["chat"], message["from"], message["sender_chat"]);
  // Anonymous administrators and channels may sign; the signature is then all there is of a name.
  if (const auto signature = message["author_signature"].text();
      signature && event.sender.empty()) {
    event.sender_name = *signature;
  }

  // A group that becomes a supergroup says so twice, in the old chat and in the new one.
  if (const Value to = message["migrate_to_chat_id"]; is_id(scalar(to))) {
    return moved(std::move(event), place->chat, scalar(to));
  }
  if (const Value from = message["migrate_from_chat_id"]; is_id(scalar(from))) {
    return moved(std::move(event), scalar(from), place->chat);
  }

  set_circumstances(event, *place, message);
  if (message["text"].is_string()) {
    set_text(event, message["text"], message["entities"]);
    set_start_payload(event);
    return event;
  }
  set_text(event, message["caption"], message["caption_entities"]);
  if (auto attachment = attachment_of(message)) {
    event.attachments.push_back(*std::move(attachment));
    return event;
  }
  std::string service;
  if (std::string sentence = notice_of(message, service); !service.empty()) {
    if (!is_edit) event.kind = EventKind::notice;
    event.text = std::move(sentence);
    event.extra.emplace_back("service", service);
    return event;
  }
  set_unsupported(event, message);
  return event;
}

Event callback_event(const Update& update, Value query) {
  const Value from = query["from"];
  const Value message = query["message"];
  const std::string id = scalar(query["id"]);
  // Pressed below a message sent by way of inline mode there is no chat: the person can be written
  // to all the same.
  const auto place = message["chat"].exists() ? place_of(message)
                                              : std::optional<Place>({.chat = scalar(from["id"])});
  if (!place || !is_id(place->chat) || id.empty()) return unknown(update, query);

  Event event{.kind = EventKind::callback};
  set_people(event, *place, message["chat"].exists() ? message["chat"] : from, from, Value());
  if (const std::string number = scalar(message["message_id"]); !number.empty()) {
    event.message = message_of(*place, number);
  }
  event.key = key_of(update, place->chat, id);
  const bool is_game = !query["data"].exists();
  event.text = text_of(is_game ? query["game_short_name"] : query["data"]);
  event.extra = {{"acknowledge", "1"}, {"callback_query_id", id}};
  if (is_game) add(event.extra, "game", event.text);
  if (message.is_object() && message["date"].integer() == 0) {
    event.extra.emplace_back("inaccessible", "1");
  }
  add(event.extra, "inline_message_id", text_of(query["inline_message_id"]));
  add(event.extra, "business_connection_id", place->business);
  add(event.extra, "username", text_of(from["username"]));
  add(event.extra, "language_code", text_of(from["language_code"]));
  return event;
}

// Something to show for one reaction; custom emoji have only an id.
std::string reaction_text(Value type) {
  const std::string_view kind = type["type"].text_or("");
  if (kind == "emoji") return text_of(type["emoji"]);
  if (kind == "paid") return "\xE2\xAD\x90";  // a star, as Telegram shows it
  return "[custom emoji]";
}

std::string reaction_text_of(Value reactions, std::string_view wrapper) {
  std::string text;
  for (const Value reaction : reactions.elements()) {
    if (!text.empty()) text += ' ';
    text += reaction_text(wrapper.empty() ? reaction : reaction[wrapper]);
  }
  return text;
}

std::optional<Event> reaction_base(const Update& update, Value reaction) {
  const auto place = place_of(reaction);
  const std::string id = scalar(reaction["message_id"]);
  if (!place || !is_id(id)) return std::nullopt;
  Event event{.kind = EventKind::reaction};
  set_people(event, *place, reaction["chat"], reaction["user"], reaction["actor_chat"]);
  event.message = message_of(*place, id);
  event.key = key_of(update, place->chat, id + ":" + scalar(reaction["date"]));
  event.sent_ms = milliseconds(reaction["date"]);
  return event;
}

Event reaction_event(const Update& update, Value reaction) {
  auto event = reaction_base(update, reaction);
  if (!event) return unknown(update, reaction);
  event->text = reaction_text_of(reaction["new_reaction"], "");
  for (const Value one : reaction["new_reaction"].elements()) {
    add(event->extra, "custom_emoji_id", text_of(one["custom_emoji_id"]));
  }
  return *std::move(event);
}

// Anonymous reactions, in channels: how many of each, not who.
Event reaction_count_event(const Update& update, Value reaction) {
  auto event = reaction_base(update, reaction);
  if (!event) return unknown(update, reaction);
  event->text = reaction_text_of(reaction["reactions"], "type");
  sdk::json::Writer counts;
  counts.array();
  for (const Value one : reaction["reactions"].elements()) {
    counts.object().member("emoji", reaction_text(one["type"]));
    counts.member("count", one["total_count"].integer().value_or(0)).end();
  }
  counts.end();
  event->extra = {{"anonymous", "1"}, {"counts", counts.take()}};
  return *std::move(event);
}

Event membership_event(const Update& update, Value change) {
  const auto place = place_of(change);
  if (!place) return unknown(update, change);
  const bool of_person = is_private(change["chat"]);
  const std::string_view status = change["new_chat_member"]["status"].text_or("");
  Event event{.kind = EventKind::contact_state};
  set_people(event, *place, change["chat"], change["from"], Value());
  event.key = key_of(update, place->chat, scalar(change["date"]));
  event.sent_ms = milliseconds(change["date"]);
  if (status == "kicked" || status == "left") {
    event.state = of_person ? "blocked" : "left";
  } else {
    event.state = "active";
  }
  event.extra = {{"status", std::string(status)}};
  return event;
}

// Somebody else's membership of a group.
Event member_event(const Update& update, Value change) {
  const auto place = place_of(change);
  const std::string_view status = change["new_chat_member"]["status"].text_or("");
  if (!place || status.empty()) return unknown(update, change);
  Event event{.kind = EventKind::notice};
  set_people(event, *place, change["chat"], change["from"], Value());
  const Value user = change["new_chat_member"]["user"];
  event.key = key_of(update, place->chat, scalar(user["id"]) + ":" + scalar(change["date"]));
  event.message = thread_of(*place) + ":member:" + event.key;
  event.sent_ms = milliseconds(change["date"]);
  const std::string name = name_of(user);
  event.text = (name.empty() ? "Somebody" : name) + " is now \"" + std::string(status) + "\"";
  event.extra = {{"service", "chat_member"}, {"user_id", scalar(user["id"])}};
  return event;
}

Event business_connection_event(const Update& update, Value connection) {
  const std::string id = text_of(connection["id"]);
  if (id.empty()) return unknown(update, connection);
  const bool enabled = connection["is_enabled"].boolean().value_or(false);
  const Value rights = connection["rights"];
  const bool can_reply =
      (rights.exists() ? rights["can_reply"] : connection["can_reply"]).boolean().value_or(false);
  Event event{.kind = EventKind::account_state};
  event.key = key_of(update, id, scalar(connection["date"]));
  event.contact = scalar(connection["user"]["id"]);
  event.contact_name = name_of(connection["user"]);
  event.state = enabled ? "enabled" : "disabled";
  event.text = (event.contact_name.empty() ? "An account" : event.contact_name) +
               (enabled ? " connected this bot to its business account"
                        : " disconnected this bot from its business account");
  event.sent_ms = milliseconds(connection["date"]);
  event.extra = {{"business_connection_id", id}, {"can_reply", can_reply ? "1" : "0"}};
  add(event.extra, "user_chat_id", scalar(connection["user_chat_id"]));
  return event;
}

void deleted_events(const Update& update, Value deletion, std::vector<Event>& events) {
  const auto place = place_of(deletion);
  if (!place || deletion["message_ids"].size() == 0) {
    events.push_back(unknown(update, deletion));
    return;
  }
  for (const Value number : deletion["message_ids"].elements()) {
    const std::string id = scalar(number);
    if (!is_id(id) || events.size() == kMaxEvents) continue;
    Event event{.kind = EventKind::deleted};
    set_people(event, *place, deletion["chat"], Value(), Value());
    event.message = message_of(*place, id);
    event.key = key_of(update, place->chat, id);
    event.extra = {{"business_connection_id", place->business}};
    events.push_back(std::move(event));
  }
}

void add_events(const Update& update, Value content, std::vector<Event>& events) {
  const std::string_view kind = update.kind;
  if (!content.is_object()) {
    events.push_back(unknown(update, content));
  } else if (kind == "message" || kind == "edited_message" || kind == "channel_post" ||
             kind == "edited_channel_post" || kind == "business_message" ||
             kind == "edited_business_message" || kind == "guest_message") {
    events.push_back(message_event(update, content));
  } else if (kind == "callback_query") {
    events.push_back(callback_event(update, content));
  } else if (kind == "message_reaction") {
    events.push_back(reaction_event(update, content));
  } else if (kind == "message_reaction_count") {
    events.push_back(reaction_count_event(update, content));
  } else if (kind == "my_chat_member") {
    events.push_back(membership_event(update, content));
  } else if (kind == "chat_member") {
    events.push_back(member_event(update, content));
  } else if (kind == "business_connection") {
    events.push_back(business_connection_event(update, content));
  } else if (kind == "deleted_business_messages") {
    deleted_events(update, content, events);
  } else {
    events.push_back(unknown(update, content));
  }
}

}  // namespace

connector::ReceiveResult receive(const Channel& channel, const connector::Request& request) {
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) {
    return connector::Fail{.code = connector::Failure::permanent,
                           .why = "the update " + document.error().reason};
  }
  const Value root = document->root();
  const std::string id = scalar(root["update_id"]);
  if (!root.is_object() || !is_id(id)) {
    return connector::Fail{.code = connector::Failure::permanent,
                           .why = "the update has no update_id"};
  }
  connector::Received received;
  std::set<std::string_view> seen{"update_id"};
  for (const auto& [kind, content] : root.members()) {
    if (received.events.size() >= kMaxEvents || !seen.insert(kind).second) continue;
    add_events({.id = id, .kind = kind, .bot = channel.kept("account")}, content, received.events);
  }
  return received;
}

}  // namespace telegram
