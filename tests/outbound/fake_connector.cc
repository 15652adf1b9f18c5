// A connector for the outbound tests: its platform answers by HTTP status alone, so that a test
// decides every outcome by what its server says.
//
//   200 fine | 401 auth | 403 unreachable | 422 config | 429 rate | 503 retry | other 5xx uncertain
//   | the rest permanent, with the answer's body as words and x-code as code
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

Call ask(const Channel& channel, std::string method, const std::string& path, std::string body) {
  Call call;
  call.method = std::move(method);
  call.url = std::string(channel.setting("base")) + path;
  call.headers = {bearer_auth(channel.setting("token"))};
  call.body = std::move(body);
  return call;
}

Fail failed(const Channel& channel, const Response& answer) {
  Fail fail;
  fail.why = answer.status == 0 ? "no answer" : answer.body;
  fail.platform_code = answer.header("x-code");
  switch (answer.status) {
    case 0:
      fail.code = answer.not_sent ? Failure::retry : Failure::uncertain;
      break;
    case 401:
      fail.code = Failure::auth;
      break;
    case 403:
      fail.code = Failure::unreachable;
      break;
    case 422:
      fail.code = Failure::config;
      break;
    case 429:
      fail.code = Failure::rate;
      fail.retry_after_ms = retry_after_ms(answer, channel.now_ms);
      break;
    case 503:
      fail.code = Failure::retry;
      break;
    default:
      fail.code = answer.status >= 500 ? Failure::uncertain : Failure::permanent;
  }
  return fail;
}

std::vector<std::string> split(std::string_view text, char mark) {
  std::vector<std::string> parts;
  for (;;) {
    const auto end = text.find(mark);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

Verdict verify(const Channel&, const Request&) { return Verdict::refuse; }
ReceiveResult receive(const Channel&, const Request&) { return Received{}; }

Step plan_send(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const auto pieces = split(input.text, '|');
  if (so_far.size() < pieces.size()) {
    return ask(channel, "POST", "/send/" + input.thread, input.key + " " + pieces[so_far.size()]);
  }
  Done done;
  for (const Response& answer : so_far) {
    done.results.emplace_back("message", answer.body);
    if (!answer.header("x-moved-to").empty()) {
      done.results.emplace_back("moved_to", std::string(answer.header("x-moved-to")));
    }
    if (!answer.header("x-keep").empty()) {
      done.state.emplace_back("kept", std::string(answer.header("x-keep")));
    }
  }
  return done;
}

Step plan(const Channel& channel, Operation operation, const Event& input,
          std::span<const Response> so_far) {
  if (!so_far.empty() && !is_success(so_far.back())) return failed(channel, so_far.back());
  switch (operation) {
    case Operation::register_webhook: {
      if (so_far.empty()) return ask(channel, "POST", "/register/url", channel.webhook_url);
      if (so_far.size() == 1) return ask(channel, "POST", "/register/id", so_far[0].body);
      Done done{.state = {{"webhook_id", so_far[0].body}}};
      if (so_far[1].header("x-manual") == "yes") {
        done.results = {{"registration", "manual"},
                        {"instruction.callback_url", channel.webhook_url}};
      }
      if (!so_far[1].header("x-warning").empty()) {
        done.results.emplace_back("warning", std::string(so_far[1].header("x-warning")));
      }
      return done;
    }
    case Operation::unregister_webhook:
      if (so_far.empty()) {
        return ask(channel, "POST", "/unregister", std::string(channel.kept("webhook_id")));
      }
      return Done{};
    case Operation::check: {
      if (so_far.empty()) return ask(channel, "GET", "/check", "");
      Done done;
      if (!so_far[0].header("x-problem").empty()) {
        done.results.emplace_back("problem", std::string(so_far[0].header("x-problem")));
      }
      if (!so_far[0].header("x-repair").empty()) {
        done.results.emplace_back("repair", std::string(so_far[0].header("x-repair")));
      }
      return done;
    }
    case Operation::poll: {
      if (so_far.empty()) {
        return ask(channel, "GET", "/poll?after=" + std::string(channel.kept("cursor")), "");
      }
      const auto lines = split(so_far[0].body, '\n');
      Done done{.state = {{"cursor", lines[0]}}};
      for (std::size_t i = 1; i < lines.size(); ++i) {
        Event event;
        event.kind = EventKind::message;
        event.key = event.message = lines[i];
        event.thread = "polled";
        done.events.push_back(std::move(event));
      }
      return done;
    }
    case Operation::send:
      return plan_send(channel, input, so_far);
    case Operation::acknowledge:
      if (so_far.empty()) return ask(channel, "POST", "/acknowledge", input.key);
      return Done{};
    case Operation::fetch_media:
      break;
  }
  return Fail{.why = "not supported"};
}

constexpr Connector kFake{.type = "fake",
                          .config_schema = kConfigSchema,
                          .verify = verify,
                          .receive = receive,
                          .plan = plan,
                          .polling = Polling::yes};

}  // namespace

EXPORT_CONNECTOR(kFake)
