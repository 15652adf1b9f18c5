// Brakes on guessing passwords and on mass registration.
//
// An attempt counts as a failure from the moment it begins and is taken back when it succeeds, so
// that attempts running side by side cannot overshoot. Ten failures within 15 minutes for an
// account, or a hundred from an address, close the door for a minute; each further failure doubles
// the time, up to an hour. An address the owner has logged in from is counted apart from the rest
// of the world, so that strangers' guesses do not lock the owner out.
//
// State is this process's own and bounded. Internally locked; any thread.
#ifndef GATEWAY_AUTH_THROTTLE_H_
#define GATEWAY_AUTH_THROTTLE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/base/clock.h"

namespace gateway::auth {

struct ThrottleLimits {
  int failures_per_account = 10;
  int failures_per_address = 100;
  std::int64_t window_ms = 15 * 60'000;
  std::int64_t first_delay_ms = 60'000;
  std::int64_t longest_delay_ms = 3'600'000;
  int registrations_per_hour = 5;              // per address
  int registrations_per_hour_loopback = 1000;  // from this machine: tests, demos, local tools
  std::size_t entries = 100'000;               // remembered keys, each kind
};

class Throttle {
 public:
  Throttle(const Clock& clock, ThrottleLimits limits) : clock_(clock), limits_(limits) {}

  // Counts an attempt. Absent: go on. Otherwise refused, and the milliseconds to wait. An empty
  // account counts for the address alone.
  std::optional<std::int64_t> begin_attempt(std::string_view account, std::string_view address);
  // The attempt just begun was no failure of the client (right password, or our own fault).
  void take_back(std::string_view account, std::string_view address);
  // The password was right: the account's failures are forgotten and the address is known.
  void succeeded(std::string_view account, std::string_view address);

  std::optional<std::int64_t> begin_registration(std::string_view address);

 private:
  struct Failures {
    int count = 0;
    std::int64_t last_ms = 0;
    std::int64_t blocked_until_ms = 0;
  };
  using Table = std::unordered_map<std::string, Failures>;

  std::string account_key(std::string_view account, std::string_view address) const;
  std::optional<std::int64_t> blocked(Table& table, const std::string& key, std::int64_t now) const;
  void count(Table& table, const std::string& key, int limit, std::int64_t now);
  static void uncount(Table& table, const std::string& key, int limit);

  const Clock& clock_;
  const ThrottleLimits limits_;
  std::mutex mutex_;
  Table accounts_;
  Table addresses_;
  std::unordered_map<std::string, std::deque<std::string>> known_;  // account -> addresses
  std::unordered_map<std::string, std::deque<std::int64_t>> registrations_;
};

}  // namespace gateway::auth

#endif  // GATEWAY_AUTH_THROTTLE_H_
