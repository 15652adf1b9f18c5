#include "gateway/realtime/gate.h"

#include <algorithm>

#include "gateway/auth/client_ip.h"

namespace gateway::realtime {

namespace {

constexpr std::int64_t kSweepMs = 1'000;

}  // namespace

Gate::Answer Gate::enter(const std::string& network, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (sessions_ >= limits_.sessions) return Answer::full;
  auto found = networks_.find(network);
  if (found == networks_.end()) {
    if (networks_.size() >= limits_.networks) forget_idle(now_ms);
    if (networks_.size() >= limits_.networks) return Answer::full;
    found = networks_.emplace(network, Network{}).first;
    found->second.room = auth::is_loopback(network) ? limits_.loopback_room : 1;
    found->second.tokens = limits_.handshake_burst * found->second.room;
    found->second.filled_ms = now_ms;
  }
  auto& entry = found->second;
  if (static_cast<double>(entry.sessions) >=
      static_cast<double>(limits_.sessions_per_network) * entry.room) {
    return Answer::too_many_sessions;
  }
  entry.tokens = tokens_at(entry, now_ms);
  entry.filled_ms = now_ms;
  if (entry.tokens < 1) return Answer::too_many_handshakes;
  entry.tokens -= 1;
  ++entry.sessions;
  ++sessions_;
  return Answer::welcome;
}

void Gate::leave(const std::string& network) {
  const std::lock_guard lock(mutex_);
  const auto found = networks_.find(network);
  if (found == networks_.end() || found->second.sessions == 0) return;
  --found->second.sessions;
  --sessions_;
}

void Gate::add(const std::string& sid) {
  const std::lock_guard lock(mutex_);
  sids_.insert(sid);
}

void Gate::remove(const std::string& sid) {
  const std::lock_guard lock(mutex_);
  sids_.erase(sid);
}

bool Gate::knows(const std::string& sid) const {
  const std::lock_guard lock(mutex_);
  return sids_.contains(sid);
}

std::size_t Gate::sessions() const {
  const std::lock_guard lock(mutex_);
  return sessions_;
}

double Gate::tokens_at(const Network& network, std::int64_t now_ms) const {
  const auto passed = static_cast<double>(std::max<std::int64_t>(now_ms - network.filled_ms, 0));
  return std::min(limits_.handshake_burst * network.room,
                  network.tokens + passed * limits_.handshakes_per_minute * network.room / 60'000);
}

// Those who have no session and would get a full bucket anyway.
void Gate::forget_idle(std::int64_t now_ms) {
  if (swept_ms_ != INT64_MIN && now_ms - swept_ms_ < kSweepMs) return;
  swept_ms_ = now_ms;
  std::erase_if(networks_, [&](const auto& entry) {
    return entry.second.sessions == 0 && tokens_at(entry.second, now_ms) >= limits_.handshake_burst;
  });
}

}  // namespace gateway::realtime
