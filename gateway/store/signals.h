// Whom a conversation's signals (somebody types, has read) are for, and what contacts are called.
// Values and functions; each call is one transaction or two.
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
  std::string last_metadata;   // its JSON object, or empty
};
// Absent where the business has no such conversation.
Result<std::optional<SignalTarget>> signal_target(Session& db, domain::BusinessId tenant,
                                                  domain::ConversationId conversation);
// As signal_target, and nothing in the conversation is unread any more: a visitor of a page hears
// it.
Result<std::optional<SignalTarget>> mark_read(Session& db, domain::BusinessId tenant,
                                              domain::ConversationId conversation);

// The conversation that goes on in this thread of the channel, and whom it is with.
struct LiveThread {
  domain::ConversationId conversation;
  std::optional<domain::ContactId> contact;
};
Result<std::optional<LiveThread>> find_live_thread(Session& db, domain::BusinessId tenant,
                                                   domain::ChannelId channel,
                                                   const std::string& thread);

// The name of the contact with this remote id; absent where there is none.
Result<std::optional<std::string>> contact_name(Session& db, domain::BusinessId tenant,
                                                domain::ChannelId channel,
                                                const std::string& remote_id);
// The contact's name from now on. For the transaction of whoever learned it, under the tenant's
// row-level security.
Query rename_contact(domain::ChannelId channel, const std::string& remote_id,
                     const std::string& name);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_SIGNALS_H_
