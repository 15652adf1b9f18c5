// What an agent does in a conversation and the contact may see: passed on to the platform, where
// the conversation is on one. Best effort, as Outbound::signal. Any thread; none blocks.
#ifndef GATEWAY_OUTBOUND_PASS_ON_H_
#define GATEWAY_OUTBOUND_PASS_ON_H_

#include "gateway/outbound/outbound.h"
#include "gateway/store/signals.h"

namespace gateway::outbound {

void pass_on_typing(Outbound& outbound, domain::BusinessId business,
                    const store::SignalTarget& target, bool is_typing);
// What a platform shows as read is one message and those before it: nothing without a message.
void pass_on_read(Outbound& outbound, domain::BusinessId business,
                  const store::SignalTarget& target);

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_PASS_ON_H_
