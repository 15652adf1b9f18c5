// Bird, Channels API:
// https://docs.bird.com/api/notifications-api/api-reference/webhook-subscriptions,
// verifying-a-webhook, and
// https://docs.bird.com/api/channels-api/supported-channels/programmable-sms (read 2026-11-20).
#include <array>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/events.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"

namespace sms {
namespace bird {
namespace {

using connector::Attachment;
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

// Attempts go on for 8 hours, and nothing says that each is signed anew (verify). What is repeated
// within that time is found by its key.
constexpr std::int64_t kToleranceMs = 9 * 60 * 60'000;
constexpr std::size_t kMaxMedia = 10;

// What a channel subscribes to.
constexpr std::array<std::string_view, 2> kEvents{"sms.inbound", "sms.outbound"};

// https://docs.bird.com/api/channels-api/message-status-and-interactions (read 2026-11-20).
constexpr std::array<StateName, 11> kStates{{{"accepted", Stage::sent},
                                             {"processing", Stage::sent},
                                             {"scheduled", Stage::sent},
                                             {"sent", Stage::sent},
                                             {"delivered", Stage::delivered},
                                             {"read", Stage::read},
                                             {"rejected", Stage::failed},
                                             {"skipped", Stage::failed},
                                             {"sending_failed", Stage::failed},
                                             {"delivery_failed", Stage::failed},
                                             {"deleted", Stage::failed}}};

std::string complaint(const Channel& channel) {
  return missing(channel, {"bird_access_key", "organization_id", "workspace_id", "channel_id"});
}

// We choose the key when we subscribe; an operator who subscribed by hand names theirs.
std::string_view signing_key(const Channel& channel) {
  const std::string_view named = channel.setting("signing_key");
  return named.empty() ? std::string_view(channel.secret) : named;
}

Verdict verify(const Channel& channel, const Request& request) {
  const auto signature = only_header(request, "messagebird-signature");
  const auto timestamp = only_header(request, "messagebird-request-timestamp");
  const std::string_view key = signing_key(channel);
  if (request.method != "POST" || key.empty() || !signature || !timestamp) return Verdict::refuse;
  const auto moment = unix_ms(*timestamp);
  if (!moment || !is_within(*moment, channel.now_ms, kToleranceMs)) return Verdict::refuse;
  const std::string text = std::string(*timestamp) + "\n" +
                           signed_url(channel.webhook_url, request) + "\n" +
                           sdk::sha256(request.body);
  const std::string mac = sdk::base64(sdk::hmac_sha256(key, text));
  return sdk::equal_secret(mac, *signature) ? Verdict::accept : Verdict::refuse;
}

void add_files(Inbound& inbound, Value list) {
  for (const Value file : list.elements()) {
    const std::string_view url = file["mediaUrl"].text_or("");
    if (url.empty() || inbound.media.size() == kMaxMedia) continue;
    Attachment attachment = media_at(url, file["contentType"].text_or(""));
    attachment.file_name = file["filename"].text_or("");
    inbound.media.push_back(std::move(attachment));
  }
}

connector::ReceiveResult message_of(const Channel& channel, Value payload) {
  const Value body = payload["body"];
  const Value contact = payload["sender"]["contact"];
  const std::string type(body["type"].text_or("text"));
  Inbound inbound{.id = std::string(payload["id"].text_or("")),
                  .from = std::string(contact["identifierValue"].text_or("")),
                  .to = {},
                  .text = std::string(body[type]["text"].text_or("")),
                  .sent_ms = iso_ms(payload["createdAt"].text_or("")).value_or(0),
                  .contact_name = std::string(contact["annotations"]["name"].text_or(""))};
  add_files(inbound, body["image"]["images"]);
  add_files(inbound, body["file"]["files"]);
  if (type == "image") {
    for (Attachment& one : inbound.media) {
      if (one.mime_type.empty()) one.kind = "image";
    }
  }
  if (type != "text" && inbound.media.empty()) add(inbound.extra, "unsupported", type);
  add(inbound.extra, "platform_reference", payload["parts"].at(0)["platformReference"].text_or(""));
  return received(channel, inbound);
}

connector::ReceiveResult report_of(Value payload) {
  Report report{
      .id = std::string(payload["id"].text_or("")),
      .state = std::string(payload["status"].text_or("")),
      .contact = std::string(payload["receiver"]["contacts"].at(0)["identifierValue"].text_or("")),
      .code = std::string(payload["failure"]["code"].digits().value_or("")),
      .why = std::string(payload["failure"]["description"].text_or("")),
      .message_key = std::string(payload["reference"].text_or(""))};
  if (report.why.empty()) report.why = payload["reason"].text_or("");
  report.stage = stage_of(report.state, kStates);
  return received(report);
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) return not_understood("the delivery " + document.error().reason);
  const Value root = document->root();
  // Whether the message stands in a wrapper differs between pages of the documentation (verify).
  const Value payload = root["payload"].is_object() ? root["payload"] : root;
  const std::string_view direction = payload["direction"].text_or("");
  const std::string_view event = root["event"].text_or("");
  if (payload["id"].is_string()) {
    if (direction == "incoming" || event == "sms.inbound") return message_of(channel, payload);
    if (direction == "outgoing" || event == "sms.outbound") return report_of(payload);
  }
  return not_known(event.empty() ? "no event" : event, request);
}

Call call(const Channel& channel, std::string method, std::string url, std::string json = {}) {
  Call call{.method = std::move(method), .url = std::move(url)};
  if (!json.empty()) call.headers.emplace_back("content-type", "application/json");
  call.headers.emplace_back("authorization",
                            "AccessKey " + std::string(channel.setting("bird_access_key")));
  call.body = std::move(json);
  return call;
}

// {"code":"...","message":"...","details":{...}}
Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  const Answer answer(response);
  Fail fail = sms::fail_of(channel, response, repeat,
                           {.code = std::string(answer.root()["code"].text_or("")),
                            .words = std::string(answer.root()["message"].text_or(""))},
                           {});
  if (response.status == 402) fail.code = connector::Failure::config;
  return fail;
}

// ---- subscriptions

std::string subscriptions_url(const Channel& channel) {
  return "https://api.bird.com/organizations/" +
         sdk::url_encode(channel.setting("organization_id")) + "/workspaces/" +
         sdk::url_encode(channel.setting("workspace_id")) + "/webhook-subscriptions";
}

std::string subscription(const Channel& channel, std::string_view event) {
  Writer json;
  json.object().member("service", "channels").member("event", event);
  json.member("url", channel.webhook_url).member("signingKey", signing_key(channel));
  json.key("eventFilters").array().object().member("key", "channelId");
  json.member("value", channel.setting("channel_id")).end().end().end();
  return json.take();
}

std::string state_name(std::string_view event) { return "subscription." + std::string(event); }

bool is_ours(const Channel& channel, Value one, std::string_view event) {
  if (one["url"].text_or("") != channel.webhook_url || one["event"].text_or("") != event) {
    return false;
  }
  for (const Value filter : one["eventFilters"].elements()) {
    if (filter["key"].text_or("") == "channelId" &&
        filter["value"].text_or("") != channel.setting("channel_id")) {
      return false;
    }
  }
  return true;
}

bool is_active(Value one) {
  const std::string_view status = one["status"].text_or("active");
  return status == "active";
}

std::optional<Fail> failure_of_list(const Channel& channel, const Answer& list) {
  if (list.response().status == 404) {
    return config_fail("config.workspace_id: Bird has no such organization and workspace");
  }
  if (!list.ok()) return fail_of(channel, list.response(), Repeat::safe);
  if (!list.root()["results"].is_array()) {
    return connector::fail_from(list.response(), Repeat::safe, channel.now_ms);
  }
  return std::nullopt;
}

// What is there already is made anew only where its key may not be ours: a subscription does not
// show its key.
Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  const Response* first = answers.next();
  if (first == nullptr) return call(channel, "GET", subscriptions_url(channel) + "?limit=100");
  const Answer list(*first);
  if (auto fail = failure_of_list(channel, list)) return *std::move(fail);
  Done done;
  for (const std::string_view event : kEvents) {
    std::string id;
    for (const Value one : list.root()["results"].elements()) {
      if (is_ours(channel, one, event)) id = one["id"].text_or("");
    }
    const Response* set = answers.next();
    if (set == nullptr) {
      const std::string url = subscriptions_url(channel);
      return id.empty() ? call(channel, "POST", url, subscription(channel, event))
                        : call(channel, "PATCH", url + "/" + sdk::url_encode(id),
                               subscription(channel, event));
    }
    const Answer answer(*set);
    if (!answer.ok()) {
      Fail fail = fail_of(channel, *set, Repeat::safe);
      // What Bird does not like is our address (a port, an IP) or a fifth subscription.
      if (set->status == 400 || set->status == 422) fail.code = connector::Failure::config;
      return fail;
    }
    if (id.empty()) id = answer.root()["id"].text_or("");
    if (id.empty()) return connector::fail_from(*set, Repeat::safe, channel.now_ms);
    done.state.emplace_back(state_name(event), id);
  }
  return done;
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  Done done;
  for (const std::string_view event : kEvents) {
    const std::string_view id = channel.kept(state_name(event));
    if (id.empty()) continue;
    const Response* removed = answers.next();
    if (removed == nullptr) {
      return call(channel, "DELETE", subscriptions_url(channel) + "/" + sdk::url_encode(id));
    }
    if (!connector::is_success(*removed) && removed->status != 404) {
      return fail_of(channel, *removed, Repeat::safe);
    }
    done.state.emplace_back(state_name(event), "");
  }
  return done;
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return call(channel, "GET", subscriptions_url(channel) + "?limit=100");
  const Answer list(so_far[0]);
  if (auto fail = failure_of_list(channel, list)) return *std::move(fail);
  Done done;
  for (const std::string_view event : kEvents) {
    bool found = false;
    bool active = false;
    for (const Value one : list.root()["results"].elements()) {
      if (!is_ours(channel, one, event)) continue;
      found = true;
      active |= is_active(one);
    }
    if (active) continue;
    done.results.emplace_back("problem", "Bird has " +
                                             std::string(found ? "switched off the" : "no") +
                                             " subscription to " + std::string(event));
    if (!found && done.results.size() == 1) done.results.emplace_back("repair", "register");
  }
  return done;
}

// ---- sending

std::size_t media_count(const Channel&, std::string_view) { return 0; }

Call message(const Channel& channel, const Outgoing& outgoing) {
  Writer json;
  json.object().key("receiver").object().key("contacts").array().object();
  json.member("identifierValue", outgoing.to).end().end().end();
  json.key("body").object().member("type", "text").key("text").object();
  json.member("text", outgoing.text).end().end();
  if (!outgoing.key.empty()) json.member("reference", outgoing.key);
  json.end();
  return call(channel, "POST",
              "https://api.bird.com/workspaces/" +
                  sdk::url_encode(channel.setting("workspace_id")) + "/channels/" +
                  sdk::url_encode(channel.setting("channel_id")) + "/messages",
              json.take());
}

sdk::Expected<Accepted, Fail> accepted(const Channel& channel, const Response& response) {
  const Answer answer(response);
  if (!answer.ok()) return fail_of(channel, response, Repeat::harmful);
  const std::string_view id = answer.root()["id"].text_or("");
  if (id.empty()) return connector::fail_from(response, Repeat::harmful, channel.now_ms);
  return Accepted{.id = std::string(id), .aliases = {}};
}

std::optional<connector::Pair> media_credentials(const Channel& channel, std::string_view host) {
  if (!host.ends_with(".bird.com")) return std::nullopt;
  return call(channel, "GET", "").headers[0];
}

}  // namespace
}  // namespace bird

const Provider kBird{.name = "bird",
                     .complaint = bird::complaint,
                     .verify = bird::verify,
                     .receive = bird::receive,
                     .register_webhook = bird::register_webhook,
                     .unregister_webhook = bird::unregister_webhook,
                     .check = bird::check,
                     .poll = nullptr,
                     .text_units = 1600,
                     .text_segments = 10,
                     .media_count = bird::media_count,
                     .message = bird::message,
                     .accepted = bird::accepted,
                     .media_credentials = bird::media_credentials};

}  // namespace sms
