// The subcommand `backchannel simulate`: the simulated platforms on a terminal, and with --demo the
// whole main job shown from beginning to end.
//
// Called by main.cc, on the main thread; returns the exit code.
#ifndef GATEWAY_SIMULATE_SIMULATE_H_
#define GATEWAY_SIMULATE_SIMULATE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace gateway::simulate {

struct SimulateOptions {
  // --listen ADDRESS:PORT, of the control API; see simulators.h for those of the platforms
  std::string listen = "127.0.0.1:9000";
  std::vector<std::string> only;  // --only telegram,meta; empty: all platforms
  std::uint64_t seed = 1;         // --seed
  std::string scenario;           // --scenario morning: plays for each Telegram bot that appears
  double pace = 0;                // --pace: seconds per second of the scenario; 0: at once
  double time_scale = 1;          // --time-scale: of the platform's waiting
  std::string urls = "loopback";  // --urls platform|loopback|any: what webhooks may have
  bool replies = false;           // --replies: people answer what they are sent
  bool demo = false;              // --demo
  std::string data_dir = "./var/demo";  // --demo-data, of the demo's gateway
  std::string program;                  // the backchannel program; empty: this one

  // The program's path as it was typed, for the lines that are shown.
  std::string typed = "backchannel";
};

// Serves until SIGINT or SIGTERM, or plays the demo to its end. 0 success, 1 failure, 2 wrong
// options.
int run_simulate(const SimulateOptions& options);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_SIMULATE_H_
