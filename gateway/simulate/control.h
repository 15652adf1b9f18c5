// The simulator's control API: what tests and people do from outside the process. It is under
// /_simulate/ on the simulator's own port, and under /_simulate/telegram/ where the control APIs of
// several platforms meet.
//
// Stateless but for the scenario that plays; called on the simulator's HTTP thread, without its
// lock.
#ifndef GATEWAY_SIMULATE_CONTROL_H_
#define GATEWAY_SIMULATE_CONTROL_H_

#include <string>
#include <string_view>

#include "gateway/simulate/api_server.h"
#include "gateway/simulate/telegram_simulator.h"

namespace gateway::simulate {

HttpReply control(TelegramSimulator& telegram, const HttpRequest& request);
// `path` is what follows the prefix: "/faults".
HttpReply control(TelegramSimulator& telegram, const HttpRequest& request, std::string path);
// The part of the help that other platforms do not share, for paths under `prefix`.
std::string telegram_help(std::string_view prefix);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_CONTROL_H_
