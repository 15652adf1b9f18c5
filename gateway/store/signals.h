// Whom a conversation's signals (somebody types, has read) are for. Values and functions; each call
// is one transaction or two.
#ifndef GATEWAY_STORE_SIGNALS_H_
#define GATEWAY_STORE_SIGNALS_H_

#include <optional>
#include <string>

#include "gateway/store/pg.h"

namespace gateway::store {

struct SignalTarget {
  std::optional<domain::ChannelId> channel;  // absent: the channel was removed
  std::string thread;
  std::string contact;  // remote id, where known
  std::string contact_name;
  std::string last_remote_id;  // of the latest message the contact wrote
};
// Absent where the business has no such conversation.
Result<std::optional<SignalTarget>> signal_target(Session& db, domain::BusinessId tenant,
                                                  domain::ConversationId conversation);
// As signal_target, and nothing in the conversation is unread any more.
Result<std::optional<SignalTarget>> mark_read(Session& db, domain::BusinessId tenant,
                                              domain::ConversationId conversation);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_SIGNALS_H_
