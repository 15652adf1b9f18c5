#include "gateway/outbound/egress.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <ifaddrs.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "connectors/sdk/text.h"

namespace gateway::outbound {
namespace {

constexpr std::size_t kMaxUrlBytes = 8u << 10;

struct Range4 {
  std::uint32_t base;
  int bits;
};
// The IANA special-purpose registry (https://www.iana.org/assignments/iana-ipv4-special-registry,
// 2026-11-20), multicast, and the reserved upper end.
constexpr Range4 kDenied4[] = {
    {0x00000000, 8},   // 0.0.0.0/8: "this network", which Linux connects to itself
    {0x0a000000, 8},   // 10/8
    {0x64400000, 10},  // 100.64/10: carrier NAT
    {0x7f000000, 8},   // 127/8
    {0xa9fe0000, 16},  // 169.254/16: link-local, cloud metadata
    {0xac100000, 12},  // 172.16/12
    {0xc0000000, 24},  // 192.0.0/24
    {0xc0000200, 24},  // 192.0.2/24
    {0xc0586300, 24},  // 192.88.99/24: 6to4 relays
    {0xc0a80000, 16},  // 192.168/16
    {0xc6120000, 15},  // 198.18/15
    {0xc6336400, 24},  // 198.51.100/24
    {0xcb007100, 24},  // 203.0.113/24
    {0xe0000000, 4},   // 224/4
    {0xf0000000, 4},   // 240/4 with broadcast
};

bool is_public4(std::uint32_t address) {
  return std::none_of(std::begin(kDenied4), std::end(kDenied4), [&](const Range4& range) {
    return ((address ^ range.base) >> (32 - range.bits)) == 0;
  });
}

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | static_cast<std::uint32_t>(bytes[3]);
}

bool has_prefix(const std::uint8_t* address, std::initializer_list<std::uint8_t> prefix, int bits) {
  int left = bits;
  for (const std::uint8_t byte : prefix) {
    const int take = std::min(left, 8);
    if (take <= 0) break;
    if (((*address ^ byte) & 0xff) >> (8 - take) != 0) return false;
    ++address;
    left -= take;
  }
  return true;
}

// The IPv4 address an IPv6 one stands for.
std::optional<std::uint32_t> embedded4(const std::uint8_t* a) {
  const bool mapped = has_prefix(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96);
  const bool compatible = has_prefix(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 96);
  const bool nat64 = has_prefix(a, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, 96);
  if (mapped || compatible || nat64) return big_endian(a + 12);
  return std::nullopt;
}

bool is_public6(const std::uint8_t* a) {
  if (const auto inner = embedded4(a)) return is_public4(*inner);
  // Only 2000::/3 is routed. That leaves out 64:ff9b:1::/48 too: where in it an IPv4 address lies
  // is a site's own choice (RFC 8215), so it cannot be unwrapped.
  if (!has_prefix(a, {0x20}, 3)) return false;
  return !has_prefix(a, {0x20, 0x01, 0x00}, 23) &&        // Teredo, ORCHID and other protocols
         !has_prefix(a, {0x20, 0x01, 0x0d, 0xb8}, 32) &&  // documentation
         !has_prefix(a, {0x20, 0x02}, 16) &&              // 6to4: an IPv4 address in disguise
         !has_prefix(a, {0x3f, 0xff, 0x00}, 20);          // documentation
}

// https is one family with http, and so on.
std::string family_of(std::string scheme) {
  if (scheme.size() > 4 && scheme.back() == 's') scheme.pop_back();
  return scheme;
}

template <class Value, class Listed>
bool is_one_of(const Value& value, std::initializer_list<Listed> list) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

struct UrlHandle {
  CURLU* handle = curl_url();
  UrlHandle() = default;
  UrlHandle(const UrlHandle&) = delete;
  UrlHandle& operator=(const UrlHandle&) = delete;
  ~UrlHandle() { curl_url_cleanup(handle); }

  bool parse(const std::string& url) {
    return handle != nullptr && curl_url_set(handle, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  }
  std::optional<std::string> get(CURLUPart part, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(handle, part, &text, flags) != CURLUE_OK) return std::nullopt;
    std::string value(text);
    curl_free(text);
    return value;
  }
  bool set(CURLUPart part, const char* value) {
    return curl_url_set(handle, part, value, 0) == CURLUE_OK;
  }
};

std::array<std::uint8_t, 16> mapped(const in_addr& address) {
  std::array<std::uint8_t, 16> bytes{};
  bytes[10] = bytes[11] = 0xff;
  std::memcpy(bytes.data() + 12, &address.s_addr, 4);
  return bytes;
}

}  // namespace

bool is_public_address(const in_addr& address) { return is_public4(ntohl(address.s_addr)); }

bool is_public_address(const in6_addr& address) { return is_public6(address.s6_addr); }

Result<EgressPolicy::Origin> EgressPolicy::parse_origin(const std::string& text) {
  UrlHandle url;
  if (text.size() > kMaxUrlBytes || !url.parse(text)) {
    return fail(Errc::invalid_argument, "not an origin: " + text);
  }
  Origin origin{url.get(CURLUPART_SCHEME).value_or(""),
                sdk::lower_ascii(url.get(CURLUPART_HOST).value_or("")),
                url.get(CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("")};
  if (!is_one_of(family_of(origin.scheme), {"http", "smtp", "imap"})) {
    return fail(Errc::invalid_argument,
                "an origin is of http, https, smtp, smtps, imap or imaps: " + text);
  }
  if (url.get(CURLUPART_USER) || url.get(CURLUPART_PASSWORD) || url.get(CURLUPART_QUERY) ||
      url.get(CURLUPART_FRAGMENT) || url.get(CURLUPART_PATH).value_or("/") != "/") {
    return fail(Errc::invalid_argument, "an origin is a scheme, a host and a port: " + text);
  }
  return origin;
}

Result<EgressPolicy> EgressPolicy::create(const Upstreams& upstreams,
                                          const std::vector<std::string>& denied,
                                          std::set<int> ports,
                                          const std::vector<std::string>& private_hosts) {
  EgressPolicy policy;
  policy.ports_ = std::move(ports);
  for (const auto& [from, to] : upstreams) {
    auto source = parse_origin(from);
    if (!source) return std::move(source).error();
    auto target = parse_origin(to);
    if (!target) return std::move(target).error();
    if (family_of(source->scheme) != family_of(target->scheme)) {
      return fail(Errc::invalid_argument, "not origins of one kind: " + from + " and " + to);
    }
    policy.upstreams_[*std::move(source)] = *std::move(target);
  }
  for (const auto& text : private_hosts) {
    // Any scheme with a host will do: it brings the same rules for hosts and ports as resolve has.
    const auto parsed = parse_origin("smtp://" + text);
    const auto colon = text.rfind(':');
    const bool has_port = colon != std::string::npos && parsed &&
                          text.substr(colon + 1) == parsed->port && parsed->port != "0";
    if (!has_port) {
      return fail(Errc::invalid_argument, "not a host and a port: " + text);
    }
    policy.private_hosts_.emplace(parsed->host, parsed->port);
  }
  for (const auto& text : denied) {
    in_addr v4{};
    in6_addr v6{};
    if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
      policy.denied_.insert(mapped(v4));
    } else if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) {
      Bytes bytes;
      std::memcpy(bytes.data(), v6.s6_addr, bytes.size());
      policy.denied_.insert(bytes);
    } else {
      return fail(Errc::invalid_argument, "not an address: " + text);
    }
  }
  return policy;
}

std::vector<std::string> EgressPolicy::own_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    char text[INET6_ADDRSTRLEN] = {};
    const void* bytes = nullptr;
    if (entry->ifa_addr->sa_family == AF_INET) {
      bytes = &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr;
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      bytes = &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
    } else {
      continue;
    }
    if (inet_ntop(entry->ifa_addr->sa_family, bytes, text, sizeof text) != nullptr) {
      addresses.emplace_back(text);
    }
  }
  return addresses;
}

bool EgressPolicy::may_call(const Origin& origin) const {
  const int port = std::atoi(origin.port.c_str());
  if (ports_.count(port) != 0) return true;
  const std::string family = family_of(origin.scheme);
  if (family == "smtp") return is_one_of(port, {465, 587, 2525});
  if (family == "imap") return is_one_of(port, {143, 993});
  return port == 443;
}

Result<EgressPolicy::Target> EgressPolicy::resolve(const std::string& text) const {
  const auto refuse = [](const char* why) { return fail(Errc::invalid_argument, why); };
  if (text.size() > kMaxUrlBytes) return refuse("the URL is too long");
  if (std::any_of(text.begin(), text.end(),
                  [](unsigned char c) { return c <= 0x20 || c == 0x7f; })) {
    return refuse("the URL has blanks or control bytes");
  }
  UrlHandle url;
  if (!url.parse(text)) return refuse("not a URL");
  if (url.get(CURLUPART_USER) || url.get(CURLUPART_PASSWORD) || url.get(CURLUPART_OPTIONS)) {
    return refuse("the URL names a user");
  }
  const Origin origin{url.get(CURLUPART_SCHEME).value_or(""),
                      sdk::lower_ascii(url.get(CURLUPART_HOST).value_or("")),
                      url.get(CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("")};
  Target target;
  target.scheme = origin.scheme;
  target.host = origin.host;
  target.private_host = private_hosts_.count({origin.host, origin.port}) != 0;
  if (const auto found = upstreams_.find(origin); found != upstreams_.end()) {
    target.rewritten = true;
    const Origin& to = found->second;
    target.scheme = to.scheme;
    if (!url.set(CURLUPART_SCHEME, to.scheme.c_str()) ||
        !url.set(CURLUPART_HOST, to.host.c_str()) || !url.set(CURLUPART_PORT, to.port.c_str())) {
      return refuse("the URL cannot be rewritten");
    }
  } else if (!is_one_of(origin.scheme, {"https", "smtp", "smtps", "imap", "imaps"})) {
    return refuse("only https, smtp and imap are called");
  } else if (!target.private_host && !may_call(origin)) {
    return refuse("the port is not one that is called");
  }
  url.set(CURLUPART_FRAGMENT, nullptr);
  auto whole = url.get(CURLUPART_URL);
  if (!whole) return refuse("not a URL");
  target.url = *std::move(whole);
  return target;
}

bool EgressPolicy::allows(const in_addr& address) const {
  return is_public_address(address) && denied_.count(mapped(address)) == 0;
}

bool EgressPolicy::allows(const in6_addr& address) const {
  if (!is_public_address(address)) return false;
  Bytes bytes;
  std::memcpy(bytes.data(), address.s6_addr, bytes.size());
  if (denied_.count(bytes) != 0) return false;
  if (const auto inner = embedded4(address.s6_addr)) {
    return denied_.count(mapped(in_addr{htonl(*inner)})) == 0;
  }
  return true;
}

bool EgressPolicy::may_connect(const sockaddr* address, bool trusted) const {
  if (address->sa_family == AF_INET) {
    return trusted || allows(reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
  }
  if (address->sa_family == AF_INET6) {
    return trusted || allows(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  }
  return false;
}

bool EgressPolicy::may_connect(const char* address, bool trusted) const {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, address, &v4) == 1) return trusted || allows(v4);
  if (inet_pton(AF_INET6, address, &v6) == 1) return trusted || allows(v6);
  return false;
}

}  // namespace gateway::outbound
