// AWS Signature Version 4 for calls without a session token,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html (read 2026-11-20).
// Pure, any thread.
#ifndef CONNECTORS_EMAIL_SIGV4_H_
#define CONNECTORS_EMAIL_SIGV4_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/sdk/values.h"

namespace email {

struct AwsKeys {
  std::string_view access_key;
  std::string_view secret_key;
  std::string_view region;
  std::string_view service;  // "ses", "s3"
};

// Adds x-amz-date, for S3 x-amz-content-sha256, and authorization. The URL's query must be
// encoded already; the headers the call has are signed too.
void sign_v4(connector::Call& call, const AwsKeys& keys, std::int64_t now_ms);

}  // namespace email

#endif  // CONNECTORS_EMAIL_SIGV4_H_
