// What the operator does over HTTP. The token was checked before.
#ifndef GATEWAY_API_ADMIN_API_H_
#define GATEWAY_API_ADMIN_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

Answer set_plan(const ApiContext& context, store::Session& db, const Call& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_ADMIN_API_H_
