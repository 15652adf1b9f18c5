// Sinch SMS: https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks, Batches,
// Delivery-reports, and sinch-sdk-node's authorization.helper.ts (read 2026-11-20).
#include <algorithm>
#include <array>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/events.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"

namespace sms {
namespace sinch {
namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Fail;
using connector::Repeat;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;
using sdk::json::Value;
using sdk::json::Writer;

// A delivery may be repeated for 22 h 45 min, and nothing says that it is signed anew (verify).
constexpr std::int64_t kToleranceMs = 24 * 60 * 60'000;
constexpr std::size_t kMaxMedia = 10;

// https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/ (read 2026-11-20).
// "Unknown" is a report that nobody will ever complete, so it stays as it is told.
constexpr std::array<StateName, 9> kStates{{{"Queued", Stage::sent},
                                            {"Dispatched", Stage::sent},
                                            {"Delivered", Stage::delivered},
                                            {"Aborted", Stage::failed},
                                            {"Cancelled", Stage::failed},
                                            {"Rejected", Stage::failed},
                                            {"Deleted", Stage::failed},
                                            {"Failed", Stage::failed},
                                            {"Expired", Stage::failed}}};

std::string complaint(const Channel& channel) {
  std::string lacks = missing(channel, {"sinch_plan_id", "sinch_token", "from"});
  if (!lacks.empty()) return lacks;
  if (channel.setting("basic_user").empty() != channel.setting("basic_pass").empty()) {
    return "config.basic_user and config.basic_pass are required together";
  }
  return {};
}

// Signed right but out of its time: our clock may be wrong, and Sinch drops what it is told 4xx
// for, so it is asked to come again.
Verdict verify_signature(const Channel& channel, const Request& request) {
  const auto signature = only_header(request, "x-sinch-webhook-signature");
  const auto nonce = only_header(request, "x-sinch-webhook-signature-nonce");
  const auto timestamp = only_header(request, "x-sinch-webhook-signature-timestamp");
  if (!signature || !nonce || !timestamp) return Verdict::refuse;
  const auto algorithm = connector::find(request.headers, "x-sinch-webhook-signature-algorithm");
  if (algorithm && !sdk::equals_ignoring_case(*algorithm, "HmacSHA256")) return Verdict::refuse;
  const std::string text = request.body + "." + std::string(*nonce) + "." + std::string(*timestamp);
  const std::string mac = sdk::base64(sdk::hmac_sha256(channel.setting("webhook_secret"), text));
  if (!sdk::equal_secret(mac, *signature)) return Verdict::refuse;
  const auto moment = unix_ms(*timestamp);
  if (!moment) return Verdict::refuse;
  return is_within(*moment, channel.now_ms, kToleranceMs) ? Verdict::accept : Verdict::try_later;
}

Verdict verify(const Channel& channel, const Request& request) {
  if (request.method != "POST") return Verdict::refuse;
  if (!channel.setting("webhook_secret").empty()) return verify_signature(channel, request);
  if (!channel.setting("basic_user").empty()) {
    const auto header = only_header(request, "authorization");
    const std::string wanted =
        connector::basic_auth(channel.setting("basic_user"), channel.setting("basic_pass")).second;
    return header && sdk::equal_secret(*header, wanted) ? Verdict::accept : Verdict::refuse;
  }
  return connector::came_by_keyed_url(channel, request) ? Verdict::accept : Verdict::refuse;
}

int byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

// The user data header's concatenation element, 3GPP TS 23.040 section 9.2.3.24.1 and .8.
void add_concatenation(Inbound& inbound, std::string_view udh_hex) {
  const auto udh = sdk::from_hex(udh_hex);
  if (!udh || udh->empty()) return;
  const std::string_view all = *udh;
  for (std::size_t at = 1; at + 1 < all.size();) {
    const int element = byte_at(all, at);
    const std::size_t length = static_cast<std::size_t>(byte_at(all, at + 1));
    const std::string_view data = all.substr(at + 2);
    if (data.size() < length) return;
    const bool is_short = element == 0x00 && length == 3;
    const bool is_long = element == 0x08 && length == 4;
    if (is_short || is_long) {
      const int reference = is_short ? byte_at(data, 0) : byte_at(data, 0) * 256 + byte_at(data, 1);
      add(inbound.extra, "concat.ref", std::to_string(reference));
      add(inbound.extra, "concat.total", std::to_string(byte_at(data, length - 2)));
      add(inbound.extra, "concat.part", std::to_string(byte_at(data, length - 1)));
      inbound.sequence = byte_at(data, length - 1);
      return;
    }
    at += 2 + length;
  }
}

connector::ReceiveResult message_of(const Channel& channel, Value root, std::string_view type) {
  Inbound inbound{.id = std::string(root["id"].text_or("")),
                  .from = std::string(root["from"].digits().value_or("")),
                  .to = std::string(root["to"].digits().value_or("")),
                  .text = {},
                  .sent_ms = iso_ms(root["received_at"].text_or("")).value_or(0)};
  const Value body = root["body"];
  if (type == "mo_text") {
    inbound.text = body.text_or("");
  } else if (type == "mo_media") {
    inbound.text = body["message"].text_or("");
    add(inbound.extra, "subject", body["subject"].text_or(""));
    for (const Value file : body["media"].elements()) {
      const std::string_view url = file["url"].text_or("");
      if (url.empty()) {
        // Sinch could not fetch it from the carrier.
        add(inbound.extra, "media_error", file["status"].text_or("failed"));
      } else if (inbound.media.size() < kMaxMedia) {
        inbound.media.push_back(media_at(url, file["content_type"].text_or("")));
      }
    }
  } else {
    inbound.extra.emplace_back("unsupported", "binary");
    add(inbound.extra, "data", body.text_or("").substr(0, 4096));
    add(inbound.extra, "udh", root["udh"].text_or("").substr(0, 512));
    add_concatenation(inbound, root["udh"].text_or(""));
  }
  add(inbound.extra, "operator_id", root["operator_id"].digits().value_or(""));
  return received(channel, inbound);
}

Report report_of(Value root, Value status, std::string_view recipient) {
  Report report{.id = std::string(root["batch_id"].text_or("")),
                .state = std::string(status["status"].text_or("")),
                .contact = std::string(recipient),
                .code = std::string(status["code"].digits().value_or("")),
                .sent_ms = iso_ms(root["at"].text_or("")).value_or(0),
                .message_key = std::string(root["client_reference"].text_or(""))};
  report.stage = stage_of(report.state, kStates);
  return report;
}

// One delivery with the states of all recipients; ours have one.
connector::ReceiveResult reports_of(Value root) {
  connector::Received all;
  for (const Value status : root["statuses"].elements()) {
    if (all.events.size() == 100) break;
    auto one = received(report_of(root, status, status["recipients"].at(0).text_or("")));
    if (!one) continue;
    const bool is_new = std::none_of(
        all.events.begin(), all.events.end(),
        [&](const connector::Event& event) { return event.key == one->events[0].key; });
    if (is_new) all.events.push_back(std::move(one->events[0]));
  }
  if (all.events.empty()) return not_understood("the report names no message or no state");
  return all;
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) return not_understood("the delivery " + document.error().reason);
  const Value root = document->root();
  const std::string_view type = root["type"].text_or("");
  if (type == "mo_text" || type == "mo_binary" || type == "mo_media") {
    return message_of(channel, root, type);
  }
  if (type == "delivery_report_sms" || type == "delivery_report_mms") return reports_of(root);
  if (type == "recipient_delivery_report_sms" || type == "recipient_delivery_report_mms") {
    return received(report_of(root, root, root["recipient"].text_or("")));
  }
  return not_known(type.empty() ? "no type" : type, request);
}

Call call(const Channel& channel, std::string method, std::string_view path,
          std::string json = {}) {
  const std::string_view region = channel.setting("sinch_region");
  Call call{.method = std::move(method),
            .url = "https://" + sdk::url_encode(region.empty() ? "us" : region) +
                   ".sms.api.sinch.com/xms/v1/" +
                   sdk::url_encode(channel.setting("sinch_plan_id")) + std::string(path)};
  if (!json.empty()) call.headers.emplace_back("content-type", "application/json");
  call.headers.push_back(connector::bearer_auth(channel.setting("sinch_token")));
  call.body = std::move(json);
  return call;
}

// {"code":"syntax_invalid_parameter_format","text":"..."}
Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  const Answer answer(response);
  Fail fail = sms::fail_of(channel, response, repeat,
                           {.code = std::string(answer.root()["code"].digits().value_or("")),
                            .words = std::string(answer.root()["text"].text_or(""))},
                           {});
  if (response.status == 402) fail.code = connector::Failure::config;
  return fail;
}

// The address Sinch calls, as this channel's deliveries are proved.
std::string callback_url(const Channel& channel) {
  if (!channel.setting("webhook_secret").empty()) return channel.webhook_url;
  const std::string_view user = channel.setting("basic_user");
  if (user.empty()) return connector::keyed_webhook_url(channel);
  std::string url = channel.webhook_url;
  const auto host = url.find("://");
  if (host == std::string::npos) return url;
  return url.insert(
      host + 3, sdk::url_encode(user) + ":" + sdk::url_encode(channel.setting("basic_pass")) + "@");
}

Step look_at_plan(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return call(channel, "GET", "/batches?page_size=1");
  const Answer answer(so_far[0]);
  if (so_far[0].status == 404) {
    return config_fail("config.sinch_plan_id: Sinch has no such service plan in this region");
  }
  if (!answer.ok()) return fail_of(channel, so_far[0], Repeat::safe);
  if (!answer.root()["count"].exists() && !answer.root()["batches"].exists()) {
    return connector::fail_from(so_far[0], Repeat::safe, channel.now_ms);
  }
  return Done{};
}

// The callback URL of a service plan is set in the dashboard only.
Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  Step step = look_at_plan(channel, so_far);
  if (auto* done = std::get_if<Done>(&step)) {
    const bool basic =
        channel.setting("webhook_secret").empty() && !channel.setting("basic_user").empty();
    // The password is not repeated: who entered it here enters it there.
    const std::string url = basic ? channel.webhook_url : callback_url(channel);
    done->results = {
        {"registration", "manual"},
        {"instruction.callback_url", url},
        {"instruction.callback_url_where",
         std::string("Sinch Build Dashboard, SMS, Service APIs, this service plan, "
                     "Callback URL") +
             (basic ? ", with basic_user and basic_pass as "
                      "https://user:password@host/..."
                    : "")},
        {"instruction.status_url_where", "Nothing to enter: every message names where reports go"}};
  }
  return step;
}

Step unregister_webhook(const Channel&, std::span<const Response>) { return Done{}; }

// MMS goes within the USA.
std::size_t media_count(const Channel&, std::string_view to) {
  return region_of(to) == "US" ? 1 : 0;
}

Call message(const Channel& channel, const Outgoing& outgoing) {
  Writer json;
  json.object();
  if (!outgoing.media.empty()) json.member("type", "mt_media");
  json.member("from", std::string(without_plus(own_number(channel))));
  json.key("to").array().value(without_plus(outgoing.to)).end();
  if (outgoing.media.empty()) {
    json.member("body", outgoing.text);
  } else {
    json.key("body").object().member("url", outgoing.media[0].url);
    if (!outgoing.text.empty()) json.member("message", outgoing.text);
    json.end();
  }
  json.member("delivery_report", is_on(channel, "status_callbacks") ? "per_recipient" : "none");
  if (is_on(channel, "status_callbacks")) json.member("callback_url", callback_url(channel));
  if (!outgoing.key.empty()) json.member("client_reference", outgoing.key);
  json.end();
  return call(channel, "POST", "/batches", json.take());
}

sdk::Expected<Accepted, Fail> accepted(const Channel& channel, const Response& response) {
  const Answer answer(response);
  if (!answer.ok()) return fail_of(channel, response, Repeat::harmful);
  const std::string_view id = answer.root()["id"].text_or("");
  if (id.empty()) return connector::fail_from(response, Repeat::harmful, channel.now_ms);
  return Accepted{.id = std::string(id), .aliases = {}};
}

std::optional<connector::Pair> media_credentials(const Channel&, std::string_view) {
  return std::nullopt;
}

}  // namespace
}  // namespace sinch

const Provider kSinch{.name = "sinch",
                      .complaint = sinch::complaint,
                      .verify = sinch::verify,
                      .receive = sinch::receive,
                      .register_webhook = sinch::register_webhook,
                      .unregister_webhook = sinch::unregister_webhook,
                      .check = sinch::look_at_plan,
                      .poll = nullptr,
                      .text_units = 1600,
                      .text_segments = 10,
                      .media_count = sinch::media_count,
                      .message = sinch::message,
                      .accepted = sinch::accepted,
                      .media_credentials = sinch::media_credentials};

}  // namespace sms
