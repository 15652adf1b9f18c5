// The channels of the demonstration: an account at each simulated platform, what customers write to
// it, and what the agent answers.
//
// Called on the demonstration's thread. The simulators outlive the channels.
#ifndef GATEWAY_SIMULATE_DEMO_CHANNELS_H_
#define GATEWAY_SIMULATE_DEMO_CHANNELS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/base/result.h"
#include "gateway/simulate/simulators.h"

namespace gateway::simulate {

struct DemoChannel {
  std::string type;    // the gateway's
  std::string title;   // "WhatsApp"
  std::string config;  // JSON
  // What is left to a person, with what the gateway says of it (registration.instructions). Null
  // where everything goes by itself.
  std::function<Result<>(sdk::json::Value instructions)> finish;
  // Where the platform delivers now; waits until that is known.
  std::function<bool(std::chrono::milliseconds patience)> wait_ready;
  std::function<Result<>()> customers_write;
  // Part of a contact's name or of what was written, and the answer to it.
  std::vector<std::pair<std::string, std::string>> answers;
  // What becomes of an answer by itself: "read" where the platform tells that much.
  std::string outcome = "sent";
  // Texts that arrived at the platform.
  std::function<std::size_t()> arrived;
  // What a customer does who has read the answer; null: nothing.
  std::function<Result<>()> customers_react;
};

// `unique` makes the accounts of one run others than those of the runs before: an account belongs
// to one channel, and the demonstration's database is kept.
std::vector<DemoChannel> demo_channels(Simulators& simulators, std::uint64_t seed,
                                       std::int64_t unique);

// Waits until no platform has anything left to deliver; the reason where that does not happen.
Result<> wait_delivered(Simulators& simulators, std::chrono::milliseconds patience);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_DEMO_CHANNELS_H_
