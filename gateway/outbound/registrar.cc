#include "gateway/outbound/registrar.h"

#include <algorithm>
#include <utility>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/base/log.h"
#include "gateway/outbound/transcript.h"

namespace gateway::outbound {
namespace {

using connector::Failure;
using domain::RegistrationState;
using store::JobOperation;

constexpr int kRunsAtOnce = 32;
constexpr int kTenantCap = 8;
constexpr std::int64_t kRepeatMs = 500;
constexpr std::int64_t kNoConnectorMs = 5 * 60'000;
// A waiting caller is answered within 15 s; the last second is for looking at what is stored.
constexpr std::int64_t kLookUpMs = 14'000;
constexpr std::int64_t kGiveUpMs = 14'900;

constexpr std::int64_t kBigWaitMs = 1'000;  // before another run may hold big answers
constexpr int kRunsInARow = 20;
constexpr std::size_t kMaxAccounts = 100;
constexpr std::size_t kMaxAccountBytes = 1024;

constexpr std::string_view kInstruction = "instruction.";

// Trying again without a change is no use.
bool is_refusal(Failure code) {
  return code == Failure::config || code == Failure::auth || code == Failure::permanent ||
         code == Failure::unreachable;
}

std::string_view result_of(const connector::Done& done, std::string_view name) {
  return connector::find(done.results, name).value_or(std::string_view());
}

// All of a name, as one text.
std::string results_of(const connector::Done& done, std::string_view name) {
  std::string all;
  for (const auto& [key, value] : done.results) {
    if (key == name && !value.empty()) all += (all.empty() ? "" : "; ") + value;
  }
  return all;
}

const char* name_of(JobOperation operation) {
  switch (operation) {
    case JobOperation::register_webhook:
      return "register";
    case JobOperation::unregister_webhook:
      return "unregister";
    case JobOperation::check:
      return "check";
    case JobOperation::poll:
      return "poll";
  }
  return "?";
}

RegistrationOutcome pending(std::string why) {
  return {RegistrationState::pending, false, std::move(why)};
}

}  // namespace

struct Registrar::Loaded {
  store::LoadedJob job;
  connector::Channel channel;
  std::vector<connector::Response> answers;
  bool is_open = false;
};

struct Registrar::JobRun {
  store::Job job;
  store::LoadedJob loaded;
  std::unique_ptr<Run> run;
  bool began = false;         // a call was made
  std::shared_ptr<void> big;  // held where answers are big
};

Registrar::Registrar(Context& context) : context_(context) {}

void Registrar::tick() {
  if (stopping_) return;
  if (!scheduling_ && now() >= next_schedule_ms_) schedule();
  if (!claiming_ && runs_ < kRunsAtOnce && now() >= next_claim_ms_) claim();
}

void Registrar::schedule() {
  scheduling_ = true;
  next_schedule_ms_ = now() + context_.options.schedule_interval_ms;
  std::vector<std::string> types;
  std::vector<std::string> polling;
  for (const auto* type : context_.registry.all()) {
    types.push_back(type->type());
    if (type->polls() && context_.options.store_events) polling.push_back(type->type());
  }
  const std::int64_t spread_ms = context_.options.check_interval_ms;
  context_.loop.query<int>(
      [types, polling, spread_ms](store::Session& db) {
        return store::schedule_registrations(db, types, polling, spread_ms);
      },
      [this](Result<int> made) {
        scheduling_ = false;
        if (!made) {
          context_.health.bad(made.error());
          next_schedule_ms_ = now() + context_.health.delay_ms(context_.rng);
        } else if (*made > 0) {
          next_claim_ms_ = 0;
        }
      });
}

void Registrar::claim() {
  claiming_ = true;
  next_claim_ms_ = now() + context_.options.claim_interval_ms;
  const store::ClaimOptions options{context_.owner, kRunsAtOnce - runs_, kTenantCap,
                                    context_.options.lease_ms};
  context_.loop.query<std::vector<store::Job>>(
      [options](store::Session& db) { return store::claim_registrations(db, options); },
      [this](Result<std::vector<store::Job>> jobs) {
        claiming_ = false;
        if (!jobs) {
          context_.health.bad(jobs.error());
          next_claim_ms_ = now() + context_.health.delay_ms(context_.rng);
          return;
        }
        context_.health.good();
        for (const store::Job& job : *jobs) {
          ++runs_;
          load(job);
        }
      });
}

void Registrar::register_channel(domain::BusinessId business, domain::ChannelId channel,
                                 Done done) {
  const std::uint64_t waiter = next_waiter_++;
  waiters_.emplace(waiter, Waiter{business, channel, std::move(done)});
  if (stopping_) return answer_one(waiter, pending("the gateway is stopping"));
  context_.loop.after(kLookUpMs, [this, waiter] { look_up(waiter); });
  context_.loop.after(kGiveUpMs, [this, waiter] {
    answer_one(waiter, pending("the platform has not answered yet"));
  });
  using Answer = std::optional<store::Job>;
  context_.loop.query<Answer>(
      [this, business, channel](store::Session& db) {
        return store::start_registration(db, business, channel, context_.owner,
                                         context_.options.lease_ms);
      },
      [this, waiter](Result<Answer> job) {
        if (!job) {
          context_.health.bad(job.error());
          return answer_one(waiter, pending("the database cannot be reached"));
        }
        next_claim_ms_ = 0;  // not ours yet: unregistrations of the channel come first
        if (!*job) return;
        ++runs_;
        load(**job);
      });
}

void Registrar::look_up(std::uint64_t waiter) {
  const auto found = waiters_.find(waiter);
  if (found == waiters_.end()) return;
  using Answer = std::optional<store::RegistrationRow>;
  context_.loop.query<Answer>(
      [business = found->second.business, channel = found->second.channel](store::Session& db) {
        return store::registration_of(db, business, channel);
      },
      [this, waiter](Result<Answer> row) {
        // Another gateway may have done it.
        if (!row || !*row || (*row)->job_waits) return;
        answer_one(waiter, {(*row)->state, false, (*row)->error});
      });
}

void Registrar::answer(domain::ChannelId channel, const RegistrationOutcome& outcome) {
  std::vector<std::uint64_t> waiting;
  for (const auto& [id, waiter] : waiters_) {
    if (waiter.channel == channel) waiting.push_back(id);
  }
  for (const auto id : waiting) answer_one(id, outcome);
}

void Registrar::answer_one(std::uint64_t waiter, const RegistrationOutcome& outcome) {
  auto found = waiters_.extract(waiter);
  if (!found.empty()) found.mapped().done(outcome);
}

void Registrar::give_up_waiting() {
  while (!waiters_.empty()) {
    answer_one(waiters_.begin()->first, pending("the gateway is stopping"));
  }
}

void Registrar::load(store::Job job) {
  using Answer = std::optional<Loaded>;
  context_.loop.query<Answer>(
      [this, job](store::Session& db) -> Result<Answer> {
        auto row = store::load_job(db, job);
        if (!row) return std::move(row).error();
        if (!*row) return Answer();
        Loaded loaded;
        loaded.job = *std::move(*row);
        if (!loaded.job.channel) return Answer(std::move(loaded));
        const store::SealedChannel& sealed = *loaded.job.channel;
        auto channel = open_channel(context_, db, job.tenant, sealed,
                                    loaded.job.webhook_url.empty()
                                        ? context_.webhook_url(sealed.type, job.channel)
                                        : loaded.job.webhook_url);
        if (!channel && may_repeat(channel.error())) return std::move(channel).error();
        loaded.is_open = channel.has_value();
        if (channel) loaded.channel = *std::move(channel);
        if (!loaded.job.transcript.empty()) {
          auto bytes = context_.vault.open(db, job.tenant, store::kRegistrationTranscript,
                                           job.channel.get(), loaded.job.transcript);
          if (!bytes && may_repeat(bytes.error())) return std::move(bytes).error();
          auto answers = bytes ? decode_transcript(bytes->reveal()) : std::nullopt;
          if (answers) loaded.answers = *std::move(answers);
        }
        return Answer(std::move(loaded));
      },
      [this, job](Result<Answer> loaded) {
        if (!loaded) {
          if (may_repeat(loaded.error())) context_.health.bad(loaded.error());
          return leave();  // its lease runs out and it is claimed again
        }
        if (!*loaded) return leave();
        begin(job, *std::move(*loaded));
      });
}

void Registrar::begin(store::Job job, Loaded loaded) {
  auto run = std::make_shared<JobRun>();
  run->job = job;
  run->loaded = std::move(loaded.job);
  const bool unregisters = run->loaded.operation == JobOperation::unregister_webhook;
  if (!run->loaded.channel) {
    return end(run, {},
               RegistrationOutcome{RegistrationState::failed, false, "the channel was removed"});
  }
  const store::SealedChannel& channel = *run->loaded.channel;
  store::JobEnd ended;
  if (!unregisters && !channel.is_active) {
    ended.channel.registration = RegistrationState::inactive;
    ended.channel.error = "";
    return end(run, ended, RegistrationOutcome{RegistrationState::inactive, false, ""});
  }
  if (unregisters && run->loaded.left_ms <= 0) {
    log::warn("outbound", "a channel could not be unregistered within a day and is left as it is",
              {{"type", channel.type}, {"channel", job.channel.text()}});
    return end(run, ended);
  }
  const plugins::Connector* type = context_.registry.find(channel.type);
  if (type == nullptr || !loaded.is_open) {
    const std::string why = type == nullptr ? "no connector for " + channel.type + " is loaded"
                                            : "the channel's secrets cannot be opened";
    log::error("outbound", "a registration job cannot run",
               {{"reason", why}, {"channel", job.channel.text()}});
    ended.kind = store::JobEnd::Kind::again;
    ended.attempt = run->loaded.attempt + 1;
    ended.delay_ms = kNoConnectorMs;
    ended.error = why;
    return end(run, ended, pending(why));
  }
  run->run = std::make_unique<Run>(*type, static_cast<connector::Operation>(run->loaded.operation),
                                   std::move(loaded.channel), connector::Event());
  run->run->resume(std::move(loaded.answers));
  advance(std::move(run));
}

void Registrar::advance(RunPtr run) {
  connector::Step step = run->run->next(context_.clock.now_ms());
  if (auto* asked = std::get_if<connector::Call>(&step)) {
    if (!may_ask(run, *asked)) return;
    auto call_to_make = std::make_shared<connector::Call>(std::move(*asked));
    // Nothing was answered yet: there is nothing a successor would have to know. But a slow call
    // needs a longer lease than the claim has given.
    const bool is_slow = context_.lease_ms(*call_to_make) > context_.options.lease_ms;
    if (run->run->answers().empty() && !is_slow) return call(std::move(run), call_to_make);
    return record(std::move(run), std::move(call_to_make));
  }
  conclude(std::move(run), std::move(step));
}

void Registrar::put_back(const RunPtr& run, std::int64_t delay_ms) {
  store::JobEnd later;
  later.kind = store::JobEnd::Kind::again;
  later.attempt = run->loaded.attempt;
  later.delay_ms = delay_ms;
  end(run, std::move(later));
}

// False: the job was put back.
bool Registrar::may_ask(const RunPtr& run, const connector::Call& call_to_make) {
  const bool is_big =
      context_.http.answer_limit(call_to_make) > kBigAnswerBytes || run->run->is_big();
  if (is_big && run->big == nullptr) {
    run->big = context_.big.take();
    if (run->big == nullptr) {
      put_back(run, kBigWaitMs);
      return false;
    }
  }
  const std::string host = context_.http.host_of(call_to_make);
  if (std::exchange(run->began, true) || run->loaded.attempt == 0) {
    context_.budget.first_try(host, now());
  } else if (const auto wait_ms = context_.budget.wait_ms(host, now()); wait_ms > 0) {
    put_back(run, wait_ms + uniform_ms(0, 1'000, context_.rng));
    return false;
  }
  return true;
}

void Registrar::record(RunPtr run, std::shared_ptr<connector::Call> call_to_make) {
  // A poll may be begun anew, and so may what was answered with media: they only keep their lease.
  const bool keeps = run->loaded.operation != JobOperation::poll && !run->run->is_big() &&
                     !run->run->answers().empty();
  context_.loop.query<bool>(
      [this, job = run->job, lease_ms = context_.lease_ms(*call_to_make), keeps,
       answers = keeps ? encode_transcript(run->run->answers())
                       : std::string()](store::Session& db) -> Result<bool> {
        if (!keeps) return store::renew_job(db, job, lease_ms);
        auto sealed = context_.vault.seal(db, job.tenant, store::kRegistrationTranscript,
                                          job.channel.get(), answers);
        if (!sealed) return std::move(sealed).error();
        return store::record_answers(db, job, *sealed, lease_ms);
      },
      [this, run, call_to_make](Result<bool> held) {
        if (!held && may_repeat(held.error())) context_.health.bad(held.error());
        if (!held || !*held || stopping_) return leave();
        call(run, call_to_make);
      });
}

void Registrar::call(RunPtr run, const std::shared_ptr<connector::Call>& call_to_make) {
  auto started =
      context_.http.start(std::move(*call_to_make), [this, run](connector::Response response) {
        run->run->answered(std::move(response));
        advance(run);
      });
  if (!started) {
    conclude(run, connector::Fail{.code = Failure::config,
                                  .why = "the call cannot be made: " + started.error().message});
  }
}

void Registrar::conclude(RunPtr run, connector::Step step) {
  const JobOperation operation = run->loaded.operation;
  const auto* failure = std::get_if<connector::Fail>(&step);
  context_.metrics
      .counter(
          "backchannel_registrations_total", "Operations on channels' registrations",
          {{"operation", name_of(operation)}, {"outcome", failure == nullptr ? "done" : "failed"}})
      .add();
  switch (operation) {
    case JobOperation::register_webhook:
      return registered(std::move(run), std::move(step));
    case JobOperation::unregister_webhook:
      return unregistered(std::move(run), std::move(step));
    case JobOperation::check:
      return checked(std::move(run), std::move(step));
    case JobOperation::poll:
      return polled(std::move(run), std::move(step));
  }
}

std::int64_t Registrar::retry_ms(const connector::Fail& failure, int attempt) {
  const std::int64_t jitter = full_jitter_ms(attempt, context_.rng);
  if (failure.code != Failure::rate) return jitter;
  return std::max(rate_pause_ms(failure.retry_after_ms), jitter);
}

std::int64_t Registrar::next_check_ms() {
  const std::int64_t interval = context_.options.check_interval_ms;
  return uniform_ms(interval - interval / 10, interval + interval / 10, context_.rng);
}

void Registrar::registered(RunPtr run, connector::Step step) {
  store::JobEnd ended;
  ended.channel.checked = true;
  if (auto* done = std::get_if<connector::Done>(&step)) {
    const bool is_manual = result_of(*done, "registration") == "manual";
    ended.channel.registration = is_manual ? RegistrationState::manual : RegistrationState::active;
    ended.channel.error = run->run->clean(results_of(*done, "warning"));
    ended.channel.instructions = store::Bytes();
    ended.channel.resume = true;
    std::vector<std::string> accounts;
    for (const auto& [name, value] : done->results) {
      if (name != "account" || value.empty() || accounts.size() >= kMaxAccounts) continue;
      accounts.push_back(sdk::sanitize(value, kMaxAccountBytes));
    }
    if (!accounts.empty()) ended.channel.accounts = std::move(accounts);
    std::string instructions;
    if (is_manual) {
      sdk::json::Writer json;
      json.object();
      for (const auto& [name, value] : done->results) {
        if (name.starts_with(kInstruction)) json.member(name.substr(kInstruction.size()), value);
      }
      instructions = json.end().take();
    }
    if (again_at_once(run->job.channel, result_of(*done, "more") == "1")) {
      ended.kind = store::JobEnd::Kind::again;
    } else {
      // Not with the next schedule: somebody is waiting for what was written meanwhile.
      ended.enqueue_poll = run->run->type().polls() && context_.options.store_events != nullptr;
    }
    const RegistrationOutcome outcome{*ended.channel.registration, false, ""};
    return end(std::move(run), std::move(ended), outcome, std::move(done->state),
               Secret(std::move(instructions)));
  }
  const auto& failure = *std::get_if<connector::Fail>(&step);
  in_a_row_.erase(run->job.channel);
  ended.channel.error = failure.why;
  if (is_refusal(failure.code)) {
    ended.channel.registration = RegistrationState::failed;
    return end(std::move(run), std::move(ended),
               RegistrationOutcome{RegistrationState::failed, true, failure.why});
  }
  const RegistrationState before = run->loaded.channel->registration;
  if (before == RegistrationState::inactive || before == RegistrationState::manual) {
    ended.channel.registration = RegistrationState::pending;
  }
  ended.kind = store::JobEnd::Kind::again;
  ended.attempt = run->loaded.attempt + 1;
  ended.delay_ms = retry_ms(failure, run->loaded.attempt);
  ended.error = failure.why;
  end(std::move(run), std::move(ended), pending(failure.why));
}

void Registrar::unregistered(RunPtr run, connector::Step step) {
  store::JobEnd ended;
  if (const auto* failure = std::get_if<connector::Fail>(&step)) {
    if (is_refusal(failure->code)) {
      log::warn("outbound", "a platform refused to unregister a channel",
                {{"type", run->loaded.channel->type},
                 {"channel", run->job.channel.text()},
                 {"reason", failure->why}});
    } else {
      ended.kind = store::JobEnd::Kind::again;
      ended.attempt = run->loaded.attempt + 1;
      ended.delay_ms = std::min(retry_ms(*failure, run->loaded.attempt), run->loaded.left_ms);
      ended.error = failure->why;
    }
  }
  end(std::move(run), std::move(ended));
}

void Registrar::checked(RunPtr run, connector::Step step) {
  store::JobEnd ended;
  ended.kind = store::JobEnd::Kind::again;
  ended.delay_ms = next_check_ms();
  const RegistrationState before = run->loaded.channel->registration;
  connector::Pairs state;
  if (auto* done = std::get_if<connector::Done>(&step)) {
    ended.channel.checked = true;
    state = std::move(done->state);
    const std::string problem = run->run->clean(results_of(*done, "problem"));
    if (!problem.empty()) {
      ended.channel.registration = RegistrationState::failed;
      ended.channel.error = problem;
      ended.enqueue_register = result_of(*done, "repair") == "register";
      log::warn("outbound", "a channel is not registered as it should be",
                {{"type", run->loaded.channel->type},
                 {"channel", run->job.channel.text()},
                 {"reason", problem},
                 {"repair", ended.enqueue_register ? "register" : "none"}});
    } else if (before != RegistrationState::active && before != RegistrationState::manual) {
      ended.channel.registration = RegistrationState::active;
      ended.channel.error = "";
      ended.channel.resume = true;
    }
  } else {
    const auto& failure = *std::get_if<connector::Fail>(&step);
    ended.error = failure.why;
    if (is_refusal(failure.code)) {
      ended.channel.checked = true;
      ended.channel.registration = RegistrationState::failed;
      ended.channel.error = failure.why;
    } else {
      // Nothing is known about the channel; it keeps its state until the platform answers.
      ended.delay_ms = std::max(ended.delay_ms, retry_ms(failure, 0));
    }
  }
  end(std::move(run), std::move(ended), {}, std::move(state));
}

// Whether a run that left something for another is followed by it at once; a mailbox of years must
// not keep the others waiting.
bool Registrar::again_at_once(domain::ChannelId channel, bool more) {
  if (!more || ++in_a_row_[channel] >= kRunsInARow) {
    in_a_row_.erase(channel);
    return false;
  }
  return true;
}

void Registrar::polled(RunPtr run, connector::Step step) {
  store::JobEnd ended;
  ended.kind = store::JobEnd::Kind::again;
  const std::int64_t interval = context_.options.poll_interval_ms;
  ended.delay_ms = uniform_ms(interval - interval / 10, interval + interval / 10, context_.rng);
  if (const auto* failure = std::get_if<connector::Fail>(&step)) {
    in_a_row_.erase(run->job.channel);
    ended.attempt = run->loaded.attempt + 1;
    ended.error = failure->why;
    ended.delay_ms = std::max(ended.delay_ms, retry_ms(*failure, run->loaded.attempt));
    if (is_refusal(failure->code)) {
      ended.channel.registration = RegistrationState::failed;
      ended.channel.error = failure->why;
    }
    return end(std::move(run), std::move(ended));
  }
  auto& done = *std::get_if<connector::Done>(&step);
  const bool more = result_of(done, "more") == "1";
  Brought brought{run->job.tenant, run->job.channel, std::move(done.events), std::move(done.state),
                  run->job};
  run->run->resume({});
  run->big.reset();
  context_.loop.query<bool>(
      [this, brought = std::move(brought)](store::Session& db) {
        return store_brought(context_, db, brought);
      },
      [this, run, ended, more](Result<bool> stored) mutable {
        if (!stored) {
          in_a_row_.erase(run->job.channel);
          if (may_repeat(stored.error())) context_.health.bad(stored.error());
          // Somebody else has the job, and polls from the cursor that is stored.
          if (stored.error().cause.starts_with(store::kJobLost)) return leave();
          log::error("outbound", "what a poll brought could not be stored",
                     {{"channel", run->job.channel.text()}, {"reason", stored.error().message}});
          ended.error = stored.error().message;
        } else {
          if (*stored) context_.channel_changed(run->job.channel);
          if (again_at_once(run->job.channel, more)) ended.delay_ms = 0;
        }
        end(run, std::move(ended));
      });
}

void Registrar::end(RunPtr run, store::JobEnd ended, std::optional<RegistrationOutcome> outcome,
                    connector::Pairs state, Secret instructions) {
  connector::Pairs known = run->run == nullptr ? connector::Pairs() : run->run->channel().state;
  context_.loop.query<store::JobEnded>(
      [this, job = run->job, wanted = run->loaded.wanted, ended, state, instructions,
       known = std::move(known)](store::Session& db) mutable -> Result<store::JobEnded> {
        if (!state.empty()) {
          auto merged = merged_state(db, context_.vault, job.tenant, job.channel, known, state);
          if (!merged) return std::move(merged).error();
          ended.channel.state = *std::move(merged);
        }
        if (!instructions.reveal().empty()) {
          auto sealed = context_.vault.seal(db, job.tenant, store::kChannelInstructions,
                                            job.channel.get(), instructions.reveal());
          if (!sealed) return std::move(sealed).error();
          ended.channel.instructions = *std::move(sealed);
        }
        return store::end_job(db, job, wanted, ended);
      },
      [this, run, ended, outcome, state, instructions](Result<store::JobEnded> result) mutable {
        if (!result && may_repeat(result.error())) {
          context_.health.bad(result.error());
          if (!stopping_) {
            context_.loop.after(kRepeatMs, [this, run, ended, outcome, state, instructions] {
              end(run, ended, outcome, state, instructions);
            });
            return;
          }
        } else if (!result) {
          log::error("outbound", "a registration's outcome cannot be stored",
                     {{"channel", run->job.channel.text()}, {"cause", result.error().cause}});
        } else {
          if (result->changed) context_.channel_changed(run->job.channel);
          if (outcome && result->held && !result->superseded) answer(run->job.channel, *outcome);
        }
        next_claim_ms_ = 0;  // another job of the channel may have waited for this one
        run->big.reset();
        leave();
      });
}

}  // namespace gateway::outbound
