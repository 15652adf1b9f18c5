#include "gateway/store/signals.h"

namespace gateway::store {

Result<std::optional<SignalTarget>> signal_target(Session& db, domain::BusinessId tenant,
                                                  domain::ConversationId conversation) {
  static constexpr const char* kSelect =
      "select c.id, coalesce(v.remote_thread, ''), coalesce(a.remote_id, ''),"
      " coalesce(p.name, ''), coalesce(i.remote_id, ''), coalesce(i.metadata::text, '')"
      " from conversation v"
      " left join channel c on c.tenant_id = v.tenant_id and c.id = v.channel_id"
      " left join contact p on p.tenant_id = v.tenant_id and p.id = v.contact_id"
      " left join lateral (select a.remote_id from contact_alias a where a.tenant_id = v.tenant_id"
      "  and a.channel_id = v.channel_id and a.contact_id = v.contact_id"
      "  order by a.remote_id limit 1) a on true"
      " left join lateral (select m.remote_id, m.metadata from message m"
      "  where m.tenant_id = v.tenant_id and m.conversation_id = v.id and m.sender_type = 0 and "
      "m.kind <> 3"
      "  order by m.sort_at desc, m.sort_seq desc, m.id desc limit 1) i on true"
      " where v.tenant_id = $1 and v.id = $2";
  auto rows = db.run(Scope::of(tenant), Query{kSelect, {tenant, conversation}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<SignalTarget>();
  SignalTarget target;
  if (!rows->is_null(0, 0)) target.channel = rows->id<domain::ChannelId>(0, 0);
  target.thread = rows->text(0, 1);
  target.contact = rows->text(0, 2);
  target.contact_name = rows->text(0, 3);
  target.last_remote_id = rows->text(0, 4);
  target.last_metadata = rows->text(0, 5);
  return std::optional<SignalTarget>(std::move(target));
}

Result<std::optional<SignalTarget>> mark_read(Session& db, domain::BusinessId tenant,
                                              domain::ConversationId conversation) {
  // Platforms tell their people themselves; visitors of pages are told here, of the newest message
  // alone: it stands for those before it.
  static constexpr const char* kRead =
      "with head as ("
      "  select h.conversation_id, h.unread from conversation_head h"
      "  where h.tenant_id = $1 and h.conversation_id = $2 and h.has_unread for no key update"
      "), cleared as ("
      "  update conversation_head h set unread = 0, has_unread = false from head o"
      "  where h.tenant_id = $1 and h.conversation_id = o.conversation_id"
      "  returning h.conversation_id"
      "), newest as ("
      "  select m.sort_at, m.sort_seq, m.id from message m"
      "  join conversation v on v.tenant_id = $1 and v.id = $2"
      "  join channel c on c.tenant_id = $1 and c.id = v.channel_id"
      "   and c.type in ('widget', 'webchat')"
      "  where m.tenant_id = $1 and m.conversation_id = $2 and m.sender_type = 0"
      "  order by m.sort_at desc, m.sort_seq desc, m.id desc"
      "  limit coalesce((select least(o.unread, 1000) from head o), 0)"
      "), marked as ("
      "  update message m set status = 4 from newest n where m.tenant_id = $1"
      "   and m.conversation_id = $2 and m.sort_at = n.sort_at and m.sort_seq = n.sort_seq"
      "   and m.id = n.id and m.status is distinct from 4"
      "  returning m.id, m.sort_at, m.sort_seq"
      "), told as ("
      "  insert into realtime_event (tenant_id, conversation_id, message_id, kind, state)"
      "  select $1, $2, m.id, 3, 4 from marked m"
      "  order by m.sort_at desc, m.sort_seq desc, m.id desc limit 1"
      ") insert into realtime_event (tenant_id, conversation_id, kind)"
      "  select $1, c.conversation_id, 2 from cleared c";
  auto done = db.run(Scope::of(tenant), Query{kRead, {tenant, conversation}});
  if (!done) return std::move(done).error();
  return signal_target(db, tenant, conversation);
}

Result<std::optional<LiveThread>> find_live_thread(Session& db, domain::BusinessId tenant,
                                                   domain::ChannelId channel,
                                                   const std::string& thread) {
  static constexpr const char* kFind =
      "select v.id, v.contact_id from conversation v where v.tenant_id = $1"
      " and v.channel_id = $2 and v.remote_thread = $3 and v.closed_at is null";
  auto rows = db.run(Scope::of(tenant), Query{kFind, {tenant, channel, thread}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<LiveThread>();
  LiveThread found{rows->id<domain::ConversationId>(0, 0), std::nullopt};
  if (const auto id = rows->maybe_uuid(0, 1)) found.contact = domain::ContactId(*id);
  return std::optional<LiveThread>(found);
}

Result<std::optional<std::string>> contact_name(Session& db, domain::BusinessId tenant,
                                                domain::ChannelId channel,
                                                const std::string& remote_id) {
  static constexpr const char* kName =
      "select p.name from contact_alias a join contact p on p.tenant_id = a.tenant_id"
      " and p.id = a.contact_id"
      " where a.tenant_id = $1 and a.channel_id = $2 and a.remote_id = $3";
  auto rows = db.run(Scope::of(tenant), Query{kName, {tenant, channel, remote_id}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<std::string>();
  return rows->maybe_text(0, 0);
}

Query rename_contact(domain::ChannelId channel, const std::string& remote_id,
                     const std::string& name) {
  static constexpr const char* kRename =
      "update contact p set name = $3 from contact_alias a"
      " where a.tenant_id = p.tenant_id and a.contact_id = p.id and a.channel_id = $1"
      " and a.remote_id = $2 and p.name is distinct from $3";
  return {kRename, {channel, remote_id, name}};
}

}  // namespace gateway::store
