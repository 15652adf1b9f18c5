#include "connectors/whatsapp/content.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "connectors/sdk/text.h"
#include "connectors/whatsapp/graph.h"
#include "connectors/whatsapp/people.h"

namespace whatsapp {
namespace {

using connector::Attachment;
using connector::Event;
using connector::Pairs;
using sdk::json::Value;

// What the gateway keeps of a text and of a fact.
constexpr std::size_t kMaxTextBytes = 64u << 10;
constexpr std::size_t kMaxFactBytes = 16u << 10;
constexpr std::size_t kMaxFacts = 80;
constexpr std::size_t kMaxCards = 100;
constexpr std::size_t kMaxOrderLines = 50;

std::string text_of(Value value) { return std::string(value.text_or("")); }
std::string fact_of(Value value) { return sdk::sanitize(scalar(value), kMaxFactBytes); }

void add_json(Pairs& extra, std::string_view name, Value value) {
  std::string json = value.dump();
  if (json.size() <= kMaxFactBytes) extra.emplace_back(name, std::move(json));
}

// A user may write 65,536 characters, which can be more bytes than a message's text has: the whole
// text then goes along as a file.
void set_text(Event& event, std::string_view text) {
  event.text = text;
  if (text.size() <= kMaxTextBytes) return;
  event.text = sdk::sanitize(text, kMaxTextBytes);
  event.extra.emplace_back("truncated", "1");
  event.attachments.push_back({.kind = "file",
                               .url = {},
                               .media_id = {},
                               .mime_type = "text/plain; charset=utf-8",
                               .file_name = "message.txt",
                               .size = static_cast<std::int64_t>(text.size()),
                               .extra = {},
                               .content = std::string(text)});
}

struct MediaType {
  std::string_view type;
  std::string_view kind;
};
constexpr std::array<MediaType, 6> kMedia{{{"image", "image"},
                                           {"video", "video"},
                                           {"audio", "audio"},
                                           {"voice", "audio"},
                                           {"document", "file"},
                                           {"sticker", "sticker"}}};

// The link some versions send along lives five minutes and needs the token, so it is only used
// where there is no id to ask for a new one with.
bool add_media(Event& event, std::string_view kind, Value media) {
  Attachment attachment{.kind = std::string(kind),
                        .url = {},
                        .media_id = scalar(media["id"]),
                        .mime_type = text_of(media["mime_type"]),
                        .file_name = text_of(media["filename"]),
                        .size = media["file_size"].integer().value_or(-1),
                        .extra = {},
                        .content = {}};
  if (attachment.media_id.empty()) attachment.media_id = text_of(media["url"]);
  for (const std::string_view name : {"sha256", "voice", "animated"}) {
    add(attachment.extra, name, scalar(media[name]));
  }
  set_text(event, media["caption"].text_or(""));
  // History tells of media without handing it out.
  if (attachment.media_id.empty()) return false;
  event.attachments.insert(event.attachments.begin(), std::move(attachment));
  return true;
}

void add_location(Event& event, Value place) {
  Attachment attachment{.kind = "location"};
  add(attachment.extra, "latitude", scalar(place["latitude"]));
  add(attachment.extra, "longitude", scalar(place["longitude"]));
  add(attachment.extra, "title", text_of(place["name"]));
  add(attachment.extra, "address", text_of(place["address"]));
  add(attachment.extra, "link", text_of(place["url"]));
  event.attachments.push_back(std::move(attachment));
}

Attachment card(Value contact) {
  Attachment attachment{.kind = "contact"};
  Pairs& extra = attachment.extra;
  const Value name = contact["name"];
  const Value phone = contact["phones"].at(0);
  add(extra, "formatted_name", text_of(name["formatted_name"]));
  add(extra, "first_name", text_of(name["first_name"]));
  add(extra, "last_name", text_of(name["last_name"]));
  add(extra, "phone_number", scalar(phone["phone"]));
  add(extra, "wa_id", scalar(phone["wa_id"]));
  add(extra, "user_id", scalar(phone["user_id"]));
  add(extra, "email", text_of(contact["emails"].at(0)["email"]));
  add(extra, "organization", text_of(contact["org"]["company"]));
  add(extra, "birthday", text_of(contact["birthday"]));
  add(extra, "link", text_of(contact["urls"].at(0)["url"]));
  add(extra, "vcard", fact_of(contact["vcard"]));
  add(extra, "origin", text_of(contact["origin"]));
  add_json(extra, "card", contact);
  return attachment;
}

bool add_cards(Event& event, Value contacts) {
  const std::vector<Value> all = contacts.elements();
  for (const Value contact : all) {
    if (event.attachments.size() < kMaxCards) event.attachments.push_back(card(contact));
  }
  if (all.size() > kMaxCards) {
    event.extra.emplace_back("contacts_left_out", std::to_string(all.size() - kMaxCards));
  }
  return !all.empty();
}

// "3 x HAMBURGER (30 ILS)", a line per product.
void set_order(Event& event, Value order) {
  std::string lines = text_of(order["text"]);
  std::size_t count = 0;
  for (const Value item : order["product_items"].elements()) {
    if (++count > kMaxOrderLines) break;
    if (!lines.empty()) lines += '\n';
    lines += scalar(item["quantity"]) + " x " + scalar(item["product_retailer_id"]);
    const std::string price = scalar(item["item_price"]);
    if (!price.empty()) lines += " (" + price + " " + text_of(item["currency"]) + ")";
  }
  set_text(event, lines);
  add(event.extra, "catalog_id", scalar(order["catalog_id"]));
  add_json(event.extra, "order", order);
}

// The contact sees the title in the chat, so it is the text; what the button stands for is beside.
bool set_interactive(Event& event, Value interactive) {
  const std::string_view type = interactive["type"].text_or("");
  const Value reply = interactive[type];
  if (type.empty() || !reply.is_object()) return false;
  event.extra.emplace_back("interactive", type);
  if (type == "button_reply" || type == "list_reply") {
    set_text(event, reply["title"].text_or(""));
    add(event.extra, "payload", text_of(reply["id"]));
    add(event.extra, "description", text_of(reply["description"]));
    return true;
  }
  if (type == "nfm_reply") {
    set_text(event, reply["body"].text_or(""));
    add(event.extra, "flow", text_of(reply["name"]));
    add(event.extra, "response_json", fact_of(reply["response_json"]));
    return true;
  }
  if (type == "call_permission_reply") {
    const std::string response = scalar(reply["response"]);
    set_text(event, response == "accept" ? "Calls are allowed" : "Calls are not allowed");
    add_scalars(event.extra, type, reply);
    return true;
  }
  return false;
}

void set_context(Event& event, Value context) {
  event.reply_to = scalar(context["id"]);
  if (context["frequently_forwarded"].boolean().value_or(false)) {
    event.extra.emplace_back("forwarded", "many times");
  } else if (context["forwarded"].boolean().value_or(false)) {
    event.extra.emplace_back("forwarded", "1");
  }
  add_scalars(event.extra, "referred_product", context["referred_product"]);
}

// The label of content that cannot be shown; empty where it was understood.
std::string set_body(Event& event, Value message) {
  const std::string_view type = message["type"].text_or("");
  const Value body = message[type];
  if (type == "text" && body["body"].is_string()) {
    set_text(event, *body["body"].text());
    return {};
  }
  for (const MediaType& media : kMedia) {
    if (media.type != type || !body.is_object()) continue;
    return add_media(event, media.kind, body) ? std::string() : std::string(type);
  }
  if (type == "location" && body.is_object()) {
    add_location(event, body);
    return {};
  }
  if (type == "contacts" && add_cards(event, body)) return {};
  if (type == "order" && body.is_object()) {
    set_order(event, body);
    return {};
  }
  if (type == "button" && body.is_object()) {
    set_text(event, body["text"].text_or(""));
    event.extra.emplace_back("interactive", type);
    add(event.extra, "payload", text_of(body["payload"]));
    return {};
  }
  if (type == "interactive") {
    if (set_interactive(event, body)) return {};
    const std::string_view reply = body["type"].text_or("");
    return std::string(reply.empty() ? type : reply);
  }
  const std::string_view inner = message["unsupported"]["type"].text_or("");
  if (!inner.empty() && inner != "unknown") return std::string(inner);
  return type.empty() || type == "unknown" ? "unsupported" : std::string(type);
}

}  // namespace

void add(Pairs& extra, std::string_view name, std::string value) {
  if (!value.empty() && extra.size() < kMaxFacts) extra.emplace_back(name, std::move(value));
}

std::string scalar(Value value) {
  if (const auto digits = value.digits()) return std::string(*digits);
  if (const auto truth = value.boolean()) return *truth ? "1" : "0";
  return {};
}

std::int64_t milliseconds(Value seconds) {
  constexpr std::int64_t kYear10000 = 253'402'300'800;
  const std::string_view digits = seconds.digits().value_or("");
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole && value > 0 && value < kYear10000 ? value * 1000 : 0;
}

void add_scalars(Pairs& extra, std::string_view prefix, Value value) {
  // By hand instead of by recursion: the depth is the platform's.
  std::vector<std::pair<std::string, Value>> open{{std::string(prefix), value}};
  for (std::size_t at = 0; at < open.size() && at < kMaxFacts; ++at) {
    const std::string path = open[at].first;
    for (const auto& [name, member] : open[at].second.members()) {
      std::string full = path.empty() ? std::string(name) : path + "." + std::string(name);
      if (member.is_object()) {
        open.emplace_back(std::move(full), member);
      } else if (member.is_array()) {
        if (member.size() > 0 && extra.size() < kMaxFacts) add_json(extra, full, member);
      } else {
        add(extra, full, fact_of(member));
      }
    }
  }
}

void add_errors(Pairs& extra, Value errors) {
  const Value first = errors.at(0);
  add(extra, "error_code", scalar(first["code"]));
  add(extra, "error", words_of(first));
  if (errors.size() > 1) add_json(extra, "errors", errors);
}

void set_content(Event& event, Value message, Value errors) {
  set_context(event, message["context"]);
  const std::string unsupported = set_body(event, message);
  if (!unsupported.empty()) {
    event.extra.emplace_back("unsupported", unsupported);
    add_errors(event.extra, message["errors"].size() > 0 ? message["errors"] : errors);
  }
  add_scalars(event.extra, "referral", message["referral"]);
  add_scalars(event.extra, "identity", message["identity"]);
}

}  // namespace whatsapp
