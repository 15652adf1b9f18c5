// Channels as deliveries need them, and which of them stand for an account of their platform, kept
// in memory for half a minute.
//
// Any thread. Nothing blocks: what is not in memory is read by a worker, which then runs everything
// that waited for it.
#ifndef GATEWAY_INBOUND_HOOK_CACHE_H_
#define GATEWAY_INBOUND_HOOK_CACHE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/values.h"
#include "gateway/base/clock.h"
#include "gateway/base/task.h"
#include "gateway/inbound/lookup_cache.h"
#include "gateway/plugins/connector.h"
#include "gateway/store/channel_accounts.h"
#include "gateway/store/hooks.h"
#include "gateway/store/workers.h"

namespace gateway::inbound {

struct LiveChannel {
  domain::BusinessId business;
  domain::ChannelId id;
  std::string type;
  connector::Channel values;  // now_ms is set per call; the deployment's defaults are filled in
  bool is_active = true;
  const plugins::Connector* connector = nullptr;  // null: none is loaded for the type
};

// What every channel is made with beside its own row. All of it outlives its users.
struct ChannelContext {
  store::Vault& vault;
  const plugins::Registry& registry;
  std::string public_url;  // base of the callback URLs
  plugins::Deployment deployment;
};

// Reads a channel and opens its secrets. Null where there is none. Blocking.
Result<std::shared_ptr<const LiveChannel>> load_channel(store::Session& db,
                                                        const ChannelContext& context,
                                                        domain::ChannelId channel);

class HookCache {
 public:
  // Null where there is no such channel; an error where it could not be looked up.
  using Found = Result<std::shared_ptr<const LiveChannel>>;
  using Done = Task<void(const Found&)>;
  using FoundAccounts = Result<std::vector<store::AccountChannel>>;
  using AccountsDone = Task<void(const FoundAccounts&)>;

  HookCache(store::Workers& loaders, ChannelContext context, const Clock& clock);
  // Calls `done` once: now where the channel is in memory, from a worker's thread otherwise.
  void find(domain::ChannelId channel, Done done);
  // The same for the channels of these accounts of a type; at most 1000 accounts, each once.
  void find_accounts(std::string_view type, std::vector<std::string> accounts, AccountsDone done);
  // A channel was changed, made, or removed, or stands for other accounts.
  void forget(domain::ChannelId channel);

  const ChannelContext& context() const { return context_; }

 private:
  struct Accounts {
    std::size_t asked = 0;
    FoundAccounts found;
  };

  store::Workers& loaders_;
  const ChannelContext context_;
  LookupCache<domain::ChannelId, Found> channels_;
  LookupCache<std::string, Accounts> accounts_;  // by a digest of what was asked for
};

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_HOOK_CACHE_H_
