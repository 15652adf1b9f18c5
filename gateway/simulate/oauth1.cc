#include "gateway/simulate/oauth1.h"

#include <algorithm>
#include <set>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace gateway::simulate {

std::optional<sdk::Form> parse_oauth1(std::string_view authorization) {
  constexpr std::string_view kScheme = "OAuth ";
  if (authorization.size() <= kScheme.size() ||
      !sdk::equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  authorization.remove_prefix(kScheme.size());
  sdk::Form out;
  std::set<std::string> seen;
  while (!authorization.empty()) {
    const std::string_view item = authorization.substr(0, authorization.find(','));
    authorization.remove_prefix(std::min(authorization.size(), item.size() + 1));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string_view value = sdk::trim(item.substr(equals + 1));
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::nullopt;
    value = value.substr(1, value.size() - 2);
    auto name = sdk::percent_decode(sdk::trim(item.substr(0, equals)));
    auto decoded = sdk::percent_decode(value);
    if (!name || !decoded || !seen.insert(*name).second) return std::nullopt;
    out.emplace_back(std::move(*name), std::move(*decoded));
  }
  return out;
}

std::string oauth1_signature(std::string_view method, std::string_view url, sdk::Form parameters,
                             std::string_view consumer_secret, std::string_view token_secret) {
  std::vector<std::pair<std::string, std::string>> coded;
  for (const auto& [name, value] : parameters) {
    if (name == "oauth_signature" || name == "realm") continue;
    coded.emplace_back(sdk::url_encode(name), sdk::url_encode(value));
  }
  std::sort(coded.begin(), coded.end());
  std::string joined;
  for (const auto& [name, value] : coded) {
    joined += (joined.empty() ? "" : "&") + name + "=" + value;
  }
  const std::string base =
      std::string(method) + "&" + sdk::url_encode(url) + "&" + sdk::url_encode(joined);
  const std::string key = sdk::url_encode(consumer_secret) + "&" + sdk::url_encode(token_secret);
  return sdk::base64(sdk::hmac_sha1(key, base));
}

}  // namespace gateway::simulate
