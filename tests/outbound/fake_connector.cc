// A connector for the outbound tests: its platform answers by HTTP status alone, so that a test
// decides every outcome by what its server says.
//
//   200 fine | 401 auth | 403 unreachable | 422 config | 429 rate | 503 retry | other 5xx uncertain
//   | the rest permanent, with the answer's body as words and x-code as code
//
// Texts of messages with a meaning of their own: "media:<path>" is fetched first, then its size is
// sent; "mail:<address>" is submitted by SMTP; "facts" sends what the input says beside the text.
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
    "token": {"type": "string", "maxLength": 200, "writeOnly": true},
    "app_secret": {"type": "string", "maxLength": 200, "writeOnly": true,
                   "x-deployment-default": "fake_app_secret"}
  }
})";

Call ask(const Channel& channel, std::string method, const std::string& path, std::string body) {
  Call call;
  call.method = std::move(method);
  call.url = std::string(channel.setting("base")) + path;
  call.headers = {bearer_auth(channel.setting("token"))};
  if (!channel.setting("app_secret").empty()) {
    call.headers.emplace_back("x-app-secret", std::string(channel.setting("app_secret")));
  }
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

std::string facts(const Event& input) {
  std::string text = "contact=" + input.contact + ";contact_name=" + input.contact_name + ";";
  for (const auto& [name, value] : input.extra) text += name + "=" + value + ";";
  return text;
}

Step plan_media(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (so_far.empty()) {
    Call call = ask(channel, "GET", "/media/" + input.text.substr(6), "");
    call.answer_bytes = 40 << 20;
    return call;
  }
  if (so_far.size() == 1) {
    return ask(channel, "POST", "/send/" + input.thread,
               input.key + " " + std::to_string(so_far[0].body.size()));
  }
  return Done{.state = {}, .results = {{"message", so_far[1].body}}, .events = {}};
}

Step plan_mail(const Event& input, std::span<const Response> so_far) {
  if (so_far.empty()) {
    Call call;
    call.method = "SEND";
    call.url = "smtp://mail.example:587";
    call.headers = {{"mail-from", "agent@shop.example"},
                    {"rcpt-to", input.text.substr(5)},
                    {"username", "agent@shop.example"},
                    {"password", "mail-canary-31"}};
    call.body = "Message-ID: <" + input.key + "@shop.example>\r\n\r\nhello\r\n";
    return call;
  }
  return Done{
      .state = {},
      .results = {{"message", "<" + input.key + "@shop.example>"},
                  {"alias", std::string(so_far[0].body.substr(so_far[0].body.size() - 3, 2))}},
      .events = {}};
}

Step plan_send(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.text.starts_with("media:")) return plan_media(channel, input, so_far);
  if (input.text.starts_with("mail:")) return plan_mail(input, so_far);
  if (input.text == "facts" && so_far.empty()) {
    return ask(channel, "POST", "/send/" + input.thread, input.key + " " + facts(input));
  }
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
    if (!answer.header("x-alias").empty()) {
      done.results.emplace_back("alias", std::string(answer.header("x-alias")));
    }
    if (!answer.header("x-keep").empty()) {
      done.state.emplace_back("kept", std::string(answer.header("x-keep")));
    }
  }
  return done;
}

// The first line is kept under a name, each further one is a message.
Done brought(std::string_view body, const char* name) {
  const auto lines = split(body, '\n');
  Done done{.state = {{name, lines[0]}}, .results = {}, .events = {}};
  for (std::size_t i = 1; i < lines.size(); ++i) {
    Event event;
    event.kind = EventKind::message;
    event.key = event.message = lines[i];
    event.thread = "polled";
    done.events.push_back(std::move(event));
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
      for (const auto& [name, value] : so_far[1].headers) {
        if (name == "x-account") done.results.emplace_back("account", value);
      }
      if (!so_far[1].header("x-token").empty()) {
        done.state.emplace_back("access_token", std::string(so_far[1].header("x-token")));
      }
      if (so_far[1].header("x-more") == "1") done.results.emplace_back("more", "1");
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
      // As many further questions as the first answer says.
      const auto further = so_far[0].header("x-further");
      if (!further.empty() && so_far.size() <= std::stoul(std::string(further))) {
        return ask(channel, "GET", "/more?" + std::to_string(so_far.size()), "");
      }
      Done done = brought(so_far[0].body, "cursor");
      if (so_far[0].header("x-more") == "1") done.results.emplace_back("more", "1");
      return done;
    }
    case Operation::send:
      return plan_send(channel, input, so_far);
    case Operation::acknowledge:
      if (so_far.empty()) return ask(channel, "POST", "/acknowledge", input.key);
      if (so_far[0].header("x-brings") == "1") return brought(so_far[0].body, "acknowledged");
      return Done{};
    case Operation::signal:
      if (so_far.empty()) {
        return ask(
            channel, "POST", "/signal/" + input.thread,
            std::to_string(static_cast<int>(input.kind)) + " " + input.state + " " + input.message);
      }
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
