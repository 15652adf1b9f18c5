#include <algorithm>
#include <memory>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/sms_internal.h"
#include "gateway/simulate/sms_protocol.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::chrono::milliseconds kAnswerWithin{2'000};
constexpr int kTriesPerUrl = 3;
constexpr std::int64_t kRetryMs = 5'000;

HttpReply data_reply(const std::string& json, int status = 200) {
  HttpReply reply;
  reply.status = status;
  reply.body = object({{"data", json}});
  return reply;
}

}  // namespace

HttpReply SmsSimulator::telnyx_error(int status, std::string_view code, std::string_view title,
                                     std::string_view detail) {
  HttpReply reply;
  reply.status = status;
  reply.body = object({{"errors", array({object({{"code", json_text(code)},
                                                 {"title", json_text(title)},
                                                 {"detail", json_text(detail)}})})}});
  return reply;
}

SmsSimulator::Answer SmsSimulator::telnyx(const HttpRequest& request, ApiCall& record) {
  const auto path = path_parts(request.path);
  if (files_.count(request.path) != 0) return file_reply(request.path);
  const std::string key = bearer_token(request);
  if (telnyx_->api_keys.count(key) == 0) {
    record.description = "Authentication failed";
    return telnyx_error(401, "10009", "Authentication failed",
                        "The required authentication headers were either invalid or not included "
                        "in the request.");
  }
  const auto missing = [this] {
    return telnyx_error(404, "10005", "Resource not found",
                        "The requested resource or URL could not be found.");
  };
  if (path.size() < 2 || path[0] != "v2") return missing();
  const auto document = Document::parse(request.body.empty() ? "{}" : request.body);
  if (!document) return telnyx_error(400, "10015", "Bad Request", "The body is no JSON");
  const Value wish = document->root();
  const auto profile_json = [](const Telnyx::Profile& profile) {
    return object({{"record_type", json_text("messaging_profile")},
                   {"id", json_text(profile.id)},
                   {"name", json_text(profile.name)},
                   {"enabled", "true"},
                   {"webhook_url", json_text(profile.webhook_url)},
                   {"webhook_failover_url", json_text(profile.failover_url)},
                   {"webhook_api_version", json_text(profile.version)}});
  };
  if (path[1] == "public_key") {
    return data_reply(object({{"public", json_text(sdk::base64(telnyx_->key.raw_public_key()))}}));
  }
  if (path[1] == "messaging_profiles") {
    if (path.size() == 2) {
      std::vector<std::string> list;
      for (const auto& [id, profile] : telnyx_->profiles) {
        if (profile.account == key) list.push_back(profile_json(profile));
      }
      return data_reply(array(list));
    }
    const auto at = telnyx_->profiles.find(path[2]);
    if (at == telnyx_->profiles.end() || at->second.account != key) return missing();
    record.account = at->first;
    if (request.method == "PATCH") {
      for (const char* name : {"webhook_url", "webhook_failover_url"}) {
        const std::string_view url = wish[name].text_or("");
        if (!url.empty() && refuse_public_url(url, sms_.urls)) {
          return telnyx_error(422, "10015", "Invalid URL",
                              std::string(name) + " is not a valid URL");
        }
      }
      if (const auto version = wish["webhook_api_version"].text();
          version && *version != "1" && *version != "2" && *version != "2010-04-01") {
        return telnyx_error(422, "10015", "Invalid value", "webhook_api_version");
      }
      const auto set = [&](const char* name, std::string& value) {
        if (wish[name].exists()) value = wish[name].text_or("");
      };
      set("webhook_url", at->second.webhook_url);
      set("webhook_failover_url", at->second.failover_url);
      set("webhook_api_version", at->second.version);
      set("name", at->second.name);
      changed_.notify_all();
    }
    return data_reply(profile_json(at->second));
  }
  if (path[1] == "phone_numbers") {
    const auto number_json = [](const Telnyx::Number& number) {
      return object({{"record_type", json_text("messaging_settings")},
                     {"id", json_text(number.id)},
                     {"phone_number", json_text(number.phone)},
                     {"messaging_profile_id", json_text(number.profile)}});
    };
    const auto form = sdk::parse_form(request.query);
    std::vector<std::string> list;
    for (auto& [phone, number] : telnyx_->numbers) {
      if (number.account != key) continue;
      if (path.size() == 2) {
        const auto asked = sdk::find(form, "filter[phone_number]");
        if (!asked || digits_only(*asked) == digits_only(phone))
          list.push_back(number_json(number));
        continue;
      }
      // By its id or by the number itself.
      const std::string named = sdk::percent_decode(path[2]).value_or(path[2]);
      if (named != number.id && named != phone) continue;
      record.account = phone;
      if (request.method == "PATCH") {
        const std::string profile(wish["messaging_profile_id"].text_or(""));
        if (telnyx_->profiles.count(profile) == 0) {
          return telnyx_error(422, "10015", "Invalid value", "messaging_profile_id");
        }
        number.profile = profile;
        changed_.notify_all();
      }
      return data_reply(number_json(number));
    }
    return path.size() == 2 ? data_reply(array(list)) : missing();
  }
  if (path[1] == "messages" && path.size() == 2 && request.method == "POST") {
    HttpReply reply = telnyx_send(wish, key);
    if (reply.status >= 400) {
      const auto body = Document::parse(reply.body);
      record.description = body->root()["errors"].at(0)["title"].text_or("");
    }
    return reply;
  }
  if (path[1] == "messages" && path.size() == 3) {
    const auto at = telnyx_->messages.find(path[2]);
    return at == telnyx_->messages.end() ? missing() : data_reply(at->second);
  }
  return missing();
}

HttpReply SmsSimulator::telnyx_send(Value body, const std::string& api_key) {
  const auto invalid = [this](std::string_view code, std::string_view title,
                              std::string_view detail) {
    return telnyx_error(422, code, title, detail);
  };
  const std::string to(body["to"].text_or(""));
  std::string from(body["from"].text_or(""));
  std::string profile_id(body["messaging_profile_id"].text_or(""));
  if (!is_e164(to))
    return invalid("40310", "Invalid 'to' address", "The 'to' address is not E.164");
  if (from.empty()) {
    for (const auto& [phone, number] : telnyx_->numbers) {
      if (number.profile == profile_id && number.account == api_key) from = phone;
    }
  }
  const auto number = telnyx_->numbers.find(from);
  if (number == telnyx_->numbers.end() || number->second.account != api_key) {
    return invalid("40305", "Invalid 'from' address",
                   "The 'from' address should be a number of yours on a messaging profile");
  }
  if (profile_id.empty()) profile_id = number->second.profile;
  const auto profile = telnyx_->profiles.find(profile_id);
  if (profile == telnyx_->profiles.end()) {
    return invalid("40305", "Invalid messaging profile", "The number has no messaging profile");
  }
  const std::string_view text = body["text"].text_or("");
  const auto media = body["media_urls"].elements();
  if (text.empty() && media.empty()) {
    return invalid("10004", "Missing required parameter", "text or media_urls is required");
  }
  if (sms_segments(text) > 10) {
    return invalid("40302", "Message too large", "The message has more than 10 parts");
  }
  if (opted_out_.count({from, to}) != 0) {
    return telnyx_error(403, "40300", "Blocked due to STOP message",
                        "Messages cannot be sent from '" + from + "' to '" + to +
                            "' due to an existing block rule.");
  }
  const std::string id = mint_uuid();
  const auto payload = [&](std::string_view direction, std::string_view state,
                           const std::string& errors) {
    std::vector<std::string> files;
    for (const Value url : media) files.push_back(object({{"url", url.dump()}}));
    return object(
        {{"record_type", json_text("message")},
         {"direction", json_text(direction)},
         {"id", json_text(id)},
         {"type", json_text(media.empty() ? "SMS" : "MMS")},
         {"messaging_profile_id", json_text(profile_id)},
         {"from", object({{"phone_number", json_text(from)},
                          {"carrier", json_text("Telnyx")},
                          {"line_type", json_text("Wireless")}})},
         {"to", array({object({{"phone_number", json_text(to)}, {"status", json_text(state)}})})},
         {"text", json_text(text)},
         {"media", array(files)},
         {"encoding", json_text(is_gsm7(text) ? "GSM-7" : "UCS-2")},
         {"parts", std::to_string(sms_segments(text))},
         {"received_at", json_text(iso_ms(clock_.now_ms()))},
         {"errors", errors}});
  };
  const std::string queued = payload("outbound", "queued", "[]");
  telnyx_->messages[id] = queued;
  Sent sent;
  sent.platform = "telnyx";
  sent.account = from;
  sent.to = to;
  sent.id = id;
  sent.kind = media.empty() ? "text" : "media";
  sent.text = text;
  sent.body = body.dump();
  record_sent(std::move(sent));
  // URLs of the message outrank the profile's.
  const std::string url(body["webhook_url"].text_or(profile->second.webhook_url));
  const std::string failover(body["webhook_failover_url"].text_or(profile->second.failover_url));
  const bool lost = unreachable_.count(to) != 0;
  if (!url.empty() && body["use_profile_webhooks"].boolean().value_or(true)) {
    telnyx_post(from, "message.sent", payload("outbound", "sent", "[]"), url, failover, {});
    telnyx_post(from, "message.finalized",
                payload("outbound", lost ? "delivery_failed" : "delivered",
                        lost ? array({object({{"code", json_text("40001")},
                                              {"title", json_text("Not routable")}})})
                             : "[]"),
                url, failover, scaled(kSmsStateEveryMs));
  }
  answer_back(from, to);
  return data_reply(queued);
}

std::string SmsSimulator::telnyx_receive(const std::string& phone, const Incoming& incoming) {
  const Telnyx::Number& number = telnyx_->numbers.at(phone);
  const std::string id = mint_uuid();
  const auto profile = telnyx_->profiles.find(number.profile);
  if (profile == telnyx_->profiles.end() || profile->second.webhook_url.empty()) {
    sender_.count_unwanted();
    return id;
  }
  std::vector<std::string> media;
  for (const std::string& type : incoming.media) {
    const std::string target = mint_file(number.account, type);
    const File& file = files_.at(target);
    media.push_back(object({{"url", json_text("https://api.telnyx.com" + target)},
                            {"content_type", json_text(type)},
                            {"sha256", json_text(sdk::hex(sdk::sha256(file.bytes)))},
                            {"size", std::to_string(file.bytes.size())}}));
  }
  const std::string payload =
      object({{"record_type", json_text("message")},
              {"direction", json_text("inbound")},
              {"id", json_text(id)},
              {"type", json_text(media.empty() ? "SMS" : "MMS")},
              {"messaging_profile_id", json_text(number.profile)},
              {"from", object({{"phone_number", json_text(incoming.from)},
                               {"carrier", json_text("T-Mobile USA")},
                               {"line_type", json_text("Wireless")}})},
              {"to", array({object({{"phone_number", json_text(phone)},
                                    {"status", json_text("webhook_delivered")}})})},
              {"cc", "[]"},
              {"subject", "null"},
              {"text", json_text(incoming.text)},
              {"media", array(media)},
              {"encoding", json_text(is_gsm7(incoming.text) ? "GSM-7" : "UCS-2")},
              {"parts", std::to_string(sms_segments(incoming.text))},
              {"received_at", json_text(iso_ms(clock_.now_ms()))},
              {"errors", "[]"}});
  telnyx_post(phone, "message.received", payload, profile->second.webhook_url,
              profile->second.failover_url, {});
  return id;
}

// Two seconds to answer, three attempts per URL. The number of the attempt is in the body.
void SmsSimulator::telnyx_post(const std::string& account, const std::string& event_type,
                               const std::string& payload, const std::string& url,
                               const std::string& failover, std::chrono::milliseconds delay) {
  WebhookEvent event;
  event.account = account;
  event.id = mint_uuid();
  event.kind = event_type;
  const std::string data = object({{"record_type", json_text("event")},
                                   {"event_type", json_text(event_type)},
                                   {"id", json_text(event.id)},
                                   {"occurred_at", json_text(iso_ms(clock_.now_ms()))},
                                   {"payload", payload}});
  event.request = [=, this, key = telnyx_->key](int attempt, Defect defect) {
    HttpCall call;
    call.url = attempt <= kTriesPerUrl ? url : failover;
    call.timeout = kAnswerWithin;
    call.body = object({{"data", data},
                        {"meta", object({{"attempt", std::to_string(attempt)},
                                         {"delivered_to", json_text(call.url)}})}});
    const std::int64_t now_s = clock_.now_ms() / 1'000;
    const std::string text = telnyx_signed_text(now_s, call.body);
    call.headers = {{"Content-Type", "application/json"},
                    {"User-Agent", "telnyx-webhooks"},
                    {"telnyx-timestamp", std::to_string(now_s)}};
    add_proof(call, "telnyx-signature-ed25519", sdk::base64(key.sign(text)),
              sdk::base64(key.sign(text + " ")), defect);
    return call;
  };
  event.retry =
      retry_after(std::vector<std::int64_t>(
                      failover.empty() ? kTriesPerUrl - 1 : 2 * kTriesPerUrl - 1, kRetryMs),
                  is_2xx);
  sender_.post(std::move(event), delay);
}

}  // namespace gateway::simulate
