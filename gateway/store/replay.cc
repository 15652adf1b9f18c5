#include "gateway/store/replay.h"

namespace gateway::store {

Result<std::vector<StoredDelivery>> stored_deliveries(Session& db, domain::BusinessId business,
                                                      domain::ChannelId channel,
                                                      StoredDelivery::From from,
                                                      const std::string& after, int limit) {
  static constexpr const char* kQuarantined =
      "select id, received_at::text, (extract(epoch from received_at) * 1000)::bigint, body,"
      " coalesce(content_type, '') from quarantine"
      " where tenant_id = $1 and channel_id = $2 and replayed_at is null"
      " and received_at > coalesce(nullif($3, ''), '-infinity')::timestamptz"
      " order by received_at limit $4";
  // The mark and the bytes were written by one transaction and carry its time. Of a delivery of
  // several events the bytes stand beside the first, so the time finds them and not the id.
  static constexpr const char* kUnknown =
      "select r.id, r.received_at::text, (extract(epoch from r.received_at) * 1000)::bigint,"
      " r.body, coalesce(r.content_type, '') from raw_event r"
      " where r.tenant_id = $1 and r.channel_id = $2 and r.received_at in ("
      "   select k.first_seen from event_key k where k.tenant_id = $1 and k.channel_id = $2"
      "   and k.unknown and k.first_seen > coalesce(nullif($3, ''), '-infinity')::timestamptz"
      "   order by k.first_seen limit $4)"
      " order by r.received_at";
  const bool quarantined = from == StoredDelivery::From::quarantine;
  auto rows = db.run(Scope::of(business), Query{quarantined ? kQuarantined : kUnknown,
                                                {business, channel, after, limit}});
  if (!rows) return std::move(rows).error();
  std::vector<StoredDelivery> found;
  for (int i = 0; i < rows->size(); ++i) {
    found.push_back({from, rows->uuid(i, 0), std::string(rows->text(i, 1)), rows->integer(i, 2),
                     rows->bytes(i, 3), std::string(rows->text(i, 4))});
  }
  return found;
}

Result<> free_unknown(Session& db, domain::BusinessId business, domain::ChannelId channel,
                      const StoredDelivery& delivery) {
  static constexpr const char* kFree =
      "update event_key set key = gen_random_uuid()"
      " where tenant_id = $1 and channel_id = $2 and unknown"
      " and first_seen = $3::text::timestamptz";
  auto rows = db.run(Scope::of(business), Query{kFree, {business, channel, delivery.instant}});
  if (!rows) return std::move(rows).error();
  return {};
}

Result<> mark_replayed(Session& db, domain::BusinessId business, domain::ChannelId channel,
                       const StoredDelivery& delivery) {
  static constexpr const char* kQuarantined =
      "update quarantine set replayed_at = now()"
      " where tenant_id = $1 and channel_id = $2 and received_at = $3::text::timestamptz"
      " and id = $4";
  static constexpr const char* kUnknown =
      "update event_key set unknown = false"
      " where tenant_id = $1 and channel_id = $2 and unknown"
      " and first_seen = $3::text::timestamptz and $4::uuid is not null";
  const bool quarantined = delivery.from == StoredDelivery::From::quarantine;
  auto rows =
      db.run(Scope::of(business), Query{quarantined ? kQuarantined : kUnknown,
                                        {business, channel, delivery.instant, delivery.id}});
  if (!rows) return std::move(rows).error();
  return {};
}

}  // namespace gateway::store
