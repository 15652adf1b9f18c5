// Accounts: register, log in, who am I, log out, and the business one works in.
#ifndef GATEWAY_API_AUTH_API_H_
#define GATEWAY_API_AUTH_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

// On the reactor; the work goes to the pool for passwords.
void register_account(const ApiContext& context, const CallPtr& call);
void log_in(const ApiContext& context, const CallPtr& call);

Answer show_me(const ApiContext& context, store::Session& db, const Call& call);
Answer log_out(const ApiContext& context, store::Session& db, const Call& call);
Answer log_out_everywhere(const ApiContext& context, store::Session& db, const Call& call);
Answer create_business(const ApiContext& context, store::Session& db, const Call& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_AUTH_API_H_
