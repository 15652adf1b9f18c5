// Deliveries of X as normalized events: the envelopes of the Account Activity API
// ({"for_user_id", "direct_message_events": [...]}) and of the X Activity API
// ({"data": {"event_type", "filter", "payload"}}), and the challenge of a webhook's CRC.
// Pure, any thread.
#ifndef CONNECTORS_X_RECEIVE_H_
#define CONNECTORS_X_RECEIVE_H_

#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace x {

// "sha256=" and the base64 HMAC-SHA256, as X signs bodies and wants its challenges answered
// (https://docs.x.com/x-api/webhooks/quickstart, read 2026-11-20).
std::string webhook_mac(std::string_view consumer_secret, std::string_view data);

// The crc_token of a challenge, decoded; "" for any other request, and for a token that could
// itself be a delivery.
std::string crc_token(const connector::Request& request);

connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request);

// The users a delivery is about. One webhook serves all accounts of an app.
std::vector<std::string> accounts(const connector::Request& request);

}  // namespace x

#endif  // CONNECTORS_X_RECEIVE_H_
