// The gateway's own access tokens: JWT (RFC 7519), HS256 and nothing else.
//
// The header is not parsed at all: for each key there is exactly one legal header, and the first
// segment must be its text byte for byte. So `alg`, `kid`, `jku`, `crit` and the like cannot be
// chosen by a client. Claims are read only after the signature held.
//
// Immutable after construction; const methods from any thread.
#ifndef GATEWAY_AUTH_JWT_H_
#define GATEWAY_AUTH_JWT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/result.h"
#include "gateway/base/secret.h"
#include "gateway/base/uuid.h"
#include "gateway/domain/ids.h"
#include "gateway/secrets/keyring.h"

namespace gateway::auth {

// iss is always "backchannel".
struct Claims {
  domain::UserId user;                         // sub
  std::optional<domain::BusinessId> business;  // bid; null before the user has one
  std::int64_t version = 0;                    // ver: of the user's tokens; a rise revokes all
  std::int64_t issued_s = 0;                   // iat
  std::int64_t expires_s = 0;                  // exp
  Uuid id;                                     // jti

  bool operator==(const Claims&) const = default;
};

class Jwt {
 public:
  static constexpr std::size_t kMaxTokenBytes = 2048;
  static constexpr std::int64_t kSkewSeconds = 60;

  // Keys derived from every master key: the current one signs, all of them verify.
  static Result<Jwt> from(const secrets::Keyring& keyring);
  // `current` must be among `keys` (id -> at least 32 bytes).
  Jwt(const std::map<std::string, Secret>& keys, std::string_view current);

  std::string sign(const Claims& claims) const;
  // Errc::unauthorized; the message says "expired" or "invalid" and is fit for the client.
  Result<Claims> verify(std::string_view token, std::int64_t now_ms) const;

 private:
  std::map<std::string, Secret, std::less<>> by_header_;  // encoded header -> key
  std::string current_header_;
};

}  // namespace gateway::auth

#endif  // GATEWAY_AUTH_JWT_H_
