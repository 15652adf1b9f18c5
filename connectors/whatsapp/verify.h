// Whether a request comes from Meta, and whom it is for. Pure, any thread.
#ifndef CONNECTORS_WHATSAPP_VERIFY_H_
#define CONNECTORS_WHATSAPP_VERIFY_H_

#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace whatsapp {

connector::Verdict verify(const connector::Channel& channel, const connector::Request& request);

// The phone numbers a delivery is for, by their ids; "waba:<id>" where an account is meant as a
// whole; "verify:<SHA-256 of the verify token, hex>" for a handshake.
std::vector<std::string> accounts(const connector::Request& request);
std::string account_of_waba(std::string_view waba);

// The address Meta has to be told. Without an app secret no delivery can be told from a forged one
// by its signature, so the address itself is unguessable then.
std::string callback_url(const connector::Channel& channel);

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_VERIFY_H_
