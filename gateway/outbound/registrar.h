// Channels' registrations at their platforms: register, unregister, health checks with repair, and
// polling. Jobs wait in the database and are resumed from their answers after a crash, except
// polls, which begin anew; what is asked of a platform here may be asked twice.
//
// Belongs to the outbound thread.
#ifndef GATEWAY_OUTBOUND_REGISTRAR_H_
#define GATEWAY_OUTBOUND_REGISTRAR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/outbound/context.h"
#include "gateway/outbound/outbound.h"
#include "gateway/outbound/run.h"
#include "gateway/store/registrations.h"

namespace gateway::outbound {

class Registrar final : public Worker {
 public:
  using Done = std::function<void(RegistrationOutcome)>;

  explicit Registrar(Context& context);
  void tick() override;
  void wake() override { next_claim_ms_ = 0; }
  void stop() override { stopping_ = true; }
  int in_flight() const override { return runs_; }

  // See Outbound::register_channel.
  void register_channel(domain::BusinessId business, domain::ChannelId channel, Done done);
  // Everybody who still waits is told that it is pending.
  void give_up_waiting();

 private:
  struct Loaded;
  struct JobRun;
  using RunPtr = std::shared_ptr<JobRun>;
  struct Waiter {
    domain::BusinessId business;
    domain::ChannelId channel;
    Done done;
  };

  void claim();
  void schedule();
  void load(store::Job job);
  void begin(store::Job job, Loaded loaded);
  void advance(RunPtr run);
  bool may_ask(const RunPtr& run, const connector::Call& call);
  void put_back(const RunPtr& run, std::int64_t delay_ms);
  void record(RunPtr run, std::shared_ptr<connector::Call> call);
  void call(RunPtr run, const std::shared_ptr<connector::Call>& call);
  void conclude(RunPtr run, connector::Step step);
  void registered(RunPtr run, connector::Step step);
  void unregistered(RunPtr run, connector::Step step);
  void checked(RunPtr run, connector::Step step);
  void polled(RunPtr run, connector::Step step);
  bool again_at_once(domain::ChannelId channel, bool more);
  void end(RunPtr run, store::JobEnd end, std::optional<RegistrationOutcome> outcome = {},
           connector::Pairs state = {}, Secret instructions = Secret());
  void leave() { --runs_; }
  void answer(domain::ChannelId channel, const RegistrationOutcome& outcome);
  void answer_one(std::uint64_t waiter, const RegistrationOutcome& outcome);
  void look_up(std::uint64_t waiter);
  std::int64_t retry_ms(const connector::Fail& failure, int attempt);
  std::int64_t next_check_ms();
  std::int64_t now() const { return context_.clock.steady_ms(); }

  Context& context_;
  int runs_ = 0;
  bool claiming_ = false;
  bool scheduling_ = false;
  bool stopping_ = false;
  std::int64_t next_claim_ms_ = 0;
  std::int64_t next_schedule_ms_ = 0;
  std::map<domain::ChannelId, int> in_a_row_;  // runs that left something for another
  std::uint64_t next_waiter_ = 1;
  std::map<std::uint64_t, Waiter> waiters_;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_REGISTRAR_H_
