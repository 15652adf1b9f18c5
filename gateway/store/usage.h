// What a business has used of its plan.
#ifndef GATEWAY_STORE_USAGE_H_
#define GATEWAY_STORE_USAGE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gateway/store/pg.h"

namespace gateway::store {

// Counters by resource ("channels", "messages:2026-11"), in order of their names.
Result<std::vector<std::pair<std::string, std::int64_t>>> usage(Session& db,
                                                                domain::BusinessId business);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_USAGE_H_
