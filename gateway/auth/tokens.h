// Who is calling: issues access tokens, resolves them to a person and a business, revokes them.
//
// verify is pure and runs on a reactor; resolve asks the database, at most once in 4 s per token,
// so that a logout on any gateway holds everywhere within 5 s. Internally locked; any thread.
#ifndef GATEWAY_AUTH_TOKENS_H_
#define GATEWAY_AUTH_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/auth/jwt.h"
#include "gateway/base/clock.h"
#include "gateway/base/result.h"
#include "gateway/store/accounts.h"
#include "gateway/store/pg.h"

namespace gateway::auth {

struct Identity {
  store::User user;
  std::optional<domain::BusinessId> business;
  std::optional<store::Role> role;  // in that business
  Claims claims;
};

struct TokenOptions {
  std::int64_t lifetime_s = 24 * 3600;
  std::int64_t cache_ms = 4'000;  // with a second's slack to the promise of 5 s
  std::size_t cache_entries = 20'000;
};

class Tokens {
 public:
  Tokens(Jwt jwt, const Clock& clock, Uuid7& ids, TokenOptions options);

  std::string issue(domain::UserId user, std::optional<domain::BusinessId> business,
                    std::int64_t version);
  // Of an Authorization header: "Bearer <token>". Errc::unauthorized.
  Result<Claims> verify(std::string_view authorization) const;
  // Errc::unauthorized where the token is revoked, the user disabled or gone, or the token names a
  // business that is not the user's.
  Result<Identity> resolve(store::Session& db, const Claims& claims);

  Result<> revoke(store::Session& db, const Claims& claims);
  Result<> revoke_all(store::Session& db, domain::UserId user);
  // Something about the user has changed here; the next call reads it again.
  void forget(domain::UserId user);

 private:
  struct Entry {
    Identity identity;
    std::int64_t read_ms = 0;
  };
  void remember(const Identity& identity, std::int64_t now);

  const Jwt jwt_;
  const Clock& clock_;
  Uuid7& ids_;
  const TokenOptions options_;
  std::mutex mutex_;
  std::unordered_map<Uuid, Entry> cache_;  // by jti
  std::uint64_t epoch_ = 0;                // rises with every forgetting
};

}  // namespace gateway::auth

#endif  // GATEWAY_AUTH_TOKENS_H_
