// How the gateway reports failure: a value, mapped to HTTP in one place (gateway/api/respond.cc).
//
// Exceptions are faults (broken invariants, out of memory) and are fenced at the HTTP dispatch, the
// worker loops and the connector boundary.
#ifndef GATEWAY_BASE_RESULT_H_
#define GATEWAY_BASE_RESULT_H_

#include <string>
#include <utility>

#include "connectors/sdk/expected.h"

namespace gateway {

// What the caller can do about it.
enum class Errc {
  invalid_argument,  // 400: the request is wrong
  unprocessable,     // 422: a field of the body is wrong
  unauthorized,      // 401: say who you are
  plan_limit,        // 402: the plan does not allow it
  forbidden,         // 403: known, and not allowed
  not_found,         // 404: no such thing for you
  conflict,          // 409: it exists already or has changed meanwhile
  too_large,         // 413
  rate_limited,      // 429: later
  internal,          // 500: our fault
  upstream,          // 502: a platform answered wrongly
  unavailable,       // 503: try again; the database or a queue is not there now
  unknown_outcome,   // the transaction may or may not have been committed
};

struct Error {
  Errc code = Errc::internal;
  std::string message;  // for operators and developers; no secrets, no full stop
  std::string cause;    // machine-readable detail: SQLSTATE[:constraint], platform error code
};

template <class T = void>
using Result = sdk::Expected<T, Error>;

inline Error fail(Errc code, std::string message, std::string cause = {}) {
  return Error{code, std::move(message), std::move(cause)};
}

}  // namespace gateway

#endif  // GATEWAY_BASE_RESULT_H_
