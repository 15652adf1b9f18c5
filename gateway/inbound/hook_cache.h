// Channels as deliveries need them, kept in memory for half a minute.
//
// Any thread. `find` never blocks: a channel that is not in memory is read by a worker, which then
// runs everything that waited for it.
#ifndef GATEWAY_INBOUND_HOOK_CACHE_H_
#define GATEWAY_INBOUND_HOOK_CACHE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "connectors/sdk/values.h"
#include "gateway/base/clock.h"
#include "gateway/base/task.h"
#include "gateway/plugins/connector.h"
#include "gateway/store/hooks.h"
#include "gateway/store/workers.h"

namespace gateway::inbound {

struct LiveChannel {
  domain::BusinessId business;
  domain::ChannelId id;
  std::string type;
  connector::Channel values;  // now_ms is set per call
  bool is_active = true;
  const plugins::Connector* connector = nullptr;  // null: none is loaded for the type
};

// Reads a channel and opens its secrets. Null where there is none. Blocking.
Result<std::shared_ptr<const LiveChannel>> load_channel(store::Session& db, store::Vault& vault,
                                                        const plugins::Registry& registry,
                                                        const std::string& public_url,
                                                        domain::ChannelId channel);

class HookCache {
 public:
  // Null where there is no such channel; an error where it could not be looked up.
  using Found = Result<std::shared_ptr<const LiveChannel>>;
  using Done = Task<void(const Found&)>;

  HookCache(store::Workers& loaders, store::Vault& vault, const plugins::Registry& registry,
            const Clock& clock, std::string public_url);
  // Calls `done` once: now where the channel is in memory, from a worker's thread otherwise.
  void find(domain::ChannelId channel, Done done);
  void forget(domain::ChannelId channel);

 private:
  struct Entry {
    std::shared_ptr<const LiveChannel> channel;
    std::int64_t good_until_ms = 0;
    bool loading = false;
    bool forgotten = false;  // changed while it was being read
    std::vector<Done> waiting;
  };
  void loaded(domain::ChannelId channel, const Found& found);

  store::Workers& loaders_;
  store::Vault& vault_;
  const plugins::Registry& registry_;
  const Clock& clock_;
  const std::string public_url_;
  std::mutex mutex_;
  std::unordered_map<domain::ChannelId, Entry> entries_;
};

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_HOOK_CACHE_H_
