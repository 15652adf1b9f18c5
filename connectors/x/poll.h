// Asking X for what no webhook brought: every minute where the channel is polled instead, otherwise
// every 15 minutes and at once after an outage, because X repeats few deliveries. Also the one
// place where tokens of OAuth 2.0 are renewed: each refresh token serves once, so there must be one
// writer. Pure, any thread.
//
// A run asks for one thing: new tokens, direct messages, or public mentions; "more" asks for the
// next run. So what one brought is stored even where the next one fails.
//
// State: dm_cursor (the newest message seen), dm_page and dm_top (where a walk through many pages
// goes on, and where it began), dm_polled_ms, dm_fields ("narrow": X knows other fields), the same
// with post_; post_refused_ms; calls and calls_from_ms (of a 15 minutes' window); alive_ms;
// oauth2_access_token, oauth2_refresh_token, oauth2_expires_ms, oauth2_for.
#ifndef CONNECTORS_X_POLL_H_
#define CONNECTORS_X_POLL_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace x {

connector::Step poll(const connector::Channel& channel,
                     std::span<const connector::Response> so_far);

}  // namespace x

#endif  // CONNECTORS_X_POLL_H_
