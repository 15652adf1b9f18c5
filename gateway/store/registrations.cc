#include "gateway/store/registrations.h"

namespace gateway::store {
namespace {

// The statements' own transaction may be of no tenant: events are stored across them.
Query as_tenant(domain::BusinessId tenant) {
  static constexpr const char* kTenant = "select set_config('app.tenant', $1, true)";
  return {kTenant, {tenant.text()}};
}

}  // namespace

Result<std::vector<Job>> claim_registrations(Session& db, const ClaimOptions& options) {
  static constexpr const char* kClaim =
      "select job_tenant, job_channel, job_seq, job_fence"
      " from claim_registrations($1, $2, $3, $4)";
  auto rows =
      db.run(Scope::none(),
             Query{kClaim, {options.owner, options.limit, options.tenant_cap, options.lease_ms}});
  if (!rows) return std::move(rows).error();
  std::vector<Job> jobs;
  for (int i = 0; i < rows->size(); ++i) {
    jobs.push_back({rows->id<domain::BusinessId>(i, 0), rows->id<domain::ChannelId>(i, 1),
                    rows->integer(i, 2), rows->integer(i, 3)});
  }
  return jobs;
}

Result<int> schedule_registrations(Session& db, const std::vector<std::string>& types,
                                   const std::vector<std::string>& polling,
                                   std::int64_t spread_ms) {
  static constexpr const char* kSchedule = "select schedule_registrations($1, $2, $3)";
  auto rows = db.run(Scope::none(), Query{kSchedule, {types, polling, spread_ms}});
  if (!rows) return std::move(rows).error();
  return static_cast<int>(rows->integer(0, 0));
}

Result<std::optional<Job>> start_registration(Session& db, domain::BusinessId tenant,
                                              domain::ChannelId channel, const Uuid& owner,
                                              std::int64_t lease_ms) {
  static constexpr const char* kStart =
      "select job_seq, job_fence from registration_start($1, $2, $3)";
  auto rows = db.run(Scope::of(tenant), Query{kStart, {channel, owner, lease_ms}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Job>();
  return std::optional<Job>(Job{tenant, channel, rows->integer(0, 0), rows->integer(0, 1)});
}

Result<std::optional<LoadedJob>> load_job(Session& db, const Job& job) {
  static constexpr const char* kLoad =
      "select j.operation, j.wanted, j.attempt,"
      " case when j.deadline = 'infinity' then 0 else"
      "  floor(extract(epoch from j.deadline - clock_timestamp()) * 1000)::bigint end,"
      " j.transcript, coalesce(j.webhook_url, ''),"
      " case when j.operation = 2 then j.channel_id else c.id end,"
      " case when j.operation = 2 then j.channel_type else coalesce(c.type, '') end,"
      " case when j.operation = 2 then j.config_sealed else c.config_sealed end,"
      " case when j.operation = 2 then j.secret_sealed else c.secret_sealed end,"
      " case when j.operation = 2 then j.state_sealed else c.state_sealed end,"
      " coalesce(c.is_active, false), coalesce(c.registration_state, 0),"
      " coalesce(c.registration_error, ''), coalesce(c.revision, 0)"
      " from registration_job j"
      " left join channel c on c.tenant_id = j.tenant_id and c.id = j.channel_id"
      " where j.tenant_id = $1 and j.channel_id = $2 and j.seq = $3 and j.fence = $4";
  auto rows =
      db.run(Scope::of(job.tenant), Query{kLoad, {job.tenant, job.channel, job.seq, job.fence}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<LoadedJob>();
  LoadedJob loaded;
  loaded.operation = static_cast<JobOperation>(rows->integer(0, 0));
  loaded.wanted = static_cast<int>(rows->integer(0, 1));
  loaded.attempt = static_cast<int>(rows->integer(0, 2));
  loaded.left_ms = rows->integer(0, 3);
  loaded.transcript = rows->bytes(0, 4);
  loaded.webhook_url = rows->text(0, 5);
  loaded.channel = read_sealed_channel(*rows, 0, 6);
  return std::optional<LoadedJob>(std::move(loaded));
}

Result<bool> record_answers(Session& db, const Job& job, const Bytes& transcript,
                            std::int64_t lease_ms) {
  static constexpr const char* kRecord =
      "update registration_job j set transcript = $5,"
      " next_at = clock_timestamp() + $6::bigint * interval '1 millisecond'"
      " where j.tenant_id = $1 and j.channel_id = $2 and j.seq = $3 and j.fence = $4"
      " and j.lease_owner is not null";
  auto rows =
      db.run(Scope::of(job.tenant),
             Query{kRecord, {job.tenant, job.channel, job.seq, job.fence, transcript, lease_ms}});
  if (!rows) return std::move(rows).error();
  return rows->affected() == 1;
}

Result<bool> renew_job(Session& db, const Job& job, std::int64_t lease_ms) {
  static constexpr const char* kRenew =
      "update registration_job j"
      " set next_at = clock_timestamp() + $5::bigint * interval '1 millisecond'"
      " where j.tenant_id = $1 and j.channel_id = $2 and j.seq = $3 and j.fence = $4"
      " and j.lease_owner is not null";
  auto rows = db.run(Scope::of(job.tenant),
                     Query{kRenew, {job.tenant, job.channel, job.seq, job.fence, lease_ms}});
  if (!rows) return std::move(rows).error();
  return rows->affected() == 1;
}

std::vector<Query> move_state(domain::BusinessId tenant, domain::ChannelId channel, int revision,
                              const Bytes& state) {
  static constexpr const char* kMove = "select channel_state_move($1, $2, $3)";
  return {as_tenant(tenant), {kMove, {channel, revision, state}}};
}

std::vector<Query> hold_job(const Job& job) {
  static constexpr const char* kHold = "select registration_hold($1, $2, $3)";
  return {as_tenant(job.tenant), {kHold, {job.channel, job.seq, job.fence}}};
}

Result<JobEnded> end_job(Session& db, const Job& job, int wanted, const JobEnd& end) {
  auto transaction = db.begin(Scope::of(job.tenant));
  if (!transaction) return std::move(transaction).error();
  const std::vector<Param> key = {job.tenant, job.channel, job.seq, job.fence};
  const auto with_key = [&](std::vector<Param> more) {
    std::vector<Param> params = key;
    for (Param& param : more) params.push_back(std::move(param));
    return params;
  };
  JobEnded ended;

  static constexpr const char* kHold =
      "select j.wanted from registration_job j where j.tenant_id = $1 and j.channel_id = $2"
      " and j.seq = $3 and j.fence = $4 and j.lease_owner is not null for update";
  auto held = transaction->run({kHold, key});
  if (!held) return std::move(held).error();
  if (held->empty()) return ended;
  ended.held = true;
  ended.superseded = held->integer(0, 0) != wanted;

  const ChannelChange& change = end.channel;
  if (change.state) {
    // An unregistration that was asked for while this ran must know what this made.
    static constexpr const char* kHandOver =
        "update registration_job j set state_sealed = $3 where j.tenant_id = $1"
        " and j.channel_id = $2 and j.operation = 2 and j.lease_owner is null and j.seq > $4";
    auto handed = transaction->run({kHandOver, {job.tenant, job.channel, *change.state, job.seq}});
    if (!handed) return std::move(handed).error();
  }
  if (ended.superseded) {
    static constexpr const char* kRepeat =
        "update registration_job j set lease_owner = null, next_at = clock_timestamp(),"
        " transcript = null where j.tenant_id = $1 and j.channel_id = $2 and j.seq = $3"
        " and j.fence = $4";
    auto repeated = transaction->run({kRepeat, key});
    if (!repeated) return std::move(repeated).error();
  } else {
    const bool changes = change.registration || change.error || change.state ||
                         change.instructions || change.checked;
    if (changes) {
      // The revision is of what connectors see. It does not rise with what is only shown, so that
      // an API client's change is not refused because a check ran meanwhile.
      static constexpr const char* kChange =
          "update channel c set"
          " registration_state = coalesce($3::integer::smallint, c.registration_state),"
          " registration_error = case when $4::text is null then c.registration_error"
          "  else nullif($4::text, '') end,"
          " state_sealed = coalesce($5::bytea, c.state_sealed),"
          " instructions_sealed = case when $6::bytea is null then c.instructions_sealed"
          "  else nullif($6::bytea, '') end,"
          " registration_checked_at = case when $7::boolean then clock_timestamp()"
          "  else c.registration_checked_at end,"
          " revision = c.revision + case when $5::bytea is null then 0 else 1 end"
          " from channel before where c.tenant_id = $1 and c.id = $2"
          " and before.tenant_id = c.tenant_id and before.id = c.id"
          " returning c.revision <> before.revision"
          " or c.registration_state <> before.registration_state"
          " or c.registration_error is distinct from before.registration_error";
      auto updated = transaction->run(
          {kChange,
           {job.tenant, job.channel,
            change.registration ? Param(static_cast<int>(*change.registration)) : Param(nullptr),
            change.error, change.state ? Param(*change.state) : Param(nullptr),
            change.instructions ? Param(*change.instructions) : Param(nullptr), change.checked}});
      if (!updated) return std::move(updated).error();
      ended.changed = !updated->empty() && updated->boolean(0, 0);
    }
    if (change.accounts) {
      static constexpr const char* kAccounts =
          "select channel_accounts_replace(c.id, c.type, $3) from channel c"
          " where c.tenant_id = $1 and c.id = $2";
      auto replaced = transaction->run({kAccounts, {job.tenant, job.channel, *change.accounts}});
      if (!replaced) return std::move(replaced).error();
    }
    if (change.resume) {
      static constexpr const char* kResume = "select channel_resume($1)";
      auto resumed = transaction->run({kResume, {job.channel}});
      if (!resumed) return std::move(resumed).error();
    }
    if (end.kind == JobEnd::Kind::remove) {
      static constexpr const char* kRemove =
          "delete from registration_job j where j.tenant_id = $1 and j.channel_id = $2"
          " and j.seq = $3 and j.fence = $4";
      auto removed = transaction->run({kRemove, key});
      if (!removed) return std::move(removed).error();
      static constexpr const char* kForget =
          "delete from channel_pause p where p.tenant_id = $1 and p.channel_id = $2"
          " and not exists (select from channel c where c.tenant_id = $1 and c.id = $2)";
      auto forgotten = transaction->run({kForget, {job.tenant, job.channel}});
      if (!forgotten) return std::move(forgotten).error();
    } else {
      static constexpr const char* kAgain =
          "update registration_job j set lease_owner = null, attempt = $5, transcript = null,"
          " next_at = clock_timestamp() + $6::bigint * interval '1 millisecond',"
          " last_error = nullif($7::text, '')"
          " where j.tenant_id = $1 and j.channel_id = $2 and j.seq = $3 and j.fence = $4";
      auto repeated = transaction->run({kAgain, with_key({end.attempt, end.delay_ms, end.error})});
      if (!repeated) return std::move(repeated).error();
    }
    if (end.enqueue_register) {
      static constexpr const char* kRegister =
          "select registration_enqueue(c.id, 'register') from channel c"
          " where c.tenant_id = $1 and c.id = $2 and c.is_active";
      auto enqueued = transaction->run({kRegister, {job.tenant, job.channel}});
      if (!enqueued) return std::move(enqueued).error();
    }
    if (end.enqueue_poll) {
      static constexpr const char* kPoll =
          "select registration_enqueue(c.id, 'poll') from channel c"
          " where c.tenant_id = $1 and c.id = $2 and c.is_active";
      auto enqueued = transaction->run({kPoll, {job.tenant, job.channel}});
      if (!enqueued) return std::move(enqueued).error();
    }
  }
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return ended;
}

Result<std::optional<RegistrationRow>> registration_of(Session& db, domain::BusinessId tenant,
                                                       domain::ChannelId channel) {
  static constexpr const char* kSelect =
      "select c.is_active, c.registration_state, coalesce(c.registration_error, ''),"
      " exists (select from registration_job j where j.tenant_id = c.tenant_id"
      "  and j.channel_id = c.id and j.operation = 1)"
      " from channel c where c.tenant_id = $1 and c.id = $2";
  auto rows = db.run(Scope::of(tenant), Query{kSelect, {tenant, channel}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<RegistrationRow>();
  return std::optional<RegistrationRow>(RegistrationRow{
      rows->boolean(0, 0), static_cast<domain::RegistrationState>(rows->integer(0, 1)),
      std::string(rows->text(0, 2)), rows->boolean(0, 3)});
}

Result<std::optional<SealedChannel>> sealed_channel(Session& db, domain::BusinessId tenant,
                                                    domain::ChannelId channel) {
  static constexpr const char* kSelect =
      "select c.id, c.type, c.config_sealed, c.secret_sealed, c.state_sealed, c.is_active,"
      " c.registration_state, coalesce(c.registration_error, ''), c.revision"
      " from channel c where c.tenant_id = $1 and c.id = $2";
  auto rows = db.run(Scope::of(tenant), Query{kSelect, {tenant, channel}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<SealedChannel>();
  return read_sealed_channel(*rows, 0, 0);
}

Result<bool> save_state(Session& db, domain::BusinessId tenant, domain::ChannelId channel,
                        int revision, const Bytes& state) {
  static constexpr const char* kSave =
      "update channel c set state_sealed = $3, revision = c.revision + 1"
      " where c.tenant_id = $1 and c.id = $2 and c.revision = $4";
  auto rows = db.run(Scope::of(tenant), Query{kSave, {tenant, channel, state, revision}});
  if (!rows) return std::move(rows).error();
  return rows->affected() == 1;
}

}  // namespace gateway::store
