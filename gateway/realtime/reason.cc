#include "gateway/realtime/reason.h"

namespace gateway::realtime {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::transport_close:
      return "transport close";
    case Reason::transport_error:
      return "transport error";
    case Reason::ping_timeout:
      return "ping timeout";
    case Reason::parse_error:
      return "parse error";
    case Reason::too_slow:
      return "too slow";
    case Reason::too_fast:
      return "too fast";
    case Reason::connect_timeout:
      return "connect timeout";
    case Reason::expired:
      return "expired";
    case Reason::forced_close:
      return "forced close";
    case Reason::shutting_down:
      return "server shutting down";
    case Reason::client_leave:
      return "client namespace disconnect";
    case Reason::server_leave:
      return "server namespace disconnect";
  }
  return "unknown";
}

}  // namespace gateway::realtime
