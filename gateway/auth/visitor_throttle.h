// How fast the visitors of web pages may call: their routes need no account, so only the address
// and the visitor can be counted.
//
// Each key has a bucket of tokens that fills with time; a call takes one. An address counts by its
// network (auth/client_ip.h). Loopback has fifty times the room: tests, demos, local tools.
//
// State is this process's own and bounded. Internally locked; any thread.
#ifndef GATEWAY_AUTH_VISITOR_THROTTLE_H_
#define GATEWAY_AUTH_VISITOR_THROTTLE_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/base/clock.h"
#include "gateway/base/uuid.h"

namespace gateway::auth {

struct BucketLimits {
  double per_minute = 60;
  double burst = 60;
};

struct VisitorLimits {
  BucketLimits calls{1'200, 200};        // of an address, all of them
  BucketLimits new_visitors{20, 40};     // of an address
  BucketLimits anonymous_files{10, 10};  // of an address: uploads without a token
  BucketLimits events{600, 30};          // of a visitor: messages, ratings, uploads
  std::size_t entries = 100'000;         // remembered keys, each kind
};

class VisitorThrottle {
 public:
  VisitorThrottle(const Clock& clock, VisitorLimits limits) : clock_(clock), limits_(limits) {}

  // Absent: go on. Otherwise refused, and the milliseconds to wait.
  std::optional<std::int64_t> call(std::string_view address);
  std::optional<std::int64_t> new_visitor(std::string_view address);
  std::optional<std::int64_t> anonymous_file(std::string_view address);
  std::optional<std::int64_t> event(const Uuid& visitor);

 private:
  struct Bucket {
    double tokens = 0;
    std::int64_t filled_ms = 0;
  };
  using Buckets = std::unordered_map<std::string, Bucket>;
  std::optional<std::int64_t> take(Buckets& buckets, std::string key, const BucketLimits& limits,
                                   double room);
  std::optional<std::int64_t> take_of_address(Buckets& buckets, std::string_view address,
                                              const BucketLimits& limits);

  const Clock& clock_;
  const VisitorLimits limits_;
  std::mutex mutex_;
  Buckets calls_, new_visitors_, anonymous_files_, events_;
};

}  // namespace gateway::auth

#endif  // GATEWAY_AUTH_VISITOR_THROTTLE_H_
