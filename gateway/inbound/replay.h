// Sends stored deliveries through the connector that is loaded now: what was quarantined, and
// events of kinds an older connector did not know. A second replay adds nothing.
//
// Events of another account go to the channel that stands for it now, where that is of the same
// business; where there is none they stay quarantined.
#ifndef GATEWAY_INBOUND_REPLAY_H_
#define GATEWAY_INBOUND_REPLAY_H_

#include <functional>
#include <string>

#include "gateway/inbound/hook_cache.h"
#include "gateway/store/pg.h"

namespace gateway::inbound {

struct ReplayReport {
  int deliveries = 0;      // looked at
  int stored = 0;          // now understood and stored
  int events = 0;          // fresh rows they became
  int not_understood = 0;  // still not, or of accounts no channel of the business stands for
};

enum class ReplayMode { store, dry_run };

// Blocking, for the command line. `progress` hears the report after every hundred deliveries.
Result<ReplayReport> replay(store::Session& db, const ChannelContext& context,
                            const LiveChannel& channel, Uuid7& ids, ReplayMode mode,
                            const std::function<void(const ReplayReport&)>& progress = {});

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_REPLAY_H_
