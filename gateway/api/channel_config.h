// A channel's configuration between the client and the sealed column: checks it against its type's
// schema, masks its secrets, and understands masks that are sent back. Pure functions over values.
#ifndef GATEWAY_API_CHANNEL_CONFIG_H_
#define GATEWAY_API_CHANNEL_CONFIG_H_

#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/api/respond.h"
#include "gateway/plugins/connector.h"

namespace gateway::api {

// What the API adds to a Meta channel's config, and ignores when it is sent back.
inline constexpr std::string_view kSetupInstructions = "_meta_setup_instructions";

// The schema of a type: built in, or of its loaded connector. Null where neither is here.
const plugins::ConfigSchema* schema_of(const plugins::Registry& registry, std::string_view type);

// "****" and the last four characters; of fewer than eight characters only "****".
std::string mask(std::string_view secret);

struct CheckedConfig {
  std::string json;  // to be stored
  std::string echo;  // as the caller sent it, for the answer
  std::vector<FieldError> errors;
};
// `stored` is the present config of the same type (or absent): a secret equal to its mask keeps the
// stored value; another masked value is an error, never stored.
CheckedConfig check_config(const plugins::ConfigSchema& schema, sdk::json::Value config,
                           sdk::json::Value stored);

// With every secret masked. Without a schema (its connector is not loaded) every text is a secret.
std::string masked_config(const plugins::ConfigSchema* schema, std::string_view config);

// Whether two configurations say the same, whatever the order of their members.
bool same_config(std::string_view a, std::string_view b);

}  // namespace gateway::api

#endif  // GATEWAY_API_CHANNEL_CONFIG_H_
