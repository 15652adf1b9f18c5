// OAuth 1.0a as X checks it: HMAC-SHA1 over method, URL and parameters.
//
// Pure functions. https://docs.x.com/fundamentals/authentication/oauth-1-0a/creating-a-signature
// (read 2026-11-20), RFC 5849.
#ifndef GATEWAY_SIMULATE_OAUTH1_H_
#define GATEWAY_SIMULATE_OAUTH1_H_

#include <optional>
#include <string>
#include <string_view>

#include "connectors/sdk/form.h"

namespace gateway::simulate {

// The parameters of an `Authorization: OAuth ...` header, decoded; absent where it is none, or one
// of them is doubled.
std::optional<sdk::Form> parse_oauth1(std::string_view authorization);

// `url` without query; `parameters` are those of header, query and form together, decoded. The
// signature itself and the realm are passed over.
std::string oauth1_signature(std::string_view method, std::string_view url, sdk::Form parameters,
                             std::string_view consumer_secret, std::string_view token_secret);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_OAUTH1_H_
