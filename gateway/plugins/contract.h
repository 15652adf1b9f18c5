// What every connector must pass: the ten checks of docs/CONNECTORS.md, run over one shared object
// and its fixtures. Called by `backchannel connectors check` and by tests/connectors.
//
// Loads the object into the calling process, where it stays. Starts four threads for a moment; not
// for the serving process.
#ifndef GATEWAY_PLUGINS_CONTRACT_H_
#define GATEWAY_PLUGINS_CONTRACT_H_

#include <string>
#include <vector>

namespace gateway::plugins {

struct Finding {
  int check = 0;     // 1 to 10, as numbered in docs/CONNECTORS.md
  std::string what;  // "01_text: verify accepts the request without its proof"

  bool operator==(const Finding&) const = default;
};

// Empty where the connector keeps the contract. `fixtures` is the folder with setup.json, the cases
// and the transcripts; "" runs only what needs none of them (checks 1 and 2).
std::vector<Finding> run_contract(const std::string& path, const std::string& fixtures);

}  // namespace gateway::plugins

#endif  // GATEWAY_PLUGINS_CONTRACT_H_
