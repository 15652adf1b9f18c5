// Whether a request comes from Meta and is meant for a channel, and the handshake of a new callback
// URL. https://developers.facebook.com/docs/graph-api/webhooks/getting-started (read 2026-11-21).
// Pure, any thread.
#ifndef CONNECTORS_WHATSAPP_VERIFY_H_
#define CONNECTORS_WHATSAPP_VERIFY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace whatsapp {

connector::Verdict verify(const connector::Channel& channel, const connector::Request& request);

// What a handshake asks to be repeated; absent for every other request. It may go into an answer as
// it is: letters, digits, '-' and '_' only.
std::optional<std::string> challenge_of(const connector::Request& request);

// The phone numbers a delivery is for, by their ids; "waba:<id>" where an account is meant as a
// whole; "verify:<SHA-256 of the verify token, hex>" for a handshake.
std::vector<std::string> accounts(const connector::Request& request);
std::string account_of_waba(std::string_view waba);
std::string account_of_token(std::string_view verify_token);

// The address Meta has to be told. Without an app secret no delivery can be told from a forged one
// by its signature, so the address itself is unguessable then.
std::string callback_url(const connector::Channel& channel);

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_VERIFY_H_
