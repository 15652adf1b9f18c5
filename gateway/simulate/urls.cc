#include "gateway/simulate/urls.h"

#include <charconv>

#include "connectors/sdk/text.h"

namespace gateway::simulate {

std::optional<WebUrl> parse_web_url(std::string_view url) {
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos || url.size() > 2048) return std::nullopt;
  WebUrl out;
  out.scheme = sdk::lower_ascii(url.substr(0, scheme_end));
  if (out.scheme != "http" && out.scheme != "https") return std::nullopt;
  std::string_view authority = url.substr(scheme_end + 3);
  out.has_query = authority.substr(0, authority.find('#')).find('?') != std::string_view::npos;
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority.remove_prefix(at + 1);
  }
  out.host = authority;
  out.port = out.scheme == "https" ? 443 : 80;
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    out.host = authority.substr(0, colon);
    out.names_port = true;
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    if (out.port < 1 || out.port > 65535) return std::nullopt;
  }
  if (out.host.empty()) return std::nullopt;
  return out;
}

std::optional<std::array<int, 4>> ipv4(std::string_view host) {
  std::array<int, 4> parts{};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t dot = i < 3 ? host.find('.') : host.size();
    if (dot == std::string_view::npos) return std::nullopt;
    const auto [end, error] = std::from_chars(host.data(), host.data() + dot, parts[i]);
    if (error != std::errc() || end != host.data() + dot || parts[i] > 255) return std::nullopt;
    host.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return parts;
}

bool is_loopback(std::string_view host) {
  const auto address = ipv4(host);
  return host == "localhost" || host == "[::1]" || (address && (*address)[0] == 127);
}

bool is_ip_literal(std::string_view host) {
  return ipv4(host).has_value() || (!host.empty() && host.front() == '[');
}

std::string with_query(std::string_view url, std::string_view query) {
  std::string out(url.substr(0, url.find('#')));
  out += out.find('?') == std::string::npos ? '?' : '&';
  return out + std::string(query);
}

std::optional<std::string> refuse_public_url(std::string_view url, UrlRules rules) {
  const auto parts = parse_web_url(url);
  if (!parts) return "it is no URL";
  if (rules == UrlRules::any || (rules == UrlRules::loopback && is_loopback(parts->host))) {
    return std::nullopt;
  }
  if (parts->scheme != "https") return "it is not https";
  if (is_ip_literal(parts->host)) return "its host is an address";
  if (parts->names_port && parts->port != 443) return "it names a port";
  return std::nullopt;
}

}  // namespace gateway::simulate
