// The complete URL table with its handlers, one line per route.
#ifndef GATEWAY_API_ROUTES_H_
#define GATEWAY_API_ROUTES_H_

#include <span>

#include "gateway/api/call.h"
#include "gateway/api/context.h"
#include "gateway/api/router.h"
#include "gateway/store/pg.h"

namespace gateway::api {

// Answers `call` now or later. `db` is null on Runs::reactor, where nothing may block.
using Handler = void (*)(const ApiContext& context, store::Session* db, const CallPtr& call);

// Parallel arrays: routes()[i] is served by handlers()[i]. A route of Access::platform has none.
std::span<const Route> routes();
std::span<const Handler> handlers();

}  // namespace gateway::api

#endif  // GATEWAY_API_ROUTES_H_
