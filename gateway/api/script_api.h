// The script that sites embed: the same bytes for every site.
#ifndef GATEWAY_API_SCRIPT_API_H_
#define GATEWAY_API_SCRIPT_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

Answer show_script(const ApiContext& context, const Call& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_SCRIPT_API_H_
