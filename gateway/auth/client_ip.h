// Who is on the other end, when proxies stand between.
//
// X-Forwarded-For counts only where the peer itself is a trusted proxy; then the client is the
// rightmost address of the list that is not one. Anything else is text a client may have invented.
// Immutable after parse; pure functions, any thread.
#ifndef GATEWAY_AUTH_CLIENT_IP_H_
#define GATEWAY_AUTH_CLIENT_IP_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.h"
#include "gateway/http/message.h"

namespace gateway::auth {

// IPv4 as IPv4-mapped IPv6.
using AddressBytes = std::array<std::uint8_t, 16>;
std::optional<AddressBytes> parse_address(std::string_view text);

bool is_loopback(std::string_view address);
// What is counted as one client: an IPv4 address, or the /64 of an IPv6 address. Text that is no
// address stays as it is.
std::string network_of(std::string_view address);

class TrustedProxies {
 public:
  TrustedProxies() = default;
  // Addresses ("10.0.0.7", "::1") and networks ("10.0.0.0/8").
  static Result<TrustedProxies> parse(std::span<const std::string> list);

  bool trusts(std::string_view address) const;
  // The client's address in canonical text.
  std::string client_of(const http::Request& request) const;

 private:
  struct Network {
    AddressBytes bytes{};
    int bits = 128;
  };
  bool trusts(const AddressBytes& address) const;
  std::vector<Network> networks_;
};

}  // namespace gateway::auth

#endif  // GATEWAY_AUTH_CLIENT_IP_H_
