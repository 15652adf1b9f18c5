// Passwords at rest: scrypt with N = 2^17, r = 8, p = 1, as a PHC string.
//
//   $scrypt$ln=17,r=8,p=1$<salt>$<hash>        base64 without padding, salt 16 and hash 32 bytes
//
// One call takes some 0.3 s and 128 MiB, so callers run it on the pool of two threads that exists
// for it. Bytes are hashed as they were sent: no normalization, no cut. Pure functions, any thread.
#ifndef GATEWAY_AUTH_PASSWORD_H_
#define GATEWAY_AUTH_PASSWORD_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "gateway/base/result.h"

namespace gateway::auth {

inline constexpr std::size_t kMinPasswordBytes = 8;
inline constexpr std::size_t kMaxPasswordBytes = 1024;

// Errc::invalid_argument for a length outside the limits, Errc::internal without memory or entropy.
Result<std::string> hash_password(std::string_view password);
// True where `password` is the one behind `phc`. Takes the same time for every password of the
// allowed length. An error is no verdict: the hash is damaged or there was no memory.
Result<bool> verify_password(std::string_view password, std::string_view phc);
// True for a well-formed hash of other parameters than today's.
bool needs_rehash(std::string_view phc);
// A hash of nobody's password, so that an unknown user costs what a known one does.
std::string_view dummy_hash();

}  // namespace gateway::auth

#endif  // GATEWAY_AUTH_PASSWORD_H_
