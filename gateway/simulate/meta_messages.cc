#include <algorithm>
#include <array>
#include <utility>

#include "connectors/sdk/text.h"
#include "gateway/simulate/meta_internal.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

// Milliseconds of the platform behind a message that was taken.
constexpr std::int64_t kStatusEveryMs = 400;
constexpr std::int64_t kReplyAfterMs = 2'000;

constexpr int kReEngagement = 131047;   // more than 24 hours since the customer wrote
constexpr int kUndeliverable = 131026;  // not on WhatsApp, or blocked
constexpr int kMediaUpload = 131053;

constexpr std::size_t kTextUnits = 4096;
constexpr std::size_t kCaptionUnits = 1024;
constexpr std::size_t kBodyUnits = 1024;
constexpr std::size_t kFooterUnits = 60;
constexpr std::size_t kFileNameUnits = 240;
constexpr std::size_t kTrackerUnits = 512;
constexpr std::size_t kInstagramTextBytes = 1000;
constexpr std::int64_t kHumanAgentMs = 7 * kDayMs;
constexpr std::int64_t kPrivateReplyMs = 7 * kDayMs;

bool is_web_url(std::string_view url) {
  return url.rfind("https://", 0) == 0 || url.rfind("http://", 0) == 0;
}

std::size_t units(std::string_view text) { return sdk::utf16_length(text); }

// Digits of a phone number, its decoration taken away; empty where it is none.
std::string phone_digits(std::string_view to) {
  std::string out;
  for (const char c : to) {
    if (c >= '0' && c <= '9')
      out += c;
    else if (c != '+' && c != ' ' && c != '-' && c != '(' && c != ')')
      return {};
  }
  return out.size() < 7 || out.size() > 15 ? std::string() : out;
}

// Letters of a country, a dot, and up to 128 letters and digits.
bool is_bsuid(std::string_view text) {
  return text.size() > 3 && text.size() < 140 && text[2] == '.' &&
         std::all_of(text.begin(), text.begin() + 2, [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string failure_json(int code) {
  std::string_view title = "Message undeliverable";
  std::string_view details = "Message Undeliverable.";
  if (code == kReEngagement) {
    title = "Re-engagement message";
    details =
        "Message failed to send because more than 24 hours have passed since the customer last "
        "replied to this number.";
  } else if (code == kMediaUpload) {
    title = "Media upload error";
    details = "Media upload error";
  }
  return object({{"code", std::to_string(code)},
                 {"title", json_text(title)},
                 {"message", json_text(title)},
                 {"error_data", object({{"details", json_text(details)}})},
                 {"href", json_text("https://developers.facebook.com/documentation/"
                                    "business-messaging/whatsapp/support/error-codes")}});
}

// What the agent reads in a message of any type.
std::string shown_text(Value body, std::string_view type) {
  const Value content = body[type];
  if (type == "text") return std::string(content["body"].text_or(""));
  if (type == "reaction") return std::string(content["emoji"].text_or(""));
  if (type == "template") return std::string(content["name"].text_or(""));
  if (type == "interactive") return std::string(content["body"]["text"].text_or(""));
  return std::string(content["caption"].text_or(""));
}

}  // namespace

std::optional<HttpReply> MetaSimulator::refuse_interactive(Value interactive) {
  const std::string_view kind = interactive["type"].text_or("");
  const auto bad = [&](std::string_view details) {
    return error(400, 131009, "(#131009) Parameter value is not valid", 0, details);
  };
  const std::string_view text = interactive["body"]["text"].text_or("");
  if (kind != "button" && kind != "list" && kind != "cta_url" && kind != "flow" &&
      kind != "product" && kind != "product_list" && kind != "location_request_message") {
    return bad("Param interactive['type'] is not known");
  }
  if (text.empty() && kind != "product") return bad("Param interactive['body'] is required");
  if (units(text) > (kind == "list" ? kTextUnits : kBodyUnits)) {
    return bad("Body text length invalid. Min length: 1, Max length: 1024");
  }
  if (units(interactive["footer"]["text"].text_or("")) > kFooterUnits ||
      units(interactive["header"]["text"].text_or("")) > kFooterUnits) {
    return bad("Header and footer text have at most 60 characters");
  }
  const Value action = interactive["action"];
  if (kind == "button") {
    const auto buttons = action["buttons"].elements();
    if (buttons.empty() || buttons.size() > 3) {
      return bad("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3");
    }
    std::set<std::string> seen;
    for (const Value button : buttons) {
      const std::string_view id = button["reply"]["id"].text_or("");
      const std::string_view title = button["reply"]["title"].text_or("");
      if (button["type"].text_or("") != "reply") return bad("Button type invalid");
      if (title.empty() || units(title) > 20) return bad("Button title length invalid");
      if (id.empty() || units(id) > 256) return bad("Button id length invalid");
      if (!seen.emplace(id).second || !seen.insert("title:" + std::string(title)).second) {
        return bad("Duplicate reply button");
      }
    }
  }
  if (kind == "list") {
    if (action["button"].text_or("").empty() || units(action["button"].text_or("")) > 20) {
      return bad("Button text length invalid. Min length: 1, Max length: 20");
    }
    std::size_t rows = 0;
    const auto sections = action["sections"].elements();
    for (const Value section : sections) {
      if (sections.size() > 1 && section["title"].text_or("").empty()) {
        return bad("Section title is required where there are several");
      }
      for (const Value row : section["rows"].elements()) {
        ++rows;
        const std::string_view title = row["title"].text_or("");
        if (title.empty() || units(title) > 24) return bad("Row title length invalid");
        const std::string_view id = row["id"].text_or("");
        if (id.empty() || units(id) > 200) return bad("Row id length invalid");
        if (units(row["description"].text_or("")) > 72) return bad("Row description is too long");
      }
    }
    if (rows == 0 || rows > 10) return bad("Total row count exceed max allowed count: 10");
  }
  return std::nullopt;
}

// Null where the platform takes the message.
std::optional<HttpReply> MetaSimulator::refuse_whatsapp(const WhatsAppNumber& number, Value body) {
  const auto required = [&](std::string_view name) {
    return error(400, 100, "(#100) The parameter " + std::string(name) + " is required.");
  };
  const auto bad = [&](std::string_view details) {
    return error(400, 131009, "(#131009) Parameter value is not valid", 0, details);
  };
  const auto too_long = [&](std::string_view name, std::size_t limit) {
    return error(400, 100,
                 "(#100) Param " + std::string(name) + " must be at most " + std::to_string(limit) +
                     " characters long.");
  };
  if (!number.registered) {
    return error(400, 133010, "(#133010) Account not registered", 0,
                 "Account does not exist in Cloud API, please use /register API to create an "
                 "account first");
  }
  const auto to = body["to"].text();
  const auto recipient = body["recipient"].text();
  if (!to && !recipient) return required("to");
  const bool group = body["recipient_type"].text_or("individual") == "group";
  if (to && !group && phone_digits(*to).empty() && !is_bsuid(*to)) {
    return bad("Recipient is not a valid phone number");
  }
  if (recipient && !is_bsuid(*recipient)) return bad("Recipient is not a valid user id");
  if (units(body["biz_opaque_callback_data"].text_or("")) > kTrackerUnits) {
    return too_long("biz_opaque_callback_data", kTrackerUnits);
  }
  if (body["context"].exists() && body["context"]["message_id"].text_or("").empty()) {
    return bad("Param context['message_id'] is required");
  }
  const std::string type(body["type"].text_or("text"));
  const Value content = body[type];
  if (!content.exists()) return required(type);
  if (type == "text") {
    const std::string_view text = content["body"].text_or("");
    if (text.empty()) return required("text['body']");
    if (units(text) > kTextUnits) return too_long("text['body']", kTextUnits);
    return std::nullopt;
  }
  if (type == "image" || type == "video" || type == "audio" || type == "document" ||
      type == "sticker") {
    const auto id = content["id"].text();
    const auto link = content["link"].text();
    if (id.has_value() == link.has_value()) {
      return bad("Param " + type + " needs one of 'id' and 'link'");
    }
    if (id) {
      const auto media = world_.media.find(std::string(*id));
      if (media == world_.media.end() || media->second.owner != number.id) {
        return error(400, 100,
                     "(#100) Param " + type +
                         "['id'] is not a valid whatsapp business "
                         "account media attachment ID");
      }
    } else if (!is_web_url(*link)) {
      return bad("Param " + type + "['link'] is not a valid URI");
    }
    const auto caption = content["caption"].text();
    if (caption && (type == "audio" || type == "sticker")) {
      return bad("Unexpected key \"caption\" on param \"" + type + "\"");
    }
    if (caption && units(*caption) > kCaptionUnits) return too_long("caption", kCaptionUnits);
    if (units(content["filename"].text_or("")) > kFileNameUnits) {
      return too_long("filename", kFileNameUnits);
    }
    return std::nullopt;
  }
  if (type == "location") {
    // Numbers, or numbers as text.
    for (const char* name : {"latitude", "longitude"}) {
      if (!content[name].number() && !content[name].text()) return required(name);
    }
    return std::nullopt;
  }
  if (type == "contacts") {
    if (content.size() == 0) return required("contacts");
    for (const Value contact : content.elements()) {
      if (contact["name"]["formatted_name"].text_or("").empty()) {
        return required("contacts['name']['formatted_name']");
      }
    }
    return std::nullopt;
  }
  if (type == "reaction") {
    if (content["message_id"].text_or("").empty()) return required("reaction['message_id']");
    if (!content["emoji"].text()) return required("reaction['emoji']");
    return std::nullopt;
  }
  if (type == "interactive") return refuse_interactive(content);
  if (type == "template") {
    if (content["name"].text_or("").empty()) return required("template['name']");
    if (content["language"]["code"].text_or("").empty()) return required("template['language']");
    if (content["name"].text_or("").rfind("missing", 0) == 0) {
      return error(404, 132001, "(#132001) Template name does not exist in the translation", 0,
                   "template name does not exist in " +
                       std::string(content["language"]["code"].text_or("")));
    }
    return std::nullopt;
  }
  return error(400, 100,
               "(#100) Param type must be one of {AUDIO, CONTACTS, DOCUMENT, IMAGE, INTERACTIVE, "
               "LOCATION, REACTION, STICKER, TEMPLATE, TEXT, VIDEO} - got \"" +
                   sdk::sanitize(type, 100) + "\".");
}

// Read marks and typing: "status": "read" with a message the customer sent.
HttpReply MetaSimulator::whatsapp_read(WhatsAppNumber& number, Value body) {
  const auto at = number.messages.find(std::string(body["message_id"].text_or("")));
  if (body["status"].text_or("") != "read" || at == number.messages.end() || !at->second.inbound) {
    return error(400, 100, "(#100) Invalid parameter", 0, "Message ID is invalid.");
  }
  if (body["typing_indicator"].exists() && body["typing_indicator"]["type"].text_or("") != "text") {
    return error(400, 100, "(#100) Param typing_indicator['type'] must be one of {TEXT}");
  }
  at->second.read = true;
  HttpReply reply;
  reply.body = "{\"success\":true}";
  return reply;
}

MetaSimulator::Answer MetaSimulator::whatsapp_message(Call& call, WhatsAppNumber& number) {
  const auto document = Document::parse(call.request.body);
  if (!document || !document->root().is_object() ||
      document->root()["messaging_product"].text_or("") != "whatsapp") {
    return error(400, 100, "(#100) The parameter messaging_product is required.");
  }
  const Value body = document->root();
  if (body["status"].exists()) return whatsapp_read(number, body);
  if (auto refused = refuse_whatsapp(number, body)) return std::move(*refused);

  const std::string type(body["type"].text_or("text"));
  const std::string_view input = body["to"].text_or(body["recipient"].text_or(""));
  std::string to = phone_digits(input);
  const bool by_user_id = to.empty();
  if (by_user_id) to = input;
  const std::string wamid = mint_wamid(to);
  number.messages[wamid] = {body.dump(), to, false, false};
  Sent sent;
  sent.platform = "whatsapp";
  sent.account = number.id;
  sent.to = to;
  sent.id = wamid;
  sent.reply_to = body["context"]["message_id"].text_or("");
  sent.kind = type;
  sent.text = shown_text(body, type);
  sent.body = body.dump();
  record_sent(std::move(sent));

  int failure = 0;
  const auto last = number.last_inbound_ms.find(to);
  const bool open =
      last != number.last_inbound_ms.end() && clock_.now_ms() - last->second <= kDayMs;
  if (number.undeliverable.count(to) != 0) {
    failure = kUndeliverable;
  } else if (!open && type != "template") {
    failure = kReEngagement;
  }
  const std::string tracker(body["biz_opaque_callback_data"].text_or(""));
  const auto link = body[type]["link"].text();
  if (link && meta_.fetches_media && failure == 0) {
    HttpCall fetch;
    fetch.method = "GET";
    fetch.url = *link;
    fetch.follows_redirects = true;
    sender_.fetch(
        std::move(fetch), [this, id = number.id, wamid, to, tracker](const HttpOutcome& outcome) {
          const std::lock_guard lock(mutex_);
          settle_whatsapp(id, wamid, to, tracker, outcome.status == 200 ? 0 : kMediaUpload);
        });
  } else {
    settle_whatsapp(number.id, wamid, to, tracker, failure);
  }
  if (failure == 0) answer_whatsapp(number.id, to);

  Members contact{{"input", json_text(input)}};
  contact.emplace_back(by_user_id ? "user_id" : "wa_id", json_text(to));
  Members message{{"id", json_text(wamid)}};
  if (type == "template") message.emplace_back("message_status", json_text("accepted"));
  HttpReply reply;
  reply.headers.emplace_back("facebook-api-version", "v26.0");
  reply.body = object({{"messaging_product", json_text("whatsapp")},
                       {"contacts", array({object(contact)})},
                       {"messages", array({object(message)})}});
  return reply;
}

MetaSimulator::Change MetaSimulator::whatsapp_status(const WhatsAppNumber& number,
                                                     const std::string& wamid,
                                                     std::string_view status, const std::string& to,
                                                     std::string_view tracker, int failure) {
  Members item{{"id", json_text(wamid)},
               {"status", json_text(status)},
               {"timestamp", json_text(std::to_string(clock_.now_ms() / 1'000))}};
  item.emplace_back(is_bsuid(to) ? "recipient_user_id" : "recipient_id", json_text(to));
  if (!tracker.empty()) item.emplace_back("biz_opaque_callback_data", json_text(tracker));
  if (failure != 0) {
    item.emplace_back("errors", array({failure_json(failure)}));
  } else if (status == "sent" || status == "delivered") {
    item.emplace_back("conversation",
                      object({{"id", json_text(mint_hex(32))},
                              {"origin", object({{"type", json_text("service")}})}}));
    item.emplace_back("pricing", object({{"billable", "false"},
                                         {"pricing_model", json_text("PMP")},
                                         {"category", json_text("service")},
                                         {"type", json_text("free_customer_service")}}));
  }
  Change change;
  change.party = Party::number;
  change.account = number.id;
  change.field = "messages";
  change.list = "statuses";
  change.item = object(item);
  change.id = wamid + ":" + std::string(status);
  return change;
}

void MetaSimulator::settle_whatsapp(const std::string& number_id, const std::string& wamid,
                                    const std::string& to, std::string_view tracker, int failure) {
  const auto number = world_.numbers.find(number_id);
  if (number == world_.numbers.end()) return;
  if (failure != 0) {
    deliver({whatsapp_status(number->second, wamid, "failed", to, tracker, failure)},
            scaled(kStatusEveryMs));
    return;
  }
  std::int64_t after = 0;
  for (const std::string& status : meta_.statuses) {
    deliver({whatsapp_status(number->second, wamid, status, to, tracker, 0)}, scaled(after));
    after += kStatusEveryMs;
  }
}

// The person who was written to answers.
void MetaSimulator::answer_whatsapp(const std::string& number_id, const std::string& to) {
  if (!options_.replies) return;
  for (const Person& person : cast()) {
    const Contact contact = contact_of(person.key);
    if (contact.phone != to && contact.bsuid != to) continue;
    const auto wish = Document::parse(object({{"number", json_text(number_id)},
                                              {"from", json_text(person.key)},
                                              {"text", json_text(thanks_of(person.key))}}));
    std::vector<std::string> ids;
    if (auto changes = changes_of(wish->root(), ids)) {
      deliver(std::move(*changes), scaled(kReplyAfterMs));
    }
  }
}

std::optional<HttpReply> MetaSimulator::refuse_instagram(const InstagramAccount& account,
                                                         Value body) {
  const auto bad = [&](std::string_view what) {
    return error(400, 100, "(#100) " + std::string(what));
  };
  const std::string to(body["recipient"]["id"].text_or(""));
  const auto comment = body["recipient"]["comment_id"].text();
  const bool to_comment = comment.has_value();
  if (to.empty() && !to_comment) return bad("The parameter recipient is required");
  if (to_comment) {
    const auto known = account.comments.find(std::string(*comment));
    if (known == account.comments.end()) return bad("The comment does not exist");
    if (known->second.answered) return error(400, 10900, "(#10900) Activity already replied to");
    if (clock_.now_ms() - known->second.at_ms > kPrivateReplyMs) {
      return error(400, 10901, "(#10901) Activity expired");
    }
  }
  if (!to_comment && account.people.count(to) == 0) {
    return error(400, 100, "(#100) No matching user found", 2534014);
  }
  const std::string_view action = body["sender_action"].text_or("");
  if (!action.empty()) {
    if (action == "typing_on" || action == "typing_off" || action == "mark_seen") return {};
    if (action != "react" && action != "unreact") return bad("Param sender_action is not known");
    if (body["payload"]["message_id"].text_or("").empty()) {
      return bad("The parameter payload[message_id] is required");
    }
    if (action == "react" && body["payload"]["reaction"].text_or("").empty()) {
      return bad("The parameter payload[reaction] is required");
    }
    return {};
  }
  const auto last = account.last_inbound_ms.find(to);
  const std::int64_t silence =
      last == account.last_inbound_ms.end() ? 100 * kDayMs : clock_.now_ms() - last->second;
  const bool human = body["messaging_type"].text_or("") == "MESSAGE_TAG" &&
                     body["tag"].text_or("") == "HUMAN_AGENT";
  if (!to_comment && silence > (human ? kHumanAgentMs : kDayMs)) {
    return error(403, 10, "(#10) This message is sent outside of allowed window.", 2534022);
  }
  const Value message = body["message"];
  if (!message.is_object()) return bad("The parameter message is required");
  const auto text = message["text"].text();
  const bool attached = message["attachment"].exists() || message["attachments"].exists();
  if (text && attached) return bad("Only one of text and attachment can be sent");
  if (!text && !attached) return bad("Message cannot be empty, must provide text or attachment");
  if (text && text->empty()) return bad("Message cannot be empty");
  if (text && text->size() > kInstagramTextBytes) {
    return bad("Length of param message[text] must be less than or equal to 1000");
  }
  const auto files = message["attachments"].elements();
  if (message["attachments"].exists() && (files.empty() || files.size() > 10)) {
    return bad("Param message[attachments] has 1 to 10 images");
  }
  for (const Value file : files) {
    if (file["type"].text_or("") != "image" || !is_web_url(file["payload"]["url"].text_or(""))) {
      return bad("Param message[attachments] takes images by URL");
    }
  }
  if (const Value file = message["attachment"]; file.exists()) {
    const std::string_view type = file["type"].text_or("");
    const bool by_url = type == "image" || type == "video" || type == "audio" || type == "file";
    if (!by_url && type != "like_heart" && type != "template" && type != "MEDIA_SHARE") {
      return bad("Param message[attachment][type] is not known");
    }
    if (by_url && !is_web_url(file["payload"]["url"].text_or(""))) {
      return bad("Param message[attachment][payload][url] is not a valid URI");
    }
  }
  const auto replies = message["quick_replies"].elements();
  if (replies.size() > 13) return bad("At most 13 quick replies can be sent");
  for (const Value reply : replies) {
    if (units(reply["title"].text_or("")) > 20) return bad("Quick reply title is too long");
    if (units(reply["payload"].text_or("")) > 1000) return bad("Quick reply payload is too long");
  }
  return {};
}

MetaSimulator::Answer MetaSimulator::instagram_message(Call& call, InstagramAccount& account) {
  auto document = Document::parse(call.request.body);
  if (!document || !document->root().is_object()) {
    return error(400, 100, "(#100) The parameter recipient is required");
  }
  const Value body = document->root();
  if (auto refused = refuse_instagram(account, body)) return std::move(*refused);
  const std::string comment(body["recipient"]["comment_id"].text_or(""));
  const std::string to(comment.empty() ? body["recipient"]["id"].text_or("")
                                       : std::string_view(account.comments.at(comment).igsid));
  if (body["sender_action"].exists()) {
    HttpReply reply;
    reply.body = object({{"recipient_id", json_text(to)}});
    return reply;
  }
  const auto finish = [this, user_id = account.user_id, to, comment, text = body.dump()] {
    const auto again = Document::parse(text);
    const Value message = again->root()["message"];
    const std::string mid = mint_mid();
    InstagramAccount& owner = world_.instagram.at(user_id);
    if (!comment.empty()) owner.comments.at(comment).answered = true;
    std::string kind = "text";
    if (message["attachments"].exists()) kind = "image";
    if (message["attachment"].exists()) kind = message["attachment"]["type"].text_or("");
    Sent sent;
    sent.platform = "instagram";
    sent.account = user_id;
    sent.to = to;
    sent.id = mid;
    sent.reply_to = again->root()["reply_to"]["mid"].text_or("");
    sent.kind = kind;
    sent.text = message["text"].text_or("");
    sent.body = text;
    record_sent(std::move(sent));
    settle_instagram(owner, to, mid, message);
    HttpReply reply;
    Members members;
    if (!to.empty()) members.emplace_back("recipient_id", json_text(to));
    members.emplace_back("message_id", json_text(mid));
    reply.body = object(members);
    return reply;
  };
  const auto url = body["message"]["attachment"]["payload"]["url"].text();
  if (!url || !meta_.fetches_media) return finish();
  Waiting waiting;
  waiting.call.method = "GET";
  waiting.call.url = *url;
  waiting.call.follows_redirects = true;
  waiting.call.timeout = options_.answer_timeout;
  waiting.then = [this, finish](const HttpOutcome& outcome) -> HttpReply {
    if (outcome.status == 200) return finish();
    return error(400, 100, "(#100) The media could not be fetched from this URI", 2207052);
  };
  return waiting;
}

// The echo has the mid of the answer and may come before it; the customer reads some time later.
void MetaSimulator::settle_instagram(InstagramAccount& account, const std::string& igsid,
                                     const std::string& mid, Value message) {
  account.messages[mid] = {std::string(message["text"].text_or("")), igsid, false, false};
  Members echo{{"mid", json_text(mid)}};
  if (const auto text = message["text"].text()) echo.emplace_back("text", json_text(*text));
  if (const Value file = message["attachment"]; file.exists()) {
    echo.emplace_back("attachments", array({file.dump()}));
  }
  if (message["attachments"].exists())
    echo.emplace_back("attachments", message["attachments"].dump());
  echo.emplace_back("is_echo", "true");
  echo.emplace_back("app_id", account.app_id);
  const auto item = [&](std::string_view sender, std::string_view recipient, std::string_view name,
                        const std::string& json) {
    return object({{"sender", object({{"id", json_text(sender)}})},
                   {"recipient", object({{"id", json_text(recipient)}})},
                   {"timestamp", std::to_string(clock_.now_ms())},
                   {std::string(name), json}});
  };
  Change change;
  change.party = Party::instagram;
  change.account = account.user_id;
  change.field = "messages";
  change.list = "messaging";
  change.item = item(account.user_id, igsid, "message", object(echo));
  change.id = mid;
  deliver({change});
  if (std::find(meta_.statuses.begin(), meta_.statuses.end(), "read") != meta_.statuses.end()) {
    change.field = "messaging_seen";
    change.item = item(igsid, account.user_id, "read", object({{"mid", json_text(mid)}}));
    deliver({change}, scaled(2 * kStatusEveryMs));
  }
  if (!options_.replies) return;
  const auto person = account.people.find(igsid);
  if (person == account.people.end()) return;
  const auto wish = Document::parse(object({{"account", json_text(account.user_id)},
                                            {"from", json_text(person->second)},
                                            {"text", json_text(thanks_of(person->second))}}));
  std::vector<std::string> ids;
  if (auto changes = changes_of(wish->root(), ids)) {
    deliver(std::move(*changes), scaled(kReplyAfterMs));
  }
}

}  // namespace gateway::simulate
