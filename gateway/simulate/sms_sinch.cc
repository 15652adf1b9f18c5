#include <algorithm>
#include <array>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/sms_internal.h"
#include "gateway/simulate/sms_protocol.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::string_view kBase32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kRecipients = 1'000;
constexpr std::size_t kTextCharacters = 2'000;
constexpr std::size_t kReferenceCharacters = 2'048;
constexpr std::string_view kMalformed = "syntax_invalid_parameter_format";
constexpr std::string_view kConstraint = "syntax_constraint_violation";

HttpReply json_reply(std::string body, int status) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

std::string without_plus(std::string_view phone) {
  return std::string(phone.substr(phone.rfind('+', 0) == 0 ? 1 : 0));
}

// What a callback is proved by.
struct Proof {
  std::string url;    // without user and password
  std::string basic;  // "Basic ..." of those in the URL; empty: none
};

Proof proof_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t at = url.substr(0, url.find_first_of("/?#", host)).rfind('@');
  if (at == std::string::npos || at < host) return {url, {}};
  const std::string pair = url.substr(host, at - host);
  const std::size_t colon = std::min(pair.find(':'), pair.size());
  const std::string user = sdk::percent_decode(pair.substr(0, colon)).value_or("");
  const std::string password =
      sdk::percent_decode(pair.substr(std::min(colon + 1, pair.size()))).value_or("");
  return {url.substr(0, host) + url.substr(at + 1), "Basic " + sdk::base64(user + ":" + password)};
}

// Where neither a signature nor a password is there, the secret is the address itself.
void spoil_address(HttpCall& call, Defect defect) {
  using Kind = DeliveryFault::Kind;
  const std::size_t slash = call.url.rfind('/');
  if (slash == std::string::npos) return;
  if (defect == Kind::no_secret) call.url.resize(slash);
  if (defect == Kind::wrong_secret) call.url = call.url.substr(0, slash + 1) + "another";
  if (defect == Kind::altered_body) call.body += ' ';
}

bool is_final(std::string_view status) { return status != "Queued" && status != "Dispatched"; }

}  // namespace

// 400 and 403 have a code and a text, the others an empty body.
HttpReply SmsSimulator::sinch_error(int status, std::string_view code,
                                    std::string_view text) const {
  if (code.empty()) return json_reply({}, status);
  return json_reply(object({{"code", json_text(code)}, {"text", json_text(text)}}), status);
}

SmsSimulator::Answer SmsSimulator::sinch(const HttpRequest& request, ApiCall& record) {
  if (files_.count(request.path) != 0) return file_reply(request.path);
  const auto path = path_parts(request.path);
  const std::string token = bearer_token(request);
  const bool known = std::any_of(sinch_->plans.begin(), sinch_->plans.end(), [&](const auto& plan) {
    return !token.empty() && sdk::equal_secret(token, plan.second.token);
  });
  if (!known) {
    record.description = "Unauthorized";
    return sinch_error(401, "", "");
  }
  if (path.size() < 4 || path[0] != "xms" || path[1] != "v1" || path[3] != "batches") {
    return sinch_error(404, "", "");
  }
  const std::string& plan_id = path[2];
  record.account = plan_id;
  const auto plan = sinch_->plans.find(plan_id);
  if (plan == sinch_->plans.end() || plan->second.token != token) return sinch_error(404, "", "");
  if (path.size() == 4 && request.method == "GET") {
    return sinch_batches(plan_id, sdk::parse_form(request.query));
  }
  if (path.size() == 4 && request.method == "POST") {
    const auto document = Document::parse(request.body);
    HttpReply reply = document ? sinch_send(document->root(), plan_id)
                               : sinch_error(400, "syntax_invalid_json", "The body is no JSON");
    if (reply.status >= 400) {
      const auto body = Document::parse(reply.body);
      record.description = body ? body->root()["text"].text_or("") : "";
    }
    return reply;
  }
  if (path.size() == 5 && request.method == "GET") {
    const auto at = sinch_->batches.find(plan_id + "/" + path[4]);
    if (at != sinch_->batches.end()) return json_reply(at->second, 200);
  }
  return sinch_error(404, "", "");
}

HttpReply SmsSimulator::sinch_batches(const std::string& plan_id, const sdk::Form& query) const {
  std::size_t size = 30;
  if (const auto wanted = sdk::find(query, "page_size")) {
    size = std::clamp<std::size_t>(
        static_cast<std::size_t>(std::atoi(std::string(*wanted).c_str())), 1, 100);
  }
  std::vector<std::string> list;
  std::size_t count = 0;
  for (const auto& [name, json] : sinch_->batches) {
    if (name.rfind(plan_id + "/", 0) != 0) continue;
    if (++count <= size) list.push_back(json);
  }
  return json_reply(object({{"count", std::to_string(count)},
                            {"page", "0"},
                            {"batches", array(list)},
                            {"page_size", std::to_string(size)}}),
                    200);
}

HttpReply SmsSimulator::sinch_send(Value body, const std::string& plan_id) {
  const auto invalid = [this](std::string_view code, std::string_view text) {
    return sinch_error(400, code, text);
  };
  const std::string from = without_plus(body["from"].text_or(""));
  const std::string_view type = body["type"].text_or("mt_text");
  const bool mms = type == "mt_media";
  const Value content = body["body"];
  const std::string_view text = mms ? content["message"].text_or("") : content.text_or("");
  if (!mms && type != "mt_text") return invalid(kMalformed, "Invalid type");
  std::vector<std::string> recipients;
  for (const Value one : body["to"].elements()) {
    const std::string to = without_plus(one.text_or(""));
    if (!is_e164("+" + to)) return invalid(kMalformed, "Invalid to");
    recipients.push_back(to);
  }
  if (recipients.empty() || recipients.size() > kRecipients) {
    return invalid(kConstraint, "to must have 1 to 1000 recipients");
  }
  if (mms && !is_web(content["url"].text_or(""))) return invalid(kMalformed, "Invalid body.url");
  if (!mms && text.empty()) return invalid(kConstraint, "body is required");
  if (sdk::utf16_length(text) > kTextCharacters) {
    return invalid(kConstraint, "body has more than 2000 characters");
  }
  const std::string_view report = body["delivery_report"].text_or("none");
  constexpr std::array<std::string_view, 5> kReports{"none", "summary", "full", "per_recipient",
                                                     "per_recipient_final"};
  if (std::find(kReports.begin(), kReports.end(), report) == kReports.end()) {
    return invalid(kMalformed, "Invalid delivery_report");
  }
  if (const auto url = body["callback_url"].text(); url && refuse_public_url(*url, sms_.urls)) {
    return invalid(kMalformed, "Invalid callback_url");
  }
  const std::string_view reference = body["client_reference"].text_or("");
  if (reference.size() > kReferenceCharacters) {
    return invalid(kConstraint, "client_reference has more than 2048 characters");
  }
  const auto own = sinch_->numbers.find("+" + from);
  if (own == sinch_->numbers.end() || own->second != plan_id) {
    return sinch_error(403, "forbidden_by_rule", "The sender is not one of this service plan");
  }
  const std::string id = "01" + mint(kBase32, 24);
  const std::string now = iso_ms(clock_.now_ms());
  std::vector<std::string> to;
  for (const std::string& one : recipients) to.push_back(json_text(one));
  Members batch{{"id", json_text(id)},
                {"to", array(to)},
                {"from", json_text(from)},
                {"canceled", "false"},
                {"body", content.dump()},
                {"type", json_text(type)},
                {"created_at", json_text(now)},
                {"modified_at", json_text(now)},
                {"delivery_report", json_text(report)}};
  if (!reference.empty()) batch.emplace_back("client_reference", json_text(reference));
  if (body["callback_url"].exists()) {
    batch.emplace_back("callback_url", body["callback_url"].dump());
  }
  sinch_->batches[plan_id + "/" + id] = object(batch);
  for (const std::string& one : recipients) {
    Sent sent;
    sent.platform = "sinch";
    sent.account = own->first;
    sent.to = "+" + one;
    sent.id = id;
    sent.kind = mms ? "media" : "text";
    sent.text = text;
    sent.body = body.dump();
    record_sent(std::move(sent));
    if (opted_out_.count({own->first, "+" + one}) == 0) answer_back(own->first, "+" + one);
  }
  sinch_reports(plan_id, id, recipients, body);
  return json_reply(object(batch), 201);
}

// "per_recipient" tells each state of each recipient, "per_recipient_final" the last ones,
// "summary" and "full" all in one when the batch is done.
void SmsSimulator::sinch_reports(const std::string& plan_id, const std::string& batch,
                                 const std::vector<std::string>& recipients, Value body) {
  const std::string_view mode = body["delivery_report"].text_or("none");
  const std::string url(body["callback_url"].text_or(sinch_->plans.at(plan_id).callback_url));
  if (mode == "none" || url.empty()) return;
  const std::string kind = body["type"].text_or("") == "mt_media" ? "mms" : "sms";
  const std::string from = "+" + without_plus(body["from"].text_or(""));
  const std::string_view reference = body["client_reference"].text_or("");
  std::vector<std::string> statuses;
  for (const std::string& to : recipients) {
    const bool stopped = opted_out_.count({from, "+" + to}) != 0;
    const bool lost = stopped || unreachable_.count("+" + to) != 0;
    // 402: the message cannot be routed.
    const std::string_view last = stopped ? "Deleted" : lost ? "Rejected" : "Delivered";
    statuses.push_back(object({{"code", lost ? "402" : "0"},
                               {"status", json_text(last)},
                               {"count", "1"},
                               {"recipients", array({json_text(to)})}}));
    std::int64_t after = 0;
    for (const std::string_view status : {std::string_view("Dispatched"), last}) {
      after += kSmsStateEveryMs;
      if (mode != "per_recipient" && !is_final(status)) continue;
      if (mode != "per_recipient" && mode != "per_recipient_final") continue;
      const std::string now = iso_ms(clock_.now_ms());
      Members report{{"type", json_text("recipient_delivery_report_" + kind)},
                     {"batch_id", json_text(batch)},
                     {"recipient", json_text(to)},
                     {"code", !is_final(status) ? "401"
                              : lost            ? "402"
                                                : "0"},
                     {"status", json_text(status)},
                     {"at", json_text(now)},
                     {"operator_status_at", json_text(now)}};
      if (!reference.empty()) report.emplace_back("client_reference", json_text(reference));
      sinch_post(plan_id, batch + ":" + to + ":" + std::string(status), "status", url,
                 object(report), scaled(after));
    }
  }
  if (mode != "summary" && mode != "full") return;
  Members report{{"type", json_text("delivery_report_" + kind)},
                 {"batch_id", json_text(batch)},
                 {"total_message_count", std::to_string(recipients.size())},
                 {"statuses", array(statuses)}};
  if (!reference.empty()) report.emplace_back("client_reference", json_text(reference));
  sinch_post(plan_id, batch, "status", url, object(report), scaled(2 * kSmsStateEveryMs));
}

std::string SmsSimulator::sinch_receive(const std::string& phone, const Incoming& incoming) {
  const std::string& plan_id = sinch_->numbers.at(phone);
  const std::string id = "01" + mint(kBase32, 24);
  const std::string& url = sinch_->plans.at(plan_id).callback_url;
  if (url.empty()) {
    sender_.count_unwanted();
    return id;
  }
  const bool mms = !incoming.media.empty();
  std::string content = json_text(incoming.text);
  if (mms) {
    std::vector<std::string> media;
    for (const std::string& type : incoming.media) {
      media.push_back(
          object({{"url", json_text("https://us.sms.api.sinch.com" + mint_file(plan_id, type))},
                  {"content_type", json_text(type)},
                  {"status", json_text("Uploaded")},
                  {"code", "0"}}));
    }
    content = object({{"subject", json_text("")},
                      {"message", json_text(incoming.text)},
                      {"media", array(media)}});
  }
  const std::string now = iso_ms(clock_.now_ms());
  sinch_post(plan_id, id, "message", url,
             object({{"type", json_text(mms ? "mo_media" : "mo_text")},
                     {"id", json_text(id)},
                     {"from", json_text(without_plus(incoming.from))},
                     {"to", json_text(phone.substr(1))},
                     {"body", content},
                     {"operator_id", json_text("310260")},
                     {"sent_at", json_text(now)},
                     {"received_at", json_text(now)}}),
             {});
  return id;
}

// Repeated 5 seconds after the first attempt, then at twice the time since it, until 81,920
// seconds; never after a 4xx other than 429.
void SmsSimulator::sinch_post(const std::string& plan_id, const std::string& id,
                              const std::string& kind, const std::string& url,
                              const std::string& body, std::chrono::milliseconds delay) {
  std::vector<std::int64_t> delays{5'000};
  for (std::int64_t since = 5'000; since < 81'920'000; since *= 2) delays.push_back(since);
  WebhookEvent event;
  event.account = plan_id;
  event.id = id;
  event.kind = kind;
  event.request = [this, body, proof = proof_of(url), nonce = "01" + mint(kBase32, 24),
                   secret = sinch_->plans.at(plan_id).webhook_secret](int, Defect defect) {
    HttpCall call;
    call.url = proof.url;
    call.body = body;
    call.timeout = std::chrono::milliseconds(10'000);
    call.headers = {{"Content-Type", "application/json"}};
    if (!proof.basic.empty()) {
      add_proof(call, "Authorization", proof.basic, "Basic " + sdk::base64("another:password"),
                secret.empty() ? defect : Defect());
    }
    if (!secret.empty()) {
      const std::string now_s = std::to_string(clock_.now_ms() / 1'000);
      call.headers.emplace_back("x-sinch-webhook-signature-nonce", nonce);
      call.headers.emplace_back("x-sinch-webhook-signature-timestamp", now_s);
      call.headers.emplace_back("x-sinch-webhook-signature-algorithm", "HmacSHA256");
      add_proof(call, "x-sinch-webhook-signature", sinch_signature(secret, body, nonce, now_s),
                sinch_signature("another secret", body, nonce, now_s), defect);
    } else if (proof.basic.empty()) {
      spoil_address(call, defect);
    }
    return call;
  };
  event.retry = retry_after(std::move(delays), is_2xx, [](int status) {
    return status >= 400 && status < 500 && status != 429;
  });
  sender_.post(std::move(event), delay);
}

}  // namespace gateway::simulate
