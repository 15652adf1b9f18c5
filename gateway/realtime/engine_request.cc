#include "gateway/realtime/engine_request.h"

#include <algorithm>
#include <utility>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"

namespace gateway::realtime {

namespace {

constexpr std::size_t kQueryFields = 32;
constexpr std::size_t kLongestSid = 64;

std::string_view message_of(EngineError error) {
  switch (error) {
    case EngineError::unknown_transport:
      return "Transport unknown";
    case EngineError::unknown_sid:
      return "Session ID unknown";
    case EngineError::bad_method:
      return "Bad handshake method";
    case EngineError::bad_request:
      return "Bad request";
    case EngineError::forbidden:
      return "Forbidden";
    case EngineError::unsupported_version:
      return "Unsupported protocol version";
  }
  return "Bad request";
}

bool is_legal(std::string_view origin) {
  return std::all_of(origin.begin(), origin.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

}  // namespace

Asked read_request(const http::Request& request, bool is_upgrade) {
  const auto query = sdk::parse_form(request.query, kQueryFields);
  const auto value = [&query](std::string_view name) {
    return sdk::find(query, name).value_or(std::string_view());
  };
  const auto fail = [](EngineError error) { return Asked{std::nullopt, error}; };
  EngineRequest asked;
  const auto transport = value("transport");
  if (transport == "websocket") {
    asked.transport = Transport::websocket;
  } else if (transport != "polling") {
    return fail(EngineError::unknown_transport);
  }
  if (!is_legal(request.header("origin"))) return fail(EngineError::bad_request);
  asked.sid = value("sid");
  if (asked.sid.size() > kLongestSid) return fail(EngineError::unknown_sid);
  if (asked.sid.empty() && request.method != "GET") return fail(EngineError::bad_method);
  if (is_upgrade != (asked.transport == Transport::websocket)) {
    return fail(EngineError::bad_request);
  }
  asked.is_version_4 = value("EIO") == "4";
  // JSONP is for clients of old, and runs as a script.
  if (sdk::find(query, "j")) return fail(EngineError::bad_request);
  return {std::move(asked), EngineError::bad_request};
}

http::Response error_answer(EngineError error, std::string_view message) {
  sdk::json::Writer body;
  body.object()
      .member("code", static_cast<int>(error))
      .member("message", message.empty() ? message_of(error) : message)
      .end();
  return http::Response::json(error == EngineError::forbidden ? 403 : 400, body.take());
}

http::Response payload_answer(std::string payload) {
  return {200,
          {{"Content-Type", "text/plain; charset=UTF-8"}, {"Cache-Control", "no-store"}},
          std::move(payload)};
}

http::Response post_answer() { return {200, {{"Content-Type", "text/html"}}, "ok"}; }

http::Response preflight_answer(const http::Request& request) {
  http::Response response{204,
                          {{"Access-Control-Allow-Methods", "GET,POST"},
                           {"Access-Control-Max-Age", "600"}}};
  if (const auto names = request.header("access-control-request-headers"); !names.empty()) {
    response.headers.emplace_back("Access-Control-Allow-Headers", names);
  }
  return response;
}

void allow_origin(http::Response& response, const Cors& cors, std::string_view origin) {
  if (cors.origins.empty()) {
    response.headers.emplace_back("Access-Control-Allow-Origin", "*");
    return;
  }
  response.headers.emplace_back("Vary", "Origin");
  if (std::find(cors.origins.begin(), cors.origins.end(), origin) == cors.origins.end()) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", origin);
  if (cors.allow_credentials) {
    response.headers.emplace_back("Access-Control-Allow-Credentials", "true");
  }
}

}  // namespace gateway::realtime
