// Verify, understand, hand over: a delivery's way from the socket to the committer.
//
// Nothing is parsed before the connector has verified the raw bytes, and nothing unverified leaves
// a row. What is authentic is never refused for its content: it becomes rows, or goes to quarantine
// with its bytes, and is answered 200.
#ifndef GATEWAY_INBOUND_RECEIVE_H_
#define GATEWAY_INBOUND_RECEIVE_H_

#include <memory>
#include <string>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/inbound/batcher.h"
#include "gateway/inbound/hook_cache.h"
#include "gateway/inbound/receiver.h"

namespace gateway::inbound {

class Receiver final : public WebhookReceiver {
 public:
  Receiver(HookCache& hooks, Batcher& batcher, const Clock& clock, Uuid7& ids, Metrics& metrics);
  void receive(std::string_view type, domain::ChannelId channel, http::Request&& request,
               http::Reply&& reply) override;
  void channel_changed(domain::ChannelId channel) override;

 private:
  void process(const LiveChannel& channel, http::Request&& request, http::Reply&& reply);

  HookCache& hooks_;
  Batcher& batcher_;
  const Clock& clock_;
  Uuid7& ids_;
  Counter& accepted_;
  Counter& refused_;
  Counter& unknown_;
};

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_RECEIVE_H_
