// JSON Web Tokens with a shared secret (RFC 7519, RFC 7515), as Vonage and MessageBird sign their
// deliveries. Pure, any thread.
#ifndef CONNECTORS_SMS_JWT_H_
#define CONNECTORS_SMS_JWT_H_

#include <optional>
#include <span>
#include <string_view>

#include "connectors/sdk/json.h"

namespace sms {

enum class JwtAlgorithm { hs256, hs384, hs512 };

// The claims of a token that `secret` signed by one of the allowed algorithms; which one is the
// token's word only among those. Absent for everything else. Times are the caller's to look at.
std::optional<sdk::json::Document> verified_claims(std::string_view token, std::string_view secret,
                                                   std::span<const JwtAlgorithm> allowed);

}  // namespace sms

#endif  // CONNECTORS_SMS_JWT_H_
