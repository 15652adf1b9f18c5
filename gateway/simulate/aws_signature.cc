#include "gateway/simulate/aws_signature.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/transfers.h"

namespace gateway::simulate {
namespace {

// The value of "SignedHeaders" in "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., ...".
std::string part(std::string_view authorization, std::string_view name) {
  const std::size_t at = authorization.find(std::string(name) + "=");
  if (at == std::string_view::npos) return {};
  const std::string_view value = authorization.substr(at + name.size() + 1);
  return std::string(sdk::trim(value.substr(0, value.find(','))));
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t end = text.find(by);
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::string one_blank(std::string_view text) {
  std::string out;
  for (const char c : sdk::trim(text)) {
    if (c != ' ' || out.empty() || out.back() != ' ') out += c;
  }
  return out;
}

std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> fields;
  while (!query.empty()) {
    const std::string_view field = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), field.size() + 1));
    const std::size_t equals = field.find('=');
    const auto coded = [](std::string_view text) {
      return sdk::url_encode(sdk::percent_decode(text).value_or(std::string(text)));
    };
    fields.emplace_back(coded(field.substr(0, equals)),
                        equals == std::string_view::npos ? "" : coded(field.substr(equals + 1)));
  }
  std::sort(fields.begin(), fields.end());
  std::string out;
  for (const auto& [name, value] : fields) {
    out += (out.empty() ? "" : "&") + name + "=" + value;
  }
  return out;
}

}  // namespace

Result<AwsCaller> verify_aws_signature(
    const HttpRequest& request, const std::function<std::string(const AwsCaller&)>& host_of,
    const std::function<std::optional<std::string>(const std::string&)>& secret_of) {
  const auto refuse = [](const char* code) { return fail(Errc::forbidden, code); };
  const std::string_view authorization = header(request.headers, "authorization");
  if (authorization.empty()) return refuse("MissingAuthenticationToken");
  const auto scope = split(part(authorization, "Credential"), '/');
  const std::string signed_headers = part(authorization, "SignedHeaders");
  const std::string signature = part(authorization, "Signature");
  const std::string date(header(request.headers, "x-amz-date"));
  if (authorization.rfind("AWS4-HMAC-SHA256", 0) != 0 || scope.size() != 5 ||
      signed_headers.empty() || signature.empty() || date.size() != 16 ||
      scope[4] != "aws4_request" || date.substr(0, 8) != scope[1]) {
    return refuse("IncompleteSignature");
  }
  const AwsCaller caller{scope[0], scope[2], scope[3]};
  const auto secret = secret_of(caller.access_key);
  if (!secret) return refuse("InvalidClientTokenId");
  std::string headers;
  bool host_is_signed = false;
  for (const std::string& name : split(signed_headers, ';')) {
    host_is_signed |= name == "host";
    const std::string value =
        name == "host" ? host_of(caller) : one_blank(header(request.headers, name));
    headers += name + ":" + value + "\n";
  }
  if (!host_is_signed) return refuse("SignatureDoesNotMatch");
  const std::string canonical = request.method + "\n" +
                                (request.path.empty() ? "/" : request.path) + "\n" +
                                canonical_query(request.query) + "\n" + headers + "\n" +
                                signed_headers + "\n" + sdk::hex(sdk::sha256(request.body));
  const std::string text = "AWS4-HMAC-SHA256\n" + date + "\n" + scope[1] + "/" + scope[2] + "/" +
                           scope[3] + "/aws4_request\n" + sdk::hex(sdk::sha256(canonical));
  std::string key = sdk::hmac_sha256("AWS4" + *secret, scope[1]);
  for (std::size_t i = 2; i < scope.size(); ++i) key = sdk::hmac_sha256(key, scope[i]);
  if (!sdk::equal_secret(sdk::hex(sdk::hmac_sha256(key, text)), signature)) {
    return refuse("SignatureDoesNotMatch");
  }
  return caller;
}

}  // namespace gateway::simulate
