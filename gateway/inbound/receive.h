// Verify, understand, hand over: a delivery's way from the socket to the committer.
//
// A delivery is for the channel its URL names and for those that stand for the accounts it names.
// Each of these channels has to verify it by its own secrets, and takes only what is addressed to
// it. Nothing is parsed before a connector has verified the raw bytes (except for the accounts'
// names, from which nothing is concluded), and nothing unverified leaves a row. What is authentic
// is never refused for its content: it becomes rows, or goes to quarantine with its bytes, and is
// answered 200 once every channel has it.
#ifndef GATEWAY_INBOUND_RECEIVE_H_
#define GATEWAY_INBOUND_RECEIVE_H_

#include <functional>
#include <memory>
#include <string>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/inbound/batcher.h"
#include "gateway/inbound/documents.h"
#include "gateway/inbound/hook_cache.h"
#include "gateway/inbound/receiver.h"

namespace gateway::inbound {

class Receiver final : public WebhookReceiver {
 public:
  // Of one delivery; a request that names more is answered 503.
  static constexpr std::size_t kMaxTargets = 64;

  // A contact types; for live clients. Called on a reactor's or a worker's thread; must not wait.
  using OnTyping =
      std::function<void(domain::BusinessId, domain::ChannelId, const connector::Event&)>;

  // `documents` null: none can be had, which connectors that need them hear of by their absence.
  Receiver(HookCache& hooks, Batcher& batcher, DocumentCache* documents, const Clock& clock,
           Uuid7& ids, Metrics& metrics, OnTyping on_typing = {});
  void receive(std::string_view type, domain::ChannelId channel, http::Request&& request,
               http::Reply&& reply) override;
  void receive_shared(std::string_view type, http::Request&& request, http::Reply&& reply) override;
  void channel_changed(domain::ChannelId channel) override;

 private:
  struct Arrival;
  struct Target;
  using ArrivalPtr = std::shared_ptr<Arrival>;

  // The steps of one request. Each ends in the next or in the answer; they follow one another,
  // though not on one thread.
  void find_targets(const ArrivalPtr& arrival);
  void look_at_next(const ArrivalPtr& arrival);
  void gather_documents(const ArrivalPtr& arrival, const std::shared_ptr<Target>& target,
                        std::vector<std::string> urls);
  void verify(const ArrivalPtr& arrival, const std::shared_ptr<Target>& target);
  void conclude(const ArrivalPtr& arrival);
  void refuse(const ArrivalPtr& arrival);
  void hand_over(const ArrivalPtr& arrival);

  std::unique_ptr<Delivery> delivery_of(const Arrival& arrival, Target& target,
                                        const std::shared_ptr<const store::RawDelivery>& raw);
  bool is_from_the_deployment(const Arrival& arrival) const;

  HookCache& hooks_;
  Batcher& batcher_;
  DocumentCache* const documents_;
  const Clock& clock_;
  Uuid7& ids_;
  const OnTyping on_typing_;
  Counter& accepted_;
  Counter& refused_;
  Counter& unknown_;
  Counter& later_;
  Counter& unclaimed_;
  Counter& too_many_;
};

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_RECEIVE_H_
