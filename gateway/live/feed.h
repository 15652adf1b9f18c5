// Follows the log of events (realtime_event), of this gateway and of the others on its database.
//
// A transaction writes its events beside what they are about and rings behind its commit. The
// feed's thread wakes, reads what is new and hands it on, and tells the other gateways by NOTIFY on
// its own connection, at most every 20 ms: a NOTIFY inside the business's transactions would make
// their commits wait for each other. Whoever misses a doorbell looks once a second.
//
// Numbers of the log are taken before they are committed, so one may appear behind a later one:
// what was passed over (10 000 numbers at a time) is looked for again, until every transaction that
// may have taken it is over. Each event is handed on once.
//
// Signals are news that nobody stores (somebody types): to the other gateways, best effort.
//
// start and stop from one thread, the rest from any. Callbacks come on the feed's thread.
#ifndef GATEWAY_LIVE_FEED_H_
#define GATEWAY_LIVE_FEED_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/live/heard.h"
#include "gateway/store/live.h"

namespace gateway::live {

struct FeedOptions {
  store::SessionOptions session;
  std::string node;  // names this gateway among those of its database
  std::chrono::milliseconds look_every{1'000};
  std::chrono::milliseconds doorbell_every{20};
  std::chrono::milliseconds after_trouble{250};  // with the database
  // A number is taken a moment before its transaction counts as one that writes.
  std::int64_t patience_ms = 2'000;
  std::size_t queued_signals = 1'000;
};

class Feed {
 public:
  static constexpr std::size_t kMaxSignal = 7'000;  // bytes; Postgres takes less than 8000

  struct Callbacks {
    // False: nobody listens here, so nothing is read.
    std::function<bool()> is_wanted;
    // Answers what says them, which must not wait: called for each in its turn, with the place that
    // whoever has heard it has reached. Nothing: the database did not answer, and they are handed
    // on again.
    using Say = std::function<void(const store::LiveEvent&, const Place&)>;
    std::function<Say(store::Session&, std::span<const store::LiveEvent>)> on_events;
    std::function<void(std::string_view)> on_signal;  // of another gateway
    std::function<void(store::Session&)> on_look;     // about once a second
  };

  Feed(FeedOptions options, const Clock& clock, Metrics& metrics, Callbacks callbacks);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  Result<> start();
  void stop();

  // Something was committed.
  void ring() noexcept;
  // Returns when everything that is committed from now on will be handed on; false where the
  // database does not answer in time.
  bool arm(std::chrono::milliseconds patience);
  // Where an armed feed has got to, once it has said the event `at_least` and all that is committed
  // by now. Nothing is said while `listen` runs: what the place has was said before, and all else
  // will be said behind it. Absent: it did not get there in time.
  std::optional<Place> place(std::int64_t at_least, std::chrono::milliseconds patience,
                             const std::function<void()>& listen);
  // Dropped where too many wait, or where it is longer than kMaxSignal.
  void signal(std::string text);

 private:
  void run();
  void wake() noexcept;
  bool read(store::Session& db);
  bool find_place(store::Session& db);
  bool tell_others(store::Session& db, bool rung);
  void note(std::int64_t seq, std::int64_t now_ms);
  bool is_missing_lately() const;
  void give_up(const store::OpenTransactions& open, std::int64_t now_ms);

  const FeedOptions options_;
  const Clock& clock_;
  const Callbacks callbacks_;
  const int wake_fd_;
  Counter& read_counter_;
  Gauge& lag_gauge_;
  std::atomic<bool> rung_{false};
  // Nobody listens, here or on another gateway: bells are not heard.
  std::atomic<bool> deaf_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable armed_;
  std::condition_variable stopped_;
  bool is_armed_ = false;
  int wants_place_ = 0;
  std::vector<std::string> signals_;

  // Written by the thread alone.
  std::mutex place_mutex_;
  std::condition_variable moved_;
  Place place_;                     // what was handed on
  std::uint64_t rounds_begun_ = 0;  // of reading all that there is
  std::uint64_t rounds_ended_ = 0;

  // The thread's own.
  struct Missed {
    std::int64_t since_ms = 0;
    std::optional<std::int64_t> until;  // no transaction before this one is open: never committed
  };
  std::map<std::int64_t, Missed> missed_;  // place_.open
  bool others_ = true;
  std::int64_t counted_others_ms_ = INT64_MIN;
  std::int64_t told_ms_ = INT64_MIN;
  bool untold_ = false;
};

}  // namespace gateway::live

#endif  // GATEWAY_LIVE_FEED_H_
