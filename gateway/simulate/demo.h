// The demonstration: a gateway and all simulated platforms, a business that connects a channel of
// each, a morning of messages, answers, and the inbox that comes of it.
//
// Called by run_simulate on the main thread; everything it starts it stops.
#ifndef GATEWAY_SIMULATE_DEMO_H_
#define GATEWAY_SIMULATE_DEMO_H_

#include "gateway/simulate/simulate.h"

namespace gateway::simulate {

int run_demo(const SimulateOptions& options);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_DEMO_H_
