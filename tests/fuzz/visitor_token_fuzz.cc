// Visitor tokens: nobody gets in without the key, whatever the bytes are, and what is signed with
// the key and accepted signs to the same claims again. The origin of a page beside it: whatever is
// admitted by a host is no other host.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "gateway/auth/visitor_tokens.h"
#include "gateway/visitors/origin.h"

namespace {

constexpr std::int64_t kNowMs = 1'795'000'000'000;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string key(32, 'k');
  static const gateway::auth::VisitorTokens tokens({{"k1", gateway::Secret(key)}}, "k1");
  static const std::vector<std::string> pages = {"acme.com"};
  const std::string input(reinterpret_cast<const char*>(data), size);

  if (gateway::visitors::is_page_of(input, pages)) {
    require(input.find_first_of("/@?#", input.find("//") + 2) == std::string::npos);
  }

  // As it is: the fuzzer does not know the key.
  require(!tokens.verify(input, kNowMs).has_value());
  require(!tokens.verify_header(input, kNowMs).has_value());

  // As claims under a true signature.
  const std::string payload = sdk::base64url(input);
  const auto claims =
      tokens.verify(payload + "." + sdk::base64url(sdk::hmac_sha256(key, payload)), kNowMs);
  if (!claims) return 0;
  require(claims->expires_s > claims->issued_s);
  const auto again = tokens.verify(tokens.sign(*claims), kNowMs);
  require(again.has_value() && *again == *claims);
  return 0;
}
