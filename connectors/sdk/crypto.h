// Digests, MACs and text codings for signatures, over OpenSSL (which stays in crypto.cc).
// Pure functions, any thread.
#ifndef CONNECTORS_SDK_CRYPTO_H_
#define CONNECTORS_SDK_CRYPTO_H_

#include <optional>
#include <string>
#include <string_view>

namespace sdk {

// Raw bytes: 20, 32.
std::string hmac_sha1(std::string_view key, std::string_view data);
std::string hmac_sha256(std::string_view key, std::string_view data);
std::string sha256(std::string_view data);

std::string hex(std::string_view bytes);  // lower case
std::optional<std::string> from_hex(std::string_view text);
std::string base64(std::string_view bytes);     // RFC 4648 section 4, padded
std::string base64url(std::string_view bytes);  // section 5, unpadded
// Canonical input only: no blanks, no stray bits, padding exactly as the coding has it.
std::optional<std::string> from_base64(std::string_view text);
std::optional<std::string> from_base64url(std::string_view text);

// Constant time for equal lengths; the length is not hidden.
bool equal_secret(std::string_view a, std::string_view b);

}  // namespace sdk

#endif  // CONNECTORS_SDK_CRYPTO_H_
