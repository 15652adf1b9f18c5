#include "connectors/email/receive.h"

#include <algorithm>

#include "connectors/email/address.h"
#include "connectors/email/charset.h"
#include "connectors/email/delivery.h"
#include "connectors/email/mail.h"
#include "connectors/email/transfer.h"
#include "connectors/email/understand.h"
#include "connectors/email/verify.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Received;
using connector::ReceiveResult;
using connector::Request;
using sdk::json::Document;
using sdk::json::Value;

// The gateway takes no more of one delivery.
constexpr std::size_t kMaxEvents = 1000;

Fail not_understood(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }

Event unknown_event(std::string key) { return {.kind = EventKind::unknown, .key = std::move(key)}; }

// Identity of a delivery that has no id of its own.
std::string key_of_bytes(std::string_view prefix, std::string_view bytes) {
  return std::string(prefix) + sdk::hex(sdk::sha256(bytes)).substr(0, 32);
}

std::string clean(std::string_view text, std::size_t max_bytes = 990) {
  std::string line = sdk::sanitize(text, max_bytes);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

void add_field(Fields& fields, std::string_view name, std::string_view value) {
  if (!value.empty() && field(fields, name).empty()) {
    fields.push_back({std::string(name), std::string(value)});
  }
}

std::vector<std::string> addresses_in(std::string_view list) {
  std::vector<std::string> addresses;
  for (Address& one : parse_addresses(list)) addresses.push_back(std::move(one.address));
  return addresses;
}

// The domain of From, for verdicts that name a domain.
std::string from_domain(const Fields& fields) {
  const auto from = parse_addresses(field(fields, "from"), 1);
  return from.empty() ? std::string() : std::string(domain_of(from[0].address));
}

std::string spf_verdict(std::string_view result, std::string_view mail_from, const Fields& fields) {
  const std::string lower = sdk::lower_ascii(sdk::trim(result));
  const auto sender = parse_addresses(mail_from, 1);
  if (lower == "pass") {
    return !sender.empty() && is_aligned(domain_of(sender[0].address), from_domain(fields))
               ? "pass"
               : "none";
  }
  return lower == "fail" ? "fail" : "none";
}

std::string content_id_of(std::string_view id) {
  id = sdk::trim(id);
  if (id.starts_with("cid:")) id.remove_prefix(4);
  if (id.starts_with('<') && id.ends_with('>')) id = id.substr(1, id.size() - 2);
  return clean(id);
}

std::string media_type(std::string_view content_type) {
  return parse_parametrized(content_type).value;
}

// ---- Mailgun
// https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http
// (read 2026-11-20)

Mail mailgun_mail(const std::vector<FormPart>& form) {
  Mail mail;
  if (const auto headers = Document::parse(value_of(form, "message-headers"), kMailLimits)) {
    for (const Value pair : headers->root().elements()) {
      if (mail.fields.size() == kMaxFields) break;
      mail.fields.push_back(
          {sdk::lower_ascii(pair.at(0).text_or("")), std::string(pair.at(1).text_or(""))});
    }
  }
  for (const FormPart& part : form) {
    const std::string name = sdk::lower_ascii(part.name);
    for (const std::string_view known : {"from", "to", "cc", "subject", "date", "message-id",
                                         "in-reply-to", "references", "reply-to"}) {
      if (name == known) add_field(mail.fields, name, to_utf8(part.content, "utf-8"));
    }
  }
  set_bodies(mail, to_utf8(value_of(form, "body-plain"), "utf-8"),
             to_utf8(value_of(form, "body-html"), "utf-8"));
  const auto ids = Document::parse(value_of(form, "content-id-map"));
  for (const FormPart& part : form) {
    if (!part.name.starts_with("attachment-") || part.name == "attachment-count") continue;
    MailAttachment attachment{.mime_type = media_type(part.content_type),
                              .file_name = part.file_name,
                              .content_id = {},
                              .content = part.content,
                              .media_id = {}};
    if (ids) {
      for (const auto& [id, name] : ids->root().members()) {
        if (name.text_or("") == part.name) attachment.content_id = content_id_of(id);
      }
    }
    mail.attachments.push_back(std::move(attachment));
  }
  // Routes with store() keep files for three days and give links that need the API key.
  if (const auto stored = Document::parse(value_of(form, "attachments"))) {
    for (const Value one : stored->root().elements()) {
      if (one["url"].text_or("").empty()) continue;
      mail.attachments.push_back(
          {.mime_type = media_type(one["content-type"].text_or("")),
           .file_name = std::string(one["name"].text_or("")),
           .content_id = {},
           .content = {},
           .media_id = std::string(one["url"].text_or("")),
           .size = std::max<std::int64_t>(one["size"].integer().value_or(-1), -1)});
    }
  }
  return mail;
}

ReceiveResult mailgun_form(const Channel& channel, const std::vector<FormPart>& form) {
  Envelope envelope{.mail_from = clean(value_of(form, "sender")),
                    .recipients = addresses_in(value_of(form, "recipient"))};
  const std::string_view raw = value_of(form, "body-mime");
  if (raw.empty() && value_of(form, "from").empty() && value_of(form, "message-headers").empty()) {
    return not_understood("the form has neither a mail nor the parts of one");
  }
  Mail mail = raw.empty() ? mailgun_mail(form) : read_mail(raw);
  envelope.auth =
      spf_verdict(value_of(form, "X-Mailgun-Spf"), value_of(form, "sender"), mail.fields);
  return Received{events_of(channel, std::move(mail), envelope), std::nullopt};
}

// https://documentation.mailgun.com/docs/mailgun/user-manual/events/events (read 2026-11-20)
ReceiveResult mailgun_event(Value root) {
  const Value data = root["event-data"];
  const std::string_view event = data["event"].text_or("");
  const std::string message = normalized_id(data["message"]["headers"]["message-id"].text_or(""));
  const std::string recipient = normalized_address(clean(data["recipient"].text_or("")));
  const Value status = data["delivery-status"];
  std::string why = clean(status["message"].text_or(""));
  if (why.empty()) why = clean(status["description"].text_or(""));
  const std::string_view id = data["id"].text_or("");
  const std::string key = id.empty() ? key_of_bytes("mailgun:", data.dump())
                                     : "mailgun:" + clean(id) + ":" + clean(event, 40);
  Event result = unknown_event(key);
  if (event == "failed" && data["severity"].text_or("") == "temporary" && !message.empty()) {
    result = delay_notice(message, recipient, why, key);
  } else if (event == "failed" && !message.empty()) {
    result = status_of(message, "failed", recipient, key);
    result.code = std::string(status["code"].digits().value_or(""));
    result.text = why;
  } else if (event == "delivered" && !message.empty()) {
    result = status_of(message, "delivered", recipient, key);
  } else if (event == "opened" && !message.empty()) {
    result = status_of(message, "read", recipient, key);
  } else if ((event == "complained" || event == "unsubscribed") && !recipient.empty()) {
    result = contact_blocked(recipient, event, key);
  }
  const double seconds = data["timestamp"].number().value_or(0);
  if (seconds > 0 && seconds < 4e9) result.sent_ms = static_cast<std::int64_t>(seconds * 1000);
  return Received{{std::move(result)}, std::nullopt};
}

// ---- Postmark
// https://postmarkapp.com/developer/webhooks/inbound-webhook (read 2026-11-20)

std::string mailbox_of(Value full, std::string_view plain) {
  const std::string_view address = full["Email"].text_or("");
  if (address.empty()) return std::string(plain);
  std::string name;
  for (const char c : full["Name"].text_or("")) {
    if (c == '"' || c == '\\') name += '\\';
    name += c;
  }
  return "\"" + name + "\" <" + std::string(address) + ">";
}

Mail postmark_mail(Value root) {
  Mail mail;
  for (const Value header : root["Headers"].elements()) {
    if (mail.fields.size() == kMaxFields) break;
    mail.fields.push_back(
        {sdk::lower_ascii(header["Name"].text_or("")), std::string(header["Value"].text_or(""))});
  }
  add_field(mail.fields, "from", mailbox_of(root["FromFull"], root["From"].text_or("")));
  add_field(mail.fields, "to", root["To"].text_or(""));
  add_field(mail.fields, "cc", root["Cc"].text_or(""));
  add_field(mail.fields, "reply-to", root["ReplyTo"].text_or(""));
  add_field(mail.fields, "subject", root["Subject"].text_or(""));
  add_field(mail.fields, "date", root["Date"].text_or(""));
  set_bodies(mail, root["TextBody"].text_or(""), root["HtmlBody"].text_or(""));
  for (const Value one : root["Attachments"].elements()) {
    mail.attachments.push_back({.mime_type = media_type(one["ContentType"].text_or("")),
                                .file_name = std::string(one["Name"].text_or("")),
                                .content_id = content_id_of(one["ContentID"].text_or("")),
                                .content = decode_base64(one["Content"].text_or("")),
                                .media_id = {}});
  }
  return mail;
}

// https://postmarkapp.com/developer/api/bounce-api#bounce-types (read 2026-11-20)
bool is_for_ever(std::string_view bounce_type) {
  for (const std::string_view type :
       {"HardBounce", "BadEmailAddress", "ManuallyDeactivated", "Blocked", "SoftBounce",
        "InboundError", "DMARCPolicy", "TemplateRenderingFailed", "AddressChange"}) {
    if (bounce_type == type) return true;
  }
  return false;
}

// https://postmarkapp.com/developer/webhooks/bounce-webhook and its neighbours (read 2026-11-20)
ReceiveResult postmark_record(Value root) {
  const std::string_view type = root["RecordType"].text_or("");
  const std::string_view message_id = root["MessageID"].text_or("");
  const std::string_view bounce = root["Type"].text_or("");
  std::string recipient = clean(root["Email"].text_or(""));
  if (recipient.empty()) recipient = clean(root["Recipient"].text_or(""));
  recipient = normalized_address(recipient);
  const std::string id(root["ID"].digits().value_or(message_id));
  const std::string key = "postmark:" + clean(type, 100) + ":" + clean(id) + ":" + recipient;
  const std::string message = normalized_id(message_id);
  Event event = unknown_event(key);
  std::string_view when;
  if (type == "Bounce" &&
      (bounce == "SpamNotification" || bounce == "SpamComplaint" || bounce == "Unsubscribe")) {
    event = contact_blocked(recipient, bounce, key);
    when = root["BouncedAt"].text_or("");
  } else if (type == "Bounce" && is_for_ever(bounce) && !message.empty()) {
    event = status_of(message, "failed", recipient, key);
    event.code = clean(bounce, 100);
    event.text = clean(root["Details"].text_or(root["Description"].text_or("")));
    when = root["BouncedAt"].text_or("");
  } else if (type == "Bounce" && (bounce == "Transient" || bounce == "DnsError") &&
             !message.empty()) {
    event = delay_notice(message, recipient, root["Description"].text_or(""), key);
    when = root["BouncedAt"].text_or("");
  } else if (type == "Delivery" && !message.empty()) {
    event = status_of(message, "delivered", recipient, key);
    when = root["DeliveredAt"].text_or("");
  } else if (type == "Open" && !message.empty()) {
    event = status_of(message, "read", recipient, key);
    when = root["ReceivedAt"].text_or("");
  } else if (type == "SpamComplaint") {
    event = contact_blocked(recipient, "complaint", key);
    when = root["BouncedAt"].text_or("");
  } else if (type == "SubscriptionChange") {
    event = contact_blocked(recipient, root["SuppressionReason"].text_or(""), key);
    if (!root["SuppressSending"].boolean().value_or(true)) event.state = "active";
    when = root["ChangedAt"].text_or("");
  }
  const std::string_view own = root["Metadata"]["gw_message_id"].text_or("");
  if (event.kind == EventKind::status && !own.empty()) {
    event.extra.emplace_back("message_key", clean(own));
  }
  event.sent_ms = parse_iso_time(when).value_or(0);
  return Received{{std::move(event)}, std::nullopt};
}

ReceiveResult postmark(const Channel& channel, Value root) {
  if (root["RecordType"].exists()) return postmark_record(root);
  const std::string_view raw = root["RawEmail"].text_or("");
  if (raw.empty() && !root["From"].exists() && !root["FromFull"].exists()) {
    return not_understood("the JSON is neither a mail nor a record of Postmark");
  }
  Envelope envelope{.recipients = addresses_in(root["OriginalRecipient"].text_or("")),
                    .mailbox_hash = std::string(root["MailboxHash"].text_or(""))};
  return Received{events_of(channel, raw.empty() ? postmark_mail(root) : read_mail(raw), envelope),
                  std::nullopt};
}

// ---- SendGrid
// https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook
// (read 2026-11-20)

// "{@customer.example : pass, @other.example : fail}", which is no JSON.
std::string dkim_verdict(std::string_view results, const std::string& domain) {
  bool failed = false;
  while (!results.empty()) {
    const auto at = results.find('@');
    if (at == std::string_view::npos) break;
    results.remove_prefix(at + 1);
    const auto end = std::min(results.find_first_of(",}"), results.size());
    const std::string_view one = results.substr(0, end);
    results.remove_prefix(end);
    const auto colon = one.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view verdict = sdk::trim(one.substr(colon + 1));
    if (verdict == "pass" && is_aligned(sdk::trim(one.substr(0, colon)), domain)) return "pass";
    failed |= verdict == "fail";
  }
  return failed ? "fail" : "none";
}

ReceiveResult sendgrid(const Channel& channel, const std::vector<FormPart>& form) {
  const std::string_view raw = value_of(form, "email");
  if (raw.empty() && value_of(form, "headers").empty() && value_of(form, "from").empty()) {
    return not_understood("the form has neither a mail nor the parts of one");
  }
  const auto charsets = Document::parse(value_of(form, "charsets"));
  const auto text = [&](std::string_view name) {
    const std::string_view charset =
        charsets ? charsets->root()[name].text_or("utf-8") : std::string_view("utf-8");
    return to_utf8(value_of(form, name), charset);
  };
  Mail mail;
  if (!raw.empty()) {
    mail = read_mail(raw);
  } else {
    std::string_view headers = value_of(form, "headers");
    mail.fields = take_header(headers);
    for (const std::string_view name : {"from", "to", "cc", "subject"}) {
      add_field(mail.fields, name, text(name));
    }
    set_bodies(mail, text("text"), text("html"));
    const auto info = Document::parse(value_of(form, "attachment-info"));
    for (const FormPart& part : form) {
      const bool file = part.name.starts_with("attachment") && !part.file_name.empty();
      if (!file) continue;
      const Value about = info ? info->root()[part.name] : Value();
      std::string_view type = about["type"].text_or(part.content_type);
      mail.attachments.push_back(
          {.mime_type = media_type(type),
           .file_name = std::string(about["filename"].text_or(part.file_name)),
           .content_id = content_id_of(about["content-id"].text_or("")),
           .content = part.content,
           .media_id = {}});
    }
  }
  Envelope envelope;
  if (const auto sent = Document::parse(value_of(form, "envelope"))) {
    envelope.mail_from = clean(sent->root()["from"].text_or(""));
    for (const Value to : sent->root()["to"].elements()) {
      for (std::string& address : addresses_in(to.text_or(""))) {
        envelope.recipients.push_back(std::move(address));
      }
    }
  }
  envelope.auth = spf_verdict(value_of(form, "SPF"), envelope.mail_from, mail.fields);
  const std::string dkim = dkim_verdict(value_of(form, "dkim"), from_domain(mail.fields));
  if (dkim == "pass" || envelope.auth == "none") envelope.auth = dkim;
  const std::string score = clean(value_of(form, "spam_score"), 20);
  if (!score.empty()) envelope.extra.emplace_back("spam_score", score);
  return Received{events_of(channel, std::move(mail), envelope), std::nullopt};
}

// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event (read 2026-11-21)
Event sendgrid_event(Value one) {
  const std::string_view name = one["event"].text_or("");
  const std::string_view id = one["sg_event_id"].text_or("");
  const std::string key = id.empty() ? key_of_bytes("sendgrid:", one.dump())
                                     : "sendgrid:" + clean(id) + ":" + clean(name, 40);
  const std::string recipient = normalized_address(clean(one["email"].text_or("")));
  // What the API answered, and behind it the servers that had the mail; absent in a late bounce.
  std::string_view message_id = one["sg_message_id"].text_or("");
  for (const std::string_view server : {".filter", ".recvd"}) {
    message_id = message_id.substr(0, message_id.find(server));
  }
  const std::string_view own = one["gw_message_id"].text_or("");
  const std::string message =
      message_id.empty() ? normalized_id(one["smtp-id"].text_or("")) : normalized_id(message_id);
  std::string why = clean(one["reason"].text_or(""));
  if (why.empty()) why = clean(one["response"].text_or(""));
  Event event = unknown_event(key);
  const bool is_known = !message.empty() || !own.empty();
  if ((name == "bounce" || name == "dropped") && is_known) {
    event = status_of(message, "failed", recipient, key);
    event.code = clean(one["status"].text_or(name), 40);
    event.text = why;
  } else if (name == "delivered" && is_known) {
    event = status_of(message, "delivered", recipient, key);
  } else if (name == "open" && is_known) {
    event = status_of(message, "read", recipient, key);
  } else if (name == "deferred" && !message.empty()) {
    event = delay_notice(message, recipient, why, key);
  } else if ((name == "spamreport" || name == "unsubscribe" || name == "group_unsubscribe") &&
             !recipient.empty()) {
    event = contact_blocked(recipient, name, key);
  } else if (name == "group_resubscribe" && !recipient.empty()) {
    event = contact_blocked(recipient, name, key);
    event.state = "active";
  }
  if (event.kind == EventKind::status && !own.empty()) {
    event.extra.emplace_back("message_key", clean(own));
    if (event.message.empty()) event.message = "key:" + clean(own);
  }
  const std::int64_t seconds = one["timestamp"].integer().value_or(0);
  if (seconds > 0 && seconds < 4'000'000'000) event.sent_ms = seconds * 1000;
  return event;
}

ReceiveResult sendgrid_events(const Request& request) {
  const auto document = Document::parse(request.body, kMailLimits);
  if (!document) return not_understood("the delivery is no JSON: " + document.error().reason);
  Received received;
  for (const Value one : document->root().elements()) {
    if (one.is_object()) received.events.push_back(sendgrid_event(one));
    if (received.events.size() == kMaxEvents) break;
  }
  if (received.events.empty()) return not_understood("the list has no events in it");
  return received;
}

// ---- Amazon SES over SNS
// https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html and
// event-publishing-retrieving-sns-contents.html (read 2026-11-20)

std::string ses_auth(Value receipt) {
  const std::string_view dmarc = receipt["dmarcVerdict"]["status"].text_or("");
  if (dmarc == "PASS") return "pass";
  return dmarc == "FAIL" ? "fail" : "none";
}

void add_verdict(connector::Pairs& extra, std::string_view name, Value verdict) {
  if (verdict["status"].text_or("") == "FAIL") extra.emplace_back(name, "fail");
}

std::vector<Event> ses_received(const Channel& channel, Value message) {
  const Value receipt = message["receipt"];
  const Value action = receipt["action"];
  Envelope envelope{.mail_from = clean(message["mail"]["source"].text_or("")),
                    .auth = ses_auth(receipt)};
  for (const Value to : receipt["recipients"].elements()) {
    envelope.recipients.push_back(clean(to.text_or("")));
    if (envelope.recipients.size() == 100) break;
  }
  add_verdict(envelope.extra, "spam", receipt["spamVerdict"]);
  add_verdict(envelope.extra, "virus", receipt["virusVerdict"]);
  if (const auto content = message["content"].text()) {
    const bool coded = sdk::equals_ignoring_case(action["encoding"].text_or(""), "base64");
    return events_of(channel, read_mail(coded ? decode_base64(*content) : std::string(*content)),
                     envelope);
  }
  const std::string_view id = message["mail"]["messageId"].text_or("");
  Event event = unknown_event("ses:" + clean(id));
  const std::string_view object = action["objectKey"].text_or("");
  const std::string_view bucket = channel.setting("ses.bucket");
  // Only what is in our own bucket is asked for.
  if (!object.empty() && !bucket.empty() && action["bucketName"].text_or("") == bucket) {
    event.extra = {{"acknowledge", "1"}, {std::string(kObjectKey), clean(object, 1024)}};
    const std::string_view prefix = action["objectKeyPrefix"].text_or("");
    if (!prefix.empty()) event.extra.emplace_back(kObjectPrefix, clean(prefix, 1024));
    event.extra.emplace_back("auth", envelope.auth);
    event.extra.emplace_back("mail_from", envelope.mail_from);
    std::string list;
    for (const std::string& to : envelope.recipients) list += (list.empty() ? "" : ", ") + to;
    event.extra.emplace_back("recipients", list);
    for (const auto& verdict : envelope.extra) event.extra.push_back(verdict);
  }
  return {std::move(event)};
}

// Whom an event of a kind is about, and what it says of each.
struct AboutRecipients {
  std::vector<Value> recipients;
  std::string_view when;
};

AboutRecipients about(Value message, std::string_view section, std::string_view list) {
  return {message[section][list].elements(), message[section]["timestamp"].text_or("")};
}

std::string recipient_of(Value one) {
  return normalized_address(clean(one["emailAddress"].text_or(one.text_or(""))));
}

std::vector<Event> ses_status(Value message, std::string_view type, const std::string& sns_id) {
  const std::string id = normalized_id(message["mail"]["messageId"].text_or(""));
  std::vector<Event> events;
  const auto key = [&](std::size_t i) { return "sns:" + sns_id + "#" + std::to_string(i); };
  const auto each = [&](const AboutRecipients& told, auto make) {
    for (std::size_t i = 0; i < std::min<std::size_t>(told.recipients.size(), 100); ++i) {
      Event event = make(told.recipients[i], key(i));
      event.sent_ms = parse_iso_time(told.when).value_or(0);
      events.push_back(std::move(event));
    }
  };
  if (id.empty()) return events;
  if (type == "Bounce") {
    // Bounces are told once SES has given up
    // (https://docs.aws.amazon.com/cdk/api/v2/python/aws_cdk.aws_ses/EmailSendingEvent.html), but a
    // general transient one is an automatic answer more often than not
    // (https://repost.aws/knowledge-center/ses-understand-soft-bounces, both read 2026-11-21).
    const Value bounce = message["bounce"];
    const bool is_told_only = bounce["bounceType"].text_or("") == "Transient" &&
                              bounce["bounceSubType"].text_or("General") == "General";
    each(about(message, "bounce", "bouncedRecipients"), [&](Value one, std::string event_key) {
      const std::string diagnostic = clean(one["diagnosticCode"].text_or(""));
      if (is_told_only) {
        return bounce_notice(id, recipient_of(one), diagnostic, std::move(event_key));
      }
      Event event = status_of(id, "failed", recipient_of(one), std::move(event_key));
      event.code = clean(one["status"].text_or(bounce["bounceSubType"].text_or("")), 40);
      event.text = diagnostic;
      return event;
    });
  } else if (type == "Complaint") {
    each(about(message, "complaint", "complainedRecipients"),
         [&](Value one, std::string event_key) {
           Event event = contact_blocked(
               recipient_of(one),
               "complaint: " + clean(message["complaint"]["complaintFeedbackType"].text_or("")),
               std::move(event_key));
           event.message = id;
           return event;
         });
  } else if (type == "Delivery") {
    each(about(message, "delivery", "recipients"), [&](Value one, std::string event_key) {
      return status_of(id, "delivered", recipient_of(one), std::move(event_key));
    });
  } else if (type == "DeliveryDelay") {
    each(about(message, "deliveryDelay", "delayedRecipients"),
         [&](Value one, std::string event_key) {
           return delay_notice(id, recipient_of(one), clean(one["diagnosticCode"].text_or("")),
                               std::move(event_key));
         });
  } else if (type == "Open" || type == "Send" || type == "Reject" || type == "Rendering Failure") {
    const std::string_view state = type == "Open" ? "read" : type == "Send" ? "sent" : "failed";
    Event event = status_of(id, state, "", key(0));
    event.sent_ms = parse_iso_time(message["open"]["timestamp"].text_or(
                                       message["mail"]["timestamp"].text_or("")))
                        .value_or(0);
    if (state == "failed") {
      event.code = clean(type, 40);
      event.text = clean(
          message["reject"]["reason"].text_or(message["failure"]["errorMessage"].text_or("")));
    }
    events.push_back(std::move(event));
  }
  return events;
}

ReceiveResult ses(const Channel& channel, Value root) {
  const std::string_view type = root["Type"].text_or("");
  const std::string sns_id = clean(root["MessageId"].text_or(""));
  if (type == "SubscriptionConfirmation" || type == "UnsubscribeConfirmation") {
    Event event{.kind = EventKind::account_state, .key = "sns:" + sns_id};
    const std::string_view url = root["SubscribeURL"].text_or("");
    event.sent_ms = parse_iso_time(root["Timestamp"].text_or("")).value_or(0);
    event.state = type == "SubscriptionConfirmation" ? "subscribing" : "unsubscribed";
    event.text = clean(root["TopicArn"].text_or(""), 300);
    // Ending a subscription is a person's wish; confirming would undo it.
    if (type == "SubscriptionConfirmation" && is_sns_url(url)) {
      event.extra = {{"acknowledge", "1"}, {std::string(kSubscribeUrl), std::string(url)}};
    }
    return Received{{std::move(event)}, std::nullopt};
  }
  const auto message = Document::parse(root["Message"].text_or(""), kMailLimits);
  // "Successfully validated SNS topic ..." is what SES says when it is set up.
  if (!message) return Received{{unknown_event("sns:" + sns_id)}, std::nullopt};
  const Value inner = message->root();
  const std::string_view kind = inner["notificationType"].text_or(inner["eventType"].text_or(""));
  std::vector<Event> events =
      kind == "Received" ? ses_received(channel, inner) : ses_status(inner, kind, sns_id);
  if (events.empty()) events.push_back(unknown_event("sns:" + sns_id));
  return Received{std::move(events), std::nullopt};
}

// ---- a mail server that posts

ReceiveResult raw_mail(const Channel& channel, const Request& request) {
  if (request.body.empty()) return not_understood("the delivery has no mail in it");
  Envelope envelope;
  for (const auto& [name, value] : sdk::parse_form(request.query, 100)) {
    if (name == "rcpt") {
      for (std::string& address : addresses_in(value)) {
        envelope.recipients.push_back(std::move(address));
      }
    } else if (name == "from") {
      envelope.mail_from = value.empty() ? "<>" : clean(value);
    }
  }
  return Received{events_of(channel, read_mail(request.body), envelope), std::nullopt};
}

}  // namespace

ReceiveResult receive(const Channel& channel, const Request& request) {
  const std::string_view inbound = channel.setting("inbound");
  if (request.body.size() > kMaxBodyBytes) return not_understood("the delivery is too large");
  if (channel.setting("outbound") == "sendgrid" && is_event_list(request)) {
    return sendgrid_events(request);
  }
  if (is_json(request)) {
    const auto document = Document::parse(request.body, kMailLimits);
    if (document) {
      const Value root = document->root();
      if (root["event-data"].is_object()) return mailgun_event(root);
      if (root["Type"].is_string() && root["TopicArn"].is_string()) return ses(channel, root);
      if (inbound != "raw") return postmark(channel, root);
    } else if (inbound != "raw") {
      return not_understood("the delivery is no JSON: " + document.error().reason);
    }
  }
  if (inbound == "raw") return raw_mail(channel, request);
  const auto form = form_of(request);
  if (!form) return not_understood("the delivery is of a content type nobody sends mail in");
  return inbound == "sendgrid" ? sendgrid(channel, *form) : mailgun_form(channel, *form);
}

}  // namespace email
