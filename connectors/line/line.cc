// LINE: the Messaging API of LINE Official Accounts (https://developers.line.biz, read 2026-11-21).
// README.md says what is covered.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/line/config_schema.h"
#include "connectors/line/receive.h"
#include "connectors/line/send.h"
#include "connectors/sdk/connector.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"

namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Operation;
using connector::Repeat;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;
using sdk::json::Document;
using sdk::json::Writer;

constexpr std::string_view kSignature = "x-line-signature";
constexpr std::string_view kInfo = "/v2/bot/info";
constexpr std::string_view kEndpoint = "/v2/bot/channel/webhook/endpoint";
constexpr std::int64_t kPreparingMs = 5'000;
constexpr int kLoadingSeconds = 20;  // LINE takes multiples of 5 up to 60
constexpr std::string_view kUseWebhook =
    "Switch on \"Use webhook\" in the LINE Developers Console, tab Messaging API of the channel.";

Verdict verify(const Channel& channel, const Request& request) {
  const std::string_view key = channel.setting("channel_secret");
  const auto count = std::count_if(request.headers.begin(), request.headers.end(),
                                   [](const auto& header) { return header.first == kSignature; });
  if (key.empty() || count != 1 || request.method != "POST") return Verdict::refuse;
  const std::string expected = sdk::base64(sdk::hmac_sha256(key, request.body));
  return sdk::equal_secret(request.header(kSignature), expected) ? Verdict::accept
                                                                 : Verdict::refuse;
}

std::string member(const Response& response, std::string_view name) {
  const auto document = Document::parse(response.body);
  return std::string(document ? document->root()[name].digits().value_or("") : "");
}

bool is_on(const Response& response, std::string_view name) {
  const auto document = Document::parse(response.body);
  return document && document->root()[name].boolean().value_or(false);
}

std::string endpoint_json(const Channel& channel) {
  Writer json;
  return json.object().member("endpoint", channel.webhook_url).end().take();
}

Fail fail_of(const Channel& channel, const Response& response) {
  return line::refusal(channel, response, Repeat::safe);
}

// LINE calls the URL itself and tells what came back. Our own 401 means that the signature did not
// fit; the words that come with it are LINE's and a stranger's.
std::string doubt_of(const Channel& channel, const Response& test) {
  const bool success = connector::is_success(test) && is_on(test, "success");
  if (success) return {};
  if (!connector::is_success(test))
    return "LINE did not test the webhook: " + fail_of(channel, test).why;
  if (member(test, "statusCode") == "401") {
    return "The channel secret does not fit: LINE's test delivery was not signed with it.";
  }
  return "LINE's test of the webhook failed: " + member(test, "reason") + ".";
}

// Who are we, set the URL, have LINE test it, and ask whether LINE uses it: that is a switch which
// only a person can turn.
Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  for (std::size_t i = 0; i < so_far.size(); ++i) {
    if (connector::is_success(so_far[i])) continue;
    Fail fail = fail_of(channel, so_far[i]);
    if (i == 2 && fail.code == Failure::permanent) continue;  // untested is a doubt, not an end
    // LINE does not like the URL, which is how this gateway is set up.
    if (i == 1 && fail.code == Failure::permanent) fail.code = Failure::config;
    return fail;
  }
  switch (so_far.size()) {
    case 0:
      return line::api_call(channel, "GET", kInfo);
    case 1:
      return line::api_call(channel, "PUT", kEndpoint, endpoint_json(channel));
    case 2:
      return line::api_call(channel, "POST", "/v2/bot/channel/webhook/test",
                            endpoint_json(channel));
    case 3:
      return line::api_call(channel, "GET", kEndpoint);
    default:
      break;
  }
  Done done;
  const std::string bot = member(so_far[0], "userId");
  if (bot.empty()) return Fail{.code = Failure::retry, .why = "LINE did not say whose token it is"};
  done.state = {{"bot_user_id", bot}, {"basic_id", member(so_far[0], "basicId")}};
  if (!is_on(so_far[3], "active")) {
    done.results = {{"registration", "manual"},
                    {"instruction.use_webhook", std::string(kUseWebhook)}};
  }
  if (std::string doubt = doubt_of(channel, so_far[2]); !doubt.empty()) {
    done.results.emplace_back("warning", std::move(doubt));
  }
  return done;
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return line::api_call(channel, "GET", kEndpoint);
  const Response& found = so_far[0];
  const bool is_missing = found.status == 404;
  if (!connector::is_success(found) && !is_missing) return fail_of(channel, found);
  Done done;
  if (is_missing || member(found, "endpoint") != channel.webhook_url) {
    done.results = {
        {"problem", is_missing ? "LINE has no webhook URL." : "LINE delivers to another URL."},
        {"repair", "register"}};
  }
  if (!is_missing && !is_on(found, "active")) {
    done.results.emplace_back("problem", kUseWebhook);
  }
  return done;
}

// Why the file is not to be had, where the answer says so.
std::optional<Fail> obstacle(const Channel& channel, const Response& response) {
  if (response.status == 202 || member(response, "status") == "processing") {
    return Fail{.code = Failure::retry,
                .why = "LINE is still preparing the file",
                .retry_after_ms = kPreparingMs};
  }
  if (response.status == 404) return Fail{.why = "LINE no longer has the file"};
  if (response.status == 410) return Fail{.why = "the message was taken back"};
  if (!connector::is_success(response)) return fail_of(channel, response);
  if (member(response, "status") == "failed") return Fail{.why = "LINE could not prepare the file"};
  return std::nullopt;
}

// Of a video and a recording LINE is first asked whether it has prepared them.
Step fetch_media(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.attachments.empty() || input.attachments[0].media_id.empty()) {
    return Fail{.why = "there is nothing to fetch"};
  }
  const auto& attachment = input.attachments[0];
  const bool is_prepared = attachment.kind == "video" || attachment.kind == "audio";
  const std::size_t steps = is_prepared ? 2 : 1;
  for (std::size_t i = 0; i < so_far.size(); ++i) {
    if (auto fail = obstacle(channel, so_far[i])) return *fail;
  }
  if (so_far.size() < steps) {
    Call call{.url = "https://api-data.line.me/v2/bot/message/" +
                     sdk::url_encode(attachment.media_id) + "/content"};
    call.headers.push_back(connector::bearer_auth(channel.setting("channel_access_token")));
    call.url_is_secret = false;
    call.answer_is_media = so_far.size() + 1 == steps;
    if (!call.answer_is_media) call.url += "/transcoding";
    return call;
  }
  Done done;
  if (const auto type = so_far.back().header("content-type"); !type.empty()) {
    done.results.emplace_back("mime_type", type);
  }
  return done;
}

// "Is typing" is LINE's loading animation, in chats with one person; a read mark takes back the
// token that came with the message.
Step signal(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (!so_far.empty()) {
    if (connector::is_success(so_far[0])) return Done{};
    return fail_of(channel, so_far[0]);
  }
  Writer json;
  if (input.kind == EventKind::typing) {
    if (input.state != "on" || !input.thread.starts_with('U')) return Done{};
    json.object().member("chatId", input.thread).member("loadingSeconds", kLoadingSeconds).end();
    return line::api_call(channel, "POST", "/v2/bot/chat/loading/start", json.take());
  }
  const auto token = connector::find(input.extra, "last.mark_as_read_token");
  if (input.state != "read" || !token || token->empty()) return Done{};
  json.object().member("markAsReadToken", *token).end();
  return line::api_call(channel, "POST", "/v2/bot/chat/markAsRead", json.take());
}

Step plan(const Channel& channel, Operation operation, const Event& input,
          std::span<const Response> so_far) {
  switch (operation) {
    case Operation::register_webhook:
      return register_webhook(channel, so_far);
    case Operation::check:
      return check(channel, so_far);
    case Operation::send:
      return line::send(channel, input, so_far);
    case Operation::fetch_media:
      return fetch_media(channel, input, so_far);
    case Operation::signal:
      return signal(channel, input, so_far);
    case Operation::unregister_webhook:
      // LINE can set an endpoint and cannot remove one. Deliveries to a channel that is gone get
      // our 404 until a person switches "Use webhook" off.
      return Done{.state = {{"bot_user_id", ""}, {"basic_id", ""}}};
    case Operation::poll:
    case Operation::acknowledge:
      break;
  }
  return Done{};
}

constexpr connector::Connector kConnector{.type = "line",
                                          .config_schema = kConfigSchema,
                                          .verify = verify,
                                          .receive = line::receive,
                                          .plan = plan};

}  // namespace

EXPORT_CONNECTOR(kConnector)
