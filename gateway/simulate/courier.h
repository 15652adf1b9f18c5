// Delivers updates to webhooks as Telegram does: one at a time and in order within a queue, queues
// beside each other, retried by the platform's schedule until they expire.
//
// All public methods may be called from any thread and never block on the network; they never call
// back while a lock is held. The network has a thread of its own, see transfers.h.
// Facts: github.com/tdlib/telegram-bot-api WebhookActor.cpp (read 2026-11-20).
#ifndef GATEWAY_SIMULATE_COURIER_H_
#define GATEWAY_SIMULATE_COURIER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulate/bot_api.h"
#include "gateway/simulate/deliveries.h"
#include "gateway/simulate/faults.h"
#include "gateway/simulate/world.h"

namespace gateway::simulate {

struct CourierOptions {
  std::uint64_t seed = 1;
  double time_scale = 1;  // every delay and lifetime is multiplied by it
  std::chrono::milliseconds answer_timeout{60'000};
};

// Milliseconds, unscaled, before the next try: at once behind the first failure, then 2, 4, 8 ...
// s, at most a random 60 to 120 s.
std::int64_t retry_delay_ms(int failures, std::mt19937_64& random);
// Seconds a Retry-After header asks for, within 0..3600; -1 where it is absent or no number.
std::int64_t retry_after_seconds(std::string_view header);

class Courier final : public DeliveryDesk {
 public:
  // A 2xx answer whose JSON body names a method asks for that call.
  using AnswerCall = std::function<void(std::int64_t bot_id, std::string_view json)>;

  Courier(CourierOptions options, AnswerCall answer_call);
  ~Courier() override;
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  void start();
  void stop();

  void post(Update update, std::chrono::milliseconds delay = {});
  void count_unwanted();
  void inject(DeliveryFault fault);
  void clear_faults();
  // Forgets every update, log and figure; webhooks stay.
  void reset();

  // True when nothing waits or is under way before the deadline.
  bool wait_idle(std::chrono::steady_clock::time_point deadline);
  DeliveryStats stats() const;
  // Attempts with a number above `after`, oldest first.
  std::vector<Delivery> log(std::int64_t after = 0) const;

  Health health(std::int64_t bot_id) override;
  void webhook_changed(const Bot& bot, bool drop_pending) override;
  std::vector<std::string> poll(std::int64_t bot_id, std::int64_t offset,
                                std::size_t limit) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_COURIER_H_
