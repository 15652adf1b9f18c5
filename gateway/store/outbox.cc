#include "gateway/store/outbox.h"

namespace gateway::store {
namespace {

Param status_param(domain::MessageStatus status) { return static_cast<int>(status); }

Param bytes_or_null(const Bytes& bytes) {
  return bytes.value.empty() ? Param(nullptr) : Param(bytes);
}

Param json_or_null(const std::optional<std::string>& json) {
  return json ? Param(Json{*json}) : Param(nullptr);
}

}  // namespace

std::optional<SealedChannel> read_sealed_channel(const Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  SealedChannel channel;
  channel.id = rows.id<domain::ChannelId>(row, column++);
  channel.type = rows.text(row, column++);
  channel.config = rows.bytes(row, column++);
  channel.secret = rows.bytes(row, column++);
  channel.state = rows.bytes(row, column++);
  channel.is_active = rows.boolean(row, column++);
  channel.registration = static_cast<domain::RegistrationState>(rows.integer(row, column++));
  channel.registration_error = rows.text(row, column++);
  channel.revision = static_cast<int>(rows.integer(row, column));
  return channel;
}

Result<std::vector<Lane>> claim_lanes(Session& db, const ClaimOptions& options) {
  static constexpr const char* kClaim =
      "select lane_tenant, lane_conversation, lane_fence from claim_lanes($1, $2, $3, $4)";
  auto rows =
      db.run(Scope::none(),
             Query{kClaim, {options.owner, options.limit, options.tenant_cap, options.lease_ms}});
  if (!rows) return std::move(rows).error();
  std::vector<Lane> lanes;
  for (int i = 0; i < rows->size(); ++i) {
    lanes.push_back({rows->id<domain::BusinessId>(i, 0), rows->id<domain::ConversationId>(i, 1),
                     rows->integer(i, 2)});
  }
  return lanes;
}

Result<> release_leases(Session& db, const Uuid& owner) {
  static constexpr const char* kRelease = "select release_leases($1)";
  auto rows = db.run(Scope::none(), Query{kRelease, {owner}});
  if (!rows) return std::move(rows).error();
  return {};
}

Result<Depth> outbox_depth(Session& db) {
  static constexpr const char* kDepth = "select waiting, oldest_ms from outbox_depth()";
  auto rows = db.run(Scope::none(), Query{kDepth, {}});
  if (!rows) return std::move(rows).error();
  return Depth{rows->integer(0, 0), rows->integer(0, 1)};
}

Result<std::optional<Head>> load_head(Session& db, const Lane& lane,
                                      std::int64_t transcript_bytes) {
  static constexpr const char* kLoad =
      "select o.message_id, o.channel_id, o.attempt, o.asked, o.answered,"
      " case when octet_length(o.transcript) <= $4 then o.transcript end,"
      " coalesce(octet_length(o.transcript), 0), coalesce(o.last_error, ''),"
      " floor(extract(epoch from o.deadline - clock_timestamp()) * 1000)::bigint,"
      " coalesce(ceil(extract(epoch from p.until - clock_timestamp()) * 1000)::bigint, 0),"
      " coalesce(m.content, ''), coalesce(m.attachments::text, ''), coalesce(m.metadata::text, ''),"
      " coalesce(m.reply_to, ''), coalesce(v.remote_thread, ''), coalesce(a.remote_id, ''),"
      " coalesce(p2.name, ''), i.id is not null, coalesce(i.remote_id, ''),"
      " coalesce(floor(extract(epoch from i.sort_at) * 1000)::bigint, 0),"
      " coalesce(i.metadata::text, ''),"
      " c.id, coalesce(c.type, ''), c.config_sealed, c.secret_sealed, c.state_sealed, c.is_active,"
      " coalesce(c.registration_state, 0), coalesce(c.registration_error, ''), c.revision"
      " from lane l"
      " join lateral (select * from outbox o where o.tenant_id = l.tenant_id"
      "  and o.conversation_id = l.conversation_id order by o.seq limit 1) o on true"
      " left join message m on m.tenant_id = l.tenant_id and m.conversation_id = l.conversation_id"
      "  and m.sort_at = o.sort_at and m.sort_seq = o.sort_seq and m.id = o.message_id"
      " left join conversation v on v.tenant_id = l.tenant_id and v.id = l.conversation_id"
      " left join channel c on c.tenant_id = l.tenant_id and c.id = o.channel_id"
      " left join channel_pause p on p.tenant_id = l.tenant_id and p.channel_id = o.channel_id"
      "  and p.until > clock_timestamp()"
      " left join lateral (select a.remote_id from contact_alias a where a.tenant_id = l.tenant_id"
      "  and a.channel_id = o.channel_id and a.contact_id = v.contact_id"
      "  order by a.remote_id limit 1) a on true"
      " left join contact p2 on p2.tenant_id = l.tenant_id and p2.id = v.contact_id"
      " left join lateral (select m.id, m.remote_id, m.sort_at, m.metadata from message m"
      "  where m.tenant_id = l.tenant_id and m.conversation_id = l.conversation_id"
      "  and m.sender_type = 0 and m.kind <> 3"
      "  order by m.sort_at desc, m.sort_seq desc, m.id desc limit 1) i on true"
      " where l.tenant_id = $1 and l.conversation_id = $2 and l.fence = $3";
  auto rows = db.run(Scope::of(lane.tenant),
                     Query{kLoad, {lane.tenant, lane.conversation, lane.fence, transcript_bytes}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) {
    static constexpr const char* kRemove =
        "delete from lane l where l.tenant_id = $1 and l.conversation_id = $2 and l.fence = $3"
        " and not exists (select from outbox o where o.tenant_id = l.tenant_id"
        "  and o.conversation_id = l.conversation_id)";
    auto removed = db.run(Scope::of(lane.tenant),
                          Query{kRemove, {lane.tenant, lane.conversation, lane.fence}});
    if (!removed) return std::move(removed).error();
    return std::optional<Head>();
  }
  Head head;
  int column = 0;
  head.message = rows->id<domain::MessageId>(0, column++);
  head.channel_id = rows->id<domain::ChannelId>(0, column++);
  head.attempt = static_cast<int>(rows->integer(0, column++));
  head.asked = static_cast<int>(rows->integer(0, column++));
  head.answered = static_cast<int>(rows->integer(0, column++));
  head.transcript = rows->bytes(0, column++);
  head.transcript_bytes = rows->integer(0, column++);
  head.last_error = rows->text(0, column++);
  head.left_ms = rows->integer(0, column++);
  head.paused_ms = rows->integer(0, column++);
  head.content = rows->text(0, column++);
  head.attachments = rows->text(0, column++);
  head.metadata = rows->text(0, column++);
  head.reply_to = rows->text(0, column++);
  head.thread = rows->text(0, column++);
  head.contact = rows->text(0, column++);
  head.contact_name = rows->text(0, column++);
  head.has_last = rows->boolean(0, column++);
  head.last_remote_id = rows->text(0, column++);
  head.last_sent_ms = rows->integer(0, column++);
  head.last_metadata = rows->text(0, column++);
  head.channel = read_sealed_channel(*rows, 0, column);
  return std::optional<Head>(std::move(head));
}

Result<std::string> load_transcript(Session& db, const Lane& lane, domain::MessageId message) {
  static constexpr const char* kLoad =
      "select o.transcript from outbox o"
      " where o.tenant_id = $1 and o.conversation_id = $2 and o.message_id = $3";
  auto rows =
      db.run(Scope::of(lane.tenant), Query{kLoad, {lane.tenant, lane.conversation, message}});
  if (!rows) return std::move(rows).error();
  return rows->empty() ? std::string() : rows->bytes(0, 0);
}

Result<Asked> ask(Session& db, const Lane& lane, domain::MessageId message, const Ask& ask) {
  static constexpr const char* kAsk =
      "select outbox_ask($1, $2, $3, $4, $5::integer::smallint, $6::integer::smallint, $7, $8)";
  auto rows = db.run(Scope::of(lane.tenant),
                     Query{kAsk,
                           {lane.conversation, lane.fence, message, ask.attempt, ask.asked,
                            ask.answered, bytes_or_null(ask.transcript), ask.lease_ms}});
  if (!rows) return std::move(rows).error();
  const auto answer = rows->integer(0, 0);
  if (answer < 0) return Asked{AskOutcome::lost, 0};
  if (answer > 0) return Asked{AskOutcome::paused, answer};
  return Asked{AskOutcome::go, 0};
}

Result<bool> settle(Session& db, const Lane& lane, domain::MessageId message,
                    const Settled& settled) {
  static constexpr const char* kSettle =
      "select outbox_settle($1, $2, $3, $4::integer::smallint, $5, $6, $7, $8, $9)";
  auto rows = db.run(Scope::of(lane.tenant),
                     Query{kSettle,
                           {lane.conversation, lane.fence, message, status_param(settled.status),
                            settled.error, settled.remote_ids, json_or_null(settled.metadata),
                            settled.unreachable, settled.moved_to}});
  if (!rows) return std::move(rows).error();
  return rows->boolean(0, 0);
}

Result<bool> again(Session& db, const Lane& lane, domain::MessageId message,
                   domain::ChannelId channel, const Again& again) {
  static constexpr const char* kAgain =
      "select outbox_again($1, $2, $3, $4, $5::integer::smallint, $6, $7, $8, $9,"
      " $10::integer::smallint)";
  static constexpr const char* kChannelFailed =
      "update channel c set registration_state = 2, registration_error = $2,"
      " registration_checked_at = clock_timestamp()"
      " where c.tenant_id = current_tenant() and c.id = $1"
      " and (c.registration_state <> 2 or c.registration_error is distinct from $2)";
  std::vector<Query> queries;
  queries.push_back({kAgain,
                     {lane.conversation, lane.fence, message, again.attempt, again.answered,
                      bytes_or_null(again.transcript), again.delay_ms, again.error, again.pause_ms,
                      static_cast<int>(again.reason)}});
  if (again.channel_error) queries.push_back({kChannelFailed, {channel, *again.channel_error}});
  auto rows = db.run(Scope::of(lane.tenant), queries);
  if (!rows) return std::move(rows).error();
  return rows->front().boolean(0, 0);
}

}  // namespace gateway::store
