// What a channel knows its own mail by: message ids, reply addresses, the loop mark. All are made
// from the channel's secret, so that nobody else can make one. Pure, any thread.
#ifndef CONNECTORS_EMAIL_IDENTITY_H_
#define CONNECTORS_EMAIL_IDENTITY_H_

#include <string>
#include <string_view>

#include "connectors/sdk/values.h"

namespace email {

// config.address, lower case.
std::string own_address(const connector::Channel& channel);

// "gw.<key>.<mac>@<our domain>", without angle brackets. Equal for every try of one message, so
// that receivers see a repeated one as the same.
std::string message_id_for(const connector::Channel& channel, std::string_view key);
bool is_own_message_id(const connector::Channel& channel, std::string_view id);

// "c-<16 letters>": what stands behind '+' in the Reply-To address of a thread.
std::string reply_token(const connector::Channel& channel, std::string_view thread);
// "b-<16 letters>": the same in the envelope sender of one message, so that a bounce that says
// nothing else can be told.
std::string bounce_token(const connector::Channel& channel, std::string_view key);
std::string with_plus(std::string_view address, std::string_view token);

// Value of X-Gateway-Loop in everything this channel sends.
std::string loop_mark(const connector::Channel& channel);

}  // namespace email

#endif  // CONNECTORS_EMAIL_IDENTITY_H_
