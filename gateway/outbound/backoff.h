// When to try again. Pure functions of their arguments; randomness comes from the caller.
#ifndef GATEWAY_OUTBOUND_BACKOFF_H_
#define GATEWAY_OUTBOUND_BACKOFF_H_

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "connectors/sdk/values.h"
#include "gateway/domain/ids.h"

namespace gateway::outbound {

using Rng = std::mt19937_64;

inline constexpr std::int64_t kBackoffBaseMs = 2'000;
inline constexpr std::int64_t kBackoffCapMs = 15 * 60'000;
inline constexpr std::int64_t kRateCapMs = 60 * 60'000;
inline constexpr std::int64_t kRateFloorMs = 1'000;
inline constexpr int kMaxAttempts = 12;

// Uniform in [low, high].
std::int64_t uniform_ms(std::int64_t low, std::int64_t high, Rng& rng);
// Full jitter: U(0, min(15 min, 2 s * 2^n)) before the (n+1)-th repetition.
std::int64_t full_jitter_ms(int n, Rng& rng);
// What a platform asked for, within [1 s, 1 h]; garbage below is a second, above is an hour.
std::int64_t rate_pause_ms(std::int64_t retry_after_ms);

// What to do about a message whose attempt failed.
struct SendDecision {
  enum class Kind { again, failed, uncertain };
  Kind kind = Kind::failed;
  std::int64_t delay_ms = 0;
  std::int64_t pause_ms = 0;  // of the whole channel
  bool credentials_refused = false;
  bool unreachable = false;
};
// `attempt` counts from 1; `left_ms` is the time until the message's deadline.
SendDecision decide_send(const connector::Fail& failure, int attempt, std::int64_t left_ms,
                         Rng& rng);

// A platform that does not answer must not occupy what others need: after ten failures in a row a
// channel is tried by one call every five seconds until one is answered. Thread-confined.
class Breaker {
 public:
  static constexpr int kFailures = 10;
  static constexpr std::int64_t kProbeMs = 5'000;

  // 0: go. Otherwise how long to leave the channel alone.
  std::int64_t wait_ms(domain::ChannelId channel, std::int64_t now_ms);
  void answered(domain::ChannelId channel) { channels_.erase(channel); }
  void silent(domain::ChannelId channel);

 private:
  struct State {
    int failures = 0;
    std::int64_t next_probe_ms = 0;
  };
  std::map<domain::ChannelId, State> channels_;
};

// Repeating must not double the load of a host that is in trouble: of the requests to a host within
// ten seconds at most a fifth may be repetitions, or ten where that is more. Thread-confined.
class RetryBudget {
 public:
  static constexpr int kSeconds = 10;
  struct Limits {
    int floor = 10;
    int percent = 20;
  };
  RetryBudget() = default;
  explicit RetryBudget(Limits limits) : limits_(limits) {}

  void first_try(const std::string& host, std::int64_t now_ms);
  // 0: go, and counted. Otherwise how long the repetition has to wait before it may ask again.
  std::int64_t wait_ms(const std::string& host, std::int64_t now_ms);

 private:
  struct Second {
    std::int64_t number = -1;  // since the clock's start
    int requests = 0;
    int repetitions = 0;
  };
  using Window = std::array<Second, kSeconds>;
  Second& second(const std::string& host, std::int64_t now_ms);

  Limits limits_;
  std::map<std::string, Window> hosts_;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_BACKOFF_H_
