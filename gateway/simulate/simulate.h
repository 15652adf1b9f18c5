// The subcommand `backchannel simulate`: the simulated Telegram on a terminal, and with --demo the
// whole main job shown from beginning to end.
//
// Called by main.cc, on the main thread; returns the exit code.
#ifndef GATEWAY_SIMULATE_SIMULATE_H_
#define GATEWAY_SIMULATE_SIMULATE_H_

#include <cstdint>
#include <string>

namespace gateway::simulate {

struct SimulateOptions {
  std::string listen = "127.0.0.1:9000";  // --listen ADDRESS:PORT; port 0: chosen by the kernel
  std::uint64_t seed = 1;                 // --seed
  std::string scenario;                   // --scenario morning: plays for each bot that appears
  double pace = 0;                        // --pace: seconds per second of the scenario; 0: at once
  double time_scale = 1;                  // --time-scale: of the platform's waiting
  std::string urls = "loopback";          // --urls telegram|loopback|any: what setWebhook takes
  bool demo = false;                      // --demo
  std::string data_dir = "./var/demo";    // --demo-data, of the demo's gateway
  std::string program;                    // the backchannel program; empty: this one
};

// Serves until SIGINT or SIGTERM, or plays the demo to its end. 0 success, 1 failure, 2 wrong
// options.
int run_simulate(const SimulateOptions& options);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_SIMULATE_H_
