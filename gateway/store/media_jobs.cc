#include "gateway/store/media_jobs.h"

#include <utility>

#include "connectors/sdk/crypto.h"
#include "gateway/store/media.h"

namespace gateway::store {
namespace {

constexpr unsigned kByteaOid = 17;
constexpr int kReady = static_cast<int>(MediaState::ready);
constexpr int kFailed = static_cast<int>(MediaState::failed);
constexpr std::size_t kBodyParam = 6;

std::string_view view_of(MediaOutcome outcome) {
  switch (outcome) {
    case MediaOutcome::settled:
      return "settled";
    case MediaOutcome::lost:
      return "lost";
    case MediaOutcome::deleted:
      return "deleted";
  }
  return {};
}

constexpr const char* kSettle =
    "select media_settle($1, $2, $3::integer::smallint, $4, $5, $6, $7, $8)";

Result<MediaOutcome> settle(Session& db, const MediaLease& lease, const Query& query) {
  auto rows = db.run(Scope::of(lease.tenant), query);
  if (!rows) return std::move(rows).error();
  for (const auto outcome : {MediaOutcome::settled, MediaOutcome::deleted}) {
    if (rows->text(0, 0) == view_of(outcome)) return outcome;
  }
  return MediaOutcome::lost;
}

}  // namespace

Result<std::vector<MediaLease>> claim_media(Session& db, const ClaimOptions& options) {
  static constexpr const char* kClaim =
      "select media_tenant, media_id, media_fence from claim_media($1, $2, $3, $4)";
  auto rows =
      db.run(Scope::none(),
             Query{kClaim, {options.owner, options.limit, options.tenant_cap, options.lease_ms}});
  if (!rows) return std::move(rows).error();
  std::vector<MediaLease> leases;
  for (int i = 0; i < rows->size(); ++i) {
    leases.push_back({rows->id<domain::BusinessId>(i, 0), rows->uuid(i, 1), rows->integer(i, 2)});
  }
  return leases;
}

Result<std::optional<LoadedMedia>> load_media(Session& db, const MediaLease& lease,
                                              std::int64_t keep_ms) {
  static constexpr const char* kLoad =
      "select coalesce(f.source::text, ''), coalesce(f.message_remote_id, ''), f.attempt,"
      " floor(extract(epoch from f.created_at - clock_timestamp()) * 1000)::bigint + $4,"
      " exists (select from media_message(f.tenant_id, f.channel_id, f.message_remote_id, f.id) m"
      "  where m.deleted_at is not null),"
      " f.channel_id, c.id, coalesce(c.type, ''), c.config_sealed, c.secret_sealed,"
      " c.state_sealed, c.is_active, coalesce(c.registration_state, 0),"
      " coalesce(c.registration_error, ''), c.revision"
      " from media f left join channel c on c.tenant_id = f.tenant_id and c.id = f.channel_id"
      " where f.tenant_id = $1 and f.id = $2 and f.fence = $3 and f.state = 0"
      " and f.lease_owner is not null";
  auto rows =
      db.run(Scope::of(lease.tenant), Query{kLoad, {lease.tenant, lease.id, lease.fence, keep_ms}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<LoadedMedia>();
  LoadedMedia file;
  int column = 0;
  file.source = rows->text(0, column++);
  file.message_remote_id = rows->text(0, column++);
  file.attempt = static_cast<int>(rows->integer(0, column++));
  file.left_ms = rows->integer(0, column++);
  file.is_deleted = rows->boolean(0, column++);
  file.channel_id = rows->id<domain::ChannelId>(0, column++);
  file.channel = read_sealed_channel(*rows, 0, column);
  return std::optional<LoadedMedia>(std::move(file));
}

Result<bool> hold_media(Session& db, const MediaLease& lease, std::int64_t lease_ms) {
  static constexpr const char* kHold =
      "update media f set next_at = clock_timestamp() + $4::bigint * interval '1 millisecond'"
      " where f.tenant_id = $1 and f.id = $2 and f.fence = $3 and f.state = 0"
      " and f.lease_owner is not null";
  auto rows = db.run(Scope::of(lease.tenant),
                     Query{kHold, {lease.tenant, lease.id, lease.fence, lease_ms}});
  if (!rows) return std::move(rows).error();
  return rows->affected() == 1;
}

Result<bool> media_again(Session& db, const MediaLease& lease, const MediaAgain& again) {
  static constexpr const char* kAgain =
      "update media f set lease_owner = null, error = nullif($5, ''),"
      " attempt = case when $6 then f.attempt else greatest(f.attempt - 1, 0) end,"
      " next_at = clock_timestamp() + $4::bigint * interval '1 millisecond'"
      " where f.tenant_id = $1 and f.id = $2 and f.fence = $3 and f.state = 0"
      " and f.lease_owner is not null";
  auto rows = db.run(Scope::of(lease.tenant), Query{kAgain,
                                                    {lease.tenant, lease.id, lease.fence,
                                                     again.delay_ms, again.error, again.counts}});
  if (!rows) return std::move(rows).error();
  return rows->affected() == 1;
}

Query media_ready_query(const MediaLease& lease, FetchedMedia&& file) {
  const std::string digest = sdk::sha256(file.body);
  return {kSettle,
          {lease.id, lease.fence, kReady, file.content_type, file.file_name, Bytes{digest},
           Param::binary(std::move(file.body), kByteaOid), nullptr}};
}

Result<MediaOutcome> media_ready(Session& db, const MediaLease& lease, const Query& ready) {
  auto outcome = settle(db, lease, ready);
  forget_large_parameter(db, ready.params[kBodyParam].bytes().size());
  return outcome;
}

Result<MediaOutcome> media_failed(Session& db, const MediaLease& lease, std::string_view why) {
  return settle(
      db, lease,
      {kSettle, {lease.id, lease.fence, kFailed, nullptr, nullptr, nullptr, nullptr, why}});
}

Result<int> erase_media(Session& db, int limit) {
  static constexpr const char* kErase = "select erase_media($1)";
  auto rows = db.run(Scope::none(), Query{kErase, {limit}});
  if (!rows) return std::move(rows).error();
  return static_cast<int>(rows->integer(0, 0));
}

Result<int> sweep_media(Session& db, const MediaSweep& sweep) {
  static constexpr const char* kSweep = "select sweep_media($1, $2, $3)";
  auto rows =
      db.run(Scope::none(), Query{kSweep, {sweep.unused_hours, sweep.check_hours, sweep.limit}});
  if (!rows) return std::move(rows).error();
  return static_cast<int>(rows->integer(0, 0));
}

Result<Depth> media_depth(Session& db) {
  static constexpr const char* kDepth = "select waiting, oldest_ms from media_depth()";
  auto rows = db.run(Scope::none(), Query{kDepth, {}});
  if (!rows) return std::move(rows).error();
  return Depth{rows->integer(0, 0), rows->integer(0, 1)};
}

}  // namespace gateway::store
