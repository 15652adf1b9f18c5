#include "gateway/simulate/webhook_sender.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace gateway::simulate {
namespace {

struct Job {
  WebhookEvent event;
  bool copy = false;
  int attempts = 0;
  std::int64_t due_ms = 0;        // of the next attempt
  std::int64_t first_due_ms = 0;  // of the first
  std::uint64_t in_flight = 0;    // number of the attempt under way, 0: none
};

using Queue = std::deque<Job>;

// One attempt under way.
struct Attempt {
  std::string queue;
  WebhookEvent event;
  int number = 1;
  std::uint64_t mark = 0;
};

}  // namespace

bool is_2xx(int status) { return status >= 200 && status < 300; }
bool is_200(int status) { return status == 200; }

RetryRule retry_after(std::vector<std::int64_t> delays_ms, std::function<bool(int)> accepts,
                      std::function<bool(int)> refuses) {
  return [delays = std::move(delays_ms), accepts = std::move(accepts),
          refuses = std::move(refuses)](const HttpOutcome& outcome, int attempt, std::int64_t) {
    using Kind = AfterAttempt::Kind;
    if (accepts(outcome.status)) return AfterAttempt{Kind::acknowledged, 0};
    const auto next = static_cast<std::size_t>(attempt - 1);
    if ((refuses && refuses(outcome.status)) || next >= delays.size()) {
      return AfterAttempt{Kind::given_up, 0};
    }
    return AfterAttempt{Kind::again, delays[next]};
  };
}

RetryRule retry_doubling(std::int64_t first_ms, std::int64_t cap_ms, std::int64_t lifetime_ms,
                         std::function<bool(int)> accepts, std::function<bool(int)> refuses) {
  return [=, accepts = std::move(accepts), refuses = std::move(refuses)](
             const HttpOutcome& outcome, int attempt, std::int64_t age_ms) {
    using Kind = AfterAttempt::Kind;
    if (accepts(outcome.status)) return AfterAttempt{Kind::acknowledged, 0};
    if (refuses && refuses(outcome.status)) return AfterAttempt{Kind::given_up, 0};
    const std::int64_t delay =
        attempt == 1 ? 0 : std::min(cap_ms, first_ms << std::min(attempt - 2, 30));
    if (age_ms + delay > lifetime_ms) return AfterAttempt{Kind::given_up, 0};
    return AfterAttempt{Kind::again, delay};
  };
}

void add_proof(HttpCall& call, const std::string& name, const std::string& value,
               const std::string& wrong_value, Defect defect) {
  using Kind = DeliveryFault::Kind;
  if (defect == Kind::wrong_secret || defect == Kind::twice_secret) {
    call.headers.emplace_back(name, wrong_value);
  }
  if (defect != Kind::wrong_secret && defect != Kind::no_secret) {
    call.headers.emplace_back(name, value);
  }
  if (defect == Kind::altered_body) call.body += ' ';
}

struct WebhookSender::State {
  SenderOptions options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::mt19937_64 random;
  std::map<std::string, Queue> queues;
  std::set<std::pair<std::int64_t, std::string>> ready;  // (due, queue) of queues not in flight
  std::multimap<std::int64_t, std::function<void()>> timers;
  int timers_running = 0;
  DeliveryFaults faults;
  FaultyDoor<WebhookEvent> door;
  DeliveryLog log;
  std::uint64_t marks = 0;
  Transfers transfers{
      [this](std::int64_t now_ms, std::int64_t& next_ms) { return due(now_ms, next_ms); }};

  void enqueue(FaultyDoor<WebhookEvent>::Passed passed) {
    std::string key = passed.update.account + '\n' + passed.update.queue;
    if (passed.loose || passed.update.queue.empty()) key += '#' + std::to_string(++marks);
    Queue& queue = queues[key];
    Job job;
    job.event = std::move(passed.update);
    job.copy = passed.copy;
    job.due_ms = job.first_due_ms = passed.due_ms;
    queue.push_back(std::move(job));
    if (queue.size() == 1) ready.emplace(passed.due_ms, key);
  }

  void run_timers(std::int64_t now_ms, std::int64_t& next_ms) {
    while (true) {
      std::function<void()> then;
      {
        const std::lock_guard lock(mutex);
        if (timers.empty()) return;
        const auto first = timers.begin();
        if (first->first > now_ms) {
          next_ms = std::min(next_ms, first->first - now_ms);
          return;
        }
        then = std::move(first->second);
        timers.erase(first);
        ++timers_running;
      }
      then();
      {
        const std::lock_guard lock(mutex);
        --timers_running;
      }
      changed.notify_all();
    }
  }

  std::vector<Transfers::Started> due(std::int64_t now_ms, std::int64_t& next_ms) {
    run_timers(now_ms, next_ms);
    struct Starting {
      Attempt attempt;
      Defect defect;
    };
    std::vector<Starting> starting;
    {
      const std::lock_guard lock(mutex);
      while (!ready.empty()) {
        const auto [due_ms, key] = *ready.begin();
        if (due_ms > now_ms) {
          next_ms = std::min(next_ms, due_ms - now_ms);
          break;
        }
        ready.erase(ready.begin());
        Job& job = queues[key].front();
        job.in_flight = ++marks;
        starting.push_back(
            {{key, job.event, job.attempts + 1, job.in_flight}, faults.take_proof()});
      }
    }
    std::vector<Transfers::Started> out;
    for (auto& [attempt, defect] : starting) {
      HttpCall call = attempt.event.request(attempt.number, defect);
      out.push_back({std::move(call), [this, attempt = attempt](const HttpOutcome& outcome) {
                       ended(attempt, outcome);
                     }});
    }
    return out;
  }

  void ended(const Attempt& attempt, const HttpOutcome& outcome) {
    const std::int64_t now = Transfers::now_ms();
    std::int64_t age = 0;
    {
      const std::lock_guard lock(mutex);
      if (const Job* const job = current(attempt)) age = now - job->first_due_ms;
    }
    const auto platform_age =
        static_cast<std::int64_t>(static_cast<double>(age) / std::max(options.time_scale, 1e-9));
    const AfterAttempt after = attempt.event.retry(outcome, attempt.number, platform_age);
    {
      const std::lock_guard lock(mutex);
      finish(attempt, outcome, after, now);
    }
    changed.notify_all();
  }

  // Null where a reset or a dropped queue has forgotten the attempt meanwhile.
  Job* current(const Attempt& attempt) {
    const auto at = queues.find(attempt.queue);
    if (at == queues.end() || at->second.front().in_flight != attempt.mark) return nullptr;
    return &at->second.front();
  }

  void finish(const Attempt& attempt, const HttpOutcome& outcome, const AfterAttempt& after,
              std::int64_t now) {
    using Kind = AfterAttempt::Kind;
    Delivery record;
    record.account = attempt.event.account;
    record.id = attempt.event.id;
    record.kind = attempt.event.kind;
    record.attempt = attempt.number;
    record.status = outcome.status;
    if (after.kind != Kind::acknowledged) {
      record.error =
          outcome.status != 0 ? "Answered " + std::to_string(outcome.status) : outcome.error;
    }
    record.latency_us = outcome.latency_us;
    record.answer = outcome.body;
    log.add(std::move(record));
    Job* const job = current(attempt);
    if (job == nullptr) return;
    job->in_flight = 0;
    ++job->attempts;
    Queue& queue = queues[attempt.queue];
    if (after.kind == Kind::again) {
      job->due_ms =
          now + static_cast<std::int64_t>(static_cast<double>(after.delay_ms) * options.time_scale);
    } else {
      if (!job->copy && after.kind == Kind::acknowledged) ++log.figures.acknowledged;
      if (!job->copy && after.kind == Kind::given_up) ++log.figures.expired;
      queue.pop_front();
    }
    if (queue.empty()) {
      queues.erase(attempt.queue);
    } else {
      ready.emplace(queue.front().due_ms, attempt.queue);
    }
  }
};

WebhookSender::WebhookSender(SenderOptions options) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->random.seed(options.seed);
}

WebhookSender::~WebhookSender() { stop(); }

void WebhookSender::start() { state_->transfers.start(); }

void WebhookSender::stop() { state_->transfers.stop(); }

void WebhookSender::post(WebhookEvent event, std::chrono::milliseconds delay) {
  {
    const std::lock_guard lock(state_->mutex);
    ++state_->log.figures.updates;
    bool dropped = false;
    for (auto& passed :
         state_->door.pass(state_->faults, std::move(event), Transfers::now_ms() + delay.count(),
                           dropped, state_->random)) {
      state_->enqueue(std::move(passed));
    }
    if (dropped) ++state_->log.figures.dropped;
  }
  state_->transfers.wake();
}

void WebhookSender::count_unwanted() {
  const std::lock_guard lock(state_->mutex);
  ++state_->log.figures.unwanted;
}

void WebhookSender::after(std::chrono::milliseconds delay, std::function<void()> then) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->timers.emplace(Transfers::now_ms() + delay.count(), std::move(then));
  }
  state_->transfers.wake();
}

void WebhookSender::fetch(HttpCall call, Transfers::Done done) {
  state_->transfers.fetch(std::move(call), std::move(done));
}

void WebhookSender::inject(DeliveryFault fault) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.add(fault);
}

void WebhookSender::clear_faults() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->faults.clear();
    for (auto& passed : state_->door.release(state_->random)) state_->enqueue(std::move(passed));
  }
  state_->transfers.wake();
}

void WebhookSender::reset() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->queues.clear();
    state_->ready.clear();
    state_->timers.clear();
    state_->faults.clear();
    state_->door.clear();
    state_->log.clear();
  }
  state_->changed.notify_all();
}

bool WebhookSender::wait_idle(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_until(lock, deadline, [this] {
    return state_->queues.empty() && state_->door.held() == 0 && state_->timers.empty() &&
           state_->timers_running == 0;
  });
}

DeliveryStats WebhookSender::stats() const {
  const std::lock_guard lock(state_->mutex);
  DeliveryStats stats = state_->log.stats();
  stats.pending += static_cast<std::int64_t>(state_->door.held());
  for (const auto& [key, queue] : state_->queues) {
    stats.pending +=
        std::count_if(queue.begin(), queue.end(), [](const Job& job) { return !job.copy; });
  }
  return stats;
}

std::vector<Delivery> WebhookSender::log(std::int64_t after) const {
  const std::lock_guard lock(state_->mutex);
  return state_->log.since(after);
}

}  // namespace gateway::simulate
