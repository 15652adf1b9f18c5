// UUIDs (RFC 9562): parse, print, and version 7, whose 48 leading bits are milliseconds, so that
// new rows land beside each other in an index and ids sort by arrival.
//
// Values. `Uuid7` is internally locked and may be shared by all threads.
#ifndef GATEWAY_BASE_UUID_H_
#define GATEWAY_BASE_UUID_H_

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/clock.h"

namespace gateway {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  bool is_nil() const { return *this == Uuid{}; }
  // 36 characters, lower case.
  std::string text() const;
  // Accepts exactly the 36-character form in either case.
  static std::optional<Uuid> parse(std::string_view text);
};

// Makes version 7 ids, strictly rising within one generator even inside a millisecond.
class Uuid7 {
 public:
  explicit Uuid7(const Clock& clock) : clock_(clock) {}
  Uuid next();

 private:
  const Clock& clock_;
  std::mutex mutex_;
  std::int64_t last_ms_ = 0;
  std::uint16_t counter_ = 0;
};

}  // namespace gateway

template <>
struct std::hash<gateway::Uuid> {
  std::size_t operator()(const gateway::Uuid& id) const noexcept;
};

#endif  // GATEWAY_BASE_UUID_H_
