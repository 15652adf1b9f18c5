#include "gateway/visitors/origin.h"

#include <algorithm>
#include <optional>

#include "connectors/sdk/text.h"
#include "gateway/auth/client_ip.h"

namespace gateway::visitors {
namespace {

constexpr std::size_t kMaxOriginBytes = 300;

struct Page {
  std::string_view scheme;  // empty: any
  std::string_view host;
  std::string_view port;  // empty: any
};

std::string_view default_port(std::string_view scheme) {
  return scheme == "https" ? "443" : scheme == "http" ? "80" : "";
}

// Scheme, host and port of "https://acme.com:8443", "acme.com:8443" or "acme.com".
std::optional<Page> parse(std::string_view text) {
  Page page;
  if (const auto end = text.find("://"); end != std::string_view::npos) {
    page.scheme = text.substr(0, end);
    if (default_port(page.scheme).empty()) return std::nullopt;
    text.remove_prefix(end + 3);
  }
  // The port is behind the last colon, unless that lies in the brackets of an IPv6 address.
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
    page.port = text.substr(colon + 1);
    if (page.port.empty() || page.port.size() > 5 ||
        page.port.find_first_not_of("0123456789") != std::string_view::npos) {
      return std::nullopt;
    }
    text = text.substr(0, colon);
  }
  if (text.empty() || text.find_first_of("/?#@ \t") != std::string_view::npos) return std::nullopt;
  page.host = text;
  if (!page.scheme.empty() && page.port.empty()) page.port = default_port(page.scheme);
  return page;
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return auth::is_loopback(host);
}

bool is_host_of(std::string_view host, std::string_view entry) {
  if (entry.starts_with("*.")) {
    const auto below = entry.substr(1);
    return host.size() > below.size() && host.ends_with(below);
  }
  return host == entry || (is_loopback_host(host) && is_loopback_host(entry));
}

}  // namespace

bool is_page_of(std::string_view origin, std::span<const std::string> entries) {
  if (origin.size() > kMaxOriginBytes) return false;
  const std::string lower = sdk::lower_ascii(origin);
  const auto page = parse(lower);
  // A browser writes a scheme always.
  if (!page || page->scheme.empty()) return false;
  return std::any_of(entries.begin(), entries.end(), [&](const std::string& text) {
    const auto entry = parse(text);
    return entry && (entry->scheme.empty() || entry->scheme == page->scheme) &&
           (entry->port.empty() || entry->port == page->port) &&
           is_host_of(page->host, entry->host);
  });
}

}  // namespace gateway::visitors
