// Telnyx: https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks and
// https://developers.telnyx.com/api-reference/messages (read 2026-11-20).
#include <array>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/events.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"

namespace sms {
namespace telnyx {
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

constexpr std::string_view kApi = "https://api.telnyx.com/v2";
constexpr std::int64_t kToleranceMs = 300'000;
constexpr std::size_t kMaxMedia = 10;

constexpr std::array<StateName, 8> kStates{{{"queued", Stage::sent},
                                            {"sending", Stage::sent},
                                            {"sent", Stage::sent},
                                            // No receipt came; the message was handed over.
                                            {"delivery_unconfirmed", Stage::sent},
                                            {"delivered", Stage::delivered},
                                            {"sending_failed", Stage::failed},
                                            {"delivery_failed", Stage::failed},
                                            {"expired", Stage::failed}}};

// https://developers.telnyx.com/docs/messaging/messages/advanced-opt-in-out: other codes of 40xxx
// are taken for permanent, with Telnyx's title.
constexpr std::string_view kStopped = "40300";
constexpr std::array<ErrorMeaning, 1> kErrors{
    {{kStopped, Failure::unreachable, "blocked because the recipient sent STOP"}}};

std::string complaint(const Channel& channel) {
  std::string lacks = missing(channel, {"telnyx_api_key", "telnyx_public_key"});
  if (!lacks.empty()) return lacks;
  const auto key = sdk::from_base64(channel.setting("telnyx_public_key"));
  if (!key || key->size() != 32) {
    return "config.telnyx_public_key is no base64 text of 32 bytes";
  }
  if (channel.setting("from").empty() && channel.setting("messaging_profile_id").empty()) {
    return "config.from or config.messaging_profile_id is required";
  }
  // A name has no number whose profile could be looked up.
  if (is_alphanumeric(channel.setting("from"))) {
    return missing(channel, {"messaging_profile_id"});
  }
  return {};
}

Verdict verify(const Channel& channel, const Request& request) {
  const auto timestamp = only_header(request, "telnyx-timestamp");
  const auto header = only_header(request, "telnyx-signature-ed25519");
  const auto key = sdk::from_base64(channel.setting("telnyx_public_key"));
  if (request.method != "POST" || !timestamp || !header || !key) return Verdict::refuse;
  const auto moment = unix_ms(*timestamp);
  const auto signature = sdk::from_base64(*header);
  if (!moment || !signature || !is_within(*moment, channel.now_ms, kToleranceMs)) {
    return Verdict::refuse;
  }
  const std::string text = std::string(*timestamp) + "|" + request.body;
  return sdk::is_signed_ed25519(*key, text, *signature) ? Verdict::accept : Verdict::refuse;
}

std::int64_t when(Value payload, Value data) {
  if (const auto ms = iso_ms(payload["received_at"].text_or(""))) return *ms;
  return iso_ms(data["occurred_at"].text_or("")).value_or(0);
}

connector::ReceiveResult message_of(const Channel& channel, Value data) {
  const Value payload = data["payload"];
  Inbound inbound{.id = std::string(payload["id"].text_or("")),
                  .from = std::string(payload["from"]["phone_number"].text_or("")),
                  .to = std::string(payload["to"].at(0)["phone_number"].text_or("")),
                  .text = std::string(payload["text"].text_or("")),
                  .sent_ms = when(payload, data)};
  for (const Value file : payload["media"].elements()) {
    const std::string_view url = file["url"].text_or("");
    if (url.empty() || inbound.media.size() == kMaxMedia) continue;
    inbound.media.push_back(media_at(url, file["content_type"].text_or("")));
    inbound.media.back().size = file["size"].integer().value_or(-1);
  }
  add(inbound.extra, "subject", payload["subject"].text_or(""));
  add(inbound.extra, "segments", payload["parts"].digits().value_or(""));
  add(inbound.extra, "carrier", payload["from"]["carrier"].text_or(""));
  std::string recipients;
  for (const std::string_view list : {"to", "cc"}) {
    for (const Value one : payload[list].elements()) {
      if (payload["to"].size() + payload["cc"].size() < 2 || recipients.size() > 4096) break;
      if (!recipients.empty()) recipients += ", ";
      recipients += one["phone_number"].text_or("");
    }
  }
  add(inbound.extra, "recipients", recipients);
  return received(channel, inbound);
}

connector::ReceiveResult report_of(Value data, std::string message_key) {
  const Value payload = data["payload"];
  const Value to = payload["to"].at(0);
  Report report{.id = std::string(payload["id"].text_or("")),
                .state = std::string(to["status"].text_or("")),
                .contact = std::string(to["phone_number"].text_or("")),
                .code = std::string(payload["errors"].at(0)["code"].digits().value_or("")),
                .why = std::string(payload["errors"].at(0)["title"].text_or("")),
                .sent_ms = iso_ms(data["occurred_at"].text_or("")).value_or(0),
                .message_key = std::move(message_key)};
  report.stage = stage_of(report.state, kStates);
  report.opted_out = report.code == kStopped;
  add(report.extra, "error_detail", payload["errors"].at(0)["detail"].text_or(""));
  return received(report);
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) return not_understood("the delivery " + document.error().reason);
  const Value data = document->root()["data"];
  const std::string_view type = data["event_type"].text_or("");
  if (type == "message.received") return message_of(channel, data);
  if (type == "message.sent" || type == "message.finalized") {
    const sdk::Form query = sdk::parse_form(request.query);
    return report_of(data, sdk::sanitize(sdk::find(query, "key").value_or(""), 200));
  }
  auto result = not_known(type.empty() ? "no event type" : type, request);
  // `meta.attempt` differs between attempts, the event's id does not.
  const std::string_view id = data["id"].text_or("");
  if (!id.empty()) result->events[0].key = std::string(id) + ":unknown";
  return result;
}

Call call(const Channel& channel, std::string method, std::string_view path,
          std::string json = {}) {
  Call call{.method = std::move(method), .url = std::string(kApi) + std::string(path)};
  if (!json.empty()) call.headers.emplace_back("content-type", "application/json");
  call.headers.push_back(connector::bearer_auth(channel.setting("telnyx_api_key")));
  call.body = std::move(json);
  return call;
}

// {"errors":[{"code":"40300","title":"...","detail":"..."}]}
Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  const Answer answer(response);
  const Value error = answer.root()["errors"].at(0);
  Complaint complaint{.code = std::string(error["code"].digits().value_or("")),
                      .words = std::string(error["detail"].text_or(""))};
  if (complaint.words.empty()) complaint.words = error["title"].text_or("");
  return sms::fail_of(channel, response, repeat, complaint, kErrors);
}

// ---- the messaging profile

bool has_number(const Channel& channel) {
  const std::string_view from = channel.setting("from");
  return !from.empty() && !is_alphanumeric(from);
}

Call find_number(const Channel& channel) {
  return call(channel, "GET",
              "/phone_numbers?filter%5Bphone_number%5D=" + sdk::url_encode(own_number(channel)));
}

sdk::Expected<Value, Fail> number_in(const Channel& channel, const Answer& answer) {
  if (!answer.ok()) return fail_of(channel, answer.response(), Repeat::safe);
  const Value list = answer.root()["data"];
  if (!list.is_array()) {
    return connector::fail_from(answer.response(), Repeat::safe, channel.now_ms);
  }
  if (list.at(0)["id"].digits().value_or("").empty()) {
    return config_fail("config.from: the Telnyx account has no such number");
  }
  return list.at(0);
}

// The profile deliveries go by: the one named, or the number's own.
std::string profile_of(const Channel& channel, Value number) {
  const std::string_view named = channel.setting("messaging_profile_id");
  return std::string(named.empty() ? number["messaging_profile_id"].text_or("") : named);
}

std::string profile_path(std::string_view profile) {
  return "/messaging_profiles/" + sdk::url_encode(profile);
}

std::string profile_json(std::string_view url, std::string_view failover,
                         std::string_view version) {
  Writer json;
  json.object().member("webhook_url", url).member("webhook_failover_url", failover);
  return json.member("webhook_api_version", version.empty() ? "2" : version).end().take();
}

Call move_number(const Channel& channel, std::string_view number_id, std::string_view profile) {
  Writer json;
  json.object().member("messaging_profile_id", profile).end();
  return call(channel, "PATCH", "/phone_numbers/" + sdk::url_encode(number_id) + "/messaging",
              json.take());
}

// Looks up the number, where there is one, and its profile; a step while that is not done.
struct Place {
  std::optional<Answer> numbers;
  Value number;
  std::string profile;
  std::optional<Answer> answer;
  Value data;  // of the profile
};

std::optional<Step> find_place(const Channel& channel, Answers& answers, Place& place) {
  if (has_number(channel)) {
    const Response* found = answers.next();
    if (found == nullptr) return find_number(channel);
    place.numbers.emplace(*found);
    auto number = number_in(channel, *place.numbers);
    if (!number) return std::move(number).error();
    place.number = *number;
  }
  place.profile = profile_of(channel, place.number);
  if (place.profile.empty()) {
    return config_fail(
        "config.messaging_profile_id is required: the number has no messaging profile yet");
  }
  const Response* profile = answers.next();
  if (profile == nullptr) return call(channel, "GET", profile_path(place.profile));
  if (profile->status == 404) {
    return config_fail(
        "config.messaging_profile_id: the Telnyx account has no such messaging profile");
  }
  place.answer.emplace(*profile);
  if (!place.answer->ok()) return fail_of(channel, *profile, Repeat::safe);
  place.data = place.answer->root()["data"];
  if (!place.data.is_object()) {
    return connector::fail_from(*profile, Repeat::safe, channel.now_ms);
  }
  return std::nullopt;
}

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  Place place;
  if (auto step = find_place(channel, answers, place)) return *std::move(step);
  const Response* set = answers.next();
  if (set == nullptr) {
    return call(channel, "PATCH", profile_path(place.profile),
                profile_json(channel.webhook_url,
                             with_parameter(channel.webhook_url, "about", "failover"), "2"));
  }
  if (!connector::is_success(*set)) {
    Fail fail = fail_of(channel, *set, Repeat::safe);
    // What Telnyx does not like about the change is our address.
    if (set->status == 400 || set->status == 422) fail.code = Failure::config;
    return fail;
  }
  Done done{.state = {{"profile", place.profile}}};
  const std::string_view old = place.data["webhook_url"].text_or("");
  if (!has_path_of(old, channel.webhook_url)) {
    done.state.emplace_back("previous.webhook_url", sdk::sanitize(old, 4096));
    done.state.emplace_back("previous.webhook_failover_url",
                            sdk::sanitize(place.data["webhook_failover_url"].text_or(""), 4096));
    done.state.emplace_back("previous.webhook_api_version",
                            place.data["webhook_api_version"].text_or(""));
  }
  if (!has_number(channel)) return done;
  const std::string_view assigned = place.number["messaging_profile_id"].text_or("");
  if (assigned == place.profile) return done;
  const Response* moved = answers.next();
  const std::string_view id = place.number["id"].digits().value_or("");
  if (moved == nullptr) return move_number(channel, id, place.profile);
  if (!connector::is_success(*moved)) return fail_of(channel, *moved, Repeat::safe);
  done.state.emplace_back("number", id);
  done.state.emplace_back("previous.profile", assigned);
  return done;
}

Done forgotten() {
  return {.state = {{"profile", ""},
                    {"number", ""},
                    {"previous.profile", ""},
                    {"previous.webhook_url", ""},
                    {"previous.webhook_failover_url", ""},
                    {"previous.webhook_api_version", ""}}};
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  const std::string_view profile = channel.kept("profile");
  if (profile.empty()) return Done{};
  Answers answers(so_far);
  const Response* first = answers.next();
  if (first == nullptr) return call(channel, "GET", profile_path(profile));
  if (first->status == 404) return forgotten();
  const Answer answer(*first);
  if (!answer.ok()) return fail_of(channel, *first, Repeat::safe);
  // Whoever has taken it over since keeps it.
  if (answer.root()["data"]["webhook_url"].text_or("") != channel.webhook_url) return forgotten();
  const Response* set = answers.next();
  if (set == nullptr) {
    return call(channel, "PATCH", profile_path(profile),
                profile_json(channel.kept("previous.webhook_url"),
                             channel.kept("previous.webhook_failover_url"),
                             channel.kept("previous.webhook_api_version")));
  }
  if (!connector::is_success(*set)) return fail_of(channel, *set, Repeat::safe);
  if (channel.kept("number").empty()) return forgotten();
  const Response* moved = answers.next();
  if (moved == nullptr) {
    return move_number(channel, channel.kept("number"), channel.kept("previous.profile"));
  }
  if (!connector::is_success(*moved) && moved->status != 404) {
    return fail_of(channel, *moved, Repeat::safe);
  }
  return forgotten();
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  Place place;
  if (auto step = find_place(channel, answers, place)) return *std::move(step);
  const std::string_view url = place.data["webhook_url"].text_or("");
  if (url != channel.webhook_url) {
    return elsewhere(channel, "Telnyx", "profile", url, channel.webhook_url);
  }
  if (place.data["webhook_api_version"].text_or("2") != "2") {
    return problem("Telnyx delivers in an older form", Repair::register_again);
  }
  if (has_number(channel) && place.number["messaging_profile_id"].text_or("") != place.profile) {
    return problem("the number belongs to another messaging profile", Repair::register_again);
  }
  return Done{};
}

// ---- sending

std::size_t media_count(const Channel&, std::string_view to) {
  const std::string region = region_of(to);
  return region == "US" || region == "CA" ? kMaxMedia : 0;
}

Call message(const Channel& channel, const Outgoing& outgoing) {
  Writer json;
  json.object();
  if (!channel.setting("from").empty()) json.member("from", own_number(channel));
  if (!channel.setting("messaging_profile_id").empty()) {
    json.member("messaging_profile_id", channel.setting("messaging_profile_id"));
  }
  json.member("to", outgoing.to);
  if (!outgoing.text.empty()) json.member("text", outgoing.text);
  if (!outgoing.media.empty()) {
    json.key("media_urls").array();
    for (const auto& one : outgoing.media) json.value(one.url);
    json.end().member("type", "MMS");
  }
  // Addresses of a message outrank those of the profile.
  if (is_on(channel, "status_callbacks")) {
    json.member("webhook_url", status_url(channel.webhook_url, outgoing.key));
  }
  json.end();
  return call(channel, "POST", "/messages", json.take());
}

sdk::Expected<Accepted, Fail> accepted(const Channel& channel, const Response& response) {
  const Answer answer(response);
  if (!answer.ok()) return fail_of(channel, response, Repeat::harmful);
  const std::string_view id = answer.root()["data"]["id"].text_or("");
  if (id.empty()) return connector::fail_from(response, Repeat::harmful, channel.now_ms);
  return Accepted{.id = std::string(id), .aliases = {}};
}

std::optional<connector::Pair> media_credentials(const Channel&, std::string_view) {
  return std::nullopt;  // links are public, for a while
}

}  // namespace
}  // namespace telnyx

const Provider kTelnyx{.name = "telnyx",
                       .complaint = telnyx::complaint,
                       .verify = telnyx::verify,
                       .receive = telnyx::receive,
                       .register_webhook = telnyx::register_webhook,
                       .unregister_webhook = telnyx::unregister_webhook,
                       .check = telnyx::check,
                       .poll = nullptr,
                       .text_units = 1600,
                       .text_segments = 10,
                       .media_count = telnyx::media_count,
                       .message = telnyx::message,
                       .accepted = telnyx::accepted,
                       .media_credentials = telnyx::media_credentials};

}  // namespace sms
