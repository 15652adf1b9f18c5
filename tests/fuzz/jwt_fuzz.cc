// Tokens: nobody gets in without the key, whatever the bytes are, and what is signed with the key
// and accepted is a set of claims that signs to the same claims again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/sdk/crypto.h"
#include "gateway/auth/jwt.h"

namespace {

constexpr std::int64_t kNowMs = 1'795'000'000'000;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string key(32, 'k');
  static const gateway::auth::Jwt jwt({{"k1", gateway::Secret(key)}}, "k1");
  const std::string_view input(reinterpret_cast<const char*>(data), size);

  // As it is: the fuzzer does not know the key.
  require(!jwt.verify(input, kNowMs).has_value());

  // As claims under a true signature.
  const std::string text =
      sdk::base64url(R"({"alg":"HS256","typ":"JWT","kid":"k1"})") + "." + sdk::base64url(input);
  const auto claims = jwt.verify(text + "." + sdk::base64url(sdk::hmac_sha256(key, text)), kNowMs);
  if (!claims) return 0;
  require(claims->expires_s > claims->issued_s);
  const auto again = jwt.verify(jwt.sign(*claims), kNowMs);
  require(again.has_value() && *again == *claims);
  return 0;
}
