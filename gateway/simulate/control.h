// The simulator's control API under /_simulate/: what tests and people do from outside the process.
// GET /_simulate/ lists it.
//
// Stateless but for the scenario that plays; called on the simulator's HTTP thread, without its
// lock.
#ifndef GATEWAY_SIMULATE_CONTROL_H_
#define GATEWAY_SIMULATE_CONTROL_H_

#include "gateway/simulate/api_server.h"
#include "gateway/simulate/telegram_simulator.h"

namespace gateway::simulate {

HttpReply control(TelegramSimulator& telegram, const HttpRequest& request);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_CONTROL_H_
