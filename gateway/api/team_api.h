// The people who work in a business, as far as they say of themselves whether they are there.
#ifndef GATEWAY_API_TEAM_API_H_
#define GATEWAY_API_TEAM_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

// The caller's own status; the business hears of it once it is committed.
Answer set_own_status(const ApiContext& context, store::Session& db, const Call& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_TEAM_API_H_
