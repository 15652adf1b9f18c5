#include "gateway/auth/visitor_throttle.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gateway/auth/client_ip.h"

namespace gateway::auth {
namespace {

constexpr double kLoopbackRoom = 50;
constexpr double kMinuteMs = 60'000;
// Less than a whole token by no more than what adding up leaves.
constexpr double kWhole = 1 - 1e-9;

}  // namespace

std::optional<std::int64_t> VisitorThrottle::call(std::string_view address) {
  return take_of_address(calls_, address, limits_.calls);
}

std::optional<std::int64_t> VisitorThrottle::new_visitor(std::string_view address) {
  return take_of_address(new_visitors_, address, limits_.new_visitors);
}

std::optional<std::int64_t> VisitorThrottle::anonymous_file(std::string_view address) {
  return take_of_address(anonymous_files_, address, limits_.anonymous_files);
}

std::optional<std::int64_t> VisitorThrottle::event(const Uuid& visitor) {
  return take(events_, visitor.text(), limits_.events, 1);
}

std::optional<std::int64_t> VisitorThrottle::take_of_address(Buckets& buckets,
                                                             std::string_view address,
                                                             const BucketLimits& limits) {
  return take(buckets, network_of(address), limits, is_loopback(address) ? kLoopbackRoom : 1);
}

std::optional<std::int64_t> VisitorThrottle::take(Buckets& buckets, std::string key,
                                                  const BucketLimits& limits, double room) {
  const double per_ms = limits.per_minute * room / kMinuteMs;
  const double burst = limits.burst * room;
  const std::lock_guard lock(mutex_);
  const auto now = clock_.steady_ms();
  auto found = buckets.find(key);
  if (found == buckets.end()) {
    // A full table forgets somebody at random rather than refuse everybody or grow.
    if (buckets.size() >= limits_.entries && !buckets.empty()) buckets.erase(buckets.begin());
    found = buckets.emplace(std::move(key), Bucket{burst, now}).first;
  }
  auto& bucket = found->second;
  bucket.tokens =
      std::min(burst, bucket.tokens + per_ms * static_cast<double>(now - bucket.filled_ms));
  bucket.filled_ms = now;
  if (bucket.tokens < kWhole) {
    return static_cast<std::int64_t>(std::ceil((1 - bucket.tokens) / per_ms));
  }
  bucket.tokens -= 1;
  return std::nullopt;
}

}  // namespace gateway::auth
