// Widgets: the business's own site. Reading one is public.
#ifndef GATEWAY_API_WIDGET_API_H_
#define GATEWAY_API_WIDGET_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

Answer create_widget(const ApiContext& context, store::Session& db, const Call& call);
Answer update_widget(const ApiContext& context, store::Session& db, const Call& call);
Answer show_widget(const ApiContext& context, store::Session& db, const Call& call);
Answer list_widget_channels(const ApiContext& context, store::Session& db, const Call& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_WIDGET_API_H_
