// The parts of an http URL that decide whether a platform calls it.
//
// Pure functions.
#ifndef GATEWAY_SIMULATE_URLS_H_
#define GATEWAY_SIMULATE_URLS_H_

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace gateway::simulate {

// Which webhook URLs a platform takes.
enum class UrlRules {
  platform,  // as the platform itself: https, public addresses, its ports
  telegram = platform,
  loopback,  // those, and anything on this machine
  any,       // any http or https URL
};

struct WebUrl {
  std::string scheme;  // http or https
  std::string host;    // without user and port
  int port = 0;        // the scheme's own where none is named
  bool names_port = false;
  bool has_query = false;
};

// Absent where it is no http or https URL of at most 2048 bytes.
std::optional<WebUrl> parse_web_url(std::string_view url);
// "a.b.c.d" as numbers.
std::optional<std::array<int, 4>> ipv4(std::string_view host);
bool is_loopback(std::string_view host);
bool is_ip_literal(std::string_view host);
// The URL with one more query, its fragment taken away.
std::string with_query(std::string_view url, std::string_view query);

// Null where a URL passes the common rules: https, a name instead of an address, no port of its
// own.
std::optional<std::string> refuse_public_url(std::string_view url, UrlRules rules);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_URLS_H_
