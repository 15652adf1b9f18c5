// Deliveries of the Cloud API as normalized events. Pure, any thread.
#ifndef CONNECTORS_WHATSAPP_RECEIVE_H_
#define CONNECTORS_WHATSAPP_RECEIVE_H_

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"

namespace whatsapp {

connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request);

// Meta sends up to 3 MB and collects up to 1000 updates, history more of them
// (https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview,
// read 2026-11-21).
inline constexpr sdk::json::Limits kDeliveryLimits{.bytes = 4u << 20,
                                                   .depth = 64,
                                                   .nodes = 400'000,
                                                   .duplicates = sdk::json::Duplicates::first_wins};

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_RECEIVE_H_
