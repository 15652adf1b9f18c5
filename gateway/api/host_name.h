// Host names, e-mail addresses and URLs as they are compared and stored. Pure functions, any
// thread.
#ifndef GATEWAY_API_HOST_NAME_H_
#define GATEWAY_API_HOST_NAME_H_

#include <optional>
#include <string>
#include <string_view>

namespace gateway::api {

// A host name or IPv4 address in lower case, international labels in punycode (IDNA 2008, UTS 46
// non-transitional), without a trailing dot. Absent for what is none.
std::optional<std::string> ascii_host(std::string_view host);

// The host of "acme.com", "https://Acme.com:8443/path" or "acme.com:3000"; user info is refused.
std::optional<std::string> widget_domain(std::string_view text);

// A page that may embed a webchat, as gateway/visitors/origin.h compares it: "acme.com",
// "*.acme.com", "acme.com:8443", or an origin ("https://acme.com"), whose path is left out. Absent
// for what is none.
std::optional<std::string> page_entry(std::string_view text);

struct Email {
  std::string address;  // as given, domain in punycode
  std::string key;      // case-folded: what is compared
};
// The local part is ASCII (RFC 5321), so that folding is exact and no two look alike.
std::optional<Email> parse_email(std::string_view text);

enum class UrlRule { https, https_or_loopback, http_or_https };
// An absolute URL with a plain host, without user info, at most 2 KiB of printable ASCII.
bool is_url(std::string_view text, UrlRule rule);

}  // namespace gateway::api

#endif  // GATEWAY_API_HOST_NAME_H_
