// The one thread of live traffic: an Asio io_context with its timers.
//
// post is for any thread; timers belong to the loop's. Owned by whoever started it; the thread ends
// in stop or the destructor. Asio stays in loop.cc and websocket.cc.
#ifndef GATEWAY_REALTIME_LOOP_H_
#define GATEWAY_REALTIME_LOOP_H_

#include <cstdint>
#include <map>
#include <memory>

#include "gateway/base/task.h"

namespace gateway::realtime {

class Timer;

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void start();
  // Runs what was posted before, then ends the thread. Not from the loop's own thread.
  void stop();
  // Any thread; in the order of posting. Behind stop the work is only destroyed.
  void post(Task<void()> work);
  bool on_own_thread() const;
  // Of a steady clock. Any thread.
  std::int64_t now_ms() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  friend class Timer;
  using Times = std::multimap<std::int64_t, Timer*>;
  void arm();
  void run_timers();

  Times times_;
  const std::unique_ptr<Impl> impl_;
};

class Timed {
 public:
  virtual ~Timed() = default;
  // It is that late, or a little earlier than asked last: look at the clock and set the timer
  // again.
  virtual void on_time(std::int64_t now_ms) = 0;
};

// Calls its owner at a point of time.
class Timer {
 public:
  Timer(Loop& loop, Timed& owner) : loop_(loop), owner_(owner) {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // At `steady_ms` at the latest: a timer that is due earlier stays as it is, because most are
  // moved further into the future again and again. INT64_MAX: not at all.
  void at(std::int64_t steady_ms);
  void cancel();

 private:
  friend class Loop;
  Loop& loop_;
  Timed& owner_;
  bool is_set_ = false;
  Loop::Times::iterator place_{};
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_LOOP_H_
