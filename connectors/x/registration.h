// How a channel comes to receive: the app's webhook and the account's subscriptions, made, looked
// after and removed. Pure, any thread.
//
// One registration may take several runs, because an operation has at most eight answers: what is
// there so far is kept in the channel's state, and check() asks for the rest.
//
// State: account and username (account_for: by which credentials), webhook_id (webhook_for: of
// which app, for which URL; webhook_shared: another channel's), subscriptions
// ("dm.received:1976,..."), refused (kinds X would not subscribe), registering (not finished),
// since_ms (first registration), valid_ms (the webhook was last seen healthy), replay_from_ms and
// replay_until_ms (what is still to be delivered again).
#ifndef CONNECTORS_X_REGISTRATION_H_
#define CONNECTORS_X_REGISTRATION_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace x {

connector::Step register_webhook(const connector::Channel& channel,
                                 std::span<const connector::Response> so_far);
connector::Step unregister_webhook(const connector::Channel& channel,
                                   std::span<const connector::Response> so_far);
connector::Step check(const connector::Channel& channel,
                      std::span<const connector::Response> so_far);

}  // namespace x

#endif  // CONNECTORS_X_REGISTRATION_H_
