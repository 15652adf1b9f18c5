#include "gateway/store/live.h"

#include <algorithm>
#include <utility>

namespace gateway::store {
namespace {

// In events of all businesses: who was away for longer reads the API instead.
constexpr std::int64_t kLongestAbsence = 100'000;

#define LIVE_COLUMNS                                                               \
  "e.seq, e.tenant_id, e.conversation_id, e.message_id, e.kind, e.state, e.actor," \
  " floor(extract(epoch from e.created_at) * 1000)::bigint"

LiveEvent read(const Rows& rows, int row) {
  LiveEvent event;
  event.seq = rows.integer(row, 0);
  event.business = rows.id<domain::BusinessId>(row, 1);
  event.conversation = rows.id<domain::ConversationId>(row, 2);
  if (const auto id = rows.maybe_uuid(row, 3)) event.message = domain::MessageId(*id);
  event.kind = static_cast<LiveKind>(rows.integer(row, 4));
  if (const auto state = rows.maybe_integer(row, 5)) {
    event.state = static_cast<domain::MessageStatus>(*state);
  }
  if (const auto actor = rows.maybe_uuid(row, 6)) event.actor = domain::UserId(*actor);
  event.at_ms = rows.integer(row, 7);
  return event;
}

// The status that an update returned, where it changed one.
Result<std::optional<std::string>> changed(Result<std::vector<Rows>> rows) {
  if (!rows) return std::move(rows).error();
  const Rows& last = rows->back();
  if (last.empty()) return std::optional<std::string>();
  return std::optional<std::string>(last.text(0, 0));
}

}  // namespace

Result<std::vector<LiveEvent>> live_tail(Session& db, std::int64_t after,
                                         const std::vector<std::int64_t>& missing, int limit) {
  static constexpr const char* kTail =
      "select " LIVE_COLUMNS " from live_tail($1, $2::bigint[], $3::integer) e order by e.seq";
  auto rows = db.run(Scope::none(), Query{kTail, {after, missing, limit}});
  if (!rows) return std::move(rows).error();
  std::vector<LiveEvent> events;
  for (int row = 0; row < rows->size(); ++row) events.push_back(read(*rows, row));
  return events;
}

Result<std::int64_t> newest_live_event(Session& db) {
  auto rows = db.run(Scope::none(), Query{"select live_newest()", {}});
  if (!rows) return std::move(rows).error();
  return rows->integer(0, 0);
}

Result<std::optional<std::vector<LiveEvent>>> missed_live_events(
    Session& db, domain::BusinessId business, std::int64_t at, std::int64_t behind,
    const std::vector<std::int64_t>& open, int limit) {
  static constexpr const char* kBehind =
      "select " LIVE_COLUMNS
      " from realtime_event e where e.tenant_id = $1 and e.seq > $2"
      // The log has no index by business: every delivery would pay for it.
      " and $2 >= (select live_newest()) - $4::bigint"
      " order by e.seq limit $3::integer";
  static constexpr const char* kUpTo =
      "select " LIVE_COLUMNS
      " from realtime_event e where e.tenant_id = $1 and e.seq <= $2"
      " and e.seq = any ($3::bigint[]) order by e.seq";
  std::vector<std::int64_t> named = open;
  named.push_back(at);
  const Query queries[] = {{"select live_newest()", {}},
                           {kUpTo, {business, behind, named}},
                           {kBehind, {business, behind, limit + 1, kLongestAbsence}}};
  auto answers = db.run(Scope::of(business), queries);
  if (!answers) return std::move(answers).error();
  const Rows& newest = (*answers)[0];
  const Rows& up_to = (*answers)[1];
  const Rows& later = (*answers)[2];
  std::vector<LiveEvent> events;
  for (const Rows* rows : {&up_to, &later}) {
    for (int row = 0; row < rows->size(); ++row) events.push_back(read(*rows, row));
  }
  // The client has seen the event `at`, so it is still there unless the log has been cut behind it.
  const bool is_there = std::any_of(events.begin(), events.end(),
                                    [&](const LiveEvent& event) { return event.seq == at; });
  if (!is_there || later.size() > limit || behind < newest.integer(0, 0) - kLongestAbsence) {
    return std::optional<std::vector<LiveEvent>>();
  }
  return std::optional<std::vector<LiveEvent>>(std::move(events));
}

Result<OpenTransactions> open_transactions(Session& db) {
  static constexpr const char* kSnapshot =
      "select pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint"
      " from pg_current_snapshot() s";
  auto rows = db.run(Scope::none(), Query{kSnapshot, {}});
  if (!rows) return std::move(rows).error();
  return OpenTransactions{rows->integer(0, 0), rows->integer(0, 1)};
}

Result<int> sessions_called(Session& db, std::string_view application_name) {
  static constexpr const char* kCount =
      "select count(*) from pg_stat_activity a where a.datname = current_database()"
      " and a.application_name = $1 and a.pid <> pg_backend_pid()";
  auto rows = db.run(Scope::none(), Query{kCount, {application_name}});
  if (!rows) return std::move(rows).error();
  return static_cast<int>(rows->integer(0, 0));
}

Result<> notify(Session& db, std::string_view channel, std::string_view payload) {
  auto done = db.run(Scope::none(), Query{"select pg_notify($1, $2)", {channel, payload}});
  if (!done) return std::move(done).error();
  return {};
}

Result<std::optional<std::string>> agent_arrived(Session& db, const Presence& who,
                                                 std::string_view node) {
  static constexpr const char* kThere =
      "insert into agent_presence as p (tenant_id, user_id, node) values ($1, $2, $3)"
      " on conflict (tenant_id, user_id, node) do update set seen_at = now()";
  static constexpr const char* kLive =
      "update membership m set status = 'live' where m.tenant_id = $1 and m.user_id = $2"
      " and m.is_active and m.status = 'offline' and m.chosen_status is null returning m.status";
  const Query queries[] = {{kThere, {who.business, who.user, node}},
                           {kLive, {who.business, who.user}}};
  return changed(db.run(Scope::of(who.business), queries));
}

Result<std::optional<std::string>> agent_left(Session& db, const Presence& who,
                                              std::string_view node) {
  static constexpr const char* kGone =
      "delete from agent_presence p where p.tenant_id = $1 and p.user_id = $2 and p.node = $3";
  static constexpr const char* kOffline =
      "update membership m set status = 'offline' where m.tenant_id = $1 and m.user_id = $2"
      " and m.status <> 'offline' and m.chosen_status is null"
      " and not exists (select from agent_presence p"
      "  where p.tenant_id = $1 and p.user_id = $2 and p.seen_at >= now() - interval '90 seconds')"
      " returning m.status";
  const Query queries[] = {{kGone, {who.business, who.user, node}},
                           {kOffline, {who.business, who.user}}};
  return changed(db.run(Scope::of(who.business), queries));
}

Result<std::optional<bool>> set_agent_status(Session& db, const Presence& who,
                                             std::string_view status) {
  // The row's lock comes with the old value, so of two at once each sees what it changes.
  static constexpr const char* kSet =
      "with before as (select m.status from membership m"
      "  where m.tenant_id = $1 and m.user_id = $2 and m.is_active for no key update)"
      " update membership m set status = $3, chosen_status = nullif($3, 'live') from before b"
      " where m.tenant_id = $1 and m.user_id = $2 returning b.status <> $3";
  auto rows = db.run(Scope::of(who.business), Query{kSet, {who.business, who.user, status}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<bool>();
  return std::optional<bool>(rows->boolean(0, 0));
}

Result<> renew_presence(Session& db, const std::vector<Presence>& agents, std::string_view node) {
  static constexpr const char* kRenew =
      "insert into agent_presence as p (tenant_id, user_id, node)"
      " select $1, u.id, $3 from unnest($2::uuid[]) as u(id)"
      " on conflict (tenant_id, user_id, node) do update set seen_at = now()";
  std::vector<Presence> sorted = agents;
  std::sort(sorted.begin(), sorted.end(), [](const Presence& a, const Presence& b) {
    return std::pair(a.business, a.user) < std::pair(b.business, b.user);
  });
  for (std::size_t i = 0; i < sorted.size();) {
    const domain::BusinessId business = sorted[i].business;
    std::vector<Uuid> users;
    for (; i < sorted.size() && sorted[i].business == business; ++i) {
      users.push_back(sorted[i].user.get());
    }
    auto done = db.run(Scope::of(business), Query{kRenew, {business, users, node}});
    if (!done) return std::move(done).error();
  }
  return {};
}

Result<std::vector<Presence>> end_stale_presence(Session& db) {
  static constexpr const char* kOffline =
      "update membership m set status = 'offline' where m.tenant_id = $1 and m.user_id = $2"
      " and m.status <> 'offline' and m.chosen_status is null";
  auto rows =
      db.run(Scope::none(), Query{"select absent_tenant, absent_user from live_absent()", {}});
  if (!rows) return std::move(rows).error();
  std::vector<Presence> gone;
  for (int row = 0; row < rows->size(); ++row) {
    const Presence who{rows->id<domain::BusinessId>(row, 0), rows->id<domain::UserId>(row, 1)};
    auto done = db.run(Scope::of(who.business), Query{kOffline, {who.business, who.user}});
    if (!done) return std::move(done).error();
    if (done->affected() > 0) gone.push_back(who);
  }
  return gone;
}

Result<std::vector<Uuid>> ended_tokens(Session& db, std::span<const TokenInUse> tokens) {
  std::vector<Uuid> ids, users, businesses;
  std::vector<std::int64_t> versions;
  for (const auto& [token, user, version, business] : tokens) {
    ids.push_back(token);
    users.push_back(user.get());
    versions.push_back(version);
    businesses.push_back(business.get());
  }
  auto rows = db.run(Scope::none(), Query{"select ended from live_ended($1, $2, $3, $4)",
                                          {ids, users, versions, businesses}});
  if (!rows) return std::move(rows).error();
  std::vector<Uuid> ended;
  for (int row = 0; row < rows->size(); ++row) ended.push_back(rows->uuid(row, 0));
  return ended;
}

Result<std::vector<RevokedVisitor>> visitors_revoked_within(Session& db, int seconds) {
  static constexpr const char* kRevoked =
      "select revoked_tenant, revoked_visitor from live_revoked_visitors($1)";
  auto rows = db.run(Scope::none(), Query{kRevoked, {seconds}});
  if (!rows) return std::move(rows).error();
  std::vector<RevokedVisitor> revoked;
  for (int row = 0; row < rows->size(); ++row) {
    revoked.push_back({rows->id<domain::BusinessId>(row, 0), rows->uuid(row, 1)});
  }
  return revoked;
}

}  // namespace gateway::store
