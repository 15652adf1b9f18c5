// OAuth 1.0a as X checks it: HMAC-SHA1 over method, URL and parameters (RFC 5849 section 3.4;
// https://docs.x.com/fundamentals/authentication/oauth-1-0a/creating-a-signature, read 2026-11-20).
// Bodies in JSON and multipart are not signed. Pure functions, any thread.
#ifndef CONNECTORS_X_OAUTH_H_
#define CONNECTORS_X_OAUTH_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/sdk/form.h"

namespace x {

struct OAuth1 {
  std::string consumer_key;
  std::string consumer_secret;
  std::string token;
  std::string token_secret;
  std::string nonce;             // unique per timestamp
  std::int64_t timestamp_s = 0;  // X refuses one that is off by more than some minutes
};

// The signature base string. `form` holds the fields of an x-www-form-urlencoded body.
std::string oauth1_base(std::string_view method, std::string_view url, const OAuth1& oauth,
                        const sdk::Form& form = {});
// Base64 of the 20 bytes.
std::string oauth1_signature(std::string_view method, std::string_view url, const OAuth1& oauth,
                             const sdk::Form& form = {});
// The value of the Authorization header.
std::string oauth1_header(std::string_view method, std::string_view url, const OAuth1& oauth,
                          const sdk::Form& form = {});

}  // namespace x

#endif  // CONNECTORS_X_OAUTH_H_
