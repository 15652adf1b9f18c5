#include <algorithm>
#include <iterator>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/meta_internal.h"

namespace gateway::simulate {
namespace {

using sdk::json::Value;

constexpr std::int64_t kRetryFirstMs = 5'000;
constexpr std::int64_t kRetryCapMs = 6 * 3'600'000;
constexpr std::size_t kUpdatesPerPost = 1'000;

// A shorthand's flag or text: "image": true, "image": "caption".
bool asked(Value wish, std::string_view name) {
  return wish[name].exists() && wish[name].boolean().value_or(true);
}

// Escapes as Meta writes and signs them: \uXXXX in lower case, and "\/".
std::string meta_json(std::string_view json) {
  std::string out;
  for (const char c : ascii_json(json)) {
    if (c == '/') out += '\\';
    out += c;
  }
  return out;
}

std::string digits_of(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out),
               [](char c) { return c >= '0' && c <= '9'; });
  return out;
}

std::string reference(std::string_view id) { return object({{"id", json_text(id)}}); }

// Somebody in "from": a key, or {"wa_id" or "id", "name", "user_id", "username"}.
struct From {
  Contact contact;
  bool without_phone = false;
};

From from_of(Value wish) {
  From from;
  const Value value = wish["from"];
  from.contact = contact_of(value.text_or("ana"));
  if (value.is_object()) {
    from.contact.key = value["name"].text_or("somebody");
    from.contact.name = value["name"].text_or("");
    from.contact.phone = value["wa_id"].text_or("");
    from.contact.bsuid = value["user_id"].text_or("");
    from.contact.handle = value["username"].text_or("");
    from.contact.instagram_id = value["id"].text_or(from.contact.instagram_id);
  }
  from.without_phone =
      wish["without_phone"].boolean().value_or(false) || from.contact.phone.empty();
  return from;
}

}  // namespace

std::string MetaSimulator::mint_wamid(const std::string& wa_id) {
  // As on the platform, base64 of something that holds the number; with '=' and at times '+' or
  // '/'.
  std::string inside = "\x1D\x18\x0B" + wa_id + "\x15\x02";
  for (int i = 0; i < 20; ++i) inside += static_cast<char>(below(256));
  return "wamid." + sdk::base64(inside);
}

std::string MetaSimulator::mint_mid() {
  return "aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlEOjE3" +
         mint("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 110) + "ZD";
}

Members MetaSimulator::whatsapp_media(WhatsAppNumber& number, std::string_view mime_type,
                                      std::size_t bytes) {
  const std::string id = mint_digits(16);
  MetaMedia media{number.id, std::string(mime_type), sample_file(mime_type, bytes), {}, 0};
  Members members{{"mime_type", json_text(mime_type)},
                  {"sha256", json_text(sdk::base64(sdk::sha256(media.bytes)))},
                  {"id", json_text(id)}};
  world_.media[id] = std::move(media);
  return members;
}

// The public URL of a file on Instagram's content network.
std::string MetaSimulator::attachment_url(std::string_view mime_type, std::size_t bytes) {
  const std::string target =
      "/ig_messaging_cdn/?asset_id=" + mint_digits(16) + "&signature=" + mint_hex(40);
  world_.files[target] = std::string(mime_type) + "|" + sample_file(mime_type, bytes);
  return "https://lookaside.fbsbx.com" + target;
}

// The member of a message of some type, named by `type`; empty where the shorthand asks for none.
Members MetaSimulator::whatsapp_content(Value wish, WhatsAppNumber& number, std::string& type,
                                        std::string& text) {
  const auto member = [&](std::string_view name, std::string json) {
    type = name;
    return Members{{type, std::move(json)}};
  };
  const auto media = [&](std::string_view name, std::string_view mime_type, std::size_t bytes,
                         Members more = {}) {
    Members members = whatsapp_media(number, mime_type, bytes);
    const std::string_view caption = wish[name].text_or(wish["caption"].text_or(""));
    if (!caption.empty() && name != "sticker" && name != "audio") {
      members.emplace_back("caption", json_text(caption));
      text = caption;
    }
    for (auto& item : more) members.push_back(std::move(item));
    return member(name, object(members));
  };
  if (const auto words = wish["text"].text(); words && !wish["edit"].exists()) {
    text = *words;
    return member("text", object({{"body", json_text(*words)}}));
  }
  if (asked(wish, "image")) return media("image", "image/jpeg", 48'000);
  if (asked(wish, "video")) return media("video", "video/mp4", 300'000);
  if (asked(wish, "voice") || asked(wish, "audio")) {
    return media("audio", asked(wish, "voice") ? "audio/ogg; codecs=opus" : "audio/mpeg", 20'000,
                 {{"voice", asked(wish, "voice") ? "true" : "false"}});
  }
  if (asked(wish, "document")) {
    const std::string_view name = wish["document"].text_or("Invoice.pdf");
    Members members = whatsapp_media(number, "application/pdf", 60'000);
    members.emplace_back("filename", json_text(name));
    return member("document", object(members));
  }
  if (asked(wish, "sticker")) {
    return media("sticker", "image/webp", 20'000, {{"animated", "false"}});
  }
  if (asked(wish, "location")) {
    Members place{{"latitude", "40.4168"}, {"longitude", "-3.7038"}};
    if (const auto name = wish["location"].text()) {
      place.emplace_back("name", json_text(*name));
      place.emplace_back("address", json_text("Plaza 1, Madrid"));
    }
    return member("location", object(place));
  }
  if (asked(wish, "contacts")) {
    const std::string name(wish["contacts"].text_or("Ana López"));
    return member("contacts",
                  array({object({{"name", object({{"formatted_name", json_text(name)},
                                                  {"first_name", json_text(name)}})},
                                 {"phones", array({object({{"phone", json_text("+1 415-555-0123")},
                                                           {"wa_id", json_text("14155550123")},
                                                           {"type", json_text("CELL")}})})}})}));
  }
  if (const auto emoji = wish["reaction"].text()) {
    Members reaction{{"message_id", wish["message_id"].dump()}};
    if (!emoji->empty()) reaction.emplace_back("emoji", json_text(*emoji));
    text = *emoji;
    return member("reaction", object(reaction));
  }
  if (const auto words = wish["edit"].text()) {
    text = *words;
    return member("edit",
                  object({{"original_message_id", wish["message_id"].dump()},
                          {"message", object({{"type", json_text("text")},
                                              {"text", object({{"body", json_text(*words)}})}})}}));
  }
  if (asked(wish, "revoke")) {
    return member("revoke", object({{"original_message_id", wish["message_id"].dump()}}));
  }
  if (const auto payload = wish["button"].text()) {
    text = *payload;
    return member("button",
                  object({{"payload", json_text(*payload)}, {"text", json_text(*payload)}}));
  }
  for (const char* kind : {"button_reply", "list_reply"}) {
    const auto id = wish[kind].text();
    if (!id) continue;
    text = *id;
    return member("interactive",
                  object({{"type", json_text(kind)},
                          {kind, object({{"id", json_text(*id)}, {"title", json_text(*id)}})}}));
  }
  if (asked(wish, "order")) {
    return member(
        "order",
        object({{"catalog_id", json_text("900000000000001")},
                {"text", json_text("")},
                {"product_items", array({object({{"product_retailer_id", json_text("vase-blue")},
                                                 {"quantity", "1"},
                                                 {"item_price", "39.9"},
                                                 {"currency", json_text("EUR")}})})}}));
  }
  if (const auto body = wish["system"].text()) {
    return member("system", object({{"body", json_text(*body)},
                                    {"type", json_text("user_changed_number")},
                                    {"wa_id", json_text("14155550198")}}));
  }
  if (asked(wish, "unsupported")) {
    type = "unsupported";
    return {
        {"errors",
         array({object(
             {{"code", "131051"},
              {"title", json_text("Message type unknown")},
              {"message", json_text("Message type unknown")},
              {"error_data",
               object({{"details", json_text("Message type is currently not supported.")}})}})})}};
  }
  if (wish["content"].is_object()) {
    // Any type, ready: {"content": {"type": "holo", "holo": {...}}}.
    Members members;
    for (const auto& [name, value] : wish["content"].members()) {
      if (name == "type") {
        type = value.text_or("");
      } else {
        members.emplace_back(std::string(name), value.dump());
      }
    }
    return members;
  }
  return {};
}

Result<std::vector<MetaSimulator::Change>> MetaSimulator::whatsapp_changes(
    Value wish, std::vector<std::string>& ids) {
  const std::string number_id(wish["number"].digits().value_or(only_number()));
  const auto at = world_.numbers.find(number_id);
  if (at == world_.numbers.end()) return fail(Errc::not_found, "no such phone number");
  WhatsAppNumber& number = at->second;
  Change change;
  change.party = Party::number;
  change.account = number_id;
  change.field = wish["field"].text_or("messages");
  if (wish["value"].is_object()) {
    change.item = wish["value"].dump();
    change.id = change.field;
    return std::vector<Change>{std::move(change)};
  }
  if (const auto status = wish["status"].text()) {
    const std::string wamid(wish["message_id"].text_or(""));
    const auto message = number.messages.find(wamid);
    return std::vector<Change>{whatsapp_status(
        number, wamid, *status, message == number.messages.end() ? "" : message->second.wa_id,
        wish["tracker"].text_or(""),
        *status == "failed" ? static_cast<int>(wish["code"].integer().value_or(131026)) : 0)};
  }
  const From from = from_of(wish);
  const bool echo = wish["echo"].boolean().value_or(false);
  std::string type, text;
  const Members content = whatsapp_content(wish, number, type, text);
  if (type.empty()) return fail(Errc::invalid_argument, "the message has no content");
  const std::string other = from.without_phone ? from.contact.bsuid : from.contact.phone;
  const std::string wamid = mint_wamid(from.contact.phone);
  const std::int64_t now_ms = clock_.now_ms();
  const std::int64_t at_s = wish["timestamp"].integer().value_or(now_ms / 1'000);
  Members message;
  if (echo) {
    message.emplace_back("from", json_text(digits_of(number.display_number)));
    if (!from.without_phone) message.emplace_back("to", json_text(from.contact.phone));
    if (!from.contact.bsuid.empty()) {
      message.emplace_back("to_user_id", json_text(from.contact.bsuid));
    }
    change.field = "smb_message_echoes";
  } else {
    if (!from.without_phone) message.emplace_back("from", json_text(from.contact.phone));
    if (from.without_phone) message.emplace_back("from_user_id", json_text(from.contact.bsuid));
  }
  message.emplace_back("id", json_text(wamid));
  message.emplace_back("timestamp", json_text(std::to_string(at_s)));
  message.emplace_back("type", json_text(type));
  for (const auto& item : content) message.push_back(item);
  if (const auto reply_to = wish["reply_to"].text()) {
    message.emplace_back("context", object({{"from", json_text(number.display_number)},
                                            {"id", json_text(*reply_to)}}));
  }
  if (asked(wish, "forwarded")) {
    message.emplace_back("context", object({{"forwarded", "true"}}));
  }
  if (wish["referral"].is_object()) message.emplace_back("referral", wish["referral"].dump());
  if (!echo) {
    number.last_inbound_ms[other] = now_ms;
    Members profile{{"name", json_text(from.contact.name)}};
    if (from.without_phone) profile.emplace_back("username", json_text(from.contact.handle));
    Members contact{{"profile", object(profile)}};
    if (!from.without_phone) contact.emplace_back("wa_id", json_text(from.contact.phone));
    if (!from.contact.bsuid.empty()) {
      contact.emplace_back("user_id", json_text(from.contact.bsuid));
    }
    change.contact = object(contact);
  }
  change.list = echo ? "message_echoes" : "messages";
  change.item = object(message);
  change.id = wamid;
  number.messages[wamid] = {change.item, other, !echo, false};
  ids.push_back(wamid);
  return std::vector<Change>{std::move(change)};
}

// The members of a message of some kind; empty where the shorthand asks for none.
Members MetaSimulator::instagram_content(Value wish) {
  const auto attachment = [&](std::string_view type, std::string_view mime_type,
                              std::size_t bytes) {
    return object({{"type", json_text(type)},
                   {"payload", object({{"url", json_text(attachment_url(mime_type, bytes))}})}});
  };
  const auto list = [](std::vector<std::string> elements) {
    return Members{{"attachments", array(elements)}};
  };
  if (const auto text = wish["text"].text()) return {{"text", json_text(*text)}};
  if (wish["images"].integer()) {
    std::vector<std::string> images;
    for (std::int64_t i = 0; i < std::clamp<std::int64_t>(*wish["images"].integer(), 1, 10); ++i) {
      images.push_back(attachment("image", "image/jpeg", 48'000));
    }
    return list(std::move(images));
  }
  if (asked(wish, "image")) return list({attachment("image", "image/jpeg", 48'000)});
  if (asked(wish, "video")) return list({attachment("video", "video/mp4", 300'000)});
  if (asked(wish, "audio") || asked(wish, "voice")) {
    return list({attachment("audio", "audio/mp4", 20'000)});
  }
  if (asked(wish, "file")) return list({attachment("file", "application/pdf", 60'000)});
  if (asked(wish, "share")) {
    return list({attachment("share", "image/jpeg", 30'000),
                 object({{"type", json_text("ig_post")},
                         {"payload",
                          object({{"ig_post_media_id", json_text(mint_digits(17))},
                                  {"title", json_text("Blue vase")},
                                  {"url", json_text(attachment_url("image/jpeg", 30'000))}})}})});
  }
  if (asked(wish, "story_mention")) {
    return list({attachment("story_mention", "image/jpeg", 30'000)});
  }
  if (asked(wish, "like_heart")) return list({object({{"type", json_text("like_heart")}})});
  if (asked(wish, "unsupported")) return {{"is_unsupported", "true"}};
  return {};
}

Result<std::vector<MetaSimulator::Change>> MetaSimulator::instagram_changes(
    Value wish, std::vector<std::string>& ids) {
  const std::string user_id(wish["account"].digits().value_or(only_instagram()));
  const auto at = world_.instagram.find(user_id);
  if (at == world_.instagram.end()) return fail(Errc::not_found, "no such Instagram account");
  InstagramAccount& account = at->second;
  const From from = from_of(wish);
  const std::string igsid = from.contact.instagram_id;
  const bool echo = wish["echo"].boolean().value_or(false);
  const std::int64_t now_ms = clock_.now_ms();
  Change change;
  change.party = Party::instagram;
  change.account = user_id;
  change.field = "messages";
  change.list = wish["standby"].boolean().value_or(false) ? "standby" : "messaging";
  std::string name = "message";
  Members content;
  std::string mid(wish["message_id"].text_or(""));
  if (wish["item"].is_object()) {
    change.field = wish["field"].text_or("messages");
    change.list = wish["list"].text_or("messaging");
    change.item = wish["item"].dump();
    change.id = "item";
    return std::vector<Change>{std::move(change)};
  }
  if (const auto words = wish["comment"].text()) {
    const std::string id = "17" + mint_digits(15);
    account.comments[id] = {igsid, wish["timestamp"].integer().value_or(now_ms), false};
    account.people[igsid] = from.contact.key;
    ids.push_back(id);
    change.field = wish["live"].boolean().value_or(false) ? "live_comments" : "comments";
    change.list = "changes";
    change.id = id;
    Members value{
        {"id", json_text(id)},
        {"from", object({{"id", json_text(igsid)}, {"username", json_text(from.contact.handle)}})},
        {"media", object({{"id", json_text("18" + mint_digits(15))},
                          {"media_product_type", json_text("FEED")}})},
        {"text", json_text(*words)}};
    if (const auto parent = wish["reply_to"].text()) {
      value.emplace_back("parent_id", json_text(*parent));
    }
    change.item = object({{"field", json_text(change.field)}, {"value", object(value)}});
    return std::vector<Change>{std::move(change)};
  }
  if (const auto emoji = wish["reaction"].text()) {
    name = "reaction";
    change.field = "message_reactions";
    content = {{"mid", json_text(mid)},
               {"action", json_text(emoji->empty() ? "unreact" : "react")}};
    if (!emoji->empty()) {
      content.emplace_back("reaction", json_text(*emoji == "❤" ? "love" : "other"));
      content.emplace_back("emoji", json_text(*emoji));
    }
  } else if (asked(wish, "revoke")) {
    content = {{"mid", json_text(mid)}, {"is_deleted", "true"}};
    account.messages[mid].deleted = true;
  } else if (const auto words = wish["edit"].text()) {
    name = "message_edit";
    change.field = "message_edit";
    content = {{"mid", json_text(mid)}, {"text", json_text(*words)}, {"num_edit", "1"}};
  } else if (asked(wish, "seen")) {
    name = "read";
    change.field = "messaging_seen";
    content = {{"mid", json_text(mid)}};
  } else if (const auto payload = wish["postback"].text()) {
    name = "postback";
    change.field = "messaging_postbacks";
    mid = mint_mid();
    content = {
        {"mid", json_text(mid)}, {"title", json_text(*payload)}, {"payload", json_text(*payload)}};
  } else if (const auto ref = wish["referral"].text()) {
    name = "referral";
    change.field = "messaging_referral";
    content = {{"ref", json_text(*ref)},
               {"source", json_text("IGME-SOURCE-LINK")},
               {"type", json_text("OPEN_THREAD")}};
  } else {
    const Members more = instagram_content(wish);
    if (more.empty()) return fail(Errc::invalid_argument, "the message has no content");
    mid = mint_mid();
    content = {{"mid", json_text(mid)}};
    content.insert(content.end(), more.begin(), more.end());
    if (const auto reply_to = wish["reply_to"].text()) {
      content.emplace_back("reply_to", object({{"mid", json_text(*reply_to)}}));
    }
    if (asked(wish, "story_reply")) {
      content.emplace_back(
          "reply_to",
          object({{"story", object({{"id", json_text(mint_digits(17))},
                                    {"url", json_text(attachment_url("image/jpeg", 9'000))}})}}));
    }
    if (const auto quick = wish["quick_reply"].text()) {
      content.emplace_back("quick_reply", object({{"payload", json_text(*quick)}}));
    }
    if (echo) content.emplace_back("is_echo", "true");
    account.messages[mid] = {std::string(wish["text"].text_or("")), igsid, !echo, false};
    ids.push_back(mid);
  }
  account.people[igsid] = from.contact.key;
  // Reading is no message; whatever else somebody does opens the window.
  if (!echo && name != "read") account.last_inbound_ms[igsid] = now_ms;
  change.item = object({{"sender", reference(echo ? user_id : igsid)},
                        {"recipient", reference(echo ? igsid : user_id)},
                        {"timestamp", std::to_string(wish["timestamp"].integer().value_or(now_ms))},
                        {name, object(content)}});
  change.id = name == "message" ? mid : name + ":" + mid;
  return std::vector<Change>{std::move(change)};
}

Result<std::vector<MetaSimulator::Change>> MetaSimulator::changes_of(
    Value wish, std::vector<std::string>& ids) {
  if (wish["batch"].is_array()) {
    std::vector<Change> all;
    for (const Value one : wish["batch"].elements()) {
      auto some = changes_of(one, ids);
      if (!some) return some.error();
      for (Change& change : *some) all.push_back(std::move(change));
    }
    return all;
  }
  const bool instagram = wish["account"].exists() ||
                         wish["platform"].text_or("") == kInstagramObject ||
                         (world_.numbers.empty() && !wish["number"].exists());
  return instagram ? instagram_changes(wish, ids) : whatsapp_changes(wish, ids);
}

// Number before account before app; absent where nobody has asked for it.
std::optional<MetaSimulator::Outgoing> MetaSimulator::destination(const Change& change) const {
  const bool instagram = change.party == Party::instagram;
  const std::string object_name(instagram ? kInstagramObject : kWhatsAppObject);
  const std::string app_id = instagram ? world_.instagram.at(change.account).app_id
                                       : world_.numbers.at(change.account).app_id;
  const MetaApp& app = world_.apps.at(app_id);
  const auto subscription = app.subscriptions.find(object_name);
  const bool app_wants = subscription != app.subscriptions.end() &&
                         subscription->second.fields.count(change.field) != 0;
  if (instagram) {
    if (!app_wants || world_.instagram.at(change.account).subscribed_fields.empty()) return {};
    const InstagramAccount& account = world_.instagram.at(change.account);
    // A page is subscribed by any of its fields; Instagram Login by exactly those it names.
    if (account.page_id.empty() && account.subscribed_fields.count(change.field) == 0) return {};
    return Outgoing{subscription->second.callback_url, app_id};
  }
  const WhatsAppNumber& number = world_.numbers.at(change.account);
  const WhatsAppAccount& account = world_.accounts.at(number.waba_id);
  const auto subscribed = account.subscribed_apps.find(app_id);
  if (subscribed == account.subscribed_apps.end()) return {};
  if (follows_override(change.field)) {
    if (!number.override_url.empty()) return Outgoing{number.override_url, app_id};
    if (!subscribed->second.empty()) return Outgoing{subscribed->second, app_id};
  }
  if (!app_wants) return {};
  return Outgoing{subscription->second.callback_url, app_id};
}

namespace {

using Lists = std::vector<std::pair<std::string, std::vector<std::string>>>;

// Appends an item to the list of this name; lists keep the order of their first item.
void append(Lists& lists, std::string_view name, std::string item) {
  auto at = std::find_if(lists.begin(), lists.end(),
                         [&](const auto& list) { return list.first == name; });
  if (at == lists.end()) at = lists.insert(lists.end(), {std::string(name), {}});
  at->second.push_back(std::move(item));
}

}  // namespace

// One body on its way: entries by owner (a WABA, an Instagram account), in them changes by number
// and field, in them lists of messages, statuses, contacts.
struct MetaSimulator::Body {
  struct Part {
    std::string field;
    const WhatsAppNumber* number = nullptr;
    std::string whole;  // the value, where it is given ready
    Lists lists;
  };
  struct Entry {
    std::string owner;
    std::vector<Part> parts;  // WhatsApp
    Lists lists;              // Instagram
  };
  Outgoing to;
  bool instagram = false;
  std::string account;
  std::string kind;
  std::vector<Entry> entries;
  std::size_t count = 0;

  Entry& entry(const std::string& owner) {
    for (Entry& known : entries) {
      if (known.owner == owner) return known;
    }
    return entries.emplace_back(Entry{owner, {}, {}});
  }

  void add(Change change, const std::string& owner, const WhatsAppNumber* number) {
    ++count;
    Entry& target = entry(owner);
    if (instagram) return append(target.lists, change.list, std::move(change.item));
    auto part = std::find_if(target.parts.begin(), target.parts.end(), [&](const Part& known) {
      return known.field == change.field && known.number == number && known.whole.empty();
    });
    if (change.list.empty()) {
      target.parts.push_back({change.field, number, std::move(change.item), {}});
      return;
    }
    if (part == target.parts.end()) {
      part = target.parts.insert(target.parts.end(), {change.field, number, {}, {}});
    }
    if (!change.contact.empty()) append(part->lists, "contacts", std::move(change.contact));
    append(part->lists, change.list, std::move(change.item));
  }

  static std::string value_json(const Part& part) {
    if (!part.whole.empty()) return part.whole;
    Members members{
        {"messaging_product", json_text("whatsapp")},
        {"metadata",
         object({{"display_phone_number", json_text(digits_of(part.number->display_number))},
                 {"phone_number_id", json_text(part.number->id)}})}};
    for (const auto& [name, items] : part.lists) members.emplace_back(name, array(items));
    return object(members);
  }

  std::string json(std::int64_t now_ms) const {
    std::vector<std::string> list;
    for (const Entry& entry : entries) {
      Members members;
      if (instagram) {
        members = {{"time", std::to_string(now_ms)}, {"id", json_text(entry.owner)}};
        for (const auto& [name, items] : entry.lists) members.emplace_back(name, array(items));
      } else {
        std::vector<std::string> changes;
        for (const Part& part : entry.parts) {
          changes.push_back(
              object({{"value", value_json(part)}, {"field", json_text(part.field)}}));
        }
        members = {{"id", json_text(entry.owner)}, {"changes", array(changes)}};
      }
      list.push_back(object(members));
    }
    return object({{"object", json_text(instagram ? kInstagramObject : kWhatsAppObject)},
                   {"entry", array(list)}});
  }
};

// Changes of several numbers and accounts with one destination are one body.
void MetaSimulator::deliver(std::vector<Change> changes, std::chrono::milliseconds delay) {
  std::vector<Body> bodies;
  for (Change& change : changes) {
    const auto to = destination(change);
    if (!to) {
      sender_.count_unwanted();
      continue;
    }
    const bool instagram = change.party == Party::instagram;
    auto body = std::find_if(bodies.begin(), bodies.end(), [&](const Body& known) {
      return known.to.url == to->url && known.to.app_id == to->app_id &&
             known.instagram == instagram && known.count < kUpdatesPerPost;
    });
    if (body == bodies.end()) {
      const std::string kind = change.list.empty() ? change.field : change.list;
      body = bodies.insert(bodies.end(), Body{*to, instagram, change.account, kind, {}, 0});
    }
    const WhatsAppNumber* const number = instagram ? nullptr : &world_.numbers.at(change.account);
    const std::string owner = instagram ? change.account : number->waba_id;
    body->add(std::move(change), owner, number);
  }
  for (const Body& body : bodies) {
    deliver_body(body.account, body.kind, body.to.url, body.to.app_id,
                 meta_json(body.json(clock_.now_ms())), body.instagram, delay);
  }
}

// Success is 200 alone. WhatsApp repeats for seven days, the other objects for 36 hours: at once,
// then less and less often.
void MetaSimulator::deliver_body(const std::string& account, const std::string& kind,
                                 const std::string& url, const std::string& app_id,
                                 std::string body, bool instagram,
                                 std::chrono::milliseconds delay) {
  WebhookEvent event;
  event.account = account;
  event.kind = kind;
  event.id = sdk::hex(sdk::sha256(body)).substr(0, 16);
  event.request = [url, body = std::move(body), secret = world_.apps.at(app_id).secret, instagram,
                   timeout = options_.answer_timeout](int, Defect defect) {
    HttpCall call;
    call.url = url;
    call.body = body;
    call.timeout = timeout;
    call.headers = {{"User-Agent", "facebookexternalua"},
                    {"Accept", "*/*"},
                    {"Content-Type", "application/json"}};
    if (instagram) call.headers.emplace_back("Facebook-API-Version", "v26.0");
    call.accept_encoding = "deflate, gzip";
    const auto proof = [&](std::string_view key) {
      return "sha256=" + sdk::hex(sdk::hmac_sha256(key, body));
    };
    add_proof(call, "X-Hub-Signature", "sha1=" + sdk::hex(sdk::hmac_sha1(secret, body)),
              "sha1=" + sdk::hex(sdk::hmac_sha1("wrong", body)), defect);
    call.body = body;
    add_proof(call, "X-Hub-Signature-256", proof(secret), proof("wrong"), defect);
    return call;
  };
  event.retry =
      retry_doubling(kRetryFirstMs, kRetryCapMs, instagram ? 36 * 3'600'000LL : 7 * kDayMs, is_200);
  sender_.post(std::move(event), delay);
}

}  // namespace gateway::simulate
