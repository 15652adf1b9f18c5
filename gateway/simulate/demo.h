// The demonstration: a gateway and a simulated Telegram, a business that connects its bot, a
// morning of messages, answers, and the inbox that comes of it.
//
// Called by run_simulate on the main thread; everything it starts it stops.
#ifndef GATEWAY_SIMULATE_DEMO_H_
#define GATEWAY_SIMULATE_DEMO_H_

#include <string>
#include <string_view>

#include "gateway/simulate/simulate.h"

namespace gateway::simulate {

int run_demo(const SimulateOptions& options);

// Columns a terminal needs for UTF-8 text: East Asian wide characters and emoji take two, combining
// marks none.
std::size_t display_width(std::string_view utf8);
// Cut or filled with blanks to exactly `columns`; line breaks become blanks.
std::string fit(std::string_view utf8, std::size_t columns);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_DEMO_H_
