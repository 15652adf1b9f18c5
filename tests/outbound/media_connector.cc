// A connector for the tests of fetching: its platform answers by HTTP status alone, as that of
// fake_connector.cc. A media_id "by-name:<path>" takes two calls, the first of which gives the
// path; "at:<path>" takes one. A redirect is followed by asking again.
#include "connectors/sdk/connector.h"

#include <string>

namespace {

using namespace connector;

constexpr char kConfigSchema[] = R"({
  "type": "object",
  "additionalProperties": false,
  "required": ["base", "token"],
  "properties": {
    "base": {"type": "string", "maxLength": 200},
    "token": {"type": "string", "maxLength": 200, "writeOnly": true}
  }
})";

Call ask(const Channel& channel, const std::string& path, bool is_media) {
  Call call;
  call.url = std::string(channel.setting("base")) + path;
  call.headers = {bearer_auth(channel.setting("token"))};
  call.answer_is_media = is_media;
  return call;
}

Fail failed(const Channel& channel, const Response& answer) {
  Fail fail;
  fail.why = answer.status == 0 ? "no answer" : answer.body;
  switch (answer.status) {
    case 0:
      fail.code = answer.not_sent ? Failure::retry : Failure::uncertain;
      break;
    case 401:
      fail.code = Failure::auth;
      break;
    case 422:
      fail.code = Failure::config;
      break;
    case 429:
      fail.code = Failure::rate;
      fail.retry_after_ms = retry_after_ms(answer, channel.now_ms);
      break;
    default:
      fail.code = answer.status >= 500 ? Failure::retry : Failure::permanent;
  }
  return fail;
}

Step fetch(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const std::string& id = input.attachments.at(0).media_id;
  const bool by_name = id.starts_with("by-name:");
  const std::string path = id.substr(id.find(':') + 1);
  if (so_far.empty()) return ask(channel, by_name ? "/name/" + path : path, !by_name);
  if (so_far.back().status == 302) {
    return ask(channel, std::string(so_far.back().header("location")), true);
  }
  if (by_name && so_far.size() == 1) return ask(channel, so_far[0].body, true);
  Done done;
  for (const Response& answer : so_far) {
    for (const auto& [header, result] :
         {std::pair{"x-type", "mime_type"}, std::pair{"x-name", "file_name"}}) {
      if (!answer.header(header).empty()) {
        done.results.emplace_back(result, std::string(answer.header(header)));
      }
    }
    if (!answer.header("x-keep").empty()) {
      done.state.emplace_back("kept", std::string(answer.header("x-keep")));
    }
  }
  // The contract: what went to the store is not seen here.
  if (!so_far.back().body.empty()) return Fail{.why = "the plan sees the file"};
  return done;
}

Verdict verify(const Channel&, const Request&) { return Verdict::refuse; }
ReceiveResult receive(const Channel&, const Request&) { return Received{}; }

Step plan(const Channel& channel, Operation operation, const Event& input,
          std::span<const Response> so_far) {
  const bool redirected = !so_far.empty() && so_far.back().status == 302;
  if (!so_far.empty() && !is_success(so_far.back()) && !redirected) {
    return failed(channel, so_far.back());
  }
  if (operation == Operation::fetch_media) return fetch(channel, input, so_far);
  if (operation == Operation::send) {
    if (so_far.empty()) {
      Call call = ask(channel, "/send", false);
      call.method = "POST";
      return call;
    }
    return Done{.results = {{"message", so_far[0].body}}};
  }
  return Fail{.why = "not supported"};
}

constexpr Connector kConnector{.type = "mediafake",
                               .config_schema = kConfigSchema,
                               .verify = verify,
                               .receive = receive,
                               .plan = plan};

}  // namespace

EXPORT_CONNECTOR(kConnector)
