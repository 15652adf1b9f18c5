// A platform of our invention and a connector for it that keeps the contract. The flawed samples
// replace one part of it each, to show that the contract suite notices.
#ifndef TESTS_CONNECTORS_SAMPLES_SAMPLE_H_
#define TESTS_CONNECTORS_SAMPLES_SAMPLE_H_

#include <algorithm>
#include <string>

#include "connectors/sample/config_schema.h"
#include "connectors/sdk/connector.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"

namespace sample {

using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Operation;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;

inline Verdict verify(const Channel& channel, const Request& request) {
  const std::string_view key = channel.setting("app_secret");
  const auto count =
      std::count_if(request.headers.begin(), request.headers.end(),
                    [](const auto& header) { return header.first == "x-sample-signature"; });
  if (key.empty() || count != 1) return Verdict::refuse;
  const std::string expected = sdk::hex(sdk::hmac_sha256(key, request.body));
  return sdk::equal_secret(request.header("x-sample-signature"), expected) ? Verdict::accept
                                                                           : Verdict::refuse;
}

inline connector::ReceiveResult receive(const Channel&, const Request& request) {
  const auto document = sdk::json::Document::parse(request.body);
  if (!document) return connector::Fail{.why = document.error().reason};
  const auto root = document->root();
  const std::string_view kind = root["kind"].text_or("");
  Event event{.kind = EventKind::unknown};
  if (kind == "message") event.kind = EventKind::message;
  if (kind == "status") event.kind = EventKind::status;
  event.message = root["id"].text_or("");
  event.thread = event.contact = root["from"].text_or("");
  event.text = root["text"].text_or("");
  event.state = root["state"].text_or("");
  event.key = event.message + ":" + std::string(kind) + ":" + event.state;
  if (const auto url = root["image"].text()) {
    event.attachments.push_back({.kind = "image", .url = std::string(*url)});
  }
  return connector::Received{.events = {event}, .reply = {}};
}

inline connector::Call call(const Channel& channel, std::string_view path, std::string json) {
  connector::Call call =
      connector::json_call("https://api.sample.example/" + std::string(path), std::move(json));
  call.headers.push_back(connector::bearer_auth(channel.setting("access_token")));
  call.url_is_secret = false;
  return call;
}

inline Step plan(const Channel& channel, Operation operation, const Event& input,
                 std::span<const Response> so_far) {
  using connector::Repeat;
  const bool sends = operation == Operation::send;
  if (!so_far.empty() && !connector::is_success(so_far.back())) {
    return fail_from(so_far.back(), sends ? Repeat::harmful : Repeat::safe, channel.now_ms);
  }
  if (operation == Operation::register_webhook) {
    if (so_far.empty()) return call(channel, "apps", "{}");
    const auto app = sdk::json::Document::parse(so_far[0].body);
    const std::string id(app ? app->root()["id"].text_or("") : "");
    if (id.empty()) return connector::Fail{.why = "the platform named no app"};
    sdk::json::Writer body;
    body.object().member("url", channel.webhook_url).end();
    if (so_far.size() == 1) return call(channel, "apps/" + id + "/hooks", body.take());
    return connector::Done{.state = {{"app", id}}};
  }
  if (sends) {
    sdk::json::Writer body;
    body.object().member("to", input.thread).member("text", input.text).end();
    if (so_far.empty()) return call(channel, "messages", body.take());
    const auto sent = sdk::json::Document::parse(so_far[0].body);
    const std::string id(sent ? sent->root()["id"].text_or("") : "");
    if (id.empty()) {
      return connector::Fail{.code = connector::Failure::uncertain, .why = "no message id came"};
    }
    return connector::Done{.results = {{"message", id}}};
  }
  return connector::Done{};
}

}  // namespace sample

#endif  // TESTS_CONNECTORS_SAMPLES_SAMPLE_H_
