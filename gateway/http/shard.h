// What one reactor thread has for itself: its inbox, its clock, and the way to its driver; and the
// Edge, which all shards of one server share.
//
// post is for any thread and outlives the server: a Reply that comes too late finds the inbox
// closed. Everything else belongs to the reactor's thread.
#ifndef GATEWAY_HTTP_SHARD_H_
#define GATEWAY_HTTP_SHARD_H_

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/http/message.h"
#include "gateway/http/server.h"

namespace gateway::http {

class Conn;
class Driver;

// A descriptor with one owner.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Why a request or a connection was turned away.
enum class Refused { framing, size, timeout, busy, connections };

// The counters of the edge, made once.
class Instruments {
 public:
  explicit Instruments(Metrics& metrics);
  Counter& dropped;
  Gauge& connections;
  void count_answer(int status) { answers_[static_cast<std::size_t>(status / 100 % 6)]->add(); }
  void count_refusal(Refused reason) { refusals_[static_cast<std::size_t>(reason)]->add(); }

 private:
  std::array<Counter*, 6> answers_{};
  std::array<Counter*, 5> refusals_{};
};

// Shared by the shards of one server. Constant once they run, or atomic.
struct Edge {
  Edge(App& a, const Limits& l, Metrics& metrics) : app(a), limits(l), instruments(metrics) {}

  App& app;  // not touched any more once the reactors have ended
  const Limits limits;
  int highest_fd = 0;  // of a connection; those above are kept for the rest of the process
  Instruments instruments;
  SystemClock clock;
  std::atomic<std::size_t> buffered{0};  // request bytes held, see Limits::buffered_bytes
  std::atomic<std::size_t> large_buffered{0};
  std::atomic<std::size_t> connections{0};  // accepted and not yet closed or handed over
  std::atomic<std::size_t> cut_off{0};      // requests that were not answered when it ended
  std::atomic<bool> listening{false};
  std::atomic<bool> draining{false};

  bool is_full(int fd) const {
    return limits.connections > 0 ? connections.load() >= limits.connections : fd > highest_fd;
  }

  // Waits for the last connection; both conditions are announced here.
  std::mutex mutex;
  std::condition_variable ended;
  void announce() {
    const std::lock_guard lock(mutex);
    ended.notify_all();
  }
};

class Shard : public std::enable_shared_from_this<Shard> {
 public:
  struct Item {
    enum class Kind {
      kick,    // nothing but a turn of the reactor
      adopt,   // a connection accepted elsewhere: `fd` from `peer`
      go_on,   // the rest of a pipeline that had had its share of a turn
      answer,  // `response` to request `number` of `conn`
      drop,    // the same, for a Reply destroyed unanswered
    };
    Kind kind = Kind::kick;
    std::shared_ptr<Conn> conn;
    std::uint64_t number = 0;
    Response response;
    UniqueFd fd;
    std::string peer;
  };

  explicit Shard(std::shared_ptr<Edge> edge);

  // Any thread. Rings only if the inbox was empty; after close the item is forgotten.
  void post(Item item);
  bool on_own_thread() const { return thread_ == std::this_thread::get_id(); }
  // Readable when there is something in the inbox.
  int bell() const { return bell_.get(); }

  // The reactor's thread from here on.
  void enter(Driver& driver);
  void run_inbox();
  void read_clock();
  void close();

  Edge& edge() { return *edge_; }
  Driver& driver() { return *driver_; }
  std::int64_t now_ms() const { return now_ms_; }
  // The value of the Date header.
  std::string_view date() const { return date_; }

 private:
  const std::shared_ptr<Edge> edge_;
  const UniqueFd bell_;
  std::mutex mutex_;
  std::vector<Item> inbox_;  // guarded by mutex_
  bool closed_ = false;      // guarded by mutex_

  std::atomic<std::thread::id> thread_{};
  Driver* driver_ = nullptr;
  std::vector<Item> working_;
  std::int64_t now_ms_ = 0;
  std::int64_t date_second_ = -1;
  std::string date_;
};

}  // namespace gateway::http

#endif  // GATEWAY_HTTP_SHARD_H_
