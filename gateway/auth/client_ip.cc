#include "gateway/auth/client_ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "connectors/sdk/text.h"

namespace gateway::auth {
namespace {

constexpr std::size_t kMaxHops = 32;

bool is_mapped(const AddressBytes& bytes) {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; }) &&
         bytes[10] == 0xff && bytes[11] == 0xff;
}

std::string to_text(const AddressBytes& bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_mapped(bytes)) {
    inet_ntop(AF_INET, bytes.data() + 12, text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  }
  return text.data();
}

bool inside(const AddressBytes& address, const AddressBytes& network, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(network.begin(), network.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.begin())) {
    return false;
  }
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (address[whole] & mask) == (network[whole] & mask);
}

}  // namespace

std::optional<AddressBytes> parse_address(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  const std::string copy(text);
  AddressBytes bytes{};
  if (inet_pton(AF_INET, copy.c_str(), bytes.data() + 12) == 1) {
    bytes[10] = bytes[11] = 0xff;
    return bytes;
  }
  bytes = {};
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
}

bool is_loopback(std::string_view address) {
  const auto bytes = parse_address(address);
  if (!bytes) return false;
  if (is_mapped(*bytes)) return (*bytes)[12] == 127;
  AddressBytes one{};
  one[15] = 1;
  return *bytes == one;
}

std::string network_of(std::string_view address) {
  auto bytes = parse_address(address);
  if (!bytes) return std::string(address.substr(0, 64));
  if (!is_mapped(*bytes)) std::fill(bytes->begin() + 8, bytes->end(), std::uint8_t{0});
  return to_text(*bytes);
}

Result<TrustedProxies> TrustedProxies::parse(std::span<const std::string> list) {
  TrustedProxies proxies;
  for (const auto& entry : list) {
    const std::string_view text = sdk::trim(entry);
    const auto slash = text.find('/');
    const auto bytes = parse_address(text.substr(0, slash));
    if (!bytes) return fail(Errc::invalid_argument, "no address or network: " + entry);
    Network network{*bytes, 128};
    if (slash != std::string_view::npos) {
      const auto digits = text.substr(slash + 1);
      const int longest = is_mapped(*bytes) ? 32 : 128;
      int bits = -1;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
      if (error != std::errc() || end != digits.data() + digits.size() || bits < 0 ||
          bits > longest) {
        return fail(Errc::invalid_argument, "no address or network: " + entry);
      }
      network.bits = bits + 128 - longest;
    }
    proxies.networks_.push_back(network);
  }
  return proxies;
}

bool TrustedProxies::trusts(const AddressBytes& address) const {
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    return inside(address, network.bytes, network.bits);
  });
}

bool TrustedProxies::trusts(std::string_view address) const {
  const auto bytes = parse_address(address);
  return bytes && trusts(*bytes);
}

std::string TrustedProxies::client_of(const http::Request& request) const {
  const auto peer = parse_address(request.peer);
  if (!peer) return request.peer;
  if (!trusts(*peer)) return to_text(*peer);
  // Several header lines are one list, in order.
  std::vector<std::string_view> hops;
  for (const auto& [name, value] : request.headers) {
    if (name != "x-forwarded-for") continue;
    std::string_view rest = value;
    for (;;) {
      const auto comma = rest.find(',');
      hops.push_back(sdk::trim(rest.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  auto client = *peer;
  std::size_t walked = 0;
  for (auto hop = hops.rbegin(); hop != hops.rend() && walked < kMaxHops; ++hop, ++walked) {
    const auto bytes = parse_address(*hop);
    // What a trusted proxy could not have written ends the chain at that proxy.
    if (!bytes) break;
    client = *bytes;
    if (!trusts(client)) break;
  }
  return to_text(client);
}

}  // namespace gateway::auth
