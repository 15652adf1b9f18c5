// From a connector's events to the rows that are stored: pure, no I/O.
//
// Here the platform-neutral decisions are made: what is a message and what changes one, who sent
// it, which facts an API client sees, which attachments' bytes are ours to keep or to fetch, and
// the key that makes a redelivery a no-op.
#ifndef GATEWAY_INBOUND_NORMALIZE_H_
#define GATEWAY_INBOUND_NORMALIZE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "connectors/sdk/values.h"
#include "gateway/base/uuid.h"
#include "gateway/store/ingest.h"

namespace gateway::inbound {

// 4 bytes of the platform's time in seconds, 12 of SHA-256 over the identity: keys of one channel
// land beside each other in the index. The time comes from the payload alone, so that every
// redelivery has the same key.
Uuid event_key(std::string_view identity, std::int64_t platform_ms);

// The key of bytes that are no event: the first half of their SHA-256.
Uuid bytes_key(std::string_view bytes);

// Gives events without an identity one of their delivery's bytes and their place in it, so that the
// delivery and its replay agree on it.
void give_keys(std::span<connector::Event> events, std::string_view delivery_body);

struct NormalizeContext {
  domain::ChannelId channel;
  std::int64_t now_ms = 0;
  bool channel_is_active = true;
};

using Row = std::variant<store::InboundMessage, store::InboundChange>;

// Absent for what is never stored (typing). `ids` gives the row its id and the proposals of new
// conversations and contacts.
std::optional<Row> normalize(const connector::Event& event, const NormalizeContext& context,
                             Uuid7& ids);

// The message an edit becomes when the message it edits is not here.
store::InboundMessage message_of_edit(const connector::Event& event,
                                      const NormalizeContext& context, Uuid7& ids);

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_NORMALIZE_H_
