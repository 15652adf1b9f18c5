#include "gateway/store/workers.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "gateway/base/log.h"

namespace gateway::store {

struct Workers::Impl {
  std::string name;
  std::size_t capacity;
  mutable std::mutex mutex;
  std::condition_variable ready;
  std::deque<Job> queue;
  bool stopping = false;
  std::vector<std::thread> threads;

  void work(SessionOptions options) {
    Session session(std::move(options));
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex);
        ready.wait(lock, [&] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        job = std::move(queue.front());
        queue.pop_front();
      }
      // A fence: one job's fault must not end the thread that serves the others.
      try {
        job(session);
      } catch (const std::exception& fault) {
        log::error("store", "a job failed", {{"pool", name}, {"fault", fault.what()}});
        session.disconnect();
      }
    }
  }
};

Workers::Workers(std::string name, int threads, std::size_t queue_capacity, SessionOptions options)
    : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->capacity = queue_capacity;
  for (int i = 0; i < threads; ++i) {
    impl_->threads.emplace_back([this, options] { impl_->work(options); });
  }
}

Workers::~Workers() { stop(); }

void Workers::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->ready.notify_all();
  for (auto& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

bool Workers::post(Job&& job) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->capacity) return false;
    impl_->queue.push_back(std::move(job));
  }
  impl_->ready.notify_one();
  return true;
}

std::size_t Workers::queued() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->queue.size();
}

}  // namespace gateway::store
