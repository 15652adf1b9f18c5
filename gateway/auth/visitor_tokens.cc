#include "gateway/auth/visitor_tokens.h"

#include <optional>
#include <stdexcept>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"

namespace gateway::auth {
namespace {

constexpr std::string_view kPurpose = "visitor-token";
constexpr std::string_view kScheme = "bearer ";
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kClaimCount = 7;
constexpr std::size_t kMacBytes = 32;
// Clocks of two gateways may differ by as much.
constexpr std::int64_t kSkewSeconds = 60;

Error invalid() { return fail(Errc::unauthorized, "The visitor token is invalid"); }

std::optional<VisitorClaims> read_claims(std::string_view json, std::string_view key_id) {
  const auto document = sdk::json::Document::parse(json, sdk::json::kApiLimits);
  if (!document) return std::nullopt;
  const auto root = document->root();
  // We are the only issuer: another set of claims is not one of our tokens.
  if (!root.is_object() || root.size() != kClaimCount || root["v"].integer() != kVersion ||
      root["k"].text() != key_id) {
    return std::nullopt;
  }
  const auto business = domain::BusinessId::parse(root["b"].text_or(""));
  const auto embed = domain::EmbedId::parse(root["w"].text_or(""));
  const auto visitor = Uuid::parse(root["s"].text_or(""));
  const auto issued = root["iat"].integer();
  const auto expires = root["exp"].integer();
  if (!business || !embed || !visitor || !issued || !expires) return std::nullopt;
  if (*issued < 0 || *expires <= *issued || *expires - *issued > VisitorTokens::kLifeSeconds) {
    return std::nullopt;
  }
  return VisitorClaims{*business, *embed, *visitor, *issued, *expires};
}

}  // namespace

Result<VisitorTokens> VisitorTokens::from(const secrets::Keyring& keyring) {
  std::map<std::string, Secret> keys;
  for (const auto& [id, is_current] : keyring.ids()) {
    auto key = keyring.derive(id, kPurpose);
    if (!key) return std::move(key).error();
    keys.emplace(id, *std::move(key));
  }
  return VisitorTokens(std::move(keys), keyring.current_id());
}

VisitorTokens::VisitorTokens(std::map<std::string, Secret> keys, std::string current)
    : keys_(std::move(keys)), current_(std::move(current)) {
  for (const auto& [id, key] : keys_) {
    if (key.size() < 32) throw std::logic_error("a signing key needs at least 32 bytes");
  }
  if (!keys_.contains(current_)) {
    throw std::logic_error("the current signing key is not among the keys");
  }
}

std::string VisitorTokens::sign(const VisitorClaims& claims) const {
  sdk::json::Writer json;
  json.object()
      .member("v", kVersion)
      .member("k", current_)
      .member("b", claims.business.text())
      .member("w", claims.embed.text())
      .member("s", claims.visitor.text())
      .member("iat", claims.issued_s)
      .member("exp", claims.expires_s)
      .end();
  const std::string payload = sdk::base64url(json.take());
  return payload + "." +
         sdk::base64url(sdk::hmac_sha256(keys_.find(current_)->second.reveal(), payload));
}

Result<VisitorClaims> VisitorTokens::verify(std::string_view token, std::int64_t now_ms) const {
  if (token.size() > kMaxTokenBytes) return invalid();
  const auto dot = token.find('.');
  if (dot == std::string_view::npos) return invalid();
  const auto payload = token.substr(0, dot);
  const auto signature = sdk::from_base64url(token.substr(dot + 1));
  if (!signature || signature->size() != kMacBytes) return invalid();
  // Every key is tried, so that the time does not tell which one it was.
  const std::string* key_id = nullptr;
  for (const auto& [id, key] : keys_) {
    if (sdk::equal_secret(*signature, sdk::hmac_sha256(key.reveal(), payload))) key_id = &id;
  }
  if (key_id == nullptr) return invalid();
  const auto json = sdk::from_base64url(payload);
  if (!json) return invalid();
  const auto claims = read_claims(*json, *key_id);
  const auto now_s = now_ms / 1000;
  if (!claims || claims->issued_s > now_s + kSkewSeconds) return invalid();
  if (claims->expires_s <= now_s) {
    return fail(Errc::unauthorized, "The visitor token has expired; begin a new session");
  }
  return *claims;
}

Result<VisitorClaims> VisitorTokens::verify_header(std::string_view authorization,
                                                   std::int64_t now_ms) const {
  if (authorization.empty()) {
    return fail(Errc::unauthorized, "A visitor token is needed: Authorization: Bearer <token>");
  }
  if (authorization.size() < kScheme.size() ||
      !sdk::equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    return invalid();
  }
  return verify(authorization.substr(kScheme.size()), now_ms);
}

}  // namespace gateway::auth
