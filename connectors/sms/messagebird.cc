// MessageBird, the API Bird had before: https://developers.messagebird.com/api/sms-messaging and
// its request validator (github.com/messagebird/python-rest-api, read 2026-11-20).
#include <array>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/events.h"
#include "connectors/sms/jwt.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"
#include "connectors/sms/segments.h"

namespace sms {
namespace messagebird {
namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;
using sdk::json::Value;
using sdk::json::Writer;

constexpr std::string_view kApi = "https://rest.messagebird.com";
constexpr std::int64_t kLeewaySeconds = 1;

constexpr std::array<StateName, 6> kStates{{{"scheduled", Stage::sent},
                                            {"buffered", Stage::sent},
                                            {"sent", Stage::sent},
                                            {"delivered", Stage::delivered},
                                            {"expired", Stage::failed},
                                            {"delivery_failed", Stage::failed}}};

// https://developers.messagebird.com/api/#api-errors (verify).
constexpr std::array<ErrorMeaning, 6> kErrors{{
    {"2", Failure::auth, "the access key is refused"},
    {"9", Failure::permanent, "a parameter is missing"},
    {"10", Failure::permanent, "a parameter is invalid"},
    {"20", Failure::config, "not found"},
    {"21", Failure::permanent, "the request is malformed"},
    {"25", Failure::config, "the account has no credit left"},
}};

std::string complaint(const Channel& channel) { return missing(channel, {"access_key", "from"}); }

// "MessageBird-Signature-JWT": the claims name the address and the body by their digests.
bool is_signed(const Channel& channel, const Request& request) {
  const auto token = only_header(request, "messagebird-signature-jwt");
  if (!token) return false;
  constexpr std::array kAllowed{JwtAlgorithm::hs256, JwtAlgorithm::hs384, JwtAlgorithm::hs512};
  const auto claims = verified_claims(*token, channel.setting("signing_key"), kAllowed);
  if (!claims) return false;
  const Value root = claims->root();
  const std::int64_t now = channel.now_ms / 1000;
  const auto not_before = root["nbf"].integer();
  const auto expires = root["exp"].integer();
  if (root["iss"].text_or("") != "MessageBird" || !not_before || !expires ||
      *not_before > now + kLeewaySeconds || *expires < now - kLeewaySeconds) {
    return false;
  }
  const std::string url = signed_url(channel.webhook_url, request);
  if (!sdk::equal_secret(root["url_hash"].text_or(""), sdk::hex(sdk::sha256(url)))) return false;
  if (request.body.empty()) return !root["payload_hash"].exists();
  return sdk::equal_secret(root["payload_hash"].text_or(""), sdk::hex(sdk::sha256(request.body)));
}

Verdict verify(const Channel& channel, const Request& request) {
  if (request.method != "GET" && request.method != "POST") return Verdict::refuse;
  const bool accepted = channel.setting("signing_key").empty()
                            ? connector::came_by_keyed_url(channel, request)
                            : is_signed(channel, request);
  return accepted ? Verdict::accept : Verdict::refuse;
}

sdk::Form parameters_of(const Request& request) {
  if (request.method == "GET") return sdk::parse_form(request.query);
  if (!is_json(request)) return sdk::parse_form(request.body);
  sdk::Form form;
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) return form;
  for (const auto& [name, member] : document->root().members()) {
    form.emplace_back(name, member.digits().value_or(""));
  }
  return form;
}

std::string_view value_of(const sdk::Form& form, std::string_view name) {
  return sdk::find(form, name).value_or(std::string_view());
}

std::string clean(const sdk::Form& form, std::string_view name) {
  return sdk::sanitize(value_of(form, name), 4096);
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const sdk::Form form = parameters_of(request);
  if (sdk::find(form, "status") && !sdk::find(form, "originator")) {
    Report report{.id = clean(form, "id"),
                  .state = clean(form, "status"),
                  .contact = clean(form, "recipient"),
                  .code = clean(form, "statusErrorCode"),
                  .why = clean(form, "statusReason"),
                  .sent_ms = iso_ms(value_of(form, "statusDatetime")).value_or(0),
                  .message_key = clean(form, "reference")};
    report.stage = stage_of(report.state, kStates);
    // A reason is told for good news too.
    if (report.stage != Stage::failed) report.why.clear();
    return received(report);
  }
  if (sdk::find(form, "id") && sdk::find(form, "originator")) {
    Inbound inbound{.id = clean(form, "id"),
                    .from = clean(form, "originator"),
                    .to = clean(form, "recipient"),
                    .text = std::string(value_of(form, "body")),
                    .sent_ms = iso_ms(value_of(form, "createdDatetime")).value_or(0)};
    if (inbound.text.empty()) inbound.text = value_of(form, "payload");
    return received(channel, inbound);
  }
  return not_known("neither a message nor a report", request);
}

Call call(const Channel& channel, std::string method, std::string_view path,
          std::string json = {}) {
  Call call{.method = std::move(method), .url = std::string(kApi) + std::string(path)};
  if (!json.empty()) call.headers.emplace_back("content-type", "application/json");
  call.headers.emplace_back("authorization",
                            "AccessKey " + std::string(channel.setting("access_key")));
  call.body = std::move(json);
  return call;
}

// {"errors":[{"code":25,"description":"...","parameter":null}]}
Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  const Answer answer(response);
  const Value error = answer.root()["errors"].at(0);
  return sms::fail_of(channel, response, repeat,
                      {.code = std::string(error["code"].digits().value_or("")),
                       .words = std::string(error["description"].text_or(""))},
                      kErrors);
}

std::string inbound_url(const Channel& channel) {
  return channel.setting("signing_key").empty() ? connector::keyed_webhook_url(channel)
                                                : channel.webhook_url;
}

Step look_at_balance(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return call(channel, "GET", "/balance");
  const Answer answer(so_far[0]);
  if (!answer.ok()) return fail_of(channel, so_far[0], Repeat::safe);
  if (!answer.root()["type"].exists() && !answer.root()["amount"].exists()) {
    return connector::fail_from(so_far[0], Repeat::safe, channel.now_ms);
  }
  return Done{};
}

// No API sets where inbound messages go.
Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  Step step = look_at_balance(channel, so_far);
  if (auto* done = std::get_if<Done>(&step)) {
    done->results = {
        {"registration", "manual"},
        {"instruction.callback_url", inbound_url(channel)},
        {"instruction.callback_url_where",
         "MessageBird Dashboard, Flow Builder: a flow for this number whose trigger is SMS and "
         "whose step forwards to this URL with POST"},
        {"instruction.status_url", inbound_url(channel)},
        {"instruction.status_url_where",
         "Nothing to enter: every message names it. For messages sent elsewhere: Developers, API "
         "settings, status reports"}};
  }
  return step;
}

Step unregister_webhook(const Channel&, std::span<const Response>) { return Done{}; }

std::size_t media_count(const Channel&, std::string_view) { return 0; }

Call message(const Channel& channel, const Outgoing& outgoing) {
  Writer json;
  json.object().member("originator", std::string(without_plus(own_number(channel))));
  json.key("recipients").array().value(without_plus(outgoing.to)).end();
  json.member("body", outgoing.text);
  json.member("datacoding",
              segments_of(outgoing.text).alphabet == Alphabet::gsm7 ? "plain" : "unicode");
  // Reports come only for messages that have a reference; that of a further piece finds nothing.
  json.member("reference", outgoing.key.empty() ? "further" : outgoing.key);
  if (is_on(channel, "status_callbacks")) json.member("reportUrl", inbound_url(channel));
  json.end();
  return call(channel, "POST", "/messages", json.take());
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
}  // namespace messagebird

const Provider kMessageBird{.name = "messagebird",
                            .complaint = messagebird::complaint,
                            .verify = messagebird::verify,
                            .receive = messagebird::receive,
                            .register_webhook = messagebird::register_webhook,
                            .unregister_webhook = messagebird::unregister_webhook,
                            .check = messagebird::look_at_balance,
                            .poll = nullptr,
                            // A body of up to 1377 characters: nine parts.
                            .text_units = 1377,
                            .text_segments = 9,
                            .media_count = messagebird::media_count,
                            .message = messagebird::message,
                            .accepted = messagebird::accepted,
                            .media_credentials = messagebird::media_credentials};

}  // namespace sms
