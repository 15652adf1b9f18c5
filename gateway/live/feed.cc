#include "gateway/live/feed.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "gateway/base/log.h"

namespace gateway::live {
namespace {

constexpr int kPage = 500;
constexpr std::size_t kMaxMissing = 10'000;
// How far back the numbers may reach that were taken and not committed when the feed began.
constexpr std::int64_t kLookBack = 1'000;
constexpr std::int64_t kCountOthersMs = 5'000;
constexpr std::chrono::milliseconds kWhileMissing{50};
constexpr const char* kDoorbell = "backchannel_events";
constexpr const char* kSignals = "backchannel_signals";

store::SessionOptions listening(store::SessionOptions options) {
  options.listens = {kDoorbell, kSignals};
  return options;
}

}  // namespace

Feed::Feed(FeedOptions options, const Clock& clock, Metrics& metrics, Callbacks callbacks)
    : options_(std::move(options)),
      clock_(clock),
      callbacks_(std::move(callbacks)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      read_counter_(metrics.counter("backchannel_live_events_total",
                                    "Events of the log that were handed on to live clients")),
      lag_gauge_(
          metrics.gauge("backchannel_live_missing_events",
                        "Numbers of the log of events that were passed over and are awaited")) {}

Feed::~Feed() {
  stop();
  if (wake_fd_ >= 0) close(wake_fd_);
}

Result<> Feed::start() {
  if (wake_fd_ < 0) return fail(Errc::unavailable, "no eventfd for the live feed");
  thread_ = std::thread([this] { run(); });
  return {};
}

void Feed::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  wake();
  thread_.join();
}

void Feed::wake() noexcept {
  const std::uint64_t one = 1;
  // Full means that it is readable already.
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);
}

void Feed::ring() noexcept {
  if (!deaf_ && !rung_.exchange(true)) wake();
}

bool Feed::arm(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (is_armed_) return true;
  ++wants_place_;
  wake();
  const bool done = armed_.wait_for(lock, patience, [&] { return is_armed_; });
  --wants_place_;
  return done;
}

std::optional<Place> Feed::place(std::int64_t at_least, std::chrono::milliseconds patience,
                                 const std::function<void()>& listen) {
  std::unique_lock lock(place_mutex_);
  // A round that has begun may have looked already.
  const auto round = rounds_begun_ + 1;
  wake();
  if (!moved_.wait_for(lock, patience,
                       [&] { return rounds_ended_ >= round && place_.last >= at_least; })) {
    return std::nullopt;
  }
  listen();
  return place_;
}

void Feed::signal(std::string text) {
  if (text.size() > kMaxSignal) return;
  {
    const std::lock_guard lock(mutex_);
    if (signals_.size() >= options_.queued_signals) return;
    signals_.push_back(std::move(text));
  }
  wake();
}

void Feed::run() {
  store::Session db(listening(options_.session));
  bool in_trouble = false;
  std::int64_t looked_ms = 0;
  while (!stopping_) {
    auto timeout = options_.look_every;
    if (is_missing_lately()) timeout = std::min(timeout, kWhileMissing);
    if (untold_) timeout = std::min(timeout, options_.doorbell_every);
    if (in_trouble) {
      timeout = options_.after_trouble;
      std::unique_lock lock(mutex_);
      if (stopped_.wait_for(lock, timeout, [this] { return stopping_.load(); })) break;
    }
    auto notices = db.wait(wake_fd_, timeout);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto drained = ::read(wake_fd_, &count, sizeof count);
    if (stopping_) break;
    const bool rung = rung_.exchange(false);
    bool well = notices.has_value();
    if (well) {
      for (const store::Notice& notice : *notices) {
        if (notice.channel != kSignals) continue;
        const auto space = notice.payload.find(' ');
        if (space == std::string::npos || notice.payload.substr(0, space) == options_.node)
          continue;
        callbacks_.on_signal(std::string_view(notice.payload).substr(space + 1));
      }
      well = tell_others(db, rung);
    }
    bool wants_place = false;
    {
      const std::lock_guard lock(mutex_);
      wants_place = wants_place_ > 0 && !is_armed_;
      // Nobody is here: whoever comes finds a new place to begin at.
      if (is_armed_ && wants_place_ == 0 && !callbacks_.is_wanted()) {
        is_armed_ = false;
        const std::lock_guard place(place_mutex_);
        place_.open.clear();
        missed_.clear();
      }
    }
    if (wants_place) deaf_ = false;
    if (well && wants_place) well = find_place(db);
    bool is_armed = false;
    {
      const std::lock_guard lock(mutex_);
      is_armed = is_armed_;
    }
    if (well && is_armed) well = read(db);
    if (well && clock_.now_ms() - looked_ms >= options_.look_every.count()) {
      looked_ms = clock_.now_ms();
      callbacks_.on_look(db);
    }
    if (!well && !in_trouble) {
      log::warn("live", "the log of events cannot be read; live clients wait", {});
    }
    if (well && in_trouble) log::info("live", "the log of events is read again", {});
    in_trouble = !well;
    deaf_ = !is_armed && !wants_place && !others_ && !untold_;
  }
}

bool Feed::tell_others(store::Session& db, bool rung) {
  const std::int64_t now = clock_.now_ms();
  untold_ = untold_ || rung;
  std::vector<std::string> signals;
  {
    const std::lock_guard lock(mutex_);
    signals.swap(signals_);
  }
  if (counted_others_ms_ == INT64_MIN || now - counted_others_ms_ >= kCountOthersMs) {
    auto others = store::sessions_called(db, options_.session.application_name);
    if (!others) return false;
    others_ = *others > 0;
    counted_others_ms_ = now;
  }
  if (!untold_ && signals.empty()) return true;
  if (!others_) {
    untold_ = false;
    return true;
  }
  for (const std::string& signal : signals) {
    if (!store::notify(db, kSignals, options_.node + " " + signal)) return false;
  }
  if (untold_ && (told_ms_ == INT64_MIN || now - told_ms_ >= options_.doorbell_every.count())) {
    if (!store::notify(db, kDoorbell, options_.node)) return false;
    untold_ = false;
    told_ms_ = now;
  }
  return true;
}

// What was taken and not committed before this has a number behind which others are committed
// already; so the place is a little back, and what is there already counts as handed on.
bool Feed::find_place(store::Session& db) {
  auto newest = store::newest_live_event(db);
  if (!newest) return false;
  const std::int64_t from = std::max<std::int64_t>(*newest - kLookBack, 0);
  auto known = store::live_tail(db, from, {}, static_cast<int>(2 * kLookBack));
  if (!known) return false;
  {
    const std::lock_guard lock(place_mutex_);
    missed_.clear();
    place_ = {.last = from, .open = {}};
    const std::int64_t now = clock_.steady_ms();
    for (const auto& event : *known) note(event.seq, now);
  }
  {
    const std::lock_guard lock(mutex_);
    is_armed_ = true;
  }
  armed_.notify_all();
  return true;
}

// An event with this number is there.
void Feed::note(std::int64_t seq, std::int64_t now_ms) {
  missed_.erase(seq);
  // Where the log was empty the numbers below its first may be anything, and mostly are long gone.
  const std::int64_t reach = place_.last == 0 ? kLookBack : static_cast<std::int64_t>(kMaxMissing);
  const std::int64_t first = std::max(place_.last + 1, seq - reach);
  for (std::int64_t between = first; between < seq && missed_.size() < kMaxMissing; ++between) {
    missed_.emplace(between, Missed{now_ms, std::nullopt});
    place_.open.push_back(between);
  }
  place_.add(seq);
}

// Which of the numbers that were not found just now will never come. `open` and `now_ms` are from
// before they were looked for.
void Feed::give_up(const store::OpenTransactions& open, std::int64_t now_ms) {
  const auto is_over = [&](const auto& entry) {
    return entry.second.until && open.oldest >= *entry.second.until;
  };
  if (std::erase_if(missed_, is_over) > 0) {
    place_.open.clear();
    for (const auto& [seq, missed] : missed_) place_.open.push_back(seq);
  }
  for (auto& [seq, missed] : missed_) {
    if (!missed.until && now_ms - missed.since_ms >= options_.patience_ms) missed.until = open.next;
  }
}

// What is missing for long waits for a slow transaction, whose commit rings.
bool Feed::is_missing_lately() const {
  const std::int64_t now = clock_.steady_ms();
  return std::any_of(missed_.begin(), missed_.end(), [&](const auto& entry) {
    return now - entry.second.since_ms < 2 * options_.patience_ms;
  });
}

bool Feed::read(store::Session& db) {
  std::uint64_t round = 0;
  {
    const std::lock_guard lock(place_mutex_);
    round = ++rounds_begun_;
  }
  const std::int64_t begun_ms = clock_.steady_ms();
  std::optional<store::OpenTransactions> open;
  if (!missed_.empty()) {
    auto asked = store::open_transactions(db);
    if (!asked) return false;
    open = *asked;
  }
  std::size_t fresh = 0;
  do {
    auto events = store::live_tail(db, place_.last, place_.open, kPage);
    if (!events) return false;
    Callbacks::Say say = [](const auto&, const auto&) {};
    if (!events->empty()) say = callbacks_.on_events(db, *events);
    if (!say) return false;
    read_counter_.add(static_cast<double>(events->size()));
    const std::int64_t now = clock_.steady_ms();
    fresh = 0;
    {
      const std::lock_guard lock(place_mutex_);
      const std::int64_t before = place_.last;
      for (const auto& event : *events) {
        fresh += event.seq > before ? 1 : 0;
        note(event.seq, now);
        say(event, place_);
      }
      if (open) give_up(*std::exchange(open, std::nullopt), begun_ms);
    }
    lag_gauge_.set(static_cast<double>(missed_.size()));
  } while (fresh == static_cast<std::size_t>(kPage) && !stopping_);
  {
    const std::lock_guard lock(place_mutex_);
    rounds_ended_ = round;
  }
  moved_.notify_all();
  return true;
}

}  // namespace gateway::live
