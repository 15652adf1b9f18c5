#include "connectors/x/oauth.h"

#include <algorithm>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace x {
namespace {

sdk::Form protocol_parameters(const OAuth1& oauth) {
  return {{"oauth_consumer_key", oauth.consumer_key},
          {"oauth_nonce", oauth.nonce},
          {"oauth_signature_method", "HMAC-SHA1"},
          {"oauth_timestamp", std::to_string(oauth.timestamp_s)},
          {"oauth_token", oauth.token},
          {"oauth_version", "1.0"}};
}

// In a URL's query a plus is a plus.
void add_query(std::string_view query, sdk::Form& parameters) {
  while (!query.empty()) {
    const std::string_view field = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), field.size() + 1));
    if (field.empty()) continue;
    const auto equals = std::min(field.find('='), field.size());
    const std::string_view name = field.substr(0, equals);
    const std::string_view value = field.substr(std::min(equals + 1, field.size()));
    parameters.emplace_back(sdk::percent_decode(name).value_or(std::string(name)),
                            sdk::percent_decode(value).value_or(std::string(value)));
  }
}

// Scheme and host in lower case, without the default port, a query or a fragment.
std::string base_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const auto path = std::min(url.find('/', scheme + 3), url.size());
  std::string origin = sdk::lower_ascii(url.substr(0, path));
  const std::string_view port = origin.starts_with("https:") ? ":443" : ":80";
  if (origin.ends_with(port)) origin.resize(origin.size() - port.size());
  return origin + std::string(url.substr(path));
}

}  // namespace

std::string oauth1_base(std::string_view method, std::string_view url, const OAuth1& oauth,
                        const sdk::Form& form) {
  sdk::Form parameters = protocol_parameters(oauth);
  parameters.insert(parameters.end(), form.begin(), form.end());
  const auto query = url.find('?');
  if (query != std::string_view::npos) {
    const std::string_view behind = url.substr(query + 1);
    add_query(behind.substr(0, behind.find('#')), parameters);
  }
  for (auto& [name, value] : parameters) {
    name = sdk::url_encode(name);
    value = sdk::url_encode(value);
  }
  std::sort(parameters.begin(), parameters.end());
  std::string all;
  for (const auto& [name, value] : parameters) {
    if (!all.empty()) all += '&';
    all += name + "=" + value;
  }
  return std::string(method) + "&" + sdk::url_encode(base_url(url)) + "&" + sdk::url_encode(all);
}

std::string oauth1_signature(std::string_view method, std::string_view url, const OAuth1& oauth,
                             const sdk::Form& form) {
  const std::string key =
      sdk::url_encode(oauth.consumer_secret) + "&" + sdk::url_encode(oauth.token_secret);
  return sdk::base64(sdk::hmac_sha1(key, oauth1_base(method, url, oauth, form)));
}

std::string oauth1_header(std::string_view method, std::string_view url, const OAuth1& oauth,
                          const sdk::Form& form) {
  sdk::Form parameters = protocol_parameters(oauth);
  parameters.emplace_back("oauth_signature", oauth1_signature(method, url, oauth, form));
  std::string header = "OAuth ";
  for (const auto& [name, value] : parameters) {
    if (!header.ends_with(' ')) header += ", ";
    header += name + "=\"" + sdk::url_encode(value) + "\"";
  }
  return header;
}

}  // namespace x
