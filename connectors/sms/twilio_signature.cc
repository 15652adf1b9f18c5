#include "connectors/sms/twilio_signature.h"

#include <algorithm>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sms/api.h"

namespace sms {
namespace {

using connector::Request;

constexpr std::string_view kBodyDigest = "bodySHA256";

// Name and value of every parameter, sorted by their bytes; equal ones once.
std::string signed_parameters(std::string_view body) {
  sdk::Form form = sdk::parse_form(body);
  std::sort(form.begin(), form.end());
  form.erase(std::unique(form.begin(), form.end()), form.end());
  std::string text;
  for (const auto& [name, value] : form) text += name + value;
  return text;
}

// As JavaScript's querystring module does it, which keeps more characters than RFC 3986.
std::string escaped(std::string_view text) {
  constexpr std::string_view kKept = "-_.!~*'()";
  std::string result;
  for (const char c : text) {
    if (kKept.find(c) != std::string_view::npos) {
      result += c;
    } else {
      result += sdk::url_encode(std::string_view(&c, 1));
    }
  }
  return result;
}

// Values of a repeated name come together where the name came first.
std::string encoded_anew(std::string_view query) {
  const sdk::Form form = sdk::parse_form(query);
  std::vector<std::string_view> names;
  for (const auto& [name, value] : form) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::string result;
  for (const std::string_view wanted : names) {
    for (const auto& [name, value] : form) {
      if (name != wanted) continue;
      if (!result.empty()) result += '&';
      result += escaped(name) + "=" + escaped(value);
    }
  }
  return result;
}

}  // namespace

std::vector<std::string> url_spellings(std::string_view url) {
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return {std::string(url)};
  const std::string_view scheme = url.substr(0, scheme_end + 3);
  std::string_view authority = url.substr(scheme.size());
  const std::string_view tail =
      authority.substr(std::min(authority.find_first_of("/?#"), authority.size()));
  authority.remove_suffix(tail.size());
  // A colon of userinfo or of an IPv6 address is no port's.
  const auto host_from =
      authority.rfind('@') == std::string_view::npos ? 0 : authority.rfind('@') + 1;
  const auto bracket = authority.rfind(']');
  const auto colon = authority.find(
      ':', std::max(host_from, bracket == std::string_view::npos ? host_from : bracket));
  const std::string host(authority.substr(0, colon));
  std::string port(colon == std::string_view::npos ? std::string_view() : authority.substr(colon));
  if (port.empty()) port = scheme == "http://" ? ":80" : ":443";
  const auto mark = tail.find('?');
  std::vector<std::string> spellings;
  const auto add_both = [&](std::string_view rest) {
    spellings.push_back(std::string(scheme) + host + std::string(rest));
    spellings.push_back(std::string(scheme) + host + port + std::string(rest));
  };
  add_both(tail);
  if (mark != std::string_view::npos) {
    add_both(std::string(tail.substr(0, mark + 1)) + encoded_anew(tail.substr(mark + 1)));
  }
  return spellings;
}

bool is_signed_by_twilio(const Request& request, const std::string& url,
                         std::span<const std::string_view> tokens) {
  const auto signature = only_header(request, "x-twilio-signature");
  if (!signature || signature->empty()) return false;
  std::string parameters;
  bool is_whole = true;
  if (request.method == "POST") {
    const sdk::Form query = sdk::parse_form(request.query);
    const auto digest = sdk::find(query, kBodyDigest);
    // Only where the body is JSON does the digest stand for it: with a form it would leave the
    // body to anybody.
    if (digest && is_json(request)) {
      is_whole = sdk::equal_secret(*digest, sdk::hex(sdk::sha256(request.body)));
    } else {
      parameters = signed_parameters(request.body);
    }
  } else if (request.method != "GET") {
    return false;
  }
  bool fits = false;
  for (const std::string& spelling : url_spellings(url)) {
    for (const std::string_view token : tokens) {
      if (token.empty()) continue;
      const std::string mac = sdk::base64(sdk::hmac_sha1(token, spelling + parameters));
      fits |= sdk::equal_secret(mac, *signature);
    }
  }
  return fits && is_whole;
}

}  // namespace sms
