// Vonage SMS API: https://developer.vonage.com/en/messaging/sms/guides/inbound-sms, delivery
// receipts, and https://developer.vonage.com/en/getting-started/concepts/signing-messages (read
// 2026-11-20).
#include <algorithm>
#include <array>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/events.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"
#include "connectors/sms/segments.h"
#include "connectors/sms/vonage_api.h"

namespace sms {
namespace vonage_sms {
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

constexpr std::int64_t kToleranceMs = 5 * 60'000;

constexpr std::array<StateName, 6> kStates{{{"delivered", Stage::delivered},
                                            {"accepted", Stage::sent},
                                            {"buffered", Stage::sent},
                                            {"expired", Stage::failed},
                                            {"failed", Stage::failed},
                                            {"rejected", Stage::failed}}};

// `status` of an answer to a send:
// https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms.
constexpr std::array<ErrorMeaning, 18> kSendErrors{{
    {"1", Failure::rate, "throttled"},
    {"2", Failure::config, "a parameter is missing"},
    {"3", Failure::permanent, "a parameter is invalid"},
    {"4", Failure::auth, "the credentials are refused"},
    {"5", Failure::retry, "internal error"},
    {"6", Failure::permanent, "the message is invalid"},
    {"7", Failure::permanent, "the number is barred"},
    {"8", Failure::config, "the account is barred"},
    {"9", Failure::config, "the account has no credit left"},
    {"10", Failure::retry, "too many connections"},
    {"11", Failure::config, "the account may not use this API"},
    {"12", Failure::permanent, "the message is too long"},
    {"14", Failure::config, "the signature is invalid"},
    {"15", Failure::permanent, "the sender is invalid"},
    {"22", Failure::permanent, "the network code is invalid"},
    {"29", Failure::config, "the number is not on the list of test numbers"},
    {"32", Failure::config, "the signature and the secret were both given"},
    {"33", Failure::permanent, "the number is deactivated"},
}};

// `err-code` of a delivery receipt (verify: the guide lists them, the reference notes do not).
constexpr std::array<ErrorMeaning, 15> kReceiptErrors{{
    {"1", Failure::retry, "unknown error"},
    {"2", Failure::retry, "the subscriber is absent"},
    {"3", Failure::unreachable, "the number is no longer in use"},
    {"4", Failure::unreachable, "the subscriber has barred the service"},
    {"5", Failure::unreachable, "the number was ported"},
    {"6", Failure::permanent, "a filter against unwanted messages rejected it"},
    {"7", Failure::retry, "the handset was busy"},
    {"8", Failure::retry, "network error"},
    {"9", Failure::unreachable, "the number is illegal"},
    {"10", Failure::permanent, "the message is invalid"},
    {"11", Failure::unreachable, "there is no route to the number"},
    {"12", Failure::unreachable, "the destination cannot be reached"},
    {"13", Failure::unreachable, "the subscriber is under age"},
    {"14", Failure::unreachable, "the carrier has blocked the number"},
    {"15", Failure::unreachable, "the prepaid account has no credit"},
}};

std::string complaint(const Channel& channel) {
  return missing(channel, {"api_key", "api_secret", "from"});
}

// By account setting: GET with a query, POST with a form, POST with JSON.
sdk::Form parameters_of(const Request& request) {
  if (request.method == "GET") return sdk::parse_form(request.query);
  if (!is_json(request)) return sdk::parse_form(request.body);
  sdk::Form form;
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) return form;
  for (const auto& [name, member] : document->root().members()) {
    if (const auto truth = member.boolean()) {
      form.emplace_back(name, *truth ? "true" : "false");
    } else {
      form.emplace_back(name, member.digits().value_or(""));
    }
  }
  return form;
}

std::string_view value_of(const sdk::Form& form, std::string_view name) {
  return sdk::find(form, name).value_or(std::string_view());
}

std::string clean(const sdk::Form& form, std::string_view name) {
  return sdk::sanitize(value_of(form, name), 4096);
}

// "&name=value" of all but the signature, sorted by name; in values the two separators become "_".
// Absent where a name repeats: which value counts must not depend on who reads.
std::optional<std::string> signed_text(sdk::Form form) {
  std::erase_if(form, [](const auto& field) { return field.first == "sig"; });
  std::sort(form.begin(), form.end());
  std::string text;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (i > 0 && form[i].first == form[i - 1].first) return std::nullopt;
    std::string value = form[i].second;
    std::replace_if(
        value.begin(), value.end(), [](char c) { return c == '&' || c == '='; }, '_');
    text += "&" + form[i].first + "=" + value;
  }
  return text;
}

std::string signature_of(std::string_view method, std::string_view secret,
                         const std::string& text) {
  if (method == "md5") return sdk::hmac_md5(secret, text);
  if (method == "sha1") return sdk::hmac_sha1(secret, text);
  if (method == "sha256") return sdk::hmac_sha256(secret, text);
  if (method == "sha512") return sdk::hmac_sha512(secret, text);
  return sdk::md5(text + std::string(secret));  // "md5hash", what accounts begin with
}

bool is_signed(const Channel& channel, const sdk::Form& form) {
  const auto is_signature = [](const auto& field) { return field.first == "sig"; };
  if (std::count_if(form.begin(), form.end(), is_signature) != 1) return false;
  const auto text = signed_text(form);
  const auto moment = unix_ms(value_of(form, "timestamp"));
  if (!text || !moment || !is_within(*moment, channel.now_ms, kToleranceMs)) return false;
  const std::string mac = sdk::hex(signature_of(channel.setting("signature_method"),
                                                channel.setting("signature_secret"), *text));
  return sdk::equal_secret(mac, sdk::lower_ascii(value_of(form, "sig")));
}

// Vonage asks once whether the address answers, when it is entered.
bool is_probe(const Request& request, const sdk::Form& form) {
  return request.method == "GET" && form.empty();
}

Verdict verify(const Channel& channel, const Request& request) {
  if (request.method != "GET" && request.method != "POST") return Verdict::refuse;
  const sdk::Form form = parameters_of(request);
  const bool keyed = connector::came_by_keyed_url(channel, request);
  // Signatures are an option that Vonage's support switches on. Without it the address is the
  // secret.
  const bool accepted = channel.setting("signature_secret").empty() || is_probe(request, form)
                            ? keyed
                            : is_signed(channel, form);
  return accepted ? Verdict::accept : Verdict::refuse;
}

connector::ReceiveResult report_of(const sdk::Form& form) {
  Report report{.id = clean(form, "messageId"),
                .state = clean(form, "status"),
                .contact = clean(form, "msisdn"),
                .code = clean(form, "err-code"),
                .message_key = clean(form, "client-ref")};
  report.stage = stage_of(report.state, kStates);
  if (const ErrorMeaning* meaning = meaning_of(report.code, kReceiptErrors)) {
    report.why = meaning->words;
    add(report.extra, "error_class", class_of(meaning->failure));
  }
  add(report.extra, "scts", clean(form, "scts"));
  add(report.extra, "network_code", clean(form, "network-code"));
  return received(report);
}

// Parts of a long text come as messages of their own, each under its id and in any order. A
// function of one delivery cannot join them; `concat.*` says what belongs together.
void add_concatenation(Inbound& inbound, const sdk::Form& form) {
  if (value_of(form, "concat") != "true") return;
  add(inbound.extra, "concat.ref", clean(form, "concat-ref"));
  add(inbound.extra, "concat.total", clean(form, "concat-total"));
  const std::string part = clean(form, "concat-part");
  add(inbound.extra, "concat.part", part);
  inbound.sequence = number_or_zero(part);
}

connector::ReceiveResult message_of(const Channel& channel, const sdk::Form& form) {
  Inbound inbound{.id = clean(form, "messageId"),
                  .from = clean(form, "msisdn"),
                  .to = clean(form, "to"),
                  .text = std::string(value_of(form, "text"))};
  add_concatenation(inbound, form);
  if (value_of(form, "type") == "binary") {
    inbound.text.clear();
    add(inbound.extra, "unsupported", "binary");
    add(inbound.extra, "data", clean(form, "data"));
    add(inbound.extra, "udh", clean(form, "udh"));
  }
  // When Vonage began to push it, which a repeated delivery may tell differently: no time by which
  // the message could be known again.
  add(inbound.extra, "message_timestamp", clean(form, "message-timestamp"));
  return received(channel, inbound);
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const sdk::Form form = parameters_of(request);
  if (is_probe(request, form)) {
    return connector::Received{.events = {}, .reply = Response{.status = 200}};
  }
  if (!value_of(form, "status").empty() && !sdk::find(form, "text")) return report_of(form);
  if (!value_of(form, "messageId").empty() && sdk::find(form, "msisdn")) {
    return message_of(channel, form);
  }
  return not_known("neither a message nor a receipt", request);
}

// ---- the number's address

bool has_number(const Channel& channel) { return !is_alphanumeric(channel.setting("from")); }

// A name has no number to look at; the account's balance shows whether the credentials are right.
Step look_at_account(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) {
    return vonage::get(channel, "https://rest.nexmo.com/account/get-balance");
  }
  const Answer answer(so_far[0]);
  if (!answer.ok()) return vonage::fail_of(channel, so_far[0], Repeat::safe);
  if (!answer.root()["value"].exists()) {
    return connector::fail_from(so_far[0], Repeat::safe, channel.now_ms);
  }
  return Done{};
}

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (!has_number(channel)) {
    Step step = look_at_account(channel, so_far);
    if (auto* done = std::get_if<Done>(&step)) {
      done->results.emplace_back("warning",
                                 "config.from is a sender's name: nobody can answer its messages");
    }
    return step;
  }
  if (so_far.empty()) return vonage::find_number(channel);
  const Answer listed(so_far[0]);
  const auto number = vonage::number_in(channel, listed);
  if (!number) return number.error();
  const std::string url = connector::keyed_webhook_url(channel);
  const std::string_view old = (*number)["moHttpUrl"].text_or("");
  if (old == url) return Done{};
  if (so_far.size() == 1) return vonage::update_number(channel, *number, {{"moHttpUrl", url}});
  if (auto fail = vonage::failure_of_update(channel, so_far[1])) return *std::move(fail);
  if (has_path_of(old, url)) return Done{};  // an earlier address of this gateway
  return Done{.state = {{"previous.mo_http_url", sdk::sanitize(old, 4096)}}};
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (!has_number(channel)) return Done{};
  const Done forgotten{.state = {{"previous.mo_http_url", ""}}};
  if (so_far.empty()) return vonage::find_number(channel);
  const Answer listed(so_far[0]);
  const auto number = vonage::number_in(channel, listed);
  if (!number) {
    return number.error().code == Failure::config ? Step(forgotten) : Step(number.error());
  }
  if ((*number)["moHttpUrl"].text_or("") != connector::keyed_webhook_url(channel)) {
    return forgotten;
  }
  if (so_far.size() == 1) {
    return vonage::update_number(
        channel, *number, {{"moHttpUrl", std::string(channel.kept("previous.mo_http_url"))}});
  }
  if (auto fail = vonage::failure_of_update(channel, so_far[1])) return *std::move(fail);
  return forgotten;
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  if (!has_number(channel)) return look_at_account(channel, so_far);
  if (so_far.empty()) return vonage::find_number(channel);
  const Answer listed(so_far[0]);
  const auto number = vonage::number_in(channel, listed);
  if (!number) return number.error();
  const std::string_view url = (*number)["moHttpUrl"].text_or("");
  const std::string wanted = connector::keyed_webhook_url(channel);
  return url == wanted ? Done{} : elsewhere(channel, "Vonage", "number", url, wanted);
}

// ---- sending

std::size_t media_count(const Channel&, std::string_view) { return 0; }

Call message(const Channel& channel, const Outgoing& outgoing) {
  sdk::json::Writer json;
  json.object().member("api_key", channel.setting("api_key"));
  json.member("api_secret", channel.setting("api_secret"));
  json.member("from", std::string(without_plus(own_number(channel))));
  json.member("to", without_plus(outgoing.to)).member("text", outgoing.text);
  if (segments_of(outgoing.text).alphabet == Alphabet::ucs2) json.member("type", "unicode");
  if (!outgoing.key.empty()) json.member("client-ref", outgoing.key.substr(0, 100));
  if (is_on(channel, "status_callbacks")) {
    json.member("status-report-req", true)
        .member("callback", connector::keyed_webhook_url(channel));
  }
  json.end();
  return connector::json_call("https://rest.nexmo.com/sms/json", json.take());
}

// 200 even for errors, with one entry per part.
sdk::Expected<Accepted, Fail> accepted(const Channel& channel, const Response& response) {
  const Answer answer(response);
  if (!answer.ok()) return vonage::fail_of(channel, response, Repeat::harmful);
  const std::vector<Value> parts = answer.root()["messages"].elements();
  Accepted taken;
  std::optional<Fail> refused;
  for (const Value part : parts) {
    const std::string code(part["status"].digits().value_or(""));
    if (code == "0") {
      std::string id(part["message-id"].text_or(""));
      if (id.empty()) continue;
      (taken.id.empty() ? taken.id : taken.aliases.emplace_back()) = std::move(id);
    } else if (!refused) {
      refused = fail_of(channel, response, Repeat::harmful,
                        {.code = code, .words = std::string(part["error-text"].text_or(""))},
                        kSendErrors);
    }
  }
  if (refused && !taken.id.empty()) {
    // The parts that were taken are on their way; sending all of it again would repeat them.
    refused->code = Failure::uncertain;
    refused->why = "only some parts were accepted: " + refused->why;
  }
  if (refused) return *std::move(refused);
  if (taken.id.empty()) return connector::fail_from(response, Repeat::harmful, channel.now_ms);
  return taken;
}

}  // namespace
}  // namespace vonage_sms

const Provider kVonageSms{.name = "vonage_sms",
                          .complaint = vonage_sms::complaint,
                          .verify = vonage_sms::verify,
                          .receive = vonage_sms::receive,
                          .register_webhook = vonage_sms::register_webhook,
                          .unregister_webhook = vonage_sms::unregister_webhook,
                          .check = vonage_sms::check,
                          .poll = nullptr,
                          .text_units = 3200,
                          .text_segments = 10,
                          .media_count = vonage_sms::media_count,
                          .message = vonage_sms::message,
                          .accepted = vonage_sms::accepted,
                          .media_credentials = vonage::media_credentials};

}  // namespace sms
