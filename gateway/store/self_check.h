// What must hold of the database before the gateway serves: each finding is a promise that would
// be broken silently otherwise.
#ifndef GATEWAY_STORE_SELF_CHECK_H_
#define GATEWAY_STORE_SELF_CHECK_H_

#include <string>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/store/pg.h"

namespace gateway::store {

struct Finding {
  bool fatal = true;    // serve refuses to start, unless told otherwise
  std::string problem;  // what, and why it matters
  std::string remedy;
};

// `db` is connected as the gateway will work. An error means the check could not be made.
Result<std::vector<Finding>> self_check(Session& db, const Clock& clock);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_SELF_CHECK_H_
