#include "gateway/api/host_name.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

#include "connectors/sdk/text.h"
#include "gateway/auth/client_ip.h"

namespace gateway::api {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxHostBytes = 253;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Splits "host:port" and checks the port; absent where it is none.
std::optional<std::string_view> without_port(std::string_view authority) {
  const auto colon = authority.find(':');
  if (colon == std::string_view::npos) return authority;
  const auto port = authority.substr(colon + 1);
  if (port.size() > 5 || !is_digits(port)) return std::nullopt;
  return authority.substr(0, colon);
}

}  // namespace

std::optional<std::string> ascii_host(std::string_view host) {
  // Long input is cut off before it is mapped: a name cannot have more than 253 characters.
  if (host.empty() || host.size() > 4 * kMaxHostBytes || !sdk::is_valid_utf8(host) ||
      host.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string input(host);
  char* output = nullptr;
  const int result =
      idn2_to_ascii_8z(input.c_str(), &output, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, decltype(&idn2_free)> owned(output, &idn2_free);
  if (result != IDN2_OK || output == nullptr) return std::nullopt;
  std::string name = sdk::lower_ascii(output);
  if (name.ends_with('.')) name.pop_back();
  if (name.empty() || name.size() > kMaxHostBytes) return std::nullopt;
  std::string_view rest = name;
  std::string_view label;
  for (;;) {
    const auto dot = rest.find('.');
    label = rest.substr(0, dot);
    if (!is_label(label)) return std::nullopt;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // A name that ends in a number is an IPv4 address or nothing (WHATWG URL, "ends in a number").
  if (is_digits(label) && !auth::parse_address(name)) return std::nullopt;
  return name;
}

std::optional<std::string> widget_domain(std::string_view text) {
  text = sdk::trim(text);
  if (text.size() > kMaxUrlBytes) return std::nullopt;
  const auto scheme = text.find("://");
  if (scheme != std::string_view::npos) {
    const auto name = sdk::lower_ascii(text.substr(0, scheme));
    if (name != "http" && name != "https") return std::nullopt;
    text.remove_prefix(scheme + 3);
  }
  const auto authority = without_port(text.substr(0, text.find_first_of("/?#")));
  if (!authority || authority->find('@') != std::string_view::npos) return std::nullopt;
  return ascii_host(*authority);
}

std::optional<std::string> page_entry(std::string_view text) {
  text = sdk::trim(text);
  if (text.size() > kMaxUrlBytes) return std::nullopt;
  std::string entry;
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
    entry = sdk::lower_ascii(text.substr(0, scheme));
    if (entry != "http" && entry != "https") return std::nullopt;
    entry += "://";
    text.remove_prefix(scheme + 3);
  }
  const auto authority = text.substr(0, text.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) return std::nullopt;
  // The port is behind the last colon, unless that lies in the brackets of an IPv6 address.
  auto name = authority;
  if (const auto colon = authority.rfind(':');
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const auto port = authority.substr(colon + 1);
    if (port.empty() || port.size() > 5 || !is_digits(port)) return std::nullopt;
    name = authority.substr(0, colon);
  }
  const auto port = authority.substr(name.size());
  if (name.starts_with('[')) {
    if (!name.ends_with(']') || !auth::parse_address(name)) return std::nullopt;
    return entry + sdk::lower_ascii(name) + std::string(port);
  }
  const bool is_below = name.starts_with("*.");
  if (is_below) name.remove_prefix(2);
  const auto host = ascii_host(name);
  // "*.com" would be every site of the world.
  if (!host || (is_below && host->find('.') == std::string::npos)) return std::nullopt;
  return entry + (is_below ? "*." : "") + *host + std::string(port);
}

std::optional<Email> parse_email(std::string_view text) {
  text = sdk::trim(text);
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || at > 64) return std::nullopt;
  const auto local = text.substr(0, at);
  // RFC 5322 dot-atom.
  constexpr std::string_view kAtom = "!#$%&'*+-/=?^_`{|}~.";
  const bool plain = std::all_of(local.begin(), local.end(), [&](char c) {
    return is_alnum(c) || kAtom.find(c) != std::string_view::npos;
  });
  if (!plain || local.front() == '.' || local.back() == '.' ||
      local.find("..") != std::string_view::npos) {
    return std::nullopt;
  }
  const auto host = ascii_host(text.substr(at + 1));
  if (!host || host->find('.') == std::string::npos || host->size() + at + 1 > 254) {
    return std::nullopt;
  }
  Email email;
  email.address = std::string(local) + "@" + *host;
  email.key = sdk::lower_ascii(email.address);
  return email;
}

bool is_url(std::string_view text, UrlRule rule) {
  if (text.size() > kMaxUrlBytes) return false;
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '`';
  });
  const auto colon = text.find("://");
  if (!printable || colon == std::string_view::npos) return false;
  const auto scheme = sdk::lower_ascii(text.substr(0, colon));
  if (scheme != "https" && scheme != "http") return false;
  auto authority = text.substr(colon + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) return false;
  std::string host;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos || !auth::parse_address(authority.substr(0, end + 1))) {
      return false;
    }
    host = authority.substr(1, end - 1);
    const auto behind = authority.substr(end + 1);
    if (!behind.empty() && (behind.front() != ':' || !without_port(behind))) return false;
  } else {
    const auto name = without_port(authority);
    const auto ascii = name ? ascii_host(*name) : std::nullopt;
    if (!ascii) return false;
    host = *ascii;
  }
  if (scheme == "https") return true;
  switch (rule) {
    case UrlRule::https:
      return false;
    case UrlRule::https_or_loopback:
      return host == "localhost" || auth::is_loopback(host);
    case UrlRule::http_or_https:
      return true;
  }
  return false;
}

}  // namespace gateway::api
