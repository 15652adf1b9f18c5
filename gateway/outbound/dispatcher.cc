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

#include "gateway/base/log.h"
#include "gateway/outbound/registrar.h"
#include "gateway/outbound/sender.h"
#include "gateway/store/registrations.h"
#include "gateway/store/workers.h"

namespace gateway::outbound {
namespace {

constexpr std::int64_t kTurnMs = 200;
constexpr std::size_t kQueueCapacity = 1'024;
constexpr int kAcknowledgementsAtOnce = 64;
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

  // Made by start.
  std::optional<EgressPolicy> policy;
  std::optional<HttpClient> http;
  std::optional<Loop> loop;
  std::optional<Context> context;
  std::optional<Sender> sender;
  std::optional<Registrar> registrar;
  std::optional<store::Workers> workers;  // goes first: its jobs name all of the above
  std::thread thread;

  std::atomic<bool> woken{false};
  std::atomic<bool> stopping{false};
  std::atomic<std::int64_t> grace_ms{0};
  int acknowledging = 0;

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
        health(time) {
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

  void run();
  void drain();
  void acknowledge(domain::BusinessId business, domain::ChannelId channel, connector::Event event);
  void advance(std::shared_ptr<Run> run);
};

void Dispatcher::Impl::run() {
  while (!stopping) {
    if (woken.exchange(false)) {
      sender->wake();
      registrar->wake();
    }
    try {
      sender->tick();
      registrar->tick();
    } catch (const std::exception& fault) {
      log::error("outbound", "the outbound thread met a fault", {{"fault", fault.what()}});
    }
    loop->turn(std::min(kTurnMs, options.claim_interval_ms));
  }
  drain();
}

void Dispatcher::Impl::drain() {
  sender->stop();
  registrar->stop();
  const auto is_busy = [&] {
    return sender->in_flight() > 0 || registrar->in_flight() > 0 || loop->queries() > 0 ||
           acknowledging > 0;
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

// Best effort: nothing is recorded, nothing repeated.
void Dispatcher::Impl::acknowledge(domain::BusinessId business, domain::ChannelId channel,
                                   connector::Event event) {
  if (stopping || acknowledging >= kAcknowledgementsAtOnce) return;
  ++acknowledging;
  struct Opened {
    std::string type;
    connector::Channel channel;
  };
  using Answer = std::optional<Opened>;
  loop->query<Answer>(
      [this, business, channel](store::Session& db) -> Result<Answer> {
        auto sealed = store::sealed_channel(db, business, channel);
        if (!sealed) return std::move(sealed).error();
        if (!*sealed || !(*sealed)->is_active) return Answer();
        auto opened = open_channel(db, vault, business, **sealed,
                                   context->webhook_url((*sealed)->type, channel));
        if (!opened) return std::move(opened).error();
        return Answer(Opened{(*sealed)->type, *std::move(opened)});
      },
      [this, event = std::move(event)](Result<Answer> opened) mutable {
        const plugins::Connector* type =
            opened && *opened ? registry.find((*opened)->type) : nullptr;
        if (type == nullptr) {
          --acknowledging;
          return;
        }
        advance(std::make_shared<Run>(*type, connector::Operation::acknowledge,
                                      std::move((*opened)->channel), std::move(event)));
      });
}

void Dispatcher::Impl::advance(std::shared_ptr<Run> run) {
  connector::Step step = run->next(clock.now_ms());
  if (auto* call = std::get_if<connector::Call>(&step)) {
    auto started = http->start(std::move(*call), [this, run](connector::Response response) {
      run->answered(std::move(response));
      advance(run);
    });
    if (started) return;
  } else if (const auto* failure = std::get_if<connector::Fail>(&step)) {
    log::debug("outbound", "an event could not be acknowledged",
               {{"type", run->type().type()}, {"reason", failure->why}});
  }
  --acknowledging;
}

Dispatcher::Dispatcher(const store::SessionOptions& database, const plugins::Registry& registry,
                       store::Vault& vault, const Clock& clock, Uuid7& ids, Metrics& metrics,
                       OutboundOptions options)
    : impl_(std::make_unique<Impl>(database, registry, vault, clock, ids, metrics,
                                   std::move(options))) {}

Dispatcher::~Dispatcher() { stop(std::chrono::milliseconds(0)); }

Result<> Dispatcher::start() {
  Impl& impl = *impl_;
  auto policy = EgressPolicy::create(impl.options.upstreams, EgressPolicy::own_addresses());
  if (!policy) return std::move(policy).error();
  impl.policy = *std::move(policy);
  impl.http.emplace(*impl.policy, impl.metrics, impl.options.http);
  impl.loop.emplace(impl.clock, *impl.http);
  impl.context.emplace(Context{impl.options, impl.registry, impl.vault, impl.clock, impl.metrics,
                               *impl.http, *impl.loop, impl.rng, impl.health, impl.owner});
  impl.sender.emplace(*impl.context);
  impl.registrar.emplace(*impl.context);
  store::SessionOptions database = impl.database;
  database.application_name = "backchannel outbound";
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
  Task<void()> task = [this, business, channel, event = std::move(event)]() mutable {
    impl_->acknowledge(business, channel, std::move(event));
  };
  impl_->post(task);
}

}  // namespace gateway::outbound
