// The one guarded entrance for what platforms deliver.
#ifndef GATEWAY_INBOUND_RECEIVER_H_
#define GATEWAY_INBOUND_RECEIVER_H_

#include <string_view>

#include "gateway/domain/ids.h"
#include "gateway/http/message.h"
#include "gateway/http/server.h"

namespace gateway::inbound {

class WebhookReceiver {
 public:
  virtual ~WebhookReceiver() = default;
  // A request to /api/v1/webhooks/{type}/{channel_id}. Runs on a reactor's thread, never blocks;
  // answers after the commit (200), or 401 unsigned, 404 unknown channel, 503 + Retry-After.
  virtual void receive(std::string_view type, domain::ChannelId channel, http::Request&& request,
                       http::Reply&& reply) = 0;
  // The same at /api/v1/webhooks/{type}, for whichever channels the request is for. Only for types
  // whose connector shares callback URLs; 404 for the others.
  virtual void receive_shared(std::string_view type, http::Request&& request,
                              http::Reply&& reply) = 0;
  // A channel was changed or removed; whatever is cached of it must be read again. Any thread.
  virtual void channel_changed(domain::ChannelId channel) = 0;
};

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_RECEIVER_H_
