// What is said to a platform on the side, best effort: acknowledgements of events, and signals such
// as that somebody types. Nothing is recorded, nothing repeated, and what is too much is dropped.
//
// Of a conversation's signals one is under way at a time; of those that wait, the newest of a kind
// is made. Belongs to the outbound thread.
#ifndef GATEWAY_OUTBOUND_SIGNALS_H_
#define GATEWAY_OUTBOUND_SIGNALS_H_

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gateway/outbound/context.h"
#include "gateway/outbound/run.h"

namespace gateway::outbound {

class Signals final : public Worker {
 public:
  static constexpr int kAtOnce = 64;
  static constexpr std::size_t kWaiting = 256;  // acknowledgements; and conversations with signals

  explicit Signals(Context& context);
  void tick() override {}
  void stop() override { stopping_ = true; }
  int in_flight() const override { return running_; }

  void acknowledge(domain::BusinessId business, domain::ChannelId channel, connector::Event event);
  void signal(domain::BusinessId business, domain::ChannelId channel, connector::Event event);

 private:
  struct Errand;
  using ErrandPtr = std::shared_ptr<Errand>;
  using ThreadKey = std::pair<domain::ChannelId, std::string>;
  // One conversation's signals that wait; it is in the map while one is under way or waits.
  struct Thread {
    domain::BusinessId business;
    std::optional<connector::Event> typing;
    std::optional<connector::Event> other;
  };

  void begin_waiting();
  bool next_signal(const ThreadKey& key);
  void begin(ErrandPtr errand);
  void advance(ErrandPtr errand);
  void done(ErrandPtr errand, connector::Done result);
  void leave(const ErrandPtr& errand);

  Context& context_;
  Counter& dropped_;
  int running_ = 0;
  bool stopping_ = false;
  std::deque<ErrandPtr> acknowledgements_;
  std::deque<ThreadKey> ready_;  // threads whose signal waits for a place
  std::map<ThreadKey, Thread> threads_;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_SIGNALS_H_
