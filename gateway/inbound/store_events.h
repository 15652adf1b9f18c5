// Stores events outside the group commit: what a poll brought, and what a replay understands.
//
// Blocking; on the thread that owns the session. Each event is found again by its key, so repeating
// a call adds nothing.
#ifndef GATEWAY_INBOUND_STORE_EVENTS_H_
#define GATEWAY_INBOUND_STORE_EVENTS_H_

#include <span>

#include "connectors/sdk/values.h"
#include "gateway/inbound/normalize.h"
#include "gateway/store/pg.h"

namespace gateway::inbound {

// All in one transaction: the events, and then `also`, statements of the caller under the tenant of
// the context's channel (a poll's cursor, say). The number of events that were fresh. Events must
// have keys.
Result<int> store_events(store::Session& db, const NormalizeContext& context,
                         std::span<const connector::Event> events, Uuid7& ids,
                         std::span<const store::Query> also = {});

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_STORE_EVENTS_H_
