// Is the process alive, can it serve, what does it count. All on the reactor: never a database.
#ifndef GATEWAY_API_HEALTH_API_H_
#define GATEWAY_API_HEALTH_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

Answer show_health(const ApiContext& context, const Call& call);
Answer show_readiness(const ApiContext& context, const Call& call);
Answer show_metrics(const ApiContext& context, const Call& call);
// Socket.IO is not served by this gateway.
Answer refuse_realtime(const ApiContext& context, const Call& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_HEALTH_API_H_
