// Random bytes nobody can guess, from OpenSSL's private generator. Any thread.
#ifndef GATEWAY_AUTH_RANDOM_H_
#define GATEWAY_AUTH_RANDOM_H_

#include <cstddef>
#include <string>

#include "gateway/base/result.h"

namespace gateway::auth {

// Errc::internal where the system has no entropy.
Result<std::string> random_bytes(std::size_t count);

}  // namespace gateway::auth

#endif  // GATEWAY_AUTH_RANDOM_H_
