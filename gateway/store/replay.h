// Deliveries that wait for a better connector: quarantined ones, and events of kinds nobody knew.
#ifndef GATEWAY_STORE_REPLAY_H_
#define GATEWAY_STORE_REPLAY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/store/pg.h"

namespace gateway::store {

struct StoredDelivery {
  enum class From { quarantine, unknown };
  From from = From::quarantine;
  Uuid id;              // of the quarantine row or of the raw event
  std::string instant;  // when it was received, as Postgres prints it: exact to the microsecond
  std::int64_t received_ms = 0;
  std::string body;
  std::string content_type;
};

// Oldest first, at most `limit`, received after `after` (an `instant`; empty: from the beginning).
Result<std::vector<StoredDelivery>> stored_deliveries(Session& db, domain::BusinessId business,
                                                      domain::ChannelId channel,
                                                      StoredDelivery::From from,
                                                      const std::string& after, int limit);

// Gives the marks of an unknown event other keys, so that what the connector now makes of it is
// fresh. The marks stay, so that a crash behind it only means another replay.
Result<> free_unknown(Session& db, domain::BusinessId business, domain::ChannelId channel,
                      const StoredDelivery& delivery);

// The delivery has become what the connector now makes of it. Its mark as unknown or quarantined is
// taken away last, so that a crash before it only means another, harmless replay.
Result<> mark_replayed(Session& db, domain::BusinessId business, domain::ChannelId channel,
                       const StoredDelivery& delivery);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_REPLAY_H_
