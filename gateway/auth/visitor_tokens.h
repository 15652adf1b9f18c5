// Tokens of visitors of a widget or webchat: who writes from a browser, without an account.
//
//   base64url({"v":1,"k":key id,"b":business,"w":embed,"s":visitor,"iat":..,"exp":..}) "."
//   base64url(HMAC-SHA256 over the first part as it stands)
//
// Good for 30 days from the latest session. The signature is checked before anything is parsed, so
// a client chooses neither key nor form. Immutable after construction; const methods from any
// thread.
#ifndef GATEWAY_AUTH_VISITOR_TOKENS_H_
#define GATEWAY_AUTH_VISITOR_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "gateway/base/result.h"
#include "gateway/base/secret.h"
#include "gateway/domain/embed.h"
#include "gateway/domain/ids.h"
#include "gateway/secrets/keyring.h"

namespace gateway::auth {

struct VisitorClaims {
  domain::BusinessId business;
  domain::EmbedId embed;
  Uuid visitor;
  std::int64_t issued_s = 0;
  std::int64_t expires_s = 0;

  bool operator==(const VisitorClaims&) const = default;
};

class VisitorTokens {
 public:
  static constexpr std::size_t kMaxTokenBytes = 1024;
  static constexpr std::int64_t kLifeSeconds = 30LL * 24 * 3600;

  // Keys derived from every master key: the current one signs, all of them verify.
  static Result<VisitorTokens> from(const secrets::Keyring& keyring);
  // `current` must be among `keys` (id -> at least 32 bytes).
  VisitorTokens(std::map<std::string, Secret> keys, std::string current);

  std::string sign(const VisitorClaims& claims) const;
  // Errc::unauthorized; the message is fit for the client.
  Result<VisitorClaims> verify(std::string_view token, std::int64_t now_ms) const;
  // The same of an Authorization header: "Bearer <token>".
  Result<VisitorClaims> verify_header(std::string_view authorization, std::int64_t now_ms) const;

 private:
  std::map<std::string, Secret> keys_;
  std::string current_;
};

}  // namespace gateway::auth

#endif  // GATEWAY_AUTH_VISITOR_TOKENS_H_
