#include "gateway/outbound/loop.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "gateway/base/log.h"

namespace gateway::outbound {
namespace {

constexpr std::int64_t kQueueFullMs = 20;

}  // namespace

void Loop::post(Task<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  http_.wake();
}

void Loop::after(std::int64_t ms, Task<void()> task) {
  timers_.emplace(clock_.steady_ms() + std::max<std::int64_t>(ms, 0), std::move(task));
}

void Loop::start_query(store::Workers::Job job) {
  if (workers_->post(std::move(job))) return;
  // A job that was not taken is as it was.
  after(kQueueFullMs, [this, job = std::move(job)]() mutable {  // NOLINT(bugprone-use-after-move)
    start_query(std::move(job));
  });
}

void Loop::run_guarded(Task<void()>& task) {
  // A fence: one conversation's fault must not end the thread that serves all others. Its lease
  // runs out and the database decides what became of it.
  try {
    task();
  } catch (const std::exception& fault) {
    log::error("outbound", "a task failed", {{"fault", fault.what()}});
  }
}

void Loop::turn(std::int64_t wait_ms) {
  std::deque<Task<void()>> posted;
  {
    const std::lock_guard lock(mutex_);
    posted.swap(posted_);
  }
  for (auto& task : posted) run_guarded(task);
  while (!timers_.empty() && timers_.begin()->first <= clock_.steady_ms()) {
    Task<void()> task = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    run_guarded(task);
  }
  std::int64_t wait = posted.empty() ? wait_ms : 0;
  if (!timers_.empty()) wait = std::min(wait, timers_.begin()->first - clock_.steady_ms());
  try {
    http_.poll(std::chrono::milliseconds(std::max<std::int64_t>(wait, 0)));
  } catch (const std::exception& fault) {
    log::error("outbound", "a call's completion failed", {{"fault", fault.what()}});
  }
}

}  // namespace gateway::outbound
