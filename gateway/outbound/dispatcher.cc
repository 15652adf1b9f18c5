#include "gateway/outbound/dispatcher.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/base/log.h"
#include "gateway/outbound/registrar.h"
#include "gateway/outbound/sender.h"
#include "gateway/outbound/signals.h"
#include "gateway/store/registrations.h"
#include "gateway/store/workers.h"

namespace gateway::outbound {
namespace {

constexpr std::chrono::milliseconds kStatementTimeout{12'000};
constexpr std::chrono::milliseconds kDatabaseDeadline{15'000};
constexpr std::int64_t kTurnMs = 200;
constexpr std::size_t kQueueCapacity = 1'024;
constexpr std::int64_t kDocumentBytes = 64 << 10;
constexpr int kDocumentsAtOnce = 32;
// Acknowledgements and signals on their way to the thread; more are dropped.
constexpr int kMostPosted = 1'024;
// After the grace period: for storing what became of the calls that were cut off.
constexpr std::int64_t kRecordMs = 2'000;
constexpr std::int64_t kReleaseMs = 1'000;
constexpr std::int64_t kLogMs = 60'000;

std::uint64_t seed_of(std::uint64_t wanted) {
  return wanted != 0 ? wanted : std::random_device{}();
}

}  // namespace

void DatabaseHealth::good() { failures_ = 0; }

void DatabaseHealth::bad(const Error& error) {
  ++failures_;
  const std::int64_t now = clock_.steady_ms();
  if (now < next_log_ms_) return;
  next_log_ms_ = now + kLogMs;
  log::error("outbound", "the database cannot be used",
             {{"cause", error.cause}, {"reason", error.message}});
}

std::int64_t DatabaseHealth::delay_ms(Rng& rng) const {
  constexpr std::int64_t kFirstMs = 250;
  constexpr std::int64_t kLongestMs = 2'000;
  const std::int64_t ceiling = std::min(kLongestMs, kFirstMs << std::clamp(failures_, 0, 10));
  return uniform_ms(ceiling / 2, ceiling, rng);
}

struct Dispatcher::Impl {
  OutboundOptions options;
  store::SessionOptions database;
  const plugins::Registry& registry;
  store::Vault& vault;
  const Clock& clock;
  Metrics& metrics;
  Uuid owner;
  Rng rng;
  DatabaseHealth health;
  RetryBudget budget;
  BigAnswers big;

  // Made by start.
  std::optional<EgressPolicy> policy;
  std::optional<HttpClient> http;
  std::optional<Loop> loop;
  std::optional<Context> context;
  std::optional<Sender> sender;
  std::optional<Registrar> registrar;
  std::optional<Signals> signals;
  std::vector<std::unique_ptr<Worker>> further;
  std::vector<Worker*> parts;             // all of them
  std::optional<store::Workers> workers;  // goes first: its jobs name all of the above
  std::thread thread;

  std::atomic<bool> woken{false};
  std::atomic<bool> stopping{false};
  std::atomic<std::int64_t> grace_ms{0};
  int documents = 0;  // being fetched
  std::atomic<int> posted{0};

  std::mutex mutex;
  bool accepts = false;  // guarded by mutex: the loop will still run what is posted

  Impl(const store::SessionOptions& db, const plugins::Registry& connectors, store::Vault& secrets,
       const Clock& time, Uuid7& ids, Metrics& counters, OutboundOptions given)
      : options(std::move(given)),
        database(db),
        registry(connectors),
        vault(secrets),
        clock(time),
        metrics(counters),
        owner(ids.next()),
        rng(seed_of(options.seed)),
        health(time),
        budget(options.retry_budget),
        big(options.big_answers) {
    while (!options.public_url.empty() && options.public_url.back() == '/') {
      options.public_url.pop_back();
    }
  }

  // False where the thread is gone; the task is then left as it was.
  bool post(Task<void()>& task) {
    const std::lock_guard lock(mutex);
    if (!accepts) return false;
    loop->post(std::move(task));
    return true;
  }

  // The same for what may be dropped.
  template <class Work>
  void post_droppable(Work work) {
    if (posted.fetch_add(1) < kMostPosted) {
      Task<void()> task = [this, work = std::move(work)]() mutable {
        --posted;
        work();
      };
      if (post(task)) return;
    }
    --posted;
  }

  void run();
  void drain();
  void fetch_document(std::string url, std::function<void(std::optional<std::string>)> done);
};

void Dispatcher::Impl::run() {
  while (!stopping) {
    if (woken.exchange(false)) {
      for (Worker* part : parts) part->wake();
    }
    try {
      for (Worker* part : parts) part->tick();
    } catch (const std::exception& fault) {
      log::error("outbound", "the outbound thread met a fault", {{"fault", fault.what()}});
    }
    loop->turn(std::min(kTurnMs, options.claim_interval_ms));
  }
  drain();
}

void Dispatcher::Impl::drain() {
  for (Worker* part : parts) part->stop();
  const auto is_busy = [&] {
    return loop->queries() > 0 || documents > 0 ||
           std::any_of(parts.begin(), parts.end(),
                       [](const Worker* part) { return part->in_flight() > 0; });
  };
  const auto turn_until = [&](std::int64_t end_ms) {
    while (is_busy() && clock.steady_ms() < end_ms) loop->turn(20);
  };
  turn_until(clock.steady_ms() + grace_ms);
  http->cancel();
  turn_until(clock.steady_ms() + std::min<std::int64_t>(kRecordMs, grace_ms));
  bool released = false;
  loop->query<bool>(
      [this](store::Session& db) -> Result<bool> {
        auto done = store::release_leases(db, owner);
        if (!done) return std::move(done).error();
        return true;
      },
      [&released](Result<bool>) { released = true; });
  const std::int64_t end_ms = clock.steady_ms() + kReleaseMs;
  while (!released && clock.steady_ms() < end_ms) loop->turn(20);
  {
    const std::lock_guard lock(mutex);
    accepts = false;
  }
  loop->turn(0);  // what was posted before that
  registrar->give_up_waiting();
  // Continuations that are still to come would name this frame and the parts above. A database that
  // does not answer must not hold up the stop: what waits for it is left to the leases' end.
  loop->abandon();
  workers.reset();
}

void Dispatcher::Impl::fetch_document(std::string url,
                                      std::function<void(std::optional<std::string>)> done) {
  connector::Call call;
  call.url = std::move(url);
  call.answer_bytes = kDocumentBytes + 1;  // so that a longer one is noticed
  const auto target = policy->resolve(call.url);
  // A request that nobody has verified may name the URL: never what is private.
  const bool is_public = target && target->scheme.starts_with("http") && !target->private_host;
  if (stopping || !is_public || documents >= kDocumentsAtOnce) return done(std::nullopt);
  ++documents;
  auto started = http->start(std::move(call), [this, done](connector::Response response) {
    --documents;
    const bool good = response.status == 200 && response.body.size() <= std::size_t{kDocumentBytes};
    done(good ? std::optional<std::string>(std::move(response.body)) : std::nullopt);
  });
  if (started) return;
  --documents;
  done(std::nullopt);
}

Dispatcher::Dispatcher(const store::SessionOptions& database, const plugins::Registry& registry,
                       store::Vault& vault, const Clock& clock, Uuid7& ids, Metrics& metrics,
                       OutboundOptions options)
    : impl_(std::make_unique<Impl>(database, registry, vault, clock, ids, metrics,
                                   std::move(options))) {}

Dispatcher::~Dispatcher() { stop(std::chrono::milliseconds(0)); }

Result<> Dispatcher::start() {
  Impl& impl = *impl_;
  auto policy = EgressPolicy::create(impl.options.upstreams, EgressPolicy::own_addresses(), {},
                                     impl.options.private_hosts);
  if (!policy) return std::move(policy).error();
  impl.policy = *std::move(policy);
  impl.http.emplace(*impl.policy, impl.metrics, impl.options.http);
  impl.loop.emplace(impl.clock, *impl.http);
  impl.context.emplace(Context{impl.options, impl.registry, impl.vault, impl.clock, impl.metrics,
                               *impl.http, *impl.loop, impl.rng, impl.health, impl.budget, impl.big,
                               impl.owner});
  impl.sender.emplace(*impl.context);
  impl.registrar.emplace(*impl.context);
  impl.signals.emplace(*impl.context);
  impl.parts = {&*impl.sender, &*impl.registrar, &*impl.signals};
  for (const auto& make : impl.options.workers) {
    impl.further.push_back(make(*impl.context));
    impl.parts.push_back(impl.further.back().get());
  }
  store::SessionOptions database = impl.database;
  database.application_name = "backchannel outbound";
  // A transcript may hold a file of 40 MiB, which no statement of the API writes.
  database.statement_timeout = std::max(database.statement_timeout, kStatementTimeout);
  database.deadline = std::max(database.deadline, kDatabaseDeadline);
  impl.workers.emplace("outbound", impl.options.database_threads, kQueueCapacity,
                       std::move(database));
  impl.loop->use(*impl.workers);
  impl.accepts = true;
  impl.thread = std::thread([&impl] { impl.run(); });
  return {};
}

void Dispatcher::stop(std::chrono::milliseconds grace) {
  if (!impl_->thread.joinable()) return;
  impl_->grace_ms = grace.count();
  impl_->stopping = true;
  impl_->loop->wake();
  impl_->thread.join();
}

void Dispatcher::register_channel(domain::BusinessId business, domain::ChannelId channel,
                                  std::function<void(RegistrationOutcome)> done) {
  Task<void()> task = [this, business, channel, done] {
    impl_->registrar->register_channel(business, channel, done);
  };
  if (!impl_->post(task)) {
    done({domain::RegistrationState::pending, false, "the gateway is stopping"});
  }
}

void Dispatcher::wake() {
  impl_->woken = true;
  const std::lock_guard lock(impl_->mutex);
  if (impl_->accepts) impl_->loop->wake();
}

void Dispatcher::acknowledge(domain::BusinessId business, domain::ChannelId channel,
                             connector::Event event) {
  impl_->post_droppable([this, business, channel, event = std::move(event)]() mutable {
    impl_->signals->acknowledge(business, channel, std::move(event));
  });
}

void Dispatcher::signal(domain::BusinessId business, domain::ChannelId channel,
                        connector::Event event) {
  impl_->post_droppable([this, business, channel, event = std::move(event)]() mutable {
    impl_->signals->signal(business, channel, std::move(event));
  });
}

void Dispatcher::fetch_document(std::string url,
                                std::function<void(std::optional<std::string>)> done) {
  Task<void()> task = [this, url = std::move(url), done]() mutable {
    impl_->fetch_document(std::move(url), std::move(done));
  };
  if (!impl_->post(task)) done(std::nullopt);
}

}  // namespace gateway::outbound
