// Agents' messages: claims conversations that have something to send, sends their first message,
// and settles what became of it.
//
// A message's request leaves only after "asked" is committed. So a message whose asking was never
// answered may have been sent, and everything else certainly was not: that is all a successor must
// know. What only reads (fetching the media to be sent) is not counted as asked. Belongs to the
// outbound thread.
#ifndef GATEWAY_OUTBOUND_SENDER_H_
#define GATEWAY_OUTBOUND_SENDER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/outbound/context.h"
#include "gateway/outbound/run.h"
#include "gateway/store/outbox.h"

namespace gateway::outbound {

class Sender final : public Worker {
 public:
  explicit Sender(Context& context);
  void tick() override;
  void wake() override { next_claim_ms_ = 0; }
  void stop() override { stopping_ = true; }
  int in_flight() const override { return sends_; }

 private:
  struct Loaded;
  struct Send;
  struct Asked;
  using SendPtr = std::shared_ptr<Send>;

  void claim();
  void measure();
  void load(SendPtr send);
  void begin(SendPtr send, Loaded loaded);
  void advance(SendPtr send);
  bool may_ask(const SendPtr& send, const connector::Call& call);
  void put_back(const SendPtr& send, std::int64_t delay_ms);
  void ask(SendPtr send, std::shared_ptr<connector::Call> call);
  void call(SendPtr send, const std::shared_ptr<connector::Call>& call);
  void failed(SendPtr send, connector::Fail failure);
  void done(SendPtr send, connector::Done result);
  void settle(SendPtr send, store::Settled settled);
  void again(SendPtr send, store::Again later);
  void save_state(const Send& send, connector::Pairs changes);
  void leave(const SendPtr& send);
  std::int64_t now() const { return context_.clock.steady_ms(); }
  std::int64_t left_ms(const Send& send) const;

  Context& context_;
  Breaker breaker_;
  int sends_ = 0;
  int unsaved_ = 0;  // outcomes the database does not know yet
  bool claiming_ = false;
  bool stopping_ = false;
  std::int64_t next_claim_ms_ = 0;
  std::int64_t next_measure_ms_ = 0;
  Counter& sent_;
  Counter& failed_;
  Counter& uncertain_;
  Counter& retried_;
  Gauge& waiting_;
  Gauge& oldest_;
  Histogram& seconds_;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_SENDER_H_
