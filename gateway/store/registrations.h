// Jobs on channels' registrations: register, unregister, check, poll (schemas/sql/0002_outbox.sql).
//
// A job is leased to one gateway process; every write names its fence and says whether the lease
// still held. Values and functions; each call is one transaction.
#ifndef GATEWAY_STORE_REGISTRATIONS_H_
#define GATEWAY_STORE_REGISTRATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/domain/conversation.h"
#include "gateway/store/outbox.h"
#include "gateway/store/pg.h"

namespace gateway::store {

// What a sealed transcript is bound to, beside the channel's id.
inline constexpr std::string_view kRegistrationTranscript = "registration_job.transcript";

// SQLSTATEs of our own, in Error::cause.
inline constexpr std::string_view kChannelChanged = "BC003";
inline constexpr std::string_view kJobLost = "BC004";

// As connector::Operation counts them.
enum class JobOperation { register_webhook = 1, unregister_webhook = 2, check = 3, poll = 4 };

struct Job {
  domain::BusinessId tenant;
  domain::ChannelId channel;
  std::int64_t seq = 0;
  std::int64_t fence = 0;
};

struct LoadedJob {
  JobOperation operation = JobOperation::register_webhook;
  int wanted = 1;
  int attempt = 0;
  std::int64_t left_ms = 0;  // until an unregister job is given up
  std::string transcript;    // sealed; empty where nothing was answered
  std::string webhook_url;   // empty: as it would be now
  // The row as it is, or as it was when the unregister job was made; absent where it is gone.
  std::optional<SealedChannel> channel;
};

// Crosses tenants.
Result<std::vector<Job>> claim_registrations(Session& db, const ClaimOptions& options);
// Makes the jobs that active channels of these types lack; says how many. Crosses tenants.
Result<int> schedule_registrations(Session& db, const std::vector<std::string>& types,
                                   const std::vector<std::string>& polling, std::int64_t spread_ms);

// Enqueues a registration, and leases it to `owner` where it may run at once.
Result<std::optional<Job>> start_registration(Session& db, domain::BusinessId tenant,
                                              domain::ChannelId channel, const Uuid& owner,
                                              std::int64_t lease_ms);

Result<std::optional<LoadedJob>> load_job(Session& db, const Job& job);
// The answers so far, before the next call leaves. False where the lease was lost.
Result<bool> record_answers(Session& db, const Job& job, const Bytes& transcript,
                            std::int64_t lease_ms);

// A longer lease and nothing else. False where it was lost.
Result<bool> renew_job(Session& db, const Job& job, std::int64_t lease_ms);

// For the transaction that stores what a run of a channel brought: its state moves on from
// `revision`, or the transaction fails with kChannelChanged. They name their tenant themselves.
std::vector<Query> move_state(domain::BusinessId tenant, domain::ChannelId channel, int revision,
                              const Bytes& state);
// Likewise: the transaction fails with kJobLost where the job is not the caller's any more.
std::vector<Query> hold_job(const Job& job);

// What becomes of the channel's row. Absent members stay.
struct ChannelChange {
  std::optional<domain::RegistrationState> registration;
  std::optional<std::string> error;   // "" removes it
  std::optional<Bytes> state;         // sealed
  std::optional<Bytes> instructions;  // sealed JSON object; empty removes them
  // What deliveries for this channel name; replaces the known ones.
  std::optional<std::vector<std::string>> accounts;
  bool checked = false;  // the platform said how things stand
  bool resume = false;   // held messages go now
};

struct JobEnd {
  enum class Kind { remove, again } kind = Kind::remove;
  int attempt = 0;
  std::int64_t delay_ms = 0;
  std::string error;
  ChannelChange channel;
  bool enqueue_register = false;  // the check asks for a repair
  bool enqueue_poll = false;      // what is polled begins with its registration
};

struct JobEnded {
  bool held = false;        // the lease still held
  bool superseded = false;  // asked for again meanwhile: the channel's row was left as it is
  bool changed = false;     // the channel's row says something else than before
};
// `wanted` as it was loaded.
Result<JobEnded> end_job(Session& db, const Job& job, int wanted, const JobEnd& end);

struct RegistrationRow {
  bool is_active = false;
  domain::RegistrationState state = domain::RegistrationState::pending;
  std::string error;
  bool job_waits = false;  // a register job exists
};
// Absent where the channel is gone.
Result<std::optional<RegistrationRow>> registration_of(Session& db, domain::BusinessId tenant,
                                                       domain::ChannelId channel);
// One channel's row, for calls that are not recorded. Absent where it is gone.
Result<std::optional<SealedChannel>> sealed_channel(Session& db, domain::BusinessId tenant,
                                                    domain::ChannelId channel);
// False where the row has another revision than it was read with.
Result<bool> save_state(Session& db, domain::BusinessId tenant, domain::ChannelId channel,
                        int revision, const Bytes& state);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_REGISTRATIONS_H_
