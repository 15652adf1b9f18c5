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

constexpr std::int64_t kThreeDaysMs = 3 * 24 * 3'600'000LL;
constexpr std::string_view kBoundary = "xYzZY";

HttpReply refuse(int status, std::string_view message, std::string_view field = {}) {
  return mail_json(
      object({{"errors", array({object({{"message", json_text(message)},
                                        {"field", field.empty() ? "null" : json_text(field)},
                                        {"help", "null"}})})}}),
      status);
}

void add_field(std::string& body, std::string_view name, std::string_view value) {
  body += "--" + std::string(kBoundary) + "\r\nContent-Disposition: form-data; name=\"" +
          std::string(name) + "\"\r\n\r\n" + std::string(value) + "\r\n";
}

// "a@b" and a name, as mail/send writes it.
std::pair<std::string, std::string> person_of(Value value) {
  return {std::string(value["name"].text_or("")), std::string(value["email"].text_or(""))};
}

}  // namespace

MailSimulator::Answer MailSimulator::sendgrid(const HttpRequest& request, ApiCall& record) {
  const std::string key = bearer_token(request);
  if (sendgrid_->api_keys.count(key) == 0) {
    record.description = "The provided authorization grant is invalid, expired, or revoked";
    return refuse(401, record.description);
  }
  const auto document =
      Document::parse(request.body.empty() ? "{}" : request.body, {.bytes = 40u << 20});
  if (!document) return refuse(400, "Bad Request");
  const Value wish = document->root();
  const auto path = path_parts(request.path);
  const auto under = [&](std::initializer_list<std::string_view> parts) {
    return path.size() >= parts.size() && std::equal(parts.begin(), parts.end(), path.begin());
  };
  if (under({"v3", "user", "webhooks", "parse", "settings"})) {
    const auto shown = [](const SendGrid::Setting& s) {
      Members members{{"hostname", json_text(s.hostname)},
                      {"url", json_text(s.url)},
                      {"spam_check", s.spam_check ? "true" : "false"},
                      {"send_raw", s.send_raw ? "true" : "false"}};
      if (!s.policy.empty()) members.emplace_back("security_policy", json_text(s.policy));
      return object(members);
    };
    const std::string host(path.size() > 5 ? path[5] : wish["hostname"].text_or(""));
    const auto known = sendgrid_->settings.find(sdk::lower_ascii(host));
    const bool there = known != sendgrid_->settings.end() && known->second.account == key;
    if (request.method == "GET" && path.size() == 5) {
      std::vector<std::string> list;
      for (const auto& [name, setting] : sendgrid_->settings) {
        if (setting.account == key) list.push_back(shown(setting));
      }
      return mail_json(object({{"result", array(list)}}));
    }
    if (request.method == "POST") {
      const std::string url(wish["url"].text_or(""));
      if (host.empty()) return refuse(400, "hostname is required", "hostname");
      if (url.empty() || refuse_public_url(without_userinfo(url), mail_.urls)) {
        return refuse(400, "url is not valid", "url");
      }
      if (known != sendgrid_->settings.end()) {
        return refuse(400, "a parse setting for this hostname exists already", "hostname");
      }
      SendGrid::Setting& made = sendgrid_->settings[sdk::lower_ascii(host)];
      made = {key,
              host,
              url,
              wish["spam_check"].boolean().value_or(false),
              wish["send_raw"].boolean().value_or(false),
              {}};
      changed_.notify_all();
      return mail_json(shown(made), 201);
    }
    if (!there) return refuse(404, "not found");
    if (request.method == "DELETE") {
      sendgrid_->settings.erase(known);
      changed_.notify_all();
      return mail_json({}, 204);
    }
    if (request.method == "PATCH") {
      SendGrid::Setting& setting = known->second;
      if (const auto url = wish["url"].text()) {
        if (refuse_public_url(without_userinfo(*url), mail_.urls)) {
          return refuse(400, "url is not valid", "url");
        }
        setting.url = *url;
      }
      if (const auto raw = wish["send_raw"].boolean()) setting.send_raw = *raw;
      if (const auto spam = wish["spam_check"].boolean()) setting.spam_check = *spam;
      if (const auto policy = wish["security_policy"].text()) {
        if (!policy->empty() && sendgrid_->policies.count(std::string(*policy)) == 0) {
          return refuse(400, "no such security policy", "security_policy");
        }
        setting.policy = *policy;
      }
      changed_.notify_all();
    }
    return mail_json(shown(known->second));
  }
  if (under({"v3", "user", "webhooks", "security", "policies"})) {
    const auto shown = [](const SendGrid::Policy& policy) {
      Members members{{"id", json_text(policy.id)}, {"name", json_text(policy.name)}};
      if (policy.signs) {
        members.emplace_back(
            "signature",
            object({{"public_key", json_text(sdk::base64(policy.key.public_key_der()))}}));
      }
      return object({{"policy", object(members)}});
    };
    if (request.method == "POST") {
      SendGrid::Policy policy;
      policy.id = mint_uuid();
      policy.name = wish["name"].text_or("");
      if (policy.name.empty()) return refuse(400, "name is required", "name");
      policy.signs = wish["signature"]["enabled"].boolean().value_or(false);
      policy.key = KeyPair::p256();
      const std::string id = policy.id;
      sendgrid_->policies[id] = std::move(policy);
      return mail_json(shown(sendgrid_->policies.at(id)), 201);
    }
    if (path.size() == 6) {
      const auto policy = sendgrid_->policies.find(path[5]);
      if (policy == sendgrid_->policies.end()) return refuse(404, "not found");
      if (request.method == "DELETE") {
        sendgrid_->policies.erase(policy);
        return mail_json({}, 204);
      }
      return mail_json(shown(policy->second));
    }
    std::vector<std::string> list;
    for (const auto& [id, policy] : sendgrid_->policies) {
      list.push_back(object({{"id", json_text(id)}, {"name", json_text(policy.name)}}));
    }
    return mail_json(object({{"policies", array(list)}}));
  }
  if (under({"v3", "user", "webhooks", "event", "settings"})) {
    if (path.size() == 6 && path[5] == "signed") {
      sendgrid_->event_signed = wish["enabled"].boolean().value_or(sendgrid_->event_signed);
      return mail_json(
          object({{"public_key", json_text(sdk::base64(sendgrid_->event_key.public_key_der()))}}));
    }
    const auto shown = [](const std::string& id, const SendGrid::EventWebhook& webhook) {
      return object({{"id", json_text(id)},
                     {"enabled", webhook.enabled ? "true" : "false"},
                     {"url", json_text(webhook.url)}});
    };
    if (path.size() == 6 && path[5] == "all") {
      std::vector<std::string> list;
      for (const auto& [id, webhook] : sendgrid_->event_webhooks) {
        if (webhook.account == key) list.push_back(shown(id, webhook));
      }
      return mail_json(object({{"max_allowed", "5"}, {"webhooks", array(list)}}));
    }
    // Without an id the oldest one is meant, but by POST, which makes one.
    std::string id = path.size() == 6 ? path[5] : std::string();
    if (path.size() == 5 && request.method == "POST") {
      id = mint_uuid();
    } else if (id.empty()) {
      id = mint_uuid();
      for (const auto& [known, webhook] : sendgrid_->event_webhooks) {
        if (webhook.account == key) id = known;
      }
    } else if (sendgrid_->event_webhooks.count(id) == 0) {
      return refuse(404, "not found");
    }
    if (request.method == "DELETE") {
      sendgrid_->event_webhooks.erase(id);
      return mail_json({}, 204);
    }
    SendGrid::EventWebhook& webhook = sendgrid_->event_webhooks[id];
    webhook.account = key;
    if (request.method == "PATCH" || request.method == "POST") {
      if (const auto url = wish["url"].text()) {
        if (!url->empty() && refuse_public_url(without_userinfo(*url), mail_.urls)) {
          return refuse(400, "url is not valid", "url");
        }
        webhook.url = *url;
      }
      webhook.enabled = wish["enabled"].boolean().value_or(webhook.enabled);
    }
    return mail_json(shown(id, webhook), request.method == "POST" ? 201 : 200);
  }
  if (under({"v3", "mail", "send"}) && request.method == "POST") return sendgrid_send(wish, key);
  return refuse(404, "not found");
}

HttpReply MailSimulator::sendgrid_send(Value body, const std::string& key) {
  const auto personalizations = body["personalizations"].elements();
  if (personalizations.empty()) {
    return refuse(400,
                  "The personalizations field is required and must have at least one "
                  "personalization.",
                  "personalizations");
  }
  const auto [from_name, from] = person_of(body["from"]);
  if (domain_of(from).empty()) {
    return refuse(400, "The from object must be provided for every email send.", "from.email");
  }
  const auto contents = body["content"].elements();
  if (contents.empty()) {
    return refuse(400, "Unless a valid template_id is provided, the content parameter is required.",
                  "content");
  }
  SentMail mail;
  mail.by = "sendgrid";
  mail.id = mint("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 22);
  SendGrid::Origin origin{key, {}};
  Draft draft;
  draft.from_name = from_name;
  draft.from = from;
  draft.date_ms = clock_.now_ms();
  draft.subject = body["subject"].text_or("");
  for (const Value one : personalizations) {
    for (const char* name : {"to", "cc", "bcc"}) {
      for (const Value to : one[name].elements()) {
        const auto [to_name, address] = person_of(to);
        if (domain_of(address).empty()) {
          return refuse(400, "Does not contain a valid address.", "personalizations.0.to.0.email");
        }
        mail.envelope.to.push_back(address);
        if (draft.to.empty()) draft.to = address;
      }
    }
    if (const auto subject = one["subject"].text()) draft.subject = *subject;
    for (const auto& [name, value] : one["custom_args"].members()) {
      origin.custom_args.emplace_back(std::string(name), value.dump());
    }
  }
  if (draft.to.empty()) {
    return refuse(400, "The to array is required for all personalization objects.",
                  "personalizations.0.to");
  }
  if (draft.subject.empty()) {
    return refuse(400, "The subject is required.", "subject");
  }
  for (const Value content : contents) {
    const std::string_view type = content["type"].text_or("");
    if (type == "text/plain")
      draft.text = content["value"].text_or("");
    else if (type == "text/html")
      draft.html = content["value"].text_or("");
    else
      return refuse(400, "The content type is not known.", "content.0.type");
  }
  // Headers the API keeps for itself.
  for (const auto& [name, value] : body["headers"].members()) {
    for (const char* reserved : {"Received", "DKIM-Signature", "Content-Type", "To", "From",
                                 "Subject", "Reply-To", "CC", "BCC"}) {
      if (sdk::equals_ignoring_case(name, reserved)) {
        return refuse(400, "The header " + std::string(name) + " is reserved.", "headers");
      }
    }
    if (sdk::equals_ignoring_case(name, "Message-ID")) {
      draft.message_id = value.text_or("");
    } else {
      draft.headers.emplace_back(std::string(name), std::string(value.text_or("")));
    }
  }
  if (const auto reply_to = body["reply_to"]["email"].text()) {
    draft.headers.emplace_back("Reply-To", std::string(*reply_to));
  }
  if (draft.message_id.empty()) draft.message_id = "<" + mail.id + "@geopod-ismtpd-0>";
  for (const Value file : body["attachments"].elements()) {
    const auto bytes = sdk::from_base64(file["content"].text_or(""));
    if (!bytes) return refuse(400, "The attachment content must be base64 encoded.", "attachments");
    draft.files.push_back({std::string(file["filename"].text_or("")),
                           std::string(file["type"].text_or("application/octet-stream")), *bytes,
                           std::string(file["content_id"].text_or(""))});
  }
  mail.bytes = write_mail(draft);
  mail.envelope.from = "bounces+1-" + mint_hex(4) + "@" + domain_of(from);
  HttpReply reply = mail_json({}, 202);
  reply.headers.emplace_back("X-Message-Id", mail.id);
  sendgrid_->origins[mail.id] = std::move(origin);
  keep(std::move(mail));
  return reply;
}

// 2xx takes it; 5xx and no answer are tried for three days, anything else is the end. Signed over
// time and the raw body where a policy says so.
void MailSimulator::sendgrid_arrive(const Arrival& arrival) {
  const auto at = sendgrid_->settings.find(domain_of(arrival.to));
  if (at == sendgrid_->settings.end()) return;
  const SendGrid::Setting& setting = at->second;
  const MailView& view = arrival.view;
  const std::string head = arrival.bytes.substr(0, arrival.bytes.find("\r\n\r\n") + 2);
  std::string body;
  const std::string envelope =
      object({{"to", array({json_text(arrival.to)})}, {"from", json_text(arrival.from)}});
  if (setting.send_raw) {
    add_field(body, "email", arrival.bytes);
  } else {
    add_field(body, "headers", head);
  }
  add_field(body, "to", decode_words(view.header("To")));
  add_field(body, "from", decode_words(view.header("From")));
  add_field(body, "subject", decode_words(view.header("Subject")));
  add_field(body, "dkim", "{@" + domain_of(arrival.from) + " : pass}");
  add_field(body, "SPF", "pass");
  add_field(body, "envelope", envelope);
  add_field(body, "sender_ip", "192.0.2.1");
  add_field(body, "charsets",
            R"({"to":"UTF-8","html":"UTF-8","subject":"UTF-8","from":"UTF-8","text":"UTF-8"})");
  if (setting.spam_check) {
    add_field(body, "spam_score", "0.1");
    add_field(body, "spam_report", "nothing");
  }
  if (!setting.send_raw) {
    if (!view.text.empty()) add_field(body, "text", view.text);
    if (!view.html.empty()) add_field(body, "html", view.html);
    add_field(body, "attachments", std::to_string(view.files.size()));
    Members info, ids;
    for (std::size_t i = 0; i < view.files.size(); ++i) {
      const std::string name = "attachment" + std::to_string(i + 1);
      const MailFile& file = view.files[i];
      Members one{{"filename", json_text(file.name)},
                  {"name", json_text(file.name)},
                  {"type", json_text(file.mime_type)}};
      if (!file.content_id.empty()) {
        one.emplace_back("content-id", json_text(file.content_id));
        ids.emplace_back(file.content_id, json_text(name));
      }
      info.emplace_back(name, object(one));
    }
    if (!info.empty()) add_field(body, "attachment-info", object(info));
    if (!ids.empty()) add_field(body, "content-ids", object(ids));
    for (std::size_t i = 0; i < view.files.size(); ++i) {
      body += "--" + std::string(kBoundary) +
              "\r\nContent-Disposition: form-data; name=\"attachment" + std::to_string(i + 1) +
              "\"; filename=\"" + view.files[i].name +
              "\"\r\nContent-Type: " + view.files[i].mime_type + "\r\n\r\n" + view.files[i].bytes +
              "\r\n";
    }
  }
  body += "--" + std::string(kBoundary) + "--\r\n";
  const auto policy = sendgrid_->policies.find(setting.policy);
  const bool signs = policy != sendgrid_->policies.end() && policy->second.signs;
  WebhookEvent event;
  event.account = arrival.to;
  event.id = view.header("Message-ID");
  event.kind = "sendgrid";
  event.request = [this, url = setting.url, body = std::move(body), signs,
                   key = signs ? policy->second.key : KeyPair()](int, Defect defect) {
    HttpCall call;
    call.url = without_userinfo(url);
    call.body = body;
    call.headers = {{"Content-Type", "multipart/form-data; boundary=" + std::string(kBoundary)},
                    {"User-Agent", "Sendlib/1.0 server=mx0001"}};
    if (signs) {
      const std::string now = std::to_string(clock_.now_ms() / 1'000);
      call.headers.emplace_back("X-Twilio-Email-Event-Webhook-Timestamp", now);
      add_proof(call, "X-Twilio-Email-Event-Webhook-Signature", sdk::base64(key.sign(now + body)),
                sdk::base64(key.sign(now + body + " ")), defect);
      add_basic(call, userinfo_of(url), std::nullopt);
    } else {
      add_basic(call, userinfo_of(url), defect);
    }
    return call;
  };
  event.retry = retry_doubling(60'000, 4 * 3'600'000LL, kThreeDaysMs, is_2xx,
                               [](int status) { return status >= 300 && status < 500; });
  sender_.post(std::move(event));
}

void MailSimulator::sendgrid_event(const SentMail& mail, bool bounced) {
  Members one{{"email", json_text(mail.envelope.to.front())},
              {"timestamp", std::to_string(clock_.now_ms() / 1'000)},
              {"smtp-id", json_text(mail.view.header("Message-ID"))},
              {"event", json_text(bounced ? "bounce" : "delivered")},
              {"sg_event_id", json_text(mint_hex(22))},
              {"sg_message_id", json_text(mail.id + ".filter0001.1.1")}};
  if (bounced) {
    one.emplace_back("type", json_text("bounce"));
    one.emplace_back("status", json_text("5.1.1"));
    one.emplace_back("reason", json_text("550 5.1.1 user unknown"));
  }
  const SendGrid::Origin& origin = sendgrid_->origins[mail.id];
  for (const auto& arg : origin.custom_args) one.push_back(arg);
  for (const auto& [id, webhook] : sendgrid_->event_webhooks) {
    if (webhook.account == origin.account && webhook.enabled && !webhook.url.empty()) {
      sendgrid_post(mail.id + ":" + (bounced ? "bounce" : "delivered"), webhook.url,
                    array({object(one)}));
    }
  }
}

void MailSimulator::sendgrid_post(const std::string& id, const std::string& url, std::string body) {
  WebhookEvent event;
  event.account = "sendgrid";
  event.id = id;
  event.kind = "sendgrid-event";
  event.request = [this, url, body = std::move(body), signs = sendgrid_->event_signed,
                   key = sendgrid_->event_key](int, Defect defect) {
    HttpCall call;
    call.url = without_userinfo(url);
    call.body = body;
    call.headers = {{"Content-Type", "application/json"}, {"User-Agent", "SendGrid Event API"}};
    if (signs) {
      const std::string now = std::to_string(clock_.now_ms() / 1'000);
      call.headers.emplace_back("X-Twilio-Email-Event-Webhook-Timestamp", now);
      add_proof(call, "X-Twilio-Email-Event-Webhook-Signature", sdk::base64(key.sign(now + body)),
                sdk::base64(key.sign(now + body + " ")), defect);
    }
    add_basic(call, userinfo_of(url), std::nullopt);
    return call;
  };
  event.retry = retry_doubling(60'000, 3'600'000, 24 * 3'600'000LL, is_2xx);
  sender_.post(std::move(event), scaled(kMailEventAfterMs));
}

}  // namespace gateway::simulate
