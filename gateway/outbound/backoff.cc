#include "gateway/outbound/backoff.h"

#include <algorithm>

namespace gateway::outbound {
namespace {

// How often refused credentials are tried again without anybody changing them.
constexpr std::int64_t kCredentialsPauseMs = 15 * 60'000;

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
    case Failure::retry:
      decision.kind = attempt < kMaxAttempts && left_ms > 0 ? Kind::again : Kind::failed;
      decision.delay_ms = full_jitter_ms(attempt - 1, rng);
      return decision;
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

void Breaker::silent(domain::ChannelId channel) { ++channels_[channel].failures; }

}  // namespace gateway::outbound
