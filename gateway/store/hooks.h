// The channel behind a webhook URL, whatever its tenant, with its secrets opened.
#ifndef GATEWAY_STORE_HOOKS_H_
#define GATEWAY_STORE_HOOKS_H_

#include <optional>
#include <string>

#include "gateway/store/vault.h"

namespace gateway::store {

struct Hook {
  domain::BusinessId tenant;
  domain::ChannelId channel;
  std::string type;
  Secret config;  // JSON object
  Secret secret;
  Secret state;  // JSON object; empty where nothing was kept
  bool is_active = true;
  int revision = 0;
};

// Absent where no such channel exists. Crosses tenants: only for deliveries, which prove themselves
// by what the connector verifies.
Result<std::optional<Hook>> resolve_hook(Session& db, Vault& vault, domain::ChannelId channel);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_HOOKS_H_
