#include "gateway/auth/throttle.h"

#include <algorithm>

#include "gateway/auth/client_ip.h"

namespace gateway::auth {
namespace {

constexpr std::size_t kKnownAddresses = 8;
constexpr std::int64_t kHourMs = 3'600'000;

// A full table forgets somebody at random rather than refuse everybody or grow.
template <class Map>
void make_room(Map& map, std::size_t entries) {
  while (!map.empty() && map.size() >= entries) map.erase(map.begin());
}

}  // namespace

std::string Throttle::account_key(std::string_view account, std::string_view address) const {
  std::string key(account);
  const auto known = known_.find(key);
  if (known != known_.end() &&
      std::find(known->second.begin(), known->second.end(), address) != known->second.end()) {
    key.append("\n").append(address);
  }
  return key;
}

std::optional<std::int64_t> Throttle::blocked(Table& table, const std::string& key,
                                              std::int64_t now) const {
  const auto found = table.find(key);
  if (found == table.end()) return std::nullopt;
  const auto& failures = found->second;
  if (failures.blocked_until_ms > now) return failures.blocked_until_ms - now;
  if (std::max(failures.last_ms, failures.blocked_until_ms) + limits_.window_ms <= now) {
    table.erase(found);
  }
  return std::nullopt;
}

void Throttle::count(Table& table, const std::string& key, int limit, std::int64_t now) {
  if (!table.contains(key)) make_room(table, limits_.entries);
  auto& failures = table[key];
  failures.last_ms = now;
  if (++failures.count < limit) return;
  auto delay = limits_.first_delay_ms;
  for (int i = limit; i < failures.count && delay < limits_.longest_delay_ms; ++i) delay *= 2;
  failures.blocked_until_ms = now + std::min(delay, limits_.longest_delay_ms);
}

void Throttle::uncount(Table& table, const std::string& key, int limit) {
  const auto found = table.find(key);
  if (found == table.end()) return;
  if (--found->second.count <= 0) {
    table.erase(found);
  } else if (found->second.count < limit) {
    found->second.blocked_until_ms = 0;
  }
}

std::optional<std::int64_t> Throttle::begin_attempt(std::string_view account,
                                                    std::string_view address) {
  const auto net = network_of(address);
  const std::lock_guard lock(mutex_);
  const auto now = clock_.steady_ms();
  if (const auto wait = blocked(addresses_, net, now)) return wait;
  if (account.empty()) {
    count(addresses_, net, limits_.failures_per_address, now);
    return std::nullopt;
  }
  const auto key = account_key(account, net);
  if (const auto wait = blocked(accounts_, key, now)) return wait;
  count(addresses_, net, limits_.failures_per_address, now);
  count(accounts_, key, limits_.failures_per_account, now);
  return std::nullopt;
}

void Throttle::take_back(std::string_view account, std::string_view address) {
  const auto net = network_of(address);
  const std::lock_guard lock(mutex_);
  uncount(addresses_, net, limits_.failures_per_address);
  if (!account.empty()) {
    uncount(accounts_, account_key(account, net), limits_.failures_per_account);
  }
}

void Throttle::succeeded(std::string_view account, std::string_view address) {
  const auto net = network_of(address);
  const std::lock_guard lock(mutex_);
  uncount(addresses_, net, limits_.failures_per_address);
  // From an unknown address the attempt was counted with those of the world; these stay, or a
  // guesser could be helped by the owner's own logins. Only the one attempt is taken back.
  const auto key = account_key(account, net);
  const std::string plain(account);
  if (key != plain) {
    accounts_.erase(key);
    return;
  }
  uncount(accounts_, plain, limits_.failures_per_account);
  if (!known_.contains(plain)) make_room(known_, limits_.entries);
  auto& addresses = known_[plain];
  addresses.push_back(net);
  if (addresses.size() > kKnownAddresses) addresses.pop_front();
}

std::optional<std::int64_t> Throttle::begin_registration(std::string_view address) {
  const auto net = network_of(address);
  const auto limit =
      static_cast<std::size_t>(is_loopback(address) ? limits_.registrations_per_hour_loopback
                                                    : limits_.registrations_per_hour);
  const std::lock_guard lock(mutex_);
  const auto now = clock_.steady_ms();
  if (!registrations_.contains(net)) make_room(registrations_, limits_.entries);
  auto& times = registrations_[net];
  while (!times.empty() && times.front() + kHourMs <= now) times.pop_front();
  if (times.size() >= limit) return times.empty() ? kHourMs : times.front() + kHourMs - now;
  times.push_back(now);
  return std::nullopt;
}

}  // namespace gateway::auth
