// An HTTP request to an Engine.IO path: what it asks, whether it may, and the answers that are no
// payloads. Pure functions; any thread.
#ifndef GATEWAY_REALTIME_ENGINE_REQUEST_H_
#define GATEWAY_REALTIME_ENGINE_REQUEST_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/message.h"
#include "gateway/realtime/engine_session.h"

namespace gateway::realtime {

// The codes of the reference server, as its clients see them.
enum class EngineError {
  unknown_transport = 0,
  unknown_sid = 1,
  bad_method = 2,
  bad_request = 3,
  forbidden = 4,
  unsupported_version = 5,
};

struct Cors {
  // Exact origins; none: every origin may read, without credentials.
  std::vector<std::string> origins;
  bool allow_credentials = false;  // only for a list
};

struct EngineRequest {
  Transport transport = Transport::polling;
  std::string sid;  // empty: a handshake
  bool is_version_4 = false;  // else unsupported_version, if the sid is known
};

// A request that is wrong whatever sessions there are is an error; in the reference's order of
// checks. `is_upgrade`: a WebSocket handshake by its head.
struct Asked {
  std::optional<EngineRequest> request;
  EngineError error = EngineError::bad_request;
};
Asked read_request(const http::Request& request, bool is_upgrade);

// {"code":...,"message":...} with status 400, or 403 for EngineError::forbidden. `message` empty:
// the reference's own.
http::Response error_answer(EngineError error, std::string_view message = {});
// 200 with packets, and the "ok" that a POST gets.
http::Response payload_answer(std::string payload);
http::Response post_answer();
http::Response preflight_answer(const http::Request& request);

// Adds what lets a page of another origin read the answer.
void allow_origin(http::Response& response, const Cors& cors, std::string_view origin);

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_ENGINE_REQUEST_H_
