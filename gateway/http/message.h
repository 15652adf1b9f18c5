// An HTTP request as it came and an answer as it goes: values between the edge and its application.
//
// A Request that reaches the application is framed by RFC 9112 without exception; nothing else
// about it has been interpreted. Values; no thread of their own.
#ifndef GATEWAY_HTTP_MESSAGE_H_
#define GATEWAY_HTTP_MESSAGE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string target;  // origin-form exactly as received, "*" only with OPTIONS
  std::string path;    // target up to '?', not decoded
  std::string query;   // target behind '?', not decoded; empty without one
  Headers headers;     // names lower-case, order and repetitions kept, values trimmed
  std::string body;    // de-chunked bytes
  std::string peer;    // client's IP address, without port

  // First value, or empty.
  std::string_view header(std::string_view lower_name) const {
    for (const auto& [name, value] : headers) {
      if (name == lower_name) return value;
    }
    return {};
  }
};

struct Response {
  int status = 200;
  Headers headers;  // without Content-Length, Connection and Date, which the edge writes
  std::string body;
  bool close = false;  // end the connection behind this answer
  // Instead of `body`: what many clients get, held once however slowly they read it.
  std::shared_ptr<const std::string> shared_body = nullptr;
  // To a HEAD request, instead of a body: the length of the one that GET would give.
  std::optional<std::size_t> length = std::nullopt;

  static Response text(int status, std::string body) {
    return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
  }
  static Response json(int status, std::string body) {
    return {status, {{"Content-Type", "application/json"}}, std::move(body)};
  }
};

// "Not Found" for 404, as RFC 9110 has it.
std::string_view reason_phrase(int status);

}  // namespace gateway::http

#endif  // GATEWAY_HTTP_MESSAGE_H_
