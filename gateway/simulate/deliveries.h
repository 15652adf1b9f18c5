// What became of webhook deliveries: one record per attempt, and figures over all.
//
// No lock: whoever delivers owns one and guards it.
#ifndef GATEWAY_SIMULATE_DELIVERIES_H_
#define GATEWAY_SIMULATE_DELIVERIES_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace gateway::simulate {

// One attempt that has ended.
struct Delivery {
  std::int64_t number = 0;
  std::string account;  // bot, phone number, user or mailbox it is for
  std::string id;       // of the update or event
  std::string kind;
  int attempt = 1;
  int status = 0;  // 0: no answer came
  std::string error;
  std::int64_t latency_us = 0;
  std::string answer;  // body, at most 2 KiB
};

struct DeliveryStats {
  std::int64_t updates = 0;       // accepted for delivery, copies not counted
  std::int64_t acknowledged = 0;  // answered as the platform wants it, copies not counted
  std::int64_t attempts = 0;
  std::int64_t dropped = 0;   // by a fault
  std::int64_t expired = 0;   // given up
  std::int64_t unwanted = 0;  // of a kind nobody has asked for
  std::int64_t pending = 0;
  std::map<int, std::int64_t> by_status;
  std::int64_t p50_us = 0;
  std::int64_t p99_us = 0;
  std::int64_t max_us = 0;
};

std::string to_json(const DeliveryStats& stats);

class DeliveryLog {
 public:
  // Numbers and keeps the record; the last 50 000 stay.
  void add(Delivery attempt);
  // Records with a number above `after`, oldest first.
  std::vector<Delivery> since(std::int64_t after) const;
  // The counters with the percentiles filled in.
  DeliveryStats stats() const;
  void clear();

  // The counters but for attempts and by_status, which add() keeps.
  DeliveryStats figures;

 private:
  std::deque<Delivery> records_;
  std::int64_t count_ = 0;
  std::vector<std::int64_t> latencies_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_DELIVERIES_H_
