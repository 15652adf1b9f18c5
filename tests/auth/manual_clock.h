// A clock that stands still until it is told to move.
#ifndef TESTS_AUTH_MANUAL_CLOCK_H_
#define TESTS_AUTH_MANUAL_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "gateway/base/clock.h"

namespace auth_test {

class ManualClock final : public gateway::Clock {
 public:
  std::int64_t now_ms() const override { return now_.load(); }
  std::int64_t steady_ms() const override { return now_.load(); }
  void advance(std::int64_t ms) { now_ += ms; }

 private:
  std::atomic<std::int64_t> now_{1'795'000'000'000};  // 2026-11-18
};

}  // namespace auth_test

#endif  // TESTS_AUTH_MANUAL_CLOCK_H_
