// AWS Signature Version 4 of a request, as a service checks it.
//
// Pure function. https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
// (read 2026-11-20).
#ifndef GATEWAY_SIMULATE_AWS_SIGNATURE_H_
#define GATEWAY_SIMULATE_AWS_SIGNATURE_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/simulate/api_server.h"

namespace gateway::simulate {

struct AwsCaller {
  std::string access_key;
  std::string region;
  std::string service;  // "ses", "sns"
};

// The caller, or the error code the service answers: MissingAuthenticationToken,
// IncompleteSignature, InvalidClientTokenId, SignatureDoesNotMatch. `host` is the one the caller
// meant, since a redirected request names another; `secret_of` knows the keys. Times are the
// caller's business.
Result<AwsCaller> verify_aws_signature(
    const HttpRequest& request, const std::function<std::string(const AwsCaller&)>& host_of,
    const std::function<std::optional<std::string>(const std::string& access_key)>& secret_of);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_AWS_SIGNATURE_H_
