#include "connectors/sms/jwt.h"

#include <algorithm>
#include <string>

#include "connectors/sdk/crypto.h"

namespace sms {
namespace {

constexpr std::size_t kMaxTokenBytes = 8u << 10;
constexpr sdk::json::Limits kLimits{kMaxTokenBytes, 8, 200, sdk::json::Duplicates::refuse};

std::string_view name_of(JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::hs256:
      return "HS256";
    case JwtAlgorithm::hs384:
      return "HS384";
    case JwtAlgorithm::hs512:
      break;
  }
  return "HS512";
}

std::string mac_of(JwtAlgorithm algorithm, std::string_view secret, std::string_view text) {
  switch (algorithm) {
    case JwtAlgorithm::hs256:
      return sdk::hmac_sha256(secret, text);
    case JwtAlgorithm::hs384:
      return sdk::hmac_sha384(secret, text);
    case JwtAlgorithm::hs512:
      break;
  }
  return sdk::hmac_sha512(secret, text);
}

std::optional<sdk::json::Document> object_in(std::string_view part) {
  const auto text = sdk::from_base64url(part);
  if (!text) return std::nullopt;
  auto document = sdk::json::Document::parse(*text, kLimits);
  if (!document || !document->root().is_object()) return std::nullopt;
  return *std::move(document);
}

}  // namespace

std::optional<sdk::json::Document> verified_claims(std::string_view token, std::string_view secret,
                                                   std::span<const JwtAlgorithm> allowed) {
  if (secret.empty() || token.size() > kMaxTokenBytes) return std::nullopt;
  if (std::count(token.begin(), token.end(), '.') != 2) return std::nullopt;
  const auto first = token.find('.');
  const auto second = token.rfind('.');
  const auto header = object_in(token.substr(0, first));
  if (!header) return std::nullopt;
  const std::string_view named = header->root()["alg"].text_or("");
  const auto algorithm = std::find_if(allowed.begin(), allowed.end(),
                                      [&](JwtAlgorithm one) { return name_of(one) == named; });
  // What "crit" asks for must be understood, and nothing of it is.
  if (algorithm == allowed.end() || header->root()["crit"].exists()) return std::nullopt;
  const auto signature = sdk::from_base64url(token.substr(second + 1));
  const std::string mac = mac_of(*algorithm, secret, token.substr(0, second));
  if (!signature || !sdk::equal_secret(*signature, mac)) return std::nullopt;
  return object_in(token.substr(first + 1, second - first - 1));
}

}  // namespace sms
