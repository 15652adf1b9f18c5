// What a business's subscription lets it do, read from schemas/plans.json.
//
// Pure values and rules; no I/O. Immutable after load, so safe from any thread. The HTTP layer
// turns a PlanRefusal into 402 with the documented body.
#ifndef GATEWAY_DOMAIN_PLAN_H_
#define GATEWAY_DOMAIN_PLAN_H_

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "gateway/base/result.h"

namespace gateway::domain {

struct Plan {
  std::string id;       // "free", "mini", "pro": as settings, the database and URLs write it
  std::string display;  // "Free": as 402 bodies write it
  std::set<std::string, std::less<>> channel_types;  // types it covers; "*" for all there are
  int channels = 0;                                  // active and inactive ones together
  int agents = 0;
  int kb_articles = 0;
  int messages_per_month = 0;  // outbound agent messages per calendar month, UTC

  bool covers(std::string_view channel_type) const {
    return channel_types.contains(channel_type) || channel_types.contains(kEveryType);
  }
  static constexpr std::string_view kEveryType = "*";
};

class Plans {
 public:
  // Parses schemas/plans.json; the error names the member that is wrong.
  static Result<Plans> parse(std::string_view json);
  // The plans compiled into the program.
  static const Plans& built_in();

  // Unknown text is null, never a default plan.
  const Plan* find(std::string_view id) const;
  const std::map<std::string, Plan, std::less<>>& all() const { return plans_; }

 private:
  std::map<std::string, Plan, std::less<>> plans_;
};

// The channel types of the public API, whether or not a connector is loaded for them. A connector
// of another type adds its own.
std::span<const std::string_view> channel_types();
bool is_channel_type(std::string_view type);
// `widget` and `webchat` are served by the gateway itself and need no connector.
bool is_built_in_channel_type(std::string_view type);

}  // namespace gateway::domain

#endif  // GATEWAY_DOMAIN_PLAN_H_
