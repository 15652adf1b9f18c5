#include "gateway/auth/jwt.h"

#include <stdexcept>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"

namespace gateway::auth {
namespace {

constexpr std::string_view kIssuer = "backchannel";
constexpr std::string_view kPurpose = "jwt";
constexpr std::size_t kClaimCount = 7;
// No token of ours lives longer, whatever the settings say.
constexpr std::int64_t kLongestLifeSeconds = 366LL * 24 * 3600;

std::string header_of(std::string_view key_id) {
  sdk::json::Writer header;
  header.object().member("alg", "HS256").member("typ", "JWT").member("kid", key_id).end();
  return sdk::base64url(header.take());
}

Error invalid() { return fail(Errc::unauthorized, "The access token is invalid"); }

std::optional<Claims> read_claims(std::string_view json) {
  const auto document = sdk::json::Document::parse(json, sdk::json::kApiLimits);
  if (!document) return std::nullopt;
  const auto root = document->root();
  // We are the only issuer: another set of claims is not one of our tokens.
  if (!root.is_object() || root.size() != kClaimCount || root["iss"].text() != kIssuer) {
    return std::nullopt;
  }
  const auto user = domain::UserId::parse(root["sub"].text_or(""));
  const auto id = Uuid::parse(root["jti"].text_or(""));
  const auto version = root["ver"].integer();
  const auto issued = root["iat"].integer();
  const auto expires = root["exp"].integer();
  if (!user || !id || !version || !issued || !expires) return std::nullopt;
  if (*issued < 0 || *expires <= *issued || *expires - *issued > kLongestLifeSeconds) {
    return std::nullopt;
  }
  Claims claims{*user, std::nullopt, *version, *issued, *expires, *id};
  if (!root["bid"].is_null()) {
    claims.business = domain::BusinessId::parse(root["bid"].text_or(""));
    if (!claims.business) return std::nullopt;
  }
  return claims;
}

}  // namespace

Result<Jwt> Jwt::from(const secrets::Keyring& keyring) {
  std::map<std::string, Secret> keys;
  for (const auto& [id, current] : keyring.ids()) {
    auto key = keyring.derive(id, kPurpose);
    if (!key) return std::move(key).error();
    keys.emplace(id, std::move(*key));
  }
  return Jwt(keys, keyring.current_id());
}

Jwt::Jwt(const std::map<std::string, Secret>& keys, std::string_view current)
    : current_header_(header_of(current)) {
  for (const auto& [id, key] : keys) {
    if (key.size() < 32) throw std::logic_error("a signing key needs at least 32 bytes");
    by_header_.emplace(header_of(id), key);
  }
  if (!by_header_.contains(current_header_)) {
    throw std::logic_error("the current signing key is not among the keys");
  }
}

std::string Jwt::sign(const Claims& claims) const {
  sdk::json::Writer payload;
  payload.object().member("iss", kIssuer).member("sub", claims.user.text()).key("bid");
  if (claims.business) {
    payload.value(claims.business->text());
  } else {
    payload.null();
  }
  payload.member("ver", claims.version)
      .member("iat", claims.issued_s)
      .member("exp", claims.expires_s)
      .member("jti", claims.id.text())
      .end();
  std::string token = current_header_ + "." + sdk::base64url(payload.take());
  const auto signature = sdk::hmac_sha256(by_header_.find(current_header_)->second.reveal(), token);
  return token + "." + sdk::base64url(signature);
}

Result<Claims> Jwt::verify(std::string_view token, std::int64_t now_ms) const {
  if (token.size() > kMaxTokenBytes) return invalid();
  const auto first = token.find('.');
  if (first == std::string_view::npos) return invalid();
  const auto second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return invalid();
  }
  const auto key = by_header_.find(token.substr(0, first));
  if (key == by_header_.end()) return invalid();
  const auto signature = sdk::from_base64url(token.substr(second + 1));
  if (!signature || signature->size() != 32) return invalid();
  const auto expected = sdk::hmac_sha256(key->second.reveal(), token.substr(0, second));
  if (!sdk::equal_secret(*signature, expected)) return invalid();
  const auto payload = sdk::from_base64url(token.substr(first + 1, second - first - 1));
  if (!payload) return invalid();
  const auto claims = read_claims(*payload);
  if (!claims) return invalid();
  const auto now_s = now_ms / 1000;
  if (claims->issued_s > now_s + kSkewSeconds) return invalid();
  if (claims->expires_s + kSkewSeconds <= now_s) {
    return fail(Errc::unauthorized, "The access token has expired");
  }
  return *claims;
}

}  // namespace gateway::auth
