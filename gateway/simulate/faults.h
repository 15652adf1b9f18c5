// Trouble on demand, the same for every simulated platform: what goes wrong with the next calls of
// its API and with the next webhook deliveries.
//
// Plain values and small containers without a lock; whoever owns one guards it.
#ifndef GATEWAY_SIMULATE_FAULTS_H_
#define GATEWAY_SIMULATE_FAULTS_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/base/result.h"
#include "gateway/simulate/api_server.h"

namespace gateway::simulate {

// What can be wrong with the next calls of an API.
struct CallFault {
  enum class Kind {
    too_many_requests,  // 429 with `retry_after`; not executed
    server_error,       // 500; not executed
    bad_gateway,        // 502 with a page of HTML; not executed
    slow,               // executed, answered after `delay`
    refuse,             // `status`, `code` and `description`; not executed
    garbage,            // executed, answered 200 with something that is no JSON
    reset_before_body,  // connection reset before the body was read; not executed
    reset_after_body,   // executed, connection reset instead of an answer
    reset_midway,       // executed, connection reset in the middle of the answer
  };
  Kind kind = Kind::server_error;
  int count = 1;
  // Part of what is called: a method of the Bot API, or part of another platform's path. Empty:
  // any.
  std::string method;
  std::string account;  // empty: any
  std::int64_t retry_after = 1;
  std::chrono::milliseconds delay{1'000};
  int status = 403;
  std::int64_t code = 0;  // the platform's own, where it has one; 0: the usual one
  std::string description = "Forbidden: user is deactivated";
};

std::string_view name_of(CallFault::Kind kind);
bool prevents_execution(CallFault::Kind kind);
// What the fault does to the answer of a call that was executed.
void apply(const CallFault& fault, HttpReply& reply);
// 502 as the platforms' front ends answer it.
HttpReply bad_gateway_page();

// The faults that wait for their call. `Fault` is a CallFault or something made of one.
template <class Fault>
class CallFaults {
 public:
  void add(Fault fault) { faults_.push_back(std::move(fault)); }
  void clear() { faults_.clear(); }

  // Uses up one of the first fault that `fits` and strikes at this moment.
  template <class Fits>
  std::optional<Fault> take(bool before_body, Fits&& fits) {
    for (auto at = faults_.begin(); at != faults_.end(); ++at) {
      if ((at->kind == CallFault::Kind::reset_before_body) != before_body || !fits(*at)) continue;
      const Fault fault = *at;
      if (--at->count <= 0) faults_.erase(at);
      return fault;
    }
    return std::nullopt;
  }

 private:
  std::vector<Fault> faults_;
};

// What can be wrong with the next deliveries.
struct DeliveryFault {
  enum class Kind {
    wrong_secret,  // an attempt carries another secret or signature; its retry the right one
    no_secret,     // an attempt carries none
    twice_secret,  // an attempt carries the header twice, the wrong value first
    altered_body,  // an attempt's body is changed behind the signature
    duplicate,     // `copies` of an update at once, beside its queue
    reorder,       // the next `count` updates are held, then leave in a shuffled order
    drop,          // an update never leaves
  };
  Kind kind = Kind::duplicate;
  int count = 1;
  int copies = 2;
};

class DeliveryFaults {
 public:
  void add(const DeliveryFault& fault) { faults_[fault.kind] = fault; }
  void clear() { faults_.clear(); }
  // Uses up one of a fault's count.
  std::optional<DeliveryFault> take(DeliveryFault::Kind kind);
  // The fault of one attempt's proof, if any.
  std::optional<DeliveryFault::Kind> take_proof();
  // How many updates a reorder gathers; 0 without one.
  int reorders() const;
  void end_reorder() { faults_.erase(DeliveryFault::Kind::reorder); }

 private:
  std::map<DeliveryFault::Kind, DeliveryFault> faults_;
};

// What becomes of a new update by the faults: nothing (dropped or held), itself, copies beside it,
// or all that was held, shuffled.
template <class T>
class FaultyDoor {
 public:
  struct Passed {
    T update;
    std::int64_t due_ms = 0;
    bool copy = false;
    bool loose = false;  // beside its queue
  };

  // `dropped` is set where the update is lost.
  std::vector<Passed> pass(DeliveryFaults& faults, T update, std::int64_t due_ms, bool& dropped,
                           std::mt19937_64& random) {
    std::vector<Passed> out;
    dropped = faults.take(DeliveryFault::Kind::drop).has_value();
    if (dropped) return out;
    if (const int wanted = faults.reorders(); wanted > 0) {
      held_.emplace_back(std::move(update), due_ms);
      if (static_cast<int>(held_.size()) < wanted) return out;
      faults.end_reorder();
      return release(random);
    }
    if (const auto fault = faults.take(DeliveryFault::Kind::duplicate)) {
      for (int i = 1; i < fault->copies; ++i) out.push_back({update, due_ms, true, true});
    }
    out.push_back({std::move(update), due_ms, false, false});
    return out;
  }

  // Those held, each beside its queue, so that none waits for another.
  std::vector<Passed> release(std::mt19937_64& random) {
    std::shuffle(held_.begin(), held_.end(), random);
    std::vector<Passed> out;
    for (auto& [update, due_ms] : held_) out.push_back({std::move(update), due_ms, false, true});
    held_.clear();
    return out;
  }

  std::size_t held() const { return held_.size(); }
  void clear() { held_.clear(); }

 private:
  std::vector<std::pair<T, std::int64_t>> held_;
};

// A fault as the control API takes it: {"kind": ..., "count": 1, ...}. "down" stands for itself.
struct Down {};
using AnyFault = std::variant<CallFault, DeliveryFault, Down>;
Result<AnyFault> parse_fault(sdk::json::Value wish);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_FAULTS_H_
