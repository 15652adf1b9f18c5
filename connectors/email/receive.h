// Deliveries of every provider as events. Pure, any thread.
#ifndef CONNECTORS_EMAIL_RECEIVE_H_
#define CONNECTORS_EMAIL_RECEIVE_H_

#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace email {

connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request);

// Names of what an event of SES keeps for plan(acknowledge).
inline constexpr std::string_view kSubscribeUrl = "subscribe_url";
inline constexpr std::string_view kObjectKey = "s3_key";
inline constexpr std::string_view kObjectPrefix = "s3_prefix";
// Kept once a notification has named an object: from then on the rule's prefix is known, or that it
// has none.
inline constexpr std::string_view kObjectsTold = "s3_told";

}  // namespace email

#endif  // CONNECTORS_EMAIL_RECEIVE_H_
