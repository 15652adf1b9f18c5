// The outbound thread's own: tasks posted to it, timers, and database work that is done elsewhere
// and continues here. Nothing on this thread waits for Postgres, so a slow database cannot make
// calls to platforms time out.
//
// post and the completion of database work come from any thread; the rest belongs to the thread
// that runs the loop.
#ifndef GATEWAY_OUTBOUND_LOOP_H_
#define GATEWAY_OUTBOUND_LOOP_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "gateway/base/clock.h"
#include "gateway/base/task.h"
#include "gateway/outbound/http_client.h"
#include "gateway/store/workers.h"

namespace gateway::outbound {

class Loop {
 public:
  Loop(const Clock& clock, HttpClient& http) : clock_(clock), http_(http) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // The pool that database work is done by; must be told before the first query.
  void use(store::Workers& workers) { workers_ = &workers; }

  void post(Task<void()> task);
  void after(std::int64_t ms, Task<void()> task);

  // `work` runs on a database thread, `then` with its result on this one.
  template <class T>
  void query(Task<Result<T>(store::Session&)> work, Task<void(Result<T>)> then) {
    ++queries_;
    start_query([this, work = std::move(work), then = std::move(then)](store::Session& db) mutable {
      // A fault on the database thread must reach the continuation too: it holds a lease.
      Result<T> result = fail(Errc::internal, "a database job failed");
      try {
        result =
            abandoned_ ? Result<T>(fail(Errc::unavailable, "the gateway is stopping")) : work(db);
      } catch (const std::exception&) {
        db.disconnect();
      }
      post([this, then = std::move(then), result = std::move(result)]() mutable {
        --queries_;
        then(std::move(result));
      });
    });
  }

  // Runs what is due, and waits for more at most `wait_ms`.
  void turn(std::int64_t wait_ms);
  void wake() { http_.wake(); }
  // Database work that has not begun is not done any more: its continuation gets unavailable.
  void abandon() { abandoned_ = true; }
  // Database work that has not continued yet.
  int queries() const { return queries_; }

 private:
  void start_query(store::Workers::Job job);
  void run_guarded(Task<void()>& task);

  const Clock& clock_;
  HttpClient& http_;
  store::Workers* workers_ = nullptr;
  std::mutex mutex_;
  std::deque<Task<void()>> posted_;  // guarded by mutex_
  std::multimap<std::int64_t, Task<void()>> timers_;
  int queries_ = 0;
  std::atomic<bool> abandoned_{false};
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_LOOP_H_
