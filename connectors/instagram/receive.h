// What Instagram's webhooks mean. Pure, any thread.
//
// https://developers.facebook.com/docs/instagram-platform/webhooks and
// https://developers.facebook.com/docs/messenger-platform/instagram (read 2026-11-21)
#ifndef CONNECTORS_INSTAGRAM_RECEIVE_H_
#define CONNECTORS_INSTAGRAM_RECEIVE_H_

#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace instagram {

// A thread is the contact's Instagram-scoped id, or that of a comment to be answered in private.
inline constexpr std::string_view kCommentThread = "comment:";

// What a contact is called until the profile was read.
std::string placeholder_name(std::string_view igsid);

connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request);

// The ids a delivery may belong to.
std::vector<std::string> accounts(const connector::Request& request);

}  // namespace instagram

#endif  // CONNECTORS_INSTAGRAM_RECEIVE_H_
