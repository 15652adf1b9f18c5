#include "gateway/outbound/backoff.h"

#include <algorithm>

namespace gateway::outbound {
namespace {

// How often refused credentials are tried again without anybody changing them.
constexpr std::int64_t kCredentialsPauseMs = 15 * 60'000;

// Hosts remembered by a retry budget; those without a request in the window go first.
constexpr std::size_t kMaxHosts = 4'096;

}  // namespace

std::int64_t uniform_ms(std::int64_t low, std::int64_t high, Rng& rng) {
  return std::uniform_int_distribution<std::int64_t>(low, std::max(low, high))(rng);
}

std::int64_t full_jitter_ms(int n, Rng& rng) {
  const int shift = std::clamp(n, 0, 30);
  return uniform_ms(0, std::min(kBackoffCapMs, kBackoffBaseMs << shift), rng);
}

std::int64_t rate_pause_ms(std::int64_t retry_after_ms) {
  return std::clamp(retry_after_ms, kRateFloorMs, kRateCapMs);
}

SendDecision decide_send(const connector::Fail& failure, int attempt, std::int64_t left_ms,
                         Rng& rng) {
  using connector::Failure;
  using Kind = SendDecision::Kind;
  SendDecision decision;
  switch (failure.code) {
    case Failure::config:
    case Failure::permanent:
      return decision;
    case Failure::unreachable:
      decision.unreachable = true;
      return decision;
    case Failure::uncertain:
      decision.kind = Kind::uncertain;
      return decision;
    case Failure::auth:
      // Not the message's fault: it waits for somebody to repair the channel.
      decision.kind = left_ms > 0 ? Kind::again : Kind::failed;
      decision.credentials_refused = true;
      decision.pause_ms = decision.delay_ms = kCredentialsPauseMs;
      return decision;
    case Failure::rate:
      // Nor is this; the platform says when, and the deadline ends it. The jitter keeps the
      // channel's conversations from all coming back in the same millisecond.
      decision.kind = left_ms > 0 ? Kind::again : Kind::failed;
      decision.pause_ms = rate_pause_ms(failure.retry_after_ms) + uniform_ms(0, 250, rng);
      decision.delay_ms = std::max(decision.pause_ms, full_jitter_ms(attempt - 1, rng));
      return decision;
    case Failure::retry: {
      const std::int64_t most = failure.max_attempts > 0
                                    ? std::min<std::int64_t>(failure.max_attempts, kMaxAttempts)
                                    : kMaxAttempts;
      decision.kind = attempt < most && left_ms > 0 ? Kind::again : Kind::failed;
      decision.delay_ms = std::max(full_jitter_ms(attempt - 1, rng),
                                   std::clamp<std::int64_t>(failure.retry_after_ms, 0, kRateCapMs));
      return decision;
    }
  }
  return decision;
}

std::int64_t Breaker::wait_ms(domain::ChannelId channel, std::int64_t now_ms) {
  const auto found = channels_.find(channel);
  if (found == channels_.end() || found->second.failures < kFailures) return 0;
  State& state = found->second;
  if (state.next_probe_ms > now_ms) return state.next_probe_ms - now_ms;
  state.next_probe_ms = now_ms + kProbeMs;
  return 0;
}

RetryBudget::Second& RetryBudget::second(const std::string& host, std::int64_t now_ms) {
  const std::int64_t number = now_ms / 1'000;
  if (hosts_.size() >= kMaxHosts && hosts_.find(host) == hosts_.end()) {
    std::erase_if(hosts_, [&](const auto& entry) {
      return std::none_of(entry.second.begin(), entry.second.end(),
                          [&](const Second& one) { return one.number > number - kSeconds; });
    });
    if (hosts_.size() >= kMaxHosts) hosts_.clear();
  }
  Second& slot = hosts_[host][static_cast<std::size_t>(number % kSeconds)];
  if (slot.number != number) slot = Second{number, 0, 0};
  return slot;
}

void RetryBudget::first_try(const std::string& host, std::int64_t now_ms) {
  ++second(host, now_ms).requests;
}

std::int64_t RetryBudget::wait_ms(const std::string& host, std::int64_t now_ms) {
  Second& current = second(host, now_ms);
  int requests = 0;
  int repetitions = 0;
  std::int64_t oldest = current.number;  // with a repetition
  for (const Second& one : hosts_[host]) {
    if (one.number <= current.number - kSeconds) continue;
    requests += one.requests;
    repetitions += one.repetitions;
    if (one.repetitions > 0) oldest = std::min(oldest, one.number);
  }
  // With this one.
  if (repetitions + 1 > std::max(limits_.floor, (requests + 1) * limits_.percent / 100)) {
    return (oldest + kSeconds) * 1'000 - now_ms;
  }
  ++current.requests;
  ++current.repetitions;
  return 0;
}

void Breaker::silent(domain::ChannelId channel) { ++channels_[channel].failures; }

}  // namespace gateway::outbound
