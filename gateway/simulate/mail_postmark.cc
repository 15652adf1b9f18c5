#include <algorithm>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/mail_internal.h"
#include "gateway/simulate/sms_internal.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::int64_t kMinuteMs = 60'000;
constexpr int kStops = 403;

HttpReply refuse(int status, int code, std::string_view message) {
  return mail_json(object({{"ErrorCode", std::to_string(code)}, {"Message", json_text(message)}}),
                   status);
}

std::string full_json(std::string_view mailbox) {
  const auto [name, address] = mailbox_of(mailbox);
  const std::size_t plus = address.find('+');
  const std::size_t at = address.rfind('@');
  const std::string hash = plus != std::string::npos && at != std::string::npos && plus < at
                               ? address.substr(plus + 1, at - plus - 1)
                               : std::string();
  return object({{"Email", json_text(address)},
                 {"Name", json_text(sdk::sanitize(name))},
                 {"MailboxHash", json_text(hash)}});
}

}  // namespace

MailSimulator::Answer MailSimulator::postmark(const HttpRequest& request, ApiCall& record) {
  const std::string token(header(request.headers, "x-postmark-server-token"));
  const auto at = postmark_->servers.find(token);
  if (at == postmark_->servers.end()) {
    record.description = "Request does not contain a valid Server token.";
    return refuse(401, 10, record.description);
  }
  Postmark::Server& server = at->second;
  record.account = server.address;
  const auto document =
      Document::parse(request.body.empty() ? "{}" : request.body, {.bytes = 40u << 20});
  if (!document) return refuse(422, 402, "Received invalid JSON input.");
  const Value wish = document->root();
  const auto path = path_parts(request.path);
  const std::string inbound = server.hash + "@inbound.postmarkapp.com";
  if (path.size() == 1 && path[0] == "server") {
    if (request.method == "PUT") {
      if (const auto url = wish["InboundHookUrl"].text()) {
        if (!url->empty() && refuse_public_url(*url, mail_.urls)) {
          return refuse(422, 606, "Inbound hook URL is invalid.");
        }
        server.inbound_hook = *url;
      }
      if (const auto raw = wish["RawEmailEnabled"].boolean()) server.raw_email = *raw;
      if (const auto domain = wish["InboundDomain"].text()) server.inbound_domain = *domain;
      if (const auto threshold = wish["InboundSpamThreshold"].integer()) {
        if (*threshold < 0 || *threshold > 30) return refuse(422, 609, "Threshold is 0 to 30.");
        server.spam_threshold = *threshold;
      }
      changed_.notify_all();
    }
    return mail_json(object({{"ID", "1"},
                             {"Name", json_text("Simulated server")},
                             {"InboundAddress", json_text(inbound)},
                             {"InboundHash", json_text(server.hash)},
                             {"InboundHookUrl", json_text(server.inbound_hook)},
                             {"InboundDomain", json_text(server.inbound_domain)},
                             {"InboundSpamThreshold", std::to_string(server.spam_threshold)},
                             {"RawEmailEnabled", server.raw_email ? "true" : "false"}}));
  }
  if (!path.empty() && path[0] == "webhooks") {
    const auto shown = [](const Postmark::Webhook& hook) {
      Members triggers;
      for (const char* name : {"Bounce", "Delivery", "SpamComplaint", "Open", "Click"}) {
        triggers.emplace_back(
            name, object({{"Enabled", hook.triggers.count(name) != 0 ? "true" : "false"}}));
      }
      return object({{"ID", hook.id},
                     {"Url", json_text(hook.url)},
                     {"MessageStream", json_text(hook.stream)},
                     {"Triggers", object(triggers)}});
    };
    if (request.method == "GET") {
      std::vector<std::string> list;
      for (const auto& hook : server.webhooks) list.push_back(shown(hook));
      return mail_json(object({{"Webhooks", array(list)}}));
    }
    const std::string id = path.size() > 1 ? path[1] : std::string();
    auto known = std::find_if(server.webhooks.begin(), server.webhooks.end(),
                              [&](const Postmark::Webhook& hook) { return hook.id == id; });
    if (!id.empty() && known == server.webhooks.end()) {
      return refuse(422, 1401, "The webhook ID you entered does not exist.");
    }
    if (request.method == "DELETE") {
      server.webhooks.erase(known);
      return refuse(200, 0, "Webhook " + id + " removed.");
    }
    if (id.empty()) known = server.webhooks.insert(server.webhooks.end(), Postmark::Webhook());
    Postmark::Webhook& hook = *known;
    if (const auto url = wish["Url"].text()) {
      if (refuse_public_url(*url, mail_.urls)) {
        if (id.empty()) server.webhooks.pop_back();
        return refuse(422, 1400, "The URL is invalid.");
      }
      hook.url = *url;
    }
    if (id.empty()) hook.id = mint_digits(7);
    hook.stream = wish["MessageStream"].text_or("outbound");
    hook.user = wish["HttpAuth"]["Username"].text_or("");
    hook.password = wish["HttpAuth"]["Password"].text_or("");
    hook.headers.clear();
    for (const Value header : wish["HttpHeaders"].elements()) {
      hook.headers.emplace_back(std::string(header["Name"].text_or("")),
                                std::string(header["Value"].text_or("")));
    }
    for (const auto& [name, trigger] : wish["Triggers"].members()) {
      hook.triggers.erase(std::string(name));
      if (trigger["Enabled"].boolean().value_or(false)) hook.triggers.emplace(name);
    }
    return mail_json(shown(hook));
  }
  if (path.size() == 1 && path[0] == "email" && request.method == "POST") {
    return postmark_send(wish, token);
  }
  return refuse(404, 404, "The requested resource does not exist.");
}

HttpReply MailSimulator::postmark_send(Value body, const std::string&) {
  const std::string from(body["From"].text_or(""));
  const std::string to(body["To"].text_or(""));
  if (domain_of(address_of(from)).empty()) {
    return refuse(422, 300, "Invalid 'From' address: '" + sdk::sanitize(from, 100) + "'.");
  }
  if (domain_of(address_of(to)).empty()) {
    return refuse(422, 300, "Error parsing 'To': Illegal email address.");
  }
  if (body["TextBody"].text_or("").empty() && body["HtmlBody"].text_or("").empty()) {
    return refuse(422, 300, "Provide either email TextBody or HtmlBody or both.");
  }
  SentMail mail;
  mail.by = "postmark";
  mail.id = mint_uuid();
  for (const char* name : {"To", "Cc", "Bcc"}) {
    std::string_view rest = body[name].text_or("");
    while (!rest.empty()) {
      const std::string_view one = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      mail.envelope.to.push_back(address_of(one));
    }
  }
  if (is_gone(mail)) {
    return refuse(422, 406, "You tried to send to a recipient that has been marked as inactive.");
  }
  Draft draft;
  std::tie(draft.from_name, draft.from) = mailbox_of(from);
  draft.to = to;
  draft.subject = body["Subject"].text_or("");
  draft.text = body["TextBody"].text_or("");
  draft.html = body["HtmlBody"].text_or("");
  draft.date_ms = clock_.now_ms();
  // The Message-ID is Postmark's own unless X-PM-KeepID asks to keep ours.
  bool keeps_id = false;
  std::string own_id;
  for (const Value header : body["Headers"].elements()) {
    const std::string name(header["Name"].text_or(""));
    const std::string value(header["Value"].text_or(""));
    if (sdk::equals_ignoring_case(name, "X-PM-KeepID"))
      keeps_id = value == "true";
    else if (sdk::equals_ignoring_case(name, "Message-ID"))
      own_id = value;
    else
      draft.headers.emplace_back(name, value);
  }
  if (const auto reply_to = body["ReplyTo"].text()) {
    draft.headers.emplace_back("Reply-To", std::string(*reply_to));
  }
  draft.message_id = keeps_id && !own_id.empty() ? own_id : "<" + mail.id + "@mtasv.net>";
  for (const Value file : body["Attachments"].elements()) {
    const auto bytes = sdk::from_base64(file["Content"].text_or(""));
    if (!bytes) return refuse(422, 300, "An attachment's content is not base64.");
    std::string id(file["ContentID"].text_or(""));
    if (id.rfind("cid:", 0) == 0) id.erase(0, 4);
    draft.files.push_back({std::string(file["Name"].text_or("")),
                           std::string(file["ContentType"].text_or("application/octet-stream")),
                           *bytes, id});
  }
  mail.bytes = write_mail(draft);
  mail.envelope.from = "pm_bounces@pm.mtasv.net";
  const std::string id = mail.id;
  keep(std::move(mail));
  return mail_json(object({{"To", json_text(to)},
                           {"SubmittedAt", json_text(iso_ms(clock_.now_ms()))},
                           {"MessageID", json_text(id)},
                           {"ErrorCode", "0"},
                           {"Message", json_text("OK")}}));
}

// No signature: whoever knows the user and password of the URL. 200 takes it, 403 ends the retries.
void MailSimulator::postmark_arrive(const Arrival& arrival) {
  for (const auto& [token, server] : postmark_->servers) {
    const std::string plain = plain_address(arrival.to);
    const std::string inbound = server.hash + "@inbound.postmarkapp.com";
    const bool by_domain = !server.inbound_domain.empty() &&
                           domain_of(arrival.to) == sdk::lower_ascii(server.inbound_domain);
    if ((plain != server.address && plain != inbound && !by_domain) ||
        server.inbound_hook.empty()) {
      continue;
    }
    const MailView& view = arrival.view;
    const auto [from_name, from] = mailbox_of(view.header("From"));
    std::vector<std::string> headers, files;
    for (const auto& [name, value] : view.headers) {
      // What has a field of its own is not repeated.
      if (sdk::equals_ignoring_case(name, "From") || sdk::equals_ignoring_case(name, "To") ||
          sdk::equals_ignoring_case(name, "Subject") || sdk::equals_ignoring_case(name, "Date")) {
        continue;
      }
      headers.push_back(
          object({{"Name", json_text(name)}, {"Value", json_text(sdk::sanitize(value))}}));
    }
    for (const MailFile& file : view.files) {
      files.push_back(object({{"Name", json_text(sdk::sanitize(file.name))},
                              {"Content", json_text(sdk::base64(file.bytes))},
                              {"ContentType", json_text(file.mime_type)},
                              {"ContentLength", std::to_string(file.bytes.size())},
                              {"ContentID", json_text(file.content_id)}}));
    }
    const std::size_t plus = arrival.to.find('+');
    const std::string hash = plus == std::string::npos
                                 ? std::string()
                                 : arrival.to.substr(plus + 1, arrival.to.rfind('@') - plus - 1);
    Members body{
        {"FromName", json_text(sdk::sanitize(from_name))},
        {"MessageStream", json_text("inbound")},
        {"From", json_text(from)},
        {"FromFull", full_json(view.header("From"))},
        {"To", json_text(sdk::sanitize(view.header("To")))},
        {"ToFull", array({full_json(view.header("To"))})},
        {"Cc", json_text(sdk::sanitize(view.header("Cc")))},
        {"CcFull", view.header("Cc").empty() ? "[]" : array({full_json(view.header("Cc"))})},
        {"Bcc", json_text("")},
        {"BccFull", "[]"},
        {"OriginalRecipient", json_text(arrival.to)},
        {"Subject", json_text(sdk::sanitize(decode_words(view.header("Subject"))))},
        {"MessageID", json_text(mint_uuid())},
        {"ReplyTo", json_text(sdk::sanitize(view.header("Reply-To")))},
        {"MailboxHash", json_text(hash)},
        {"Date", json_text(view.header("Date"))},
        {"TextBody", json_text(sdk::sanitize(view.text))},
        {"HtmlBody", json_text(sdk::sanitize(view.html))},
        {"StrippedTextReply", json_text(sdk::sanitize(unquoted(view.text)))},
        {"Tag", json_text("")},
        {"Headers", array(headers)},
        {"Attachments", array(files)}};
    if (server.raw_email)
      body.emplace_back("RawEmail", json_text(sdk::sanitize(arrival.bytes, 40u << 20)));
    WebhookEvent event;
    event.account = server.address;
    event.id = view.header("Message-ID");
    event.kind = "postmark";
    event.request = [url = server.inbound_hook, body = object(body)](int, Defect defect) {
      HttpCall call;
      call.url = without_userinfo(url);
      call.body = body;
      call.timeout = std::chrono::milliseconds(120'000);
      call.headers = {{"Content-Type", "application/json"}, {"User-Agent", "Postmark"}};
      add_basic(call, userinfo_of(url), defect);
      return call;
    };
    event.retry = retry_after(
        {kMinuteMs, 5 * kMinuteMs, 10 * kMinuteMs, 10 * kMinuteMs, 10 * kMinuteMs, 15 * kMinuteMs,
         30 * kMinuteMs, 60 * kMinuteMs, 120 * kMinuteMs, 360 * kMinuteMs},
        is_200, [](int status) { return status == kStops; });
    sender_.post(std::move(event));
  }
}

void MailSimulator::postmark_event(const SentMail& mail, bool bounced) {
  for (const auto& [token, server] : postmark_->servers) {
    for (const Postmark::Webhook& hook : server.webhooks) {
      if (hook.triggers.count(bounced ? "Bounce" : "Delivery") == 0) continue;
      Members body{{"RecordType", json_text(bounced ? "Bounce" : "Delivery")},
                   {"MessageStream", json_text("outbound")},
                   {"MessageID", json_text(mail.id)}};
      if (bounced) {
        body.insert(body.end(), {{"ID", mint_digits(19)},
                                 {"Type", json_text("HardBounce")},
                                 {"TypeCode", "1"},
                                 {"Email", json_text(mail.envelope.to.front())},
                                 {"BouncedAt", json_text(iso_ms(clock_.now_ms()))},
                                 {"Inactive", "true"},
                                 {"CanActivate", "true"}});
      } else {
        body.insert(body.end(), {{"Recipient", json_text(mail.envelope.to.front())},
                                 {"DeliveredAt", json_text(iso_ms(clock_.now_ms()))},
                                 {"Details", json_text("smtp;250 2.0.0 OK")}});
      }
      WebhookEvent event;
      event.account = server.address;
      event.id = mail.id + ":" + (bounced ? "bounce" : "delivery");
      event.kind = "postmark-event";
      const std::string auth = hook.user.empty() ? "" : hook.user + ":" + hook.password;
      event.request = [url = hook.url, auth, headers = hook.headers, text = object(body)](
                          int, Defect defect) {
        HttpCall call;
        call.url = without_userinfo(url);
        call.body = text;
        call.headers = {{"Content-Type", "application/json"}, {"User-Agent", "Postmark"}};
        for (const auto& header : headers) call.headers.push_back(header);
        add_basic(call, auth.empty() ? userinfo_of(url) : auth, defect);
        return call;
      };
      event.retry = retry_after({kMinuteMs, 5 * kMinuteMs, 15 * kMinuteMs}, is_200,
                                [](int status) { return status == kStops; });
      sender_.post(std::move(event), scaled(kMailEventAfterMs));
    }
  }
}

}  // namespace gateway::simulate
