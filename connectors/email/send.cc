// plan(send): fetch what is attached, write the mail, hand it to whoever delivers it.
#include <algorithm>
#include <charconv>

#include "connectors/email/address.h"
#include "connectors/email/api.h"
#include "connectors/email/body_text.h"
#include "connectors/email/compose.h"
#include "connectors/email/header.h"
#include "connectors/email/identity.h"
#include "connectors/email/plan.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

using connector::Attachment;
using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Document;
using sdk::json::Value;
using sdk::json::Writer;

// Most servers take 25 MB, and base64 adds a third.
constexpr std::int64_t kMaxFilesBytes = 18 << 20;
constexpr std::size_t kMaxFiles = 25;
constexpr std::size_t kMaxRecipients = 50;
constexpr std::size_t kMaxReferences = 20;

std::string_view extra(const Event& input, std::string_view name) {
  return connector::find(input.extra, name).value_or(std::string_view());
}

bool is_true(std::string_view value) { return value == "1" || value == "true"; }

bool is_file(const Attachment& attachment) {
  return attachment.kind != "location" && attachment.kind != "contact";
}

// "a@x.example, b@y.example" or the JSON text of an array of them.
sdk::Expected<std::vector<Address>, Fail> listed(const Event& input, std::string_view name) {
  std::vector<Address> addresses;
  const std::string_view value = extra(input, name);
  std::vector<std::string> texts;
  if (header_text(value, value.size() + 1) != value) {
    return permanent("metadata." + std::string(name) + " has line ends or control characters");
  }
  if (value.starts_with('[')) {
    const auto document = Document::parse(value);
    if (!document) return permanent("metadata." + std::string(name) + " is no list of addresses");
    for (const Value one : document->root().elements()) texts.emplace_back(one.text_or("?"));
  } else if (!value.empty()) {
    texts.emplace_back(value);
  }
  for (const std::string& text : texts) {
    const auto found = parse_addresses(text, kMaxRecipients + 1);
    const bool usable =
        !found.empty() && std::all_of(found.begin(), found.end(),
                                      [](const auto& one) { return is_sendable(one.address); });
    if (!usable) {
      return permanent("metadata." + std::string(name) + " has what is no address to write to");
    }
    addresses.insert(addresses.end(), found.begin(), found.end());
  }
  return addresses;
}

sdk::Expected<Address, Fail> recipient_of(const Event& input) {
  std::string to = input.contact;
  // Reply-To may name anybody; it is followed where the sender's domain stands for the mail.
  const auto reply_to = parse_addresses(extra(input, "last.reply_to"), 1);
  if (!reply_to.empty() && extra(input, "last.auth") == "pass") to = reply_to[0].address;
  const auto at = to.rfind('@');
  if (at == std::string::npos) return permanent("the contact has no mail address");
  const auto domain = ascii_domain(std::string_view(to).substr(at + 1));
  const std::string address = to.substr(0, at + 1) + domain.value_or("");
  if (!domain || !is_sendable(address)) {
    return permanent("\"" + header_text(to, 200) +
                     "\" cannot be written to: the local part must be ASCII without blanks and the "
                     "domain a valid one");
  }
  return Address{.name = input.contact_name, .address = address};
}

std::string subject_of(const Channel& channel, const Event& input) {
  const std::string given = header_text(extra(input, "subject"), 900);
  if (!given.empty()) return given;
  const std::string last = bare_subject(header_text(extra(input, "last.subject"), 880));
  if (!last.empty()) return "Re: " + last;
  if (!extra(input, "last.message").empty()) return "Re: your message";
  const std::string_view name = channel.setting("display_name");
  return "Message from " + header_text(name.empty() ? channel.setting("address") : name, 200);
}

bool is_mail_id(std::string_view id) {
  return is_writable_id(id) && id.find('@') != std::string_view::npos && !id.starts_with("plus:");
}

// RFC 5322 section 3.6.4: the answered mail's references and its id, at most so many.
void set_references(const Event& input, Outgoing& mail) {
  std::string answered = input.reply_to;
  const auto last = message_ids(extra(input, "last.message_id"), 1);
  const std::string_view last_message = extra(input, "last.message");
  if (!last.empty() && (answered.empty() || normalized_id(last[0]) == answered)) {
    answered = last[0];
  } else if (answered.empty()) {
    answered = last_message;
  }
  std::vector<std::string> ids;
  const auto add = [&](const std::string& id) {
    const bool known = std::any_of(ids.begin(), ids.end(), [&](const std::string& one) {
      return normalized_id(one) == normalized_id(id);
    });
    if (is_mail_id(id) && !known) ids.push_back(id);
  };
  const auto told = message_ids(extra(input, "last.references"), 50);
  if (told.empty() && input.thread != input.contact) add(input.thread);
  for (const std::string& id : told) add(id);
  add(answered);
  if (ids.size() > kMaxReferences) {
    ids.erase(ids.begin() + 1,
              ids.begin() + static_cast<std::ptrdiff_t>(ids.size() - kMaxReferences + 1));
  }
  if (is_mail_id(answered)) {
    mail.in_reply_to = answered;
  } else if (!ids.empty()) {
    mail.in_reply_to = ids.back();
  }
  mail.references = std::move(ids);
}

// Places and people have no file; they become lines of the text.
std::string text_of(const Event& input) {
  std::string text = input.text;
  const auto line = [&](const std::string& words) {
    if (!words.empty()) text += (text.empty() ? "" : "\n") + words;
  };
  for (const Attachment& one : input.attachments) {
    const auto fact = [&](std::string_view name) {
      return header_text(connector::find(one.extra, name).value_or(""), 200);
    };
    if (one.kind == "location") {
      line(fact("title"));
      line(fact("address"));
      line(fact("latitude") + ", " + fact("longitude"));
    } else if (one.kind == "contact") {
      line(fact("first_name") + " " + fact("last_name"));
      line(fact("phone_number"));
    }
  }
  return text;
}

sdk::Expected<Outgoing, Fail> outgoing(const Channel& channel, const Event& input) {
  Outgoing mail;
  const std::string own = own_address(channel);
  if (!is_sendable(own)) return config_fail("config.address is no address");
  mail.from = {.name = std::string(channel.setting("display_name")), .address = own};
  auto to = recipient_of(input);
  if (!to) return to.error();
  mail.to = {*std::move(to)};
  auto cc = listed(input, "cc");
  if (!cc) return cc.error();
  mail.cc = *std::move(cc);
  auto bcc = listed(input, "bcc");
  if (!bcc) return bcc.error();
  mail.bcc = *std::move(bcc);
  if (1 + mail.cc.size() + mail.bcc.size() > kMaxRecipients) {
    return permanent("a message may have at most " + std::to_string(kMaxRecipients) +
                     " recipients");
  }
  mail.subject = subject_of(channel, input);
  mail.text = text_of(input);
  mail.html = extra(input, "html");
  mail.message_id = message_id_for(channel, input.key);
  mail.date_ms = channel.now_ms;
  set_references(input, mail);
  if (channel.setting("plus_addressing") == "true") {
    mail.reply_to = with_plus(own, reply_token(channel, input.thread));
  }
  mail.headers.emplace_back("X-Gateway-Loop", loop_mark(channel));
  if (is_true(extra(input, "auto_reply"))) {
    mail.headers.emplace_back("Auto-Submitted", "auto-replied");
    mail.headers.emplace_back("X-Auto-Response-Suppress", "All");
    mail.headers.emplace_back("Precedence", "bulk");
  }
  return mail;
}

std::vector<std::string> everybody(const Outgoing& mail) {
  std::vector<std::string> all;
  for (const auto* list : {&mail.to, &mail.cc, &mail.bcc}) {
    for (const Address& one : *list) {
      if (std::find(all.begin(), all.end(), one.address) == all.end()) all.push_back(one.address);
    }
  }
  return all;
}

// ---- the call that sends, by provider

Call smtp_send(const Channel& channel, const Event& input, const Outgoing& mail) {
  Call call{.method = "POST", .url = smtp_url(channel), .url_is_secret = false};
  const bool automatic = is_true(extra(input, "auto_reply"));
  const bool marked = channel.setting("plus_addressing") == "true";
  // An automatic answer has no sender to bounce to (RFC 3834 section 3.3).
  call.headers.emplace_back(
      "mail-from", automatic ? std::string()
                   : marked  ? with_plus(mail.from.address, bounce_token(channel, input.key))
                             : mail.from.address);
  for (std::string& address : everybody(mail)) {
    call.headers.emplace_back("rcpt-to", std::move(address));
  }
  if (const auto user = channel.setting("smtp.username"); !user.empty()) {
    call.headers.emplace_back("username", user);
    call.headers.emplace_back("password", channel.setting("smtp.password"));
  }
  if (channel.setting("smtp.tls") == "none") call.headers.emplace_back("tls", "none");
  call.body = compose(mail);
  return call;
}

Call mailgun_send(const Channel& channel, const Outgoing& mail) {
  Call call =
      mailgun_call(channel, "POST",
                   "/v3/" + sdk::url_encode(channel.setting("mailgun.domain")) + "/messages.mime");
  const std::string boundary =
      "form-" + sdk::hex(sdk::sha256("form" + mail.message_id)).substr(0, 32);
  call.headers.emplace_back("content-type", "multipart/form-data; boundary=" + boundary);
  for (const std::string& address : everybody(mail)) {
    call.body += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n" +
                 address + "\r\n";
  }
  call.body += "--" + boundary +
               "\r\nContent-Disposition: form-data; name=\"message\"; filename=\"message.eml\"\r\n"
               "Content-Type: message/rfc822\r\n\r\n" +
               compose(mail) + "\r\n--" + boundary + "--\r\n";
  return call;
}

std::string joined(const std::vector<Address>& addresses) {
  std::string list;
  for (const Address& one : addresses) list += (list.empty() ? "" : ", ") + mailbox_text(one);
  return list;
}

connector::Pairs provider_headers(const Outgoing& mail) {
  connector::Pairs headers{{"Message-ID", "<" + mail.message_id + ">"}};
  if (!mail.in_reply_to.empty()) headers.emplace_back("In-Reply-To", "<" + mail.in_reply_to + ">");
  std::string references;
  for (const std::string& id : mail.references) {
    references += (references.empty() ? "<" : " <") + id + ">";
  }
  if (!references.empty()) headers.emplace_back("References", references);
  headers.insert(headers.end(), mail.headers.begin(), mail.headers.end());
  return headers;
}

// https://postmarkapp.com/developer/api/email-api (read 2026-11-20)
Call postmark_send(const Channel& channel, const Event& input, const Outgoing& mail) {
  Writer json;
  json.object().member("From", mailbox_text(mail.from)).member("To", joined(mail.to));
  if (!mail.cc.empty()) json.member("Cc", joined(mail.cc));
  if (!mail.bcc.empty()) json.member("Bcc", joined(mail.bcc));
  json.member("Subject", mail.subject).member("TextBody", mail.text);
  if (!mail.html.empty()) json.member("HtmlBody", mail.html);
  if (!mail.reply_to.empty()) json.member("ReplyTo", mail.reply_to);
  json.key("Headers").array();
  connector::Pairs headers = provider_headers(mail);
  // Without it Postmark writes a Message-ID of its own.
  headers.emplace_back("X-PM-KeepID", "true");
  for (const auto& [name, value] : headers) {
    json.object().member("Name", name).member("Value", value).end();
  }
  json.end();
  if (!mail.files.empty()) {
    json.key("Attachments").array();
    for (const OutgoingFile& file : mail.files) {
      json.object().member("Name", file.file_name).member("Content", sdk::base64(file.content));
      json.member("ContentType", file.mime_type).end();
    }
    json.end();
  }
  json.member("MessageStream", "outbound").key("Metadata").object();
  json.member("gw_message_id", input.key).end().end();
  return postmark_call(channel, "POST", "/email", json.take());
}

void write_addresses(Writer& json, std::string_view name, const std::vector<Address>& addresses) {
  if (addresses.empty()) return;
  json.key(name).array();
  for (const Address& one : addresses) {
    json.object().member("email", one.address);
    if (!one.name.empty()) json.member("name", header_text(one.name, 200));
    json.end();
  }
  json.end();
}

// https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send (read 2026-11-20)
Call sendgrid_send(const Channel& channel, const Event& input, const Outgoing& mail) {
  Writer json;
  json.object().key("personalizations").array().object();
  write_addresses(json, "to", mail.to);
  write_addresses(json, "cc", mail.cc);
  write_addresses(json, "bcc", mail.bcc);
  // Every event about the mail repeats it, also a late bounce, which has no other id.
  json.key("custom_args").object().member("gw_message_id", input.key).end();
  json.end().end().key("from").object().member("email", mail.from.address);
  if (!mail.from.name.empty()) json.member("name", header_text(mail.from.name, 200));
  json.end();
  if (!mail.reply_to.empty()) json.key("reply_to").object().member("email", mail.reply_to).end();
  json.member("subject", mail.subject).key("content").array();
  json.object().member("type", "text/plain").member("value", mail.text.empty() ? " " : mail.text);
  json.end();
  if (!mail.html.empty()) {
    json.object().member("type", "text/html").member("value", mail.html).end();
  }
  json.end().key("headers").object();
  for (const auto& [name, value] : provider_headers(mail)) json.member(name, value);
  json.end();
  if (!mail.files.empty()) {
    json.key("attachments").array();
    for (const OutgoingFile& file : mail.files) {
      json.object().member("content", sdk::base64(file.content)).member("type", file.mime_type);
      json.member("filename", file.file_name).member("disposition", "attachment").end();
    }
    json.end();
  }
  json.end();
  return sendgrid_call(channel, "POST", "/v3/mail/send", json.take());
}

// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html (read 2026-11-20)
Call ses_send(const Channel& channel, const Outgoing& mail) {
  Writer json;
  json.object().key("Destination").object();
  const auto list = [&](std::string_view name, const std::vector<Address>& addresses) {
    if (addresses.empty()) return;
    json.key(name).array();
    for (const Address& one : addresses) json.value(one.address);
    json.end();
  };
  list("ToAddresses", mail.to);
  list("CcAddresses", mail.cc);
  list("BccAddresses", mail.bcc);
  json.end().key("Content").object().key("Raw").object();
  json.member("Data", sdk::base64(compose(mail))).end().end().end();
  return ses_call(channel, json.take());
}

// ---- what the answers mean

Fail postmark_fail(const Channel& channel, const Response& response) {
  Fail fail = fail_of(channel, response, Repeat::harmful);
  const auto code = json_of(response).root()["ErrorCode"].integer().value_or(0);
  if (response.status != 422 || code == 0) return fail;
  // https://postmarkapp.com/developer/api/overview#error-codes (read 2026-11-20)
  fail.platform_code = std::to_string(code);
  if (code == 10) {
    fail.code = Failure::auth;
  } else if (code == 406) {
    fail.code = Failure::unreachable;
  } else if (code == 400 || code == 401 || code == 402 || code == 405 || code == 412) {
    fail.code = Failure::config;  // the sender is not confirmed, or the account may not send
  }
  return fail;
}

Fail sendgrid_fail(const Channel& channel, const Response& response) {
  Fail fail = fail_of(channel, response, Repeat::harmful);
  std::int64_t reset = 0;
  const std::string_view told = response.header("x-ratelimit-reset");
  const auto [end, error] = std::from_chars(told.data(), told.data() + told.size(), reset);
  if (response.status == 429 && fail.retry_after_ms == 0 && error == std::errc() && reset > 0 &&
      reset < 253'402'300'800 && end != told.data()) {
    fail.retry_after_ms = std::clamp<std::int64_t>(reset * 1000 - channel.now_ms, 1000, 3'600'000);
  }
  return fail;
}

Fail ses_fail(const Channel& channel, const Response& response) {
  Fail fail = fail_of(channel, response, Repeat::harmful);
  std::string type(response.header("x-amzn-errortype"));
  if (type.empty()) type = json_of(response).root()["__type"].text_or("");
  type = type.substr(0, type.find(':'));
  type = type.substr(type.rfind('#') + 1);
  fail.platform_code = header_text(type, 100);
  if (type == "TooManyRequestsException" || type == "LimitExceededException") {
    fail.code = Failure::rate;
    fail.retry_after_ms = connector::retry_after_ms(response, channel.now_ms);
  } else if (type == "MailFromDomainNotVerifiedException" || type == "SendingPausedException" ||
             type == "AccountSuspendedException") {
    fail.code = Failure::config;
  }
  return fail;
}

Step finish(const Channel& channel, const Event& input, const Response& response) {
  const std::string_view outbound = outbound_of(channel);
  const std::string own = message_id_for(channel, input.key);
  Done done{.results = {{"message", normalized_id(own)}}};
  const auto alias = [&](std::string id) {
    if (!id.empty() && id != normalized_id(own)) done.results.emplace_back("alias", std::move(id));
  };
  if (!connector::is_success(response)) {
    if (outbound == "smtp") return smtp_fail(channel, response);
    if (outbound == "postmark") return postmark_fail(channel, response);
    if (outbound == "sendgrid") return sendgrid_fail(channel, response);
    if (outbound == "ses") return ses_fail(channel, response);
    Fail fail = fail_of(channel, response, Repeat::harmful);
    if (response.status == 404) fail.code = Failure::config;  // Mailgun knows no such domain
    return fail;
  }
  const Document answer = json_of(response);
  if (outbound == "mailgun") alias(normalized_id(answer.root()["id"].text_or("")));
  if (outbound == "postmark") {
    if (answer.root()["ErrorCode"].integer().value_or(0) != 0) {
      return Fail{.code = Failure::permanent,
                  .why = cleaned(channel, answer.root()["Message"].text_or("refused")),
                  .platform_code = std::string(answer.root()["ErrorCode"].digits().value_or(""))};
    }
    alias(normalized_id(answer.root()["MessageID"].text_or("")));
  }
  if (outbound == "sendgrid") {
    alias(normalized_id(response.header("x-message-id")));
    // What a late bounce says, see sendgrid_event.
    if (!input.key.empty()) alias("key:" + input.key);
  }
  if (outbound == "ses") {
    const std::string id = normalized_id(answer.root()["MessageId"].text_or(""));
    alias(id);
    // What SES writes into the mail in place of our Message-ID.
    const std::string_view region = channel.setting("ses.region");
    const std::string host = region == "us-east-1" ? "email" : std::string(region);
    if (!id.empty()) alias(id + "@" + host + ".amazonses.com");
  }
  if (channel.setting("plus_addressing") == "true") {
    alias("plus:" + reply_token(channel, input.thread));
    if (outbound == "smtp") alias("plus:" + bounce_token(channel, input.key));
  }
  return done;
}

Call send_call(const Channel& channel, const Event& input, const Outgoing& mail) {
  const std::string_view outbound = outbound_of(channel);
  if (outbound == "mailgun") return mailgun_send(channel, mail);
  if (outbound == "postmark") return postmark_send(channel, input, mail);
  if (outbound == "sendgrid") return sendgrid_send(channel, input, mail);
  if (outbound == "ses") return ses_send(channel, mail);
  return smtp_send(channel, input, mail);
}

std::string file_name_of(const Attachment& attachment, std::size_t number) {
  std::string name = header_text(attachment.file_name, 200);
  name.erase(0, name.find_last_of("/\\") + 1);
  return name.empty() ? "attachment-" + std::to_string(number) : name;
}

Fail too_large() {
  return permanent("the attachments are larger than the " + std::to_string(kMaxFilesBytes >> 20) +
                   " MiB a mail may carry");
}

}  // namespace

Step send(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.kind != EventKind::message) {
    return permanent("a mail cannot be changed or taken back once it is sent");
  }
  if (auto missing = missing_setting(channel)) return config_fail(*std::move(missing));
  auto mail = outgoing(channel, input);
  if (!mail) return mail.error();
  std::vector<const Attachment*> files;
  std::int64_t known_bytes = 0;
  for (const Attachment& one : input.attachments) {
    if (!is_file(one)) continue;
    if (!one.url.starts_with("https://")) return permanent("an attachment has no https URL");
    known_bytes += std::clamp<std::int64_t>(one.size, 0, kMaxFilesBytes + 1);
    files.push_back(&one);
  }
  if (files.size() > kMaxFiles) {
    return permanent("a mail may have at most " + std::to_string(kMaxFiles) + " attachments");
  }
  if (known_bytes > kMaxFilesBytes) return too_large();
  if (files.empty() && mail->text.empty() && mail->html.empty()) {
    return permanent("the message has neither text nor attachments");
  }
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (i == so_far.size()) {
      Call call{.method = "GET", .url = files[i]->url};
      call.answer_bytes = kMaxFilesBytes + 1;
      return call;
    }
    if (!connector::is_success(so_far[i])) {
      Fail fail = connector::fail_from(so_far[i], Repeat::safe, channel.now_ms);
      // A link that needs a password says nothing about the channel's own credentials.
      if (so_far[i].status == 403) fail.code = Failure::permanent;
      fail.why = "attachment " + std::to_string(i + 1) + " could not be fetched: " + fail.why;
      return fail;
    }
    bytes += static_cast<std::int64_t>(so_far[i].body.size());
    if (bytes > kMaxFilesBytes) return too_large();
    mail->files.push_back({.file_name = file_name_of(*files[i], i + 1),
                           .mime_type = files[i]->mime_type.empty() ? "application/octet-stream"
                                                                    : files[i]->mime_type,
                           .content = so_far[i].body});
  }
  if (so_far.size() == files.size()) return send_call(channel, input, *mail);
  return finish(channel, input, so_far[files.size()]);
}

}  // namespace email
