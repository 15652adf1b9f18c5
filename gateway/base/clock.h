// Time as a parameter: logic takes a Clock, so that tests and simulators decide what time it is.
#ifndef GATEWAY_BASE_CLOCK_H_
#define GATEWAY_BASE_CLOCK_H_

#include <cstdint>
#include <string>

namespace gateway {

// Const methods may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ms() const = 0;     // wall clock, milliseconds since 1970 UTC
  virtual std::int64_t steady_ms() const = 0;  // never goes back; only differences mean something
};

class SystemClock final : public Clock {
 public:
  std::int64_t now_ms() const override;
  std::int64_t steady_ms() const override;
};

// "2026-11-21T09:30:00Z": whole seconds, UTC, as the public API writes times.
std::string iso8601(std::int64_t unix_ms);

}  // namespace gateway

#endif  // GATEWAY_BASE_CLOCK_H_
