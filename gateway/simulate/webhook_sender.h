// Delivers webhook events and repeats them by a platform's schedule, signed anew for each attempt.
//
// All methods may be called from any thread and never block on the network. The functions of an
// event run on the sender's thread without its lock, and must not call back into it but by post.
#ifndef GATEWAY_SIMULATE_WEBHOOK_SENDER_H_
#define GATEWAY_SIMULATE_WEBHOOK_SENDER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/simulate/deliveries.h"
#include "gateway/simulate/faults.h"
#include "gateway/simulate/transfers.h"

namespace gateway::simulate {

// What an attempt has to do wrong; absent: nothing.
using Defect = std::optional<DeliveryFault::Kind>;

// What follows an attempt. The delay is the platform's own, not yet scaled.
struct AfterAttempt {
  enum class Kind { acknowledged, again, given_up };
  Kind kind = Kind::acknowledged;
  std::int64_t delay_ms = 0;
};
// `attempt` counts from 1, `age_ms` is the platform's time since the first was due.
using RetryRule =
    std::function<AfterAttempt(const HttpOutcome& outcome, int attempt, std::int64_t age_ms)>;

// Acknowledged by what `accepts`, given up where `refuses`, else repeated after delays[attempt - 1]
// until they are used up.
RetryRule retry_after(std::vector<std::int64_t> delays_ms, std::function<bool(int)> accepts,
                      std::function<bool(int)> refuses = {});
// Repeated at once, then after `first_ms` that doubles up to `cap_ms`, until `lifetime_ms` is over.
RetryRule retry_doubling(std::int64_t first_ms, std::int64_t cap_ms, std::int64_t lifetime_ms,
                         std::function<bool(int)> accepts, std::function<bool(int)> refuses = {});
bool is_2xx(int status);
bool is_200(int status);

struct WebhookEvent {
  std::string account;
  std::string id;
  std::string kind;
  // Events of one queue leave one at a time and in order; empty: beside all others.
  std::string queue;
  // The request of one attempt; signs it, or does it wrongly by the defect.
  std::function<HttpCall(int attempt, Defect defect)> request;
  RetryRule retry;
};

// Adds a proof to a call, or spoils it as the defect says.
void add_proof(HttpCall& call, const std::string& name, const std::string& value,
               const std::string& wrong_value, Defect defect);

struct SenderOptions {
  std::uint64_t seed = 1;
  double time_scale = 1;  // every delay is multiplied by it
};

class WebhookSender {
 public:
  explicit WebhookSender(SenderOptions options);
  ~WebhookSender();
  WebhookSender(const WebhookSender&) = delete;
  WebhookSender& operator=(const WebhookSender&) = delete;

  void start();
  void stop();

  // `delay` is real time.
  void post(WebhookEvent event, std::chrono::milliseconds delay = {});
  void count_unwanted();
  // Runs `then` on the sender's thread, without its lock. Nothing is idle before.
  void after(std::chrono::milliseconds delay, std::function<void()> then);
  // One call beside the deliveries; `done` runs on the sender's thread.
  void fetch(HttpCall call, Transfers::Done done);

  void inject(DeliveryFault fault);
  void clear_faults();
  // Forgets every event, record and figure.
  void reset();

  // True when nothing waits or is under way before the deadline.
  bool wait_idle(std::chrono::steady_clock::time_point deadline);
  DeliveryStats stats() const;
  std::vector<Delivery> log(std::int64_t after = 0) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_WEBHOOK_SENDER_H_
