#include "gateway/simulate/courier.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "gateway/simulate/transfers.h"

namespace gateway::simulate {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::int64_t kSlowAfterMs = 10'000;  // without success: one connection, rarely
constexpr std::int64_t kSlowStartMs = 2'000;
constexpr std::int64_t kGoneMs = 23 * 3'600'000;  // 410 alone for so long removes the webhook

struct Job {
  Update update;
  bool copy = false;
  int attempts = 0;
  int failures = 0;
  std::int64_t due_ms = 0;  // of the first try
  std::int64_t expires_ms = 0;
};

struct Queue {
  std::deque<Job> jobs;
  std::int64_t due_ms = 0;
  std::uint64_t in_flight = 0;  // number of the transfer under way, 0: none
};

// What belongs to one bot.
struct Lane {
  std::optional<Webhook> webhook;
  std::map<std::string, Queue> queues;
  std::set<std::pair<std::int64_t, std::string>> ready;  // (due, key) of queues not in flight
  std::int64_t in_flight = 0;
  std::int64_t pending = 0;
  std::int64_t last_success_ms = 0;
  std::int64_t last_start_ms = 0;
  std::int64_t last_error_date = 0;
  std::string last_error;
  std::int64_t gone_since_ms = 0;
  bool failing = false;
};

// One update under way.
struct Attempt {
  std::int64_t bot_id = 0;
  std::string key;
  Job job;
  std::uint64_t number = 0;
};

}  // namespace

std::int64_t retry_delay_ms(int failures, std::mt19937_64& random) {
  if (failures <= 1) return 0;
  const std::int64_t cap = 60'000 + static_cast<std::int64_t>(random() % 60'001);
  const int doublings = std::min(failures - 2, 20);
  return std::min<std::int64_t>(2'000LL << doublings, cap);
}

std::int64_t retry_after_seconds(std::string_view header) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error != std::errc() || end != header.data() + header.size()) return -1;
  return std::clamp<std::int64_t>(seconds, 0, 3'600);
}

struct Courier::State {
  CourierOptions options;
  AnswerCall answer_call;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::mt19937_64 random;
  std::map<std::int64_t, Lane> lanes;
  DeliveryFaults faults;
  FaultyDoor<Update> door;
  DeliveryLog log;
  std::int64_t loose = 0;  // queues made for one update
  std::uint64_t transfer_count = 0;
  Transfers transfers{
      [this](std::int64_t now_ms, std::int64_t& next_ms) { return due(now_ms, next_ms); }};

  std::int64_t scaled(std::int64_t ms) const {
    return static_cast<std::int64_t>(static_cast<double>(ms) * options.time_scale);
  }

  bool idle() const {
    return door.held() == 0 && std::all_of(lanes.begin(), lanes.end(), [](const auto& lane) {
             return lane.second.pending == 0;
           });
  }

  void enqueue(FaultyDoor<Update>::Passed passed) {
    Lane& lane = lanes[passed.update.bot_id];
    std::string key = passed.update.queue;
    if (passed.loose) key += "#" + std::to_string(++loose);
    Job job;
    job.due_ms = passed.due_ms;
    job.expires_ms = passed.due_ms + scaled(passed.update.lifetime_ms);
    job.update = std::move(passed.update);
    job.copy = passed.copy;
    Queue& queue = lane.queues[key];
    ++lane.pending;
    queue.jobs.push_back(std::move(job));
    if (queue.jobs.size() == 1 && queue.in_flight == 0) {
      queue.due_ms = passed.due_ms;
      lane.ready.emplace(passed.due_ms, key);
    }
  }

  void post(Update update, std::int64_t due_ms) {
    ++log.figures.updates;
    bool dropped = false;
    for (auto& passed : door.pass(faults, std::move(update), due_ms, dropped, random)) {
      enqueue(std::move(passed));
    }
    if (dropped) ++log.figures.dropped;
  }

  void release() {
    for (auto& passed : door.release(random)) enqueue(std::move(passed));
  }

  // How many connections the lane may use now, and from when on it may start the next.
  std::pair<std::int64_t, std::int64_t> allowance(const Lane& lane, std::int64_t now) const {
    if (!lane.failing || now - lane.last_success_ms <= scaled(kSlowAfterMs)) {
      return {lane.webhook->max_connections, now};
    }
    return {1, lane.last_start_ms + scaled(kSlowStartMs)};
  }

  std::vector<Transfers::Started> due(std::int64_t now, std::int64_t& next_ms) {
    const std::lock_guard lock(mutex);
    std::vector<Transfers::Started> out;
    for (auto& [bot_id, lane] : lanes) {
      while (lane.webhook && !lane.ready.empty()) {
        const auto [limit, from] = allowance(lane, now);
        if (lane.in_flight >= limit) break;
        const auto [due_ms, key] = *lane.ready.begin();
        const std::int64_t at = std::max(due_ms, from);
        if (at > now) {
          next_ms = std::min(next_ms, at - now);
          break;
        }
        lane.ready.erase(lane.ready.begin());
        Queue& queue = lane.queues[key];
        queue.in_flight = ++transfer_count;
        ++lane.in_flight;
        lane.last_start_ms = now;
        Attempt attempt{bot_id, key, queue.jobs.front(), queue.in_flight};
        HttpCall call = request(attempt.job.update, *lane.webhook);
        out.push_back({std::move(call), [this, attempt = std::move(attempt)](HttpOutcome outcome) {
                         ended(attempt, std::move(outcome));
                       }});
      }
    }
    return out;
  }

  HttpCall request(const Update& update, const Webhook& webhook) {
    HttpCall call;
    call.url = webhook.url;
    call.body = update.body;
    call.accept_encoding = "gzip, deflate";
    call.timeout = options.answer_timeout;
    const std::string name = "X-Telegram-Bot-Api-Secret-Token";
    const std::string wrong = "wrong-" + std::string(58, '0');
    if (!webhook.secret_token.empty()) {
      using Kind = DeliveryFault::Kind;
      const auto fault = faults.take_proof();
      if (fault == Kind::wrong_secret || fault == Kind::twice_secret) {
        call.headers.emplace_back(name, wrong);
      }
      if (fault != Kind::wrong_secret && fault != Kind::no_secret) {
        call.headers.emplace_back(name, webhook.secret_token);
      }
      if (fault == Kind::altered_body) call.body += ' ';
    }
    call.headers.emplace_back("Content-Type", "application/json");
    call.headers.emplace_back("Connection", "keep-alive");
    return call;
  }

  void ended(const Attempt& attempt, HttpOutcome outcome) {
    bool asks_for_call = false;
    {
      const std::lock_guard lock(mutex);
      asks_for_call = finish(attempt, outcome, Transfers::now_ms());
    }
    if (asks_for_call && answer_call) answer_call(attempt.bot_id, outcome.body);
    changed.notify_all();
  }

  // Under the lock. True where the answer asks for a call.
  bool finish(const Attempt& attempt, const HttpOutcome& outcome, std::int64_t now) {
    const int status = outcome.status;
    const bool success = status >= 200 && status < 300;
    Delivery record;
    record.account = std::to_string(attempt.bot_id);
    record.id = std::to_string(attempt.job.update.update_id);
    record.kind = attempt.job.update.kind;
    record.attempt = attempt.job.attempts + 1;
    record.status = status;
    if (!success) {
      record.error = status != 0 ? "Wrong response from the webhook: " + std::to_string(status)
                                 : outcome.error;
    }
    record.latency_us = outcome.latency_us;
    record.answer = outcome.body;
    const std::string error = record.error;
    log.add(std::move(record));

    Lane& lane = lanes[attempt.bot_id];
    const auto at = lane.queues.find(attempt.key);
    // A reset or a dropped queue may have forgotten this transfer meanwhile.
    if (at == lane.queues.end() || at->second.in_flight != attempt.number) return false;
    --lane.in_flight;
    Queue& queue = at->second;
    queue.in_flight = 0;
    Job& job = queue.jobs.front();
    ++job.attempts;
    if (success) {
      lane.last_success_ms = now;
      lane.failing = false;
      lane.gone_since_ms = 0;
      if (!job.copy) ++log.figures.acknowledged;
      drop_front(lane, queue, now);
    } else {
      ++job.failures;
      lane.failing = true;
      lane.last_error = error;
      lane.last_error_date = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
      if (status != 410) lane.gone_since_ms = 0;
      if (status == 410 && lane.gone_since_ms == 0) lane.gone_since_ms = now;
      const std::int64_t asked = retry_after_seconds(header(outcome.headers, "retry-after"));
      const std::int64_t delay =
          status != 0 && asked >= 0 ? asked * 1'000 : retry_delay_ms(job.failures, random);
      queue.due_ms = now + scaled(delay);
      if (queue.due_ms > job.expires_ms) {
        ++log.figures.expired;
        drop_front(lane, queue, now);
      }
      if (lane.gone_since_ms != 0 && now - lane.gone_since_ms > scaled(kGoneMs)) {
        lane.webhook.reset();
      }
    }
    if (queue.jobs.empty()) {
      lane.queues.erase(at);
    } else {
      lane.ready.emplace(queue.due_ms, attempt.key);
    }
    return success && outcome.body.find("\"method\"") != std::string::npos;
  }

  static void drop_front(Lane& lane, Queue& queue, std::int64_t now) {
    queue.jobs.pop_front();
    --lane.pending;
    queue.due_ms = queue.jobs.empty() ? now : std::max(now, queue.jobs.front().due_ms);
  }
};

Courier::Courier(CourierOptions options, AnswerCall answer_call)
    : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->answer_call = std::move(answer_call);
  state_->random.seed(options.seed);
}

Courier::~Courier() { stop(); }

void Courier::start() { state_->transfers.start(); }

void Courier::stop() { state_->transfers.stop(); }

void Courier::post(Update update, std::chrono::milliseconds delay) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->post(std::move(update), Transfers::now_ms() + delay.count());
  }
  state_->transfers.wake();
}

void Courier::count_unwanted() {
  const std::lock_guard lock(state_->mutex);
  ++state_->log.figures.unwanted;
}

void Courier::inject(DeliveryFault fault) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.add(fault);
}

void Courier::clear_faults() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->faults.clear();
    state_->release();
  }
  state_->transfers.wake();
}

void Courier::reset() {
  const std::lock_guard lock(state_->mutex);
  for (auto& [bot_id, lane] : state_->lanes) {
    lane.queues.clear();
    lane.ready.clear();
    lane.pending = lane.in_flight = 0;
    lane.failing = false;
  }
  state_->faults.clear();
  state_->door.clear();
  state_->log.clear();
  state_->changed.notify_all();
}

bool Courier::wait_idle(Steady::time_point deadline) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_until(lock, deadline, [this] { return state_->idle(); });
}

DeliveryStats Courier::stats() const {
  const std::lock_guard lock(state_->mutex);
  DeliveryStats stats = state_->log.stats();
  for (const auto& [bot_id, lane] : state_->lanes) stats.pending += lane.pending;
  stats.pending += static_cast<std::int64_t>(state_->door.held());
  return stats;
}

std::vector<Delivery> Courier::log(std::int64_t after) const {
  const std::lock_guard lock(state_->mutex);
  return state_->log.since(after);
}

DeliveryDesk::Health Courier::health(std::int64_t bot_id) {
  const std::lock_guard lock(state_->mutex);
  const Lane& lane = state_->lanes[bot_id];
  return {lane.pending, lane.last_error_date, lane.last_error};
}

void Courier::webhook_changed(const Bot& bot, bool drop_pending) {
  {
    const std::lock_guard lock(state_->mutex);
    Lane& lane = state_->lanes[bot.user.id];
    const std::int64_t now = Transfers::now_ms();
    lane.webhook = bot.webhook;
    lane.last_success_ms = now;
    lane.failing = false;
    lane.gone_since_ms = 0;
    lane.last_error.clear();
    lane.last_error_date = 0;
    if (drop_pending) {
      lane.queues.clear();
      lane.ready.clear();
      lane.pending = lane.in_flight = 0;
    }
    // What waited for a retry is tried at once at the new place.
    lane.ready.clear();
    for (auto& [key, queue] : lane.queues) {
      queue.due_ms = std::min(queue.due_ms, now);
      if (queue.in_flight == 0) lane.ready.emplace(queue.due_ms, key);
    }
  }
  state_->changed.notify_all();
  state_->transfers.wake();
}

std::vector<std::string> Courier::poll(std::int64_t bot_id, std::int64_t offset,
                                       std::size_t limit) {
  const std::lock_guard lock(state_->mutex);
  Lane& lane = state_->lanes[bot_id];
  std::map<std::int64_t, std::string> waiting;
  for (auto at = lane.queues.begin(); at != lane.queues.end();) {
    auto& jobs = at->second.jobs;
    while (!jobs.empty() && at->second.in_flight == 0 && jobs.front().update.update_id < offset) {
      jobs.pop_front();
      --lane.pending;
      ++state_->log.figures.acknowledged;
    }
    for (const Job& job : jobs) waiting.emplace(job.update.update_id, job.update.body);
    if (jobs.empty() && at->second.in_flight == 0) {
      lane.ready.erase({at->second.due_ms, at->first});
      at = lane.queues.erase(at);
    } else {
      ++at;
    }
  }
  std::vector<std::string> out;
  for (auto& [id, body] : waiting) {
    if (out.size() == limit) break;
    out.push_back(std::move(body));
  }
  state_->changed.notify_all();
  return out;
}

}  // namespace gateway::simulate
