#include "gateway/simulate/deliveries.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "connectors/sdk/json.h"

namespace gateway::simulate {
namespace {

constexpr std::size_t kRecordsKept = 50'000;
constexpr std::size_t kLatenciesKept = 1'000'000;
constexpr std::size_t kAnswerKept = 2'048;

std::int64_t percentile(std::vector<std::int64_t>& values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

}  // namespace

std::string to_json(const DeliveryStats& stats) {
  sdk::json::Writer writer;
  writer.object().member("updates", stats.updates).member("acknowledged", stats.acknowledged);
  writer.member("attempts", stats.attempts).member("pending", stats.pending);
  writer.member("dropped", stats.dropped).member("expired", stats.expired);
  writer.member("unwanted", stats.unwanted).member("p50_us", stats.p50_us);
  writer.member("p99_us", stats.p99_us).member("max_us", stats.max_us).key("by_status").object();
  for (const auto& [status, count] : stats.by_status) {
    writer.member(std::to_string(status), count);
  }
  return writer.end().end().take();
}

void DeliveryLog::add(Delivery attempt) {
  ++figures.attempts;
  ++figures.by_status[attempt.status];
  if (latencies_.size() < kLatenciesKept) latencies_.push_back(attempt.latency_us);
  attempt.number = ++count_;
  attempt.answer.resize(std::min(attempt.answer.size(), kAnswerKept));
  records_.push_back(std::move(attempt));
  if (records_.size() > kRecordsKept) records_.pop_front();
}

std::vector<Delivery> DeliveryLog::since(std::int64_t after) const {
  std::vector<Delivery> out;
  for (const Delivery& record : records_) {
    if (record.number > after) out.push_back(record);
  }
  return out;
}

DeliveryStats DeliveryLog::stats() const {
  DeliveryStats stats = figures;
  std::vector<std::int64_t> values = latencies_;
  stats.p50_us = percentile(values, 0.5);
  stats.p99_us = percentile(values, 0.99);
  stats.max_us = percentile(values, 1);
  return stats;
}

void DeliveryLog::clear() {
  records_.clear();
  latencies_.clear();
  figures = {};
}

}  // namespace gateway::simulate
