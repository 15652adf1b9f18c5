#include "gateway/auth/tokens.h"

#include <utility>

#include "connectors/sdk/text.h"

namespace gateway::auth {
namespace {

constexpr std::string_view kScheme = "bearer ";

Error invalid() { return fail(Errc::unauthorized, "The access token is invalid"); }

}  // namespace

Tokens::Tokens(Jwt jwt, const Clock& clock, Uuid7& ids, TokenOptions options)
    : jwt_(std::move(jwt)), clock_(clock), ids_(ids), options_(options) {}

std::string Tokens::issue(domain::UserId user, std::optional<domain::BusinessId> business,
                          std::int64_t version) {
  const auto now_s = clock_.now_ms() / 1000;
  return jwt_.sign({user, business, version, now_s, now_s + options_.lifetime_s, ids_.next()});
}

Result<Claims> Tokens::verify(std::string_view authorization) const {
  if (authorization.empty()) {
    return fail(Errc::unauthorized, "An access token is needed: Authorization: Bearer <token>");
  }
  // RFC 9110 section 11.1: the scheme is case-insensitive.
  if (authorization.size() < kScheme.size() ||
      !sdk::equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    return invalid();
  }
  return jwt_.verify(authorization.substr(kScheme.size()), clock_.now_ms());
}

Result<Identity> Tokens::resolve(store::Session& db, const Claims& claims) {
  std::uint64_t epoch = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = cache_.find(claims.id);
    if (found != cache_.end()) {
      if (clock_.steady_ms() - found->second.read_ms < options_.cache_ms &&
          found->second.identity.claims == claims) {
        return found->second.identity;
      }
      cache_.erase(found);
    }
    epoch = epoch_;
  }
  // The clock is read before the question: an answer must not look younger than it is.
  const auto asked_ms = clock_.steady_ms();
  auto row = store::find_session(db, claims.user, claims.id);
  if (!row) return std::move(row).error();
  if (!*row) return invalid();
  auto& session = **row;
  if (session.revoked || session.disabled || session.token_version != claims.version) {
    return fail(Errc::unauthorized, "The access token has been revoked");
  }
  if (claims.business && claims.business != session.business) return invalid();
  Identity identity{std::move(session.user), session.business, session.role, claims};
  // Without a business nothing is cached: it may be created on another gateway at any moment, and
  // the next call must see it.
  if (identity.business) {
    const std::lock_guard lock(mutex_);
    if (epoch == epoch_) remember(identity, asked_ms);
  }
  return identity;
}

void Tokens::remember(const Identity& identity, std::int64_t now) {
  if (cache_.size() >= options_.cache_entries) {
    std::erase_if(
        cache_, [&](const auto& entry) { return now - entry.second.read_ms >= options_.cache_ms; });
    if (cache_.size() >= options_.cache_entries) cache_.erase(cache_.begin());
  }
  cache_[identity.claims.id] = {identity, now};
}

Result<> Tokens::revoke(store::Session& db, const Claims& claims) {
  auto done = store::revoke_token(db, claims.user, claims.id,
                                  (claims.expires_s + Jwt::kSkewSeconds) * 1000);
  const std::lock_guard lock(mutex_);
  ++epoch_;
  cache_.erase(claims.id);
  return done;
}

Result<> Tokens::revoke_all(store::Session& db, domain::UserId user) {
  auto done = store::revoke_all_tokens(db, user);
  forget(user);
  return done;
}

void Tokens::forget(domain::UserId user) {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  std::erase_if(cache_, [&](const auto& entry) { return entry.second.identity.user.id == user; });
}

}  // namespace gateway::auth
