// Vonage Messages API: https://developer.vonage.com/en/api/messages and
// https://developer.nexmo.com/messages/concepts/signed-webhooks (read 2026-11-20).
#include <array>
#include <optional>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/events.h"
#include "connectors/sms/jwt.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"
#include "connectors/sms/vonage_api.h"

namespace sms {
namespace vonage {
namespace {

using connector::Attachment;
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

constexpr std::int64_t kToleranceMs = 5 * 60'000;

constexpr std::array<StateName, 5> kStates{{{"submitted", Stage::sent},
                                            {"delivered", Stage::delivered},
                                            {"read", Stage::read},
                                            {"rejected", Stage::failed},
                                            {"undeliverable", Stage::failed}}};

std::string complaint(const Channel& channel) {
  return missing(channel, {"api_key", "api_secret", "signature_secret", "application_id", "from"});
}

Verdict verify(const Channel& channel, const Request& request) {
  if (request.method != "POST") return Verdict::refuse;
  // Now and then a delivery comes unsigned; refused for a time, it comes again signed.
  if (!connector::find(request.headers, "authorization")) return Verdict::try_later;
  constexpr std::string_view kBearer = "Bearer ";
  const auto header = only_header(request, "authorization");
  if (!header || !header->starts_with(kBearer)) return Verdict::refuse;
  constexpr std::array kAllowed{JwtAlgorithm::hs256};
  const auto claims = verified_claims(header->substr(kBearer.size()),
                                      channel.setting("signature_secret"), kAllowed);
  if (!claims) return Verdict::refuse;
  const Value root = claims->root();
  const auto issued = root["iat"].integer();
  const bool fits =
      root["api_key"].text_or("") == channel.setting("api_key") && issued && *issued > 0 &&
      *issued < 253'402'300'799 && is_within(*issued * 1000, channel.now_ms, kToleranceMs) &&
      sdk::equal_secret(root["payload_hash"].text_or(""), sdk::hex(sdk::sha256(request.body)));
  return fits ? Verdict::accept : Verdict::refuse;
}

// A number, or in the older form {"type":"sms","number":"44..."}.
std::string party(Value value) {
  if (const auto text = value.digits()) return std::string(*text);
  return std::string(value["number"].digits().value_or(value["id"].text_or("")));
}

std::optional<Attachment> file_in(Value root, std::string_view type) {
  const Value file = root[type];
  const std::string_view url = file["url"].text_or("");
  if (url.empty()) return std::nullopt;
  const bool is_shown = type == "image" || type == "audio" || type == "video";
  Attachment attachment = media_at(url, is_shown ? std::string(type) + "/*" : "");
  attachment.mime_type.clear();
  attachment.file_name = file["name"].text_or("");
  return attachment;
}

connector::ReceiveResult message_of(const Channel& channel, Value root) {
  const std::string type(root["message_type"].text_or("text"));
  Inbound inbound{.id = std::string(root["message_uuid"].text_or("")),
                  .from = party(root["from"]),
                  .to = party(root["to"]),
                  .text = std::string(root["text"].text_or("")),
                  .sent_ms = iso_ms(root["timestamp"].text_or("")).value_or(0),
                  .contact_name = std::string(root["profile"]["name"].text_or(""))};
  if (auto file = file_in(root, type)) {
    if (inbound.text.empty()) inbound.text = root[type]["caption"].text_or("");
    inbound.media.push_back(*std::move(file));
  } else if (type != "text") {
    add(inbound.extra, "unsupported", type);
  }
  const std::string_view via = root["channel"].text_or("sms");
  if (via != "sms") add(inbound.extra, "channel", via);
  add(inbound.extra, "segments", root["sms"]["num_messages"].digits().value_or(""));
  return received(channel, inbound);
}

connector::ReceiveResult report_of(Value root) {
  Report report{.id = std::string(root["message_uuid"].text_or("")),
                .state = std::string(root["status"].text_or("")),
                .contact = party(root["to"]),
                .code = std::string(root["error"]["title"].digits().value_or("")),
                .why = std::string(root["error"]["detail"].text_or("")),
                .sent_ms = iso_ms(root["timestamp"].text_or("")).value_or(0),
                .message_key = std::string(root["client_ref"].text_or(""))};
  report.stage = stage_of(report.state, kStates);
  add(report.extra, "segments", root["sms"]["count_total"].digits().value_or(""));
  return received(report);
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) return not_understood("the delivery " + document.error().reason);
  const Value root = document->root();
  if (root["status"].is_string() && !root["message_type"].exists()) return report_of(root);
  if (root["message_uuid"].exists() && root["from"].exists()) return message_of(channel, root);
  return not_known("neither a message nor a report", request);
}

// ---- the application

std::string application_url(const Channel& channel) {
  return "https://api.nexmo.com/v2/applications/" +
         sdk::url_encode(channel.setting("application_id"));
}

std::string report_url(const Channel& channel) {
  return with_parameter(channel.webhook_url, "about", "status");
}

Value webhooks_of(Value application) { return application["capabilities"]["messages"]["webhooks"]; }

void write_webhook(Writer& json, std::string_view name, std::string_view address) {
  if (address.empty()) return;
  json.key(name).object().member("address", address).member("http_method", "POST").end();
}

// PUT replaces the whole object, so everything it had goes back, but for the two addresses.
std::string application_with(Value old, std::string_view inbound, std::string_view status) {
  Writer json;
  json.object().member("name", old["name"]);
  if (old["keys"]["public_key"].is_string()) {
    json.key("keys").object().member("public_key", old["keys"]["public_key"]).end();
  }
  if (old["privacy"].is_object()) json.member("privacy", old["privacy"]);
  json.key("capabilities").object();
  for (const auto& [name, capability] : old["capabilities"].members()) {
    if (name != "messages") json.member(name, capability);
  }
  if (!inbound.empty()) {
    json.key("messages").object();
    for (const auto& [name, member] : old["capabilities"]["messages"].members()) {
      if (name != "webhooks") json.member(name, member);
    }
    json.key("webhooks").object();
    for (const auto& [name, member] : webhooks_of(old).members()) {
      if (name != "inbound_url" && name != "status_url") json.member(name, member);
    }
    write_webhook(json, "inbound_url", inbound);
    write_webhook(json, "status_url", status);
    json.end().end();
  }
  return json.end().end().take();
}

Call put_application(const Channel& channel, std::string json) {
  Call call = connector::json_call(application_url(channel), std::move(json));
  call.method = "PUT";
  call.headers.push_back(get(channel, "").headers[0]);
  return call;
}

std::optional<Fail> failure_of_application(const Channel& channel, const Answer& answer) {
  if (answer.response().status == 404) {
    return config_fail("config.application_id: the Vonage account has no such application");
  }
  if (!answer.ok()) return fail_of(channel, answer.response(), Repeat::safe);
  if (!answer.root()["name"].exists()) {
    return connector::fail_from(answer.response(), Repeat::safe, channel.now_ms);
  }
  return std::nullopt;
}

// What is not liked about a change is our address.
Fail fail_of_address(const Channel& channel, const Response& response) {
  Fail fail = fail_of(channel, response, Repeat::safe);
  if (response.status == 400 || response.status == 422) fail.code = Failure::config;
  return fail;
}

std::string_view address_in(Value application, std::string_view name) {
  return webhooks_of(application)[name]["address"].text_or("");
}

bool has_number(const Channel& channel) { return !is_alphanumeric(channel.setting("from")); }

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  const std::string_view key = channel.setting("private_key_pem");
  if (!key.empty() && !sdk::sign_rsa_sha256(key, "probe")) {
    return config_fail("config.private_key_pem is no RSA key in PEM form");
  }
  Answers answers(so_far);
  const Response* first = answers.next();
  if (first == nullptr) return get(channel, application_url(channel));
  const Answer application(*first);
  if (auto fail = failure_of_application(channel, application)) return *std::move(fail);
  // Before anything is changed, since what is not there cannot be registered.
  std::optional<Answer> listed;
  Value number;
  if (has_number(channel)) {
    const Response* found = answers.next();
    if (found == nullptr) return find_number(channel);
    listed.emplace(*found);
    auto one = number_in(channel, *listed);
    if (!one) return std::move(one).error();
    number = *one;
  }
  const Response* put = answers.next();
  if (put == nullptr) {
    return put_application(
        channel, application_with(application.root(), channel.webhook_url, report_url(channel)));
  }
  if (!connector::is_success(*put)) return fail_of_address(channel, *put);
  Done done;
  if (!has_path_of(address_in(application.root(), "inbound_url"), channel.webhook_url)) {
    done.state = {
        {"previous.inbound_url", std::string(address_in(application.root(), "inbound_url"))},
        {"previous.status_url", std::string(address_in(application.root(), "status_url"))}};
  }
  if (!has_number(channel)) {
    done.results.emplace_back("warning",
                              "config.from is a sender's name: nobody can answer its messages");
    return done;
  }
  const std::string_view linked = number["app_id"].text_or("");
  if (linked == channel.setting("application_id")) return done;
  const Response* updated = answers.next();
  if (updated == nullptr) {
    return update_number(channel, number,
                         {{"app_id", std::string(channel.setting("application_id"))}});
  }
  if (auto fail = failure_of_update(channel, *updated)) return *std::move(fail);
  done.state.emplace_back("linked", "1");
  done.state.emplace_back("previous.app_id", linked);
  return done;
}

Done forgotten() {
  return {.state = {{"previous.inbound_url", ""},
                    {"previous.status_url", ""},
                    {"previous.app_id", ""},
                    {"linked", ""}}};
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  const Response* first = answers.next();
  if (first == nullptr) return get(channel, application_url(channel));
  if (first->status == 404) return forgotten();
  const Answer application(*first);
  if (auto fail = failure_of_application(channel, application)) return *std::move(fail);
  // Whoever has taken it over since keeps it.
  if (address_in(application.root(), "inbound_url") != channel.webhook_url) return forgotten();
  const Response* put = answers.next();
  if (put == nullptr) {
    return put_application(
        channel, application_with(application.root(), channel.kept("previous.inbound_url"),
                                  channel.kept("previous.status_url")));
  }
  if (!connector::is_success(*put)) return fail_of(channel, *put, Repeat::safe);
  if (channel.kept("linked") != "1") return forgotten();
  const Response* found = answers.next();
  if (found == nullptr) return find_number(channel);
  const Answer listed(*found);
  const auto number = number_in(channel, listed);
  if (!number) {
    return number.error().code == Failure::config ? Step(forgotten()) : Step(number.error());
  }
  if ((*number)["app_id"].text_or("") != channel.setting("application_id")) return forgotten();
  const Response* updated = answers.next();
  if (updated == nullptr) {
    return update_number(channel, *number,
                         {{"app_id", std::string(channel.kept("previous.app_id"))}});
  }
  if (auto fail = failure_of_update(channel, *updated)) return *std::move(fail);
  return forgotten();
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  const Response* first = answers.next();
  if (first == nullptr) return get(channel, application_url(channel));
  const Answer application(*first);
  if (auto fail = failure_of_application(channel, application)) return *std::move(fail);
  const std::string_view url = address_in(application.root(), "inbound_url");
  if (url != channel.webhook_url) {
    return elsewhere(channel, "Vonage", "application", url, channel.webhook_url);
  }
  if (address_in(application.root(), "status_url") != report_url(channel)) {
    return problem("Vonage does not report here what becomes of messages", Repair::register_again);
  }
  if (!has_number(channel)) return Done{};
  const Response* found = answers.next();
  if (found == nullptr) return find_number(channel);
  const Answer listed(*found);
  const auto number = number_in(channel, listed);
  if (!number) return number.error();
  if ((*number)["app_id"].text_or("") != channel.setting("application_id")) {
    return problem("the number is not linked to the application", Repair::register_again);
  }
  return Done{};
}

// ---- sending

// MMS goes within the USA: https://developer.vonage.com/en/messages/concepts/mms (verify).
std::size_t media_count(const Channel& channel, std::string_view to) {
  return region_of(to) == "US" && region_of(own_number(channel)) == "US" ? 1 : 0;
}

// RS256 with the application's key; jti is made of what must not repeat.
std::optional<std::string> application_token(const Channel& channel, std::string_view key) {
  const std::string_view pem = channel.setting("private_key_pem");
  if (pem.empty()) return std::nullopt;
  const std::int64_t now = channel.now_ms / 1000;
  Writer claims;
  claims.object().member("application_id", channel.setting("application_id"));
  claims.member("iat", now).member("exp", now + 15 * 60);
  const std::string unique = std::to_string(channel.now_ms) + ":" + std::string(key);
  claims.member("jti", sdk::hex(sdk::hmac_sha256(channel.secret, unique)).substr(0, 32)).end();
  std::string token =
      sdk::base64url(R"({"alg":"RS256","typ":"JWT"})") + "." + sdk::base64url(claims.take());
  const auto signature = sdk::sign_rsa_sha256(pem, token);
  if (!signature) return std::nullopt;
  return token + "." + sdk::base64url(*signature);
}

void write_file(Writer& json, const Attachment& file, std::string_view caption) {
  const bool is_shown = file.kind == "image" || file.kind == "audio" || file.kind == "video";
  const std::string_view type = is_shown ? std::string_view(file.kind) : "file";
  json.member("channel", "mms").member("message_type", type).key(type).object();
  json.member("url", file.url);
  if (!caption.empty()) json.member("caption", caption);
  json.end();
}

Call message(const Channel& channel, const Outgoing& outgoing) {
  Writer json;
  json.object().member("to", without_plus(outgoing.to));
  json.member("from", std::string(without_plus(own_number(channel))));
  if (outgoing.media.empty()) {
    json.member("channel", "sms").member("message_type", "text").member("text", outgoing.text);
    json.key("sms").object().member("encoding_type", "auto").end();
  } else {
    write_file(json, outgoing.media[0], outgoing.text);
  }
  if (!outgoing.key.empty()) json.member("client_ref", outgoing.key.substr(0, 100));
  json.end();
  Call call = connector::json_call("https://api.nexmo.com/v1/messages", json.take());
  const auto token = application_token(channel, outgoing.key + outgoing.text);
  call.headers.push_back(token ? connector::bearer_auth(*token) : get(channel, "").headers[0]);
  return call;
}

sdk::Expected<Accepted, Fail> accepted(const Channel& channel, const Response& response) {
  const Answer answer(response);
  if (!answer.ok()) return fail_of(channel, response, Repeat::harmful);
  const std::string_view id = answer.root()["message_uuid"].text_or("");
  if (id.empty()) return connector::fail_from(response, Repeat::harmful, channel.now_ms);
  return Accepted{.id = std::string(id), .aliases = {}};
}

}  // namespace
}  // namespace vonage

const Provider kVonage{.name = "vonage",
                       .complaint = vonage::complaint,
                       .verify = vonage::verify,
                       .receive = vonage::receive,
                       .register_webhook = vonage::register_webhook,
                       .unregister_webhook = vonage::unregister_webhook,
                       .check = vonage::check,
                       .poll = nullptr,
                       .text_units = 1000,
                       .text_segments = 10,
                       .media_count = vonage::media_count,
                       .message = vonage::message,
                       .accepted = vonage::accepted,
                       .media_credentials = vonage::media_credentials};

}  // namespace sms
