// How many bytes of large answers may be in memory at a time, over all requests. Any thread.
#ifndef GATEWAY_API_BYTE_BUDGET_H_
#define GATEWAY_API_BYTE_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace gateway::api {

class ByteBudget : public std::enable_shared_from_this<ByteBudget> {
 public:
  explicit ByteBudget(std::size_t limit) : limit_(limit) {}

  // False: too many are held already.
  bool take(std::size_t bytes) {
    if (held_.fetch_add(bytes) + bytes <= limit_) return true;
    held_.fetch_sub(bytes);
    return false;
  }
  void give(std::size_t bytes) { held_.fetch_sub(bytes); }
  // A body whose `taken` bytes come back when its last holder lets go of it.
  std::shared_ptr<const std::string> hold(std::string body, std::size_t taken) {
    return {new std::string(std::move(body)),
            [budget = shared_from_this(), taken](const std::string* held) {
              delete held;
              budget->give(taken);
            }};
  }
  std::size_t held() const { return held_; }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> held_{0};
};

}  // namespace gateway::api

#endif  // GATEWAY_API_BYTE_BUDGET_H_
