#include "gateway/api/readiness.h"

#include <chrono>
#include <limits>
#include <utility>

namespace gateway::api {
namespace {

constexpr std::chrono::milliseconds kPeriod{300};
constexpr std::chrono::milliseconds kDeadline{400};
constexpr std::int64_t kFreshMs = 950;

}  // namespace

Readiness::Readiness(store::SessionOptions database, const Clock& clock)
    : clock_(clock),
      answered_ms_(std::numeric_limits<std::int64_t>::min() / 2),
      thread_([this, options = std::move(database)]() mutable { watch(std::move(options)); }) {}

Readiness::~Readiness() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

bool Readiness::database_answers() const {
  return clock_.steady_ms() - answered_ms_.load() < kFreshMs;
}

void Readiness::watch(store::SessionOptions database) {
  static constexpr const char* kAsk = "select not pg_is_in_recovery()";
  database.deadline = kDeadline;
  database.statement_timeout = kDeadline;
  store::Session db(std::move(database));
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const auto asked_ms = clock_.steady_ms();
    const auto rows = db.run(store::Scope::none(), store::Query{kAsk, {}});
    if (rows && !rows->empty() && rows->boolean(0, 0)) {
      answered_ms_.store(asked_ms);
    } else {
      answered_ms_.store(std::numeric_limits<std::int64_t>::min() / 2);
    }
    lock.lock();
    stop_.wait_for(lock, kPeriod, [this] { return stopping_; });
  }
}

}  // namespace gateway::api
