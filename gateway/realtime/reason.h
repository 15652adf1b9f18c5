// Why a live connection, or a socket on it, ended. Values; any thread.
#ifndef GATEWAY_REALTIME_REASON_H_
#define GATEWAY_REALTIME_REASON_H_

#include <cstddef>
#include <string_view>

namespace gateway::realtime {

enum class Reason {
  transport_close,  // the client closed, or its connection ended
  transport_error,  // the client broke a rule of its transport, or gave up a request
  ping_timeout,     // no pong came in time
  parse_error,      // bytes that are no packet, or a packet that may not come now
  too_slow,         // its output queue grew over the limit
  too_fast,         // far more events than its rate allows
  connect_timeout,  // joined no namespace in time
  expired,          // its permission ended; the client may come again with a new one
  forced_close,     // the application closed the connection
  shutting_down,    // this node stops
  client_leave,     // the client left the namespace
  server_leave,     // the application put it out of the namespace; it must not come again by itself
};
inline constexpr std::size_t kReasons = 12;

// The words of the reference server where it has the same reason.
std::string_view to_string(Reason reason);

// Whether a client may take up again where it was, by the rules of connection state recovery: not
// after anybody has left on purpose.
constexpr bool is_recoverable(Reason reason) {
  return reason != Reason::client_leave && reason != Reason::server_leave &&
         reason != Reason::parse_error;
}

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_REASON_H_
