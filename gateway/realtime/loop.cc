#include "gateway/realtime/loop_impl.h"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <memory>

#include "gateway/base/log.h"

namespace gateway::realtime {

namespace {

using std::chrono::steady_clock;

// Asio's handlers must be copyable; a Task is not.
struct Work {
  std::shared_ptr<Task<void()>> task;
  void operator()() const { (*task)(); }
};

}  // namespace

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() { stop(); }

void Loop::start() {
  impl_->thread = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "realtime");
    for (;;) {
      try {
        impl_->context.run();
        return;
      } catch (const std::exception& fault) {
        log::error("realtime", "fault on a connection", {{"what", fault.what()}});
      } catch (...) {
        log::error("realtime", "fault on a connection", {{"what", "not a std::exception"}});
      }
    }
  });
}

void Loop::stop() {
  if (!impl_->thread.joinable()) return;
  boost::asio::post(impl_->context, [this] { impl_->context.stop(); });
  impl_->thread.join();
}

void Loop::post(Task<void()> work) {
  boost::asio::post(impl_->context, Work{std::make_shared<Task<void()>>(std::move(work))});
}

bool Loop::on_own_thread() const {
  return impl_->thread.get_id() == std::this_thread::get_id();
}

std::int64_t Loop::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             steady_clock::now().time_since_epoch())
      .count();
}

void Loop::arm() {
  const std::int64_t first = times_.empty() ? INT64_MAX : times_.begin()->first;
  // A timer that fires with nothing due costs less than to move it with each of many.
  if (first >= impl_->armed_ms) return;
  impl_->armed_ms = first;
  impl_->timer.expires_at(steady_clock::time_point(std::chrono::milliseconds(first)));
  impl_->timer.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    impl_->armed_ms = INT64_MAX;
    run_timers();
    arm();
  });
}

void Loop::run_timers() {
  const std::int64_t now = now_ms();
  while (!times_.empty() && times_.begin()->first <= now) {
    Timer& timer = *times_.begin()->second;
    timer.cancel();
    timer.owner_.on_time(now);
  }
}

void Timer::at(std::int64_t steady_ms) {
  if (steady_ms == INT64_MAX) return cancel();
  if (is_set_) {
    if (place_->first <= steady_ms) return;
    auto node = loop_.times_.extract(place_);
    node.key() = steady_ms;
    place_ = loop_.times_.insert(std::move(node));
  } else {
    place_ = loop_.times_.emplace(steady_ms, this);
    is_set_ = true;
  }
  loop_.arm();
}

void Timer::cancel() {
  if (!is_set_) return;
  loop_.times_.erase(place_);
  is_set_ = false;
}

}  // namespace gateway::realtime
