#include "gateway/store/conversations.h"

#include <algorithm>
#include <array>

#include "gateway/domain/plan.h"

namespace gateway::store {
namespace {

#define MS(column) "floor(extract(epoch from " column ") * 1000)::bigint"
#define US(column) "(extract(epoch from " column ") * 1000000)::bigint"
#define FROM_US(parameter) \
  "(timestamptz 'epoch' + " parameter "::bigint * interval '1 microsecond')"

// The columns of read_conversation(), in its order; h is the head, c the conversation, p the
// person. A deleted channel leaves its id behind in the rows; here it reads as none.
#define CONVERSATION_COLUMNS \
  "c.id, c.tenant_id, c.contact_id, h.assignee_id, h.status, c.channel_type,"                  \
  " (select ch.id from channel ch where ch.tenant_id = c.tenant_id and ch.id = c.channel_id)," \
  " " MS("c.created_at") ","                                                                    \
  " " MS("greatest(c.created_at, h.last_message_at, c.resolved_at, c.closed_at)") ","           \
  " " MS("c.first_response_at") ", " MS("c.resolved_at") ", " MS("c.closed_at") ","             \
  " c.handoff_reason, c.unreachable_reason, h.unread, h.message_count, h.preview,"             \
  " p.id, p.name, p.email, p.external_id, " MS("p.created_at") ", " US("h.last_message_at") ","  \
  " c.csat_score, c.csat_comment, " MS("c.csat_at") ", coalesce(c.remote_thread, '')"

#define MESSAGE_COLUMNS                                                                          \
  US("m.sort_at")                                                                                \
  ", m.sort_seq, m.id, m.conversation_id, m.sender_type, m.sender_id, m.kind,"                   \
  " m.status, m.content, coalesce(m.attachments, '[]')::text, coalesce(m.metadata, '{}')::text," \
  " (select r.id from message r where r.tenant_id = m.tenant_id and r.channel_id = m.channel_id" \
  "  and r.remote_id = m.reply_to and r.conversation_id = m.conversation_id limit 1),"           \
  " m.error, " MS("m.edited_at") ", " MS("m.deleted_at") ", " MS("m.created_at")

template <class IdType>
std::optional<IdType> maybe_id(const Rows& rows, int row, int column) {
  const auto uuid = rows.maybe_uuid(row, column);
  return uuid ? std::optional<IdType>(IdType(*uuid)) : std::nullopt;
}

Conversation read_conversation(const Rows& rows, int row) {
  Conversation conversation;
  conversation.id = rows.id<domain::ConversationId>(row, 0);
  conversation.business = rows.id<domain::BusinessId>(row, 1);
  conversation.contact_id = maybe_id<domain::ContactId>(rows, row, 2);
  conversation.assignee = maybe_id<domain::UserId>(rows, row, 3);
  conversation.status = static_cast<domain::ConversationStatus>(rows.integer(row, 4));
  conversation.channel_type = rows.text(row, 5);
  conversation.channel = maybe_id<domain::ChannelId>(rows, row, 6);
  conversation.created_ms = rows.integer(row, 7);
  conversation.updated_ms = rows.integer(row, 8);
  conversation.first_response_ms = rows.maybe_integer(row, 9);
  // The row remembers when it was resolved last; a conversation opened since is not resolved.
  if (conversation.status == domain::ConversationStatus::resolved ||
      conversation.status == domain::ConversationStatus::closed) {
    conversation.resolved_ms = rows.maybe_integer(row, 10);
  }
  conversation.closed_ms = rows.maybe_integer(row, 11);
  conversation.handoff_reason = rows.maybe_text(row, 12);
  conversation.unreachable_reason = rows.maybe_text(row, 13);
  conversation.unread = rows.integer(row, 14);
  conversation.message_count = rows.integer(row, 15);
  conversation.preview = rows.maybe_text(row, 16);
  if (const auto contact = maybe_id<domain::ContactId>(rows, row, 17)) {
    conversation.contact = Contact{*contact,
                                   conversation.business,
                                   rows.maybe_text(row, 18),
                                   rows.maybe_text(row, 19),
                                   rows.maybe_text(row, 20),
                                   rows.integer(row, 21)};
  }
  conversation.last_message_us = rows.integer(row, 22);
  if (const auto score = rows.maybe_integer(row, 23)) {
    conversation.csat =
        Csat{static_cast<int>(*score), rows.maybe_text(row, 24), rows.integer(row, 25)};
  }
  conversation.remote_thread = rows.text(row, 26);
  return conversation;
}

Message read_message(const Rows& rows, int row) {
  Message message;
  message.position = {rows.integer(row, 0), rows.integer(row, 1),
                      rows.id<domain::MessageId>(row, 2)};
  message.conversation = rows.id<domain::ConversationId>(row, 3);
  message.sender_type = static_cast<domain::SenderType>(rows.integer(row, 4));
  message.sender = rows.maybe_uuid(row, 5);
  message.kind = static_cast<domain::MessageKind>(rows.integer(row, 6));
  if (const auto status = rows.maybe_integer(row, 7)) {
    message.status = static_cast<domain::MessageStatus>(*status);
  }
  message.content = rows.text(row, 8);
  message.attachments = rows.text(row, 9);
  message.metadata = rows.text(row, 10);
  message.reply_to = maybe_id<domain::MessageId>(rows, row, 11);
  message.error = rows.maybe_text(row, 12);
  message.edited_ms = rows.maybe_integer(row, 13);
  message.deleted_ms = rows.maybe_integer(row, 14);
  message.stored_ms = rows.integer(row, 15);
  return message;
}

std::array<Query, 2> thread_queries(domain::BusinessId business, domain::ConversationId id,
                                    int limit, const std::optional<MessagePosition>& before) {
  static constexpr const char* kConversation =
      "select " CONVERSATION_COLUMNS
      " from conversation c"
      " join conversation_head h on h.tenant_id = $1 and h.conversation_id = c.id"
      " left join contact p on p.tenant_id = $1 and p.id = c.contact_id"
      " where c.tenant_id = $1 and c.id = $2";
  static constexpr const char* kMessages =
      "select " MESSAGE_COLUMNS
      " from message m where m.tenant_id = $1 and m.conversation_id = $2"
      " and (m.sort_at, m.sort_seq, m.id) < (coalesce(" FROM_US("$3") ", 'infinity'),"
      "  coalesce($4::bigint, 9223372036854775807),"
      "  coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))"
      " order by m.sort_at desc, m.sort_seq desc, m.id desc limit $6::integer";
  std::optional<std::int64_t> sort_us;
  std::optional<std::int64_t> sort_seq;
  std::optional<domain::MessageId> message;
  if (before) {
    sort_us = before->sort_us;
    sort_seq = before->sort_seq;
    message = before->id;
  }
  return {Query{kConversation, {business, id}},
          Query{kMessages, {business, id, sort_us, sort_seq, message, limit}}};
}

Query message_query(domain::BusinessId business, domain::ConversationId conversation,
                    domain::MessageId id) {
  static constexpr const char* kSelect =
      "select " MESSAGE_COLUMNS
      " from message m where m.tenant_id = $1 and m.conversation_id = $2 and m.id = $3";
  return {kSelect, {business, conversation, id}};
}

Result<std::optional<Message>> first_message(Result<Rows> rows) {
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Message>();
  return std::optional<Message>(read_message(*rows, 0));
}

// `messages` come newest first.
Thread read_thread(const Rows& conversation, const Rows& messages) {
  Thread thread{read_conversation(conversation, 0), {}};
  for (int row = messages.size() - 1; row >= 0; --row) {
    thread.messages.push_back(read_message(messages, row));
  }
  return thread;
}

}  // namespace

Result<std::vector<Conversation>> list_conversations(Session& db, domain::BusinessId business,
                                                     const InboxQuery& query) {
  // The index is on inbox_at, which lags last_message_at by less than 15 s. So: the newest by the
  // index; whatever could still be newer than the last of them lies within 15 s below it; that
  // range again, by the exact time.
  static constexpr const char* kSelect =
      "with wanted as ("
      "  select s.status, coalesce(" FROM_US("$4") ", 'infinity') as upto,"
      "   coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) as upto_id"
      "  from unnest($2::integer[]) as s(status)"
      "), newest as ("
      "  select h.inbox_at from wanted w cross join lateral ("
      "    select n.inbox_at from conversation_head n"
      "    where n.tenant_id = $1 and n.status = w.status::smallint and n.inbox_at <= w.upto"
      "      and (n.last_message_at, n.conversation_id) < (w.upto, w.upto_id)"
      "      and ($3::uuid is null or n.assignee_id = $3)"
      "    order by n.inbox_at desc limit $6::integer + $7::integer) h"
      "  order by h.inbox_at desc limit $6::integer + $7::integer"
      "), bound as ("
      "  select case when count(*) < $6::integer + $7::integer then '-infinity'"
      "         else min(inbox_at) - interval '15 seconds' end as low from newest"
      "), page as ("
      "  select h.* from wanted w cross join bound b cross join lateral ("
      "    select n.* from conversation_head n"
      "    where n.tenant_id = $1 and n.status = w.status::smallint"
      "      and n.inbox_at <= w.upto and n.inbox_at >= b.low"
      "      and (n.last_message_at, n.conversation_id) < (w.upto, w.upto_id)"
      "      and ($3::uuid is null or n.assignee_id = $3)) h"
      "  order by h.last_message_at desc, h.conversation_id desc"
      "  limit $6::integer offset $7::integer"
      ") select " CONVERSATION_COLUMNS
      " from page h"
      " join conversation c on c.tenant_id = $1 and c.id = h.conversation_id"
      " left join contact p on p.tenant_id = $1 and p.id = c.contact_id"
      " order by h.last_message_at desc, h.conversation_id desc";
  std::vector<int> statuses;
  for (const auto status : query.statuses) statuses.push_back(static_cast<int>(status));
  std::optional<std::int64_t> before_us;
  std::optional<domain::ConversationId> before_id;
  if (query.before) {
    before_us = query.before->last_message_us;
    before_id = query.before->id;
  }
  auto rows = db.run(Scope::of(business), Query{kSelect,
                                                {business, statuses, query.assignee, before_us,
                                                 before_id, query.limit, query.skip}});
  if (!rows) return std::move(rows).error();
  std::vector<Conversation> conversations;
  for (int row = 0; row < rows->size(); ++row)
    conversations.push_back(read_conversation(*rows, row));
  return conversations;
}

Result<std::optional<Thread>> find_conversation(Session& db, domain::BusinessId business,
                                                domain::ConversationId id, int limit,
                                                const std::optional<MessagePosition>& before) {
  const auto queries = thread_queries(business, id, limit, before);
  auto answers = db.run(Scope::of(business), queries);
  if (!answers) return std::move(answers).error();
  if ((*answers)[0].empty()) return std::optional<Thread>();
  return std::optional<Thread>(read_thread((*answers)[0], (*answers)[1]));
}

Result<Thread> find_conversation(Transaction& transaction, domain::BusinessId business,
                                 domain::ConversationId id) {
  constexpr int kFew = 100;
  const auto queries = thread_queries(business, id, kFew, std::nullopt);
  auto conversation = transaction.run(queries[0]);
  if (!conversation) return std::move(conversation).error();
  if (conversation->empty()) return fail(Errc::internal, "a new conversation cannot be read");
  auto messages = transaction.run(queries[1]);
  if (!messages) return std::move(messages).error();
  return read_thread(*conversation, *messages);
}

Result<std::optional<Message>> find_message(Session& db, domain::BusinessId business,
                                            domain::ConversationId conversation,
                                            domain::MessageId id) {
  return first_message(db.run(Scope::of(business), message_query(business, conversation, id)));
}

Result<std::optional<Message>> find_message(Transaction& transaction, domain::BusinessId business,
                                            domain::ConversationId conversation,
                                            domain::MessageId id) {
  return first_message(transaction.run(message_query(business, conversation, id)));
}

Result<std::optional<Message>> find_message(Transaction& transaction, domain::BusinessId business,
                                            domain::ConversationId conversation,
                                            const MessagePosition& position) {
  static constexpr const char* kSelect =
      "select " MESSAGE_COLUMNS
      " from message m where m.tenant_id = $1 and m.conversation_id = $2"
      " and m.sort_at = " FROM_US("$3") " and m.sort_seq = $4 and m.id = $5";
  return first_message(transaction.run(
      {kSelect, {business, conversation, position.sort_us, position.sort_seq, position.id}}));
}

Result<std::vector<Message>> find_messages(Session& db, domain::BusinessId business,
                                           const std::vector<MessageName>& names) {
  static constexpr const char* kSelect =
      "select " MESSAGE_COLUMNS
      " from unnest($2::uuid[], $3::uuid[]) as n(conversation_id, id)"
      " cross join lateral (select m.* from message m where m.tenant_id = $1"
      "  and m.conversation_id = n.conversation_id and m.id = n.id"
      "  order by m.sort_at desc, m.sort_seq desc, m.id desc limit 1) m";
  std::vector<Uuid> conversations, ids;
  for (const auto& name : names) {
    conversations.push_back(name.conversation.get());
    ids.push_back(name.id.get());
  }
  auto rows = db.run(Scope::of(business), Query{kSelect, {business, conversations, ids}});
  if (!rows) return std::move(rows).error();
  std::vector<Message> messages;
  for (int row = 0; row < rows->size(); ++row) messages.push_back(read_message(*rows, row));
  return messages;
}

Result<std::vector<Conversation>> find_conversations(
    Session& db, domain::BusinessId business, const std::vector<domain::ConversationId>& ids) {
  static constexpr const char* kSelect =
      "select " CONVERSATION_COLUMNS
      " from conversation c"
      " join conversation_head h on h.tenant_id = $1 and h.conversation_id = c.id"
      " left join contact p on p.tenant_id = $1 and p.id = c.contact_id"
      " where c.tenant_id = $1 and c.id = any($2)";
  std::vector<Uuid> wanted;
  for (const auto& id : ids) wanted.push_back(id.get());
  auto rows = db.run(Scope::of(business), Query{kSelect, {business, wanted}});
  if (!rows) return std::move(rows).error();
  std::vector<Conversation> conversations;
  for (int row = 0; row < rows->size(); ++row) {
    conversations.push_back(read_conversation(*rows, row));
  }
  return conversations;
}

Result<std::optional<ChannelChoice>> choose_channel(Transaction& transaction,
                                                    domain::BusinessId business,
                                                    const std::optional<domain::ChannelId>& named) {
  static constexpr const char* kNamed =
      "select id, type, is_active from channel where tenant_id = $1 and id = $2";
  static constexpr const char* kDefault =
      "select id, type, is_active from channel where tenant_id = $1 and type = 'widget'"
      " and is_active order by created_at, id limit 1";
  auto rows = named ? transaction.run({kNamed, {business, *named}})
                    : transaction.run({kDefault, {business}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<ChannelChoice>();
  return std::optional<ChannelChoice>(ChannelChoice{
      rows->id<domain::ChannelId>(0, 0), std::string(rows->text(0, 1)), rows->boolean(0, 2)});
}

Result<bool> has_contact(Transaction& transaction, domain::BusinessId business,
                         domain::ContactId contact) {
  static constexpr const char* kSelect =
      "select exists (select from contact where tenant_id = $1 and id = $2)";
  auto rows = transaction.run({kSelect, {business, contact}});
  if (!rows) return std::move(rows).error();
  return rows->boolean(0, 0);
}

Result<> insert_conversation(Transaction& transaction, const NewConversation& conversation) {
  static constexpr const char* kConversation =
      "insert into conversation (tenant_id, id, channel_id, channel_type, contact_id)"
      " values ($1, $2, $3, $4, $5)";
  static constexpr const char* kHead =
      "insert into conversation_head (tenant_id, conversation_id, channel_id, inbox_at,"
      " last_message_at) values ($1, $2, $3, now(), now())";
  static constexpr const char* kEvent =
      "insert into realtime_event (tenant_id, conversation_id, kind) values ($1, $2, 2)";
  auto inserted = transaction.run({kConversation,
                                   {conversation.business, conversation.id, conversation.channel.id,
                                    conversation.channel.type, conversation.contact}});
  if (!inserted) return std::move(inserted).error();
  auto head =
      transaction.run({kHead, {conversation.business, conversation.id, conversation.channel.id}});
  if (!head) return std::move(head).error();
  auto event = transaction.run({kEvent, {conversation.business, conversation.id}});
  if (!event) return std::move(event).error();
  return {};
}

Result<std::optional<std::int64_t>> count_message(Transaction& transaction,
                                                  domain::BusinessId business,
                                                  std::string_view month, std::int64_t limit) {
  // The row is made by whoever comes first in a month; the condition holds for the update alone,
  // so a limit of zero is checked here.
  static constexpr const char* kCount =
      "insert into usage_counter as u (tenant_id, resource, used) select $1, $2, 1"
      " where $3::bigint > 0 on conflict (tenant_id, resource) do update set used = u.used + 1"
      " where u.used < $3::bigint returning u.used";
  static constexpr const char* kUsed =
      "select used from usage_counter where tenant_id = $1 and resource = $2";
  const std::string resource = "messages:" + std::string(month);
  auto rows = transaction.run({kCount, {business, resource, limit}});
  if (!rows) return std::move(rows).error();
  if (!rows->empty()) return std::optional<std::int64_t>();
  auto used = transaction.run({kUsed, {business, resource}});
  if (!used) return std::move(used).error();
  return std::optional<std::int64_t>(used->empty() ? 0 : used->integer(0, 0));
}

Result<std::string> plan_of(Transaction& transaction, domain::BusinessId business) {
  static constexpr const char* kSelect = "select plan from business where tenant_id = $1";
  auto rows = transaction.run({kSelect, {business}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return fail(Errc::not_found, "no such business");
  return std::string(rows->text(0, 0));
}

Result<SendResult> send_message(Transaction& transaction, const NewMessage& message) {
  // Agents' messages of one conversation take turns at this lock, so their order is the outbox's.
  static constexpr const char* kLock =
      "select c.channel_id, c.channel_type, c.closed_at is not null, ch.id is not null,"
      " coalesce(ch.is_active, false) from conversation c"
      " left join channel ch on ch.tenant_id = c.tenant_id and ch.id = c.channel_id"
      " where c.tenant_id = $1 and c.id = $2 for no key update of c";
  static constexpr const char* kQuoted =
      "select remote_id from message where tenant_id = $1 and conversation_id = $2 and id = $3"
      " and remote_id is not null";
  static constexpr const char* kInsert =
      "insert into message as m (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,"
      " sender_type, sender_id, kind, status, content, attachments, metadata, reply_to)"
      " values ($1, $2, date_trunc('milliseconds', clock_timestamp()), 0, $3, $4, 1, $5, 0,"
      " $6::integer::smallint, $7, $8, $9, $10)"
      " returning " MESSAGE_COLUMNS;
  // The expression of schemas/sql/0001_core.sql: inbox_at may lag by less than 15 s.
  static constexpr const char* kHead =
      "update conversation_head as head set"
      " last_message_at = greatest(head.last_message_at, l.at),"
      " inbox_at = case when greatest(head.last_message_at, l.at) - head.inbox_at"
      "                      >= interval '15 seconds'"
      "                 then greatest(head.last_message_at, l.at) else head.inbox_at end,"
      " preview = case when l.at >= head.last_message_at then left($4, 120) else head.preview end,"
      " message_count = head.message_count + 1,"
      " status = case when head.status = 2 then 0 else head.status end"
      " from (select " FROM_US("$3") " as at) l"
      " where head.tenant_id = $1 and head.conversation_id = $2 and head.status <> 3";
  static constexpr const char* kFirstResponse =
      "update conversation set first_response_at = " FROM_US(
          "$3") " where tenant_id = $1 and id = $2 and first_response_at is null";
  static constexpr const char* kEnqueue =
      "select outbox_enqueue($1, $2, $3, $4, " FROM_US("$5") ", $6::bigint)";
  static constexpr const char* kEvent =
      "insert into realtime_event (tenant_id, conversation_id, message_id, kind)"
      " values ($1, $2, $3, 0)";
  auto locked = transaction.run({kLock, {message.business, message.conversation}});
  if (!locked) return std::move(locked).error();
  if (locked->empty()) return SendResult{SendRefusal::no_conversation, {}, false};
  if (locked->boolean(0, 2)) return SendResult{SendRefusal::closed, {}, false};
  if (!locked->boolean(0, 3)) return SendResult{SendRefusal::no_channel, {}, false};
  if (!locked->boolean(0, 4)) return SendResult{SendRefusal::channel_off, {}, false};
  const auto channel = locked->id<domain::ChannelId>(0, 0);
  std::optional<std::string> quoted;
  if (message.reply_to) {
    auto known =
        transaction.run({kQuoted, {message.business, message.conversation, *message.reply_to}});
    if (!known) return std::move(known).error();
    if (known->empty()) return SendResult{SendRefusal::nothing_to_quote, {}, false};
    quoted = known->text(0, 0);
  }
  const bool queued = !domain::is_built_in_channel_type(locked->text(0, 1));
  const auto status = queued ? domain::MessageStatus::queued : domain::MessageStatus::sent;

  auto inserted = transaction.run(
      {kInsert,
       {message.business, message.conversation, message.id, channel, message.sender,
        static_cast<int>(status), message.content, Json{message.attachments},
        message.metadata ? Param(Json{*message.metadata}) : Param(nullptr), Param(quoted)}});
  if (!inserted) return std::move(inserted).error();
  SendResult result{std::nullopt, read_message(*inserted, 0), queued};
  const auto& position = result.message.position;

  auto head = transaction.run(
      {kHead, {message.business, message.conversation, position.sort_us, message.content}});
  if (!head) return std::move(head).error();
  if (head->affected() != 1) return fail(Errc::internal, "a conversation has no open head");
  auto stamped =
      transaction.run({kFirstResponse, {message.business, message.conversation, position.sort_us}});
  if (!stamped) return std::move(stamped).error();
  if (queued) {
    auto enqueued = transaction.run({kEnqueue,
                                     {message.business, message.conversation, channel, message.id,
                                      position.sort_us, position.sort_seq}});
    if (!enqueued) return std::move(enqueued).error();
  }
  auto event = transaction.run({kEvent, {message.business, message.conversation, message.id}});
  if (!event) return std::move(event).error();
  return result;
}

Result<std::optional<SettledConversation>> settle_conversation(Session& db,
                                                               domain::BusinessId business,
                                                               domain::ConversationId id,
                                                               Settling settling) {
  static constexpr const char* kLock = "select " MS("resolved_at") ", " MS(
      "closed_at") " from conversation where tenant_id = $1 and id = $2 for update";
  static constexpr const char* kHead =
      "update conversation_head set status = $3::integer::smallint, unread = 0, has_unread = false"
      " where tenant_id = $1 and conversation_id = $2 and status <> $3::integer::smallint"
      " and status <> 3";
  static constexpr const char* kResolve =
      "update conversation set resolved_at = now() where tenant_id = $1 and id = $2"
      " returning " MS("resolved_at");
  static constexpr const char* kClose =
      "update conversation set closed_at = now() where tenant_id = $1 and id = $2"
      " returning " MS("closed_at");
  static constexpr const char* kEvent =
      "insert into realtime_event (tenant_id, conversation_id, kind) values ($1, $2, 2)";
  auto transaction = db.begin(Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  auto locked = transaction->run({kLock, {business, id}});
  if (!locked) return std::move(locked).error();
  if (locked->empty()) return std::optional<SettledConversation>();
  const auto status = settling == Settling::resolve ? domain::ConversationStatus::resolved
                                                    : domain::ConversationStatus::closed;
  if (!locked->is_null(0, 1)) {
    return std::optional<SettledConversation>(
        SettledConversation{domain::ConversationStatus::closed, true, locked->integer(0, 1)});
  }
  auto head = transaction->run({kHead, {business, id, static_cast<int>(status)}});
  if (!head) return std::move(head).error();
  if (head->affected() == 0) {
    return std::optional<SettledConversation>(
        SettledConversation{status, true, locked->integer(0, 0)});
  }
  auto stamped = transaction->run(
      {settling == Settling::resolve ? std::string_view(kResolve) : std::string_view(kClose),
       {business, id}});
  if (!stamped) return std::move(stamped).error();
  auto event = transaction->run({kEvent, {business, id}});
  if (!event) return std::move(event).error();
  const SettledConversation settled{status, false, stamped->integer(0, 0)};
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return std::optional<SettledConversation>(settled);
}

Result<bool> assign_conversation(Session& db, domain::BusinessId business,
                                 domain::ConversationId id, domain::UserId agent,
                                 domain::UserId by) {
  static constexpr const char* kAssign =
      "with assigned as ("
      "  update conversation_head h set assignee_id = $3"
      "  where h.tenant_id = $1 and h.conversation_id = $2 and exists ("
      "    select from membership m where m.tenant_id = $1 and m.user_id = $3 and m.is_active)"
      "  returning h.conversation_id"
      "), told as ("
      "  insert into realtime_event (tenant_id, conversation_id, kind, actor)"
      "  select $1, a.conversation_id, 4, $4 from assigned a"
      ") select count(*) from assigned";
  auto rows = db.run(Scope::of(business), Query{kAssign, {business, id, agent, by}});
  if (!rows) return std::move(rows).error();
  return rows->integer(0, 0) == 1;
}

Result<std::optional<KeptAnswer>> claim_key(Transaction& transaction, const RepeatKey& key) {
  static constexpr const char* kExpire =
      "delete from idempotency_key where (tenant_id, user_id, key) in ("
      "  select tenant_id, user_id, key from idempotency_key"
      "  where tenant_id = $1 and created_at < now() - interval '1 day'"
      "  order by created_at limit 100 for update skip locked)";
  static constexpr const char* kClaim =
      "insert into idempotency_key (tenant_id, user_id, key, request_hash)"
      " values ($1, $2, $3, $4) on conflict do nothing";
  static constexpr const char* kRead =
      "select request_hash, status, answer from idempotency_key"
      " where tenant_id = $1 and user_id = $2 and key = $3";
  auto expired = transaction.run({kExpire, {key.business}});
  if (!expired) return std::move(expired).error();
  // A transaction that holds the key makes this wait; if it rolls back, the insert succeeds.
  auto claimed =
      transaction.run({kClaim, {key.business, key.user, key.key, Bytes{key.request_hash}}});
  if (!claimed) return std::move(claimed).error();
  if (claimed->affected() == 1) return std::optional<KeptAnswer>();
  auto rows = transaction.run({kRead, {key.business, key.user, key.key}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return fail(Errc::unavailable, "an idempotency key expired at this moment");
  return std::optional<KeptAnswer>(KeptAnswer{rows->bytes(0, 0) == key.request_hash,
                                              static_cast<int>(rows->integer(0, 1)),
                                              std::string(rows->text(0, 2))});
}

Result<> keep_answer(Transaction& transaction, const RepeatKey& key, int status,
                     std::string_view body) {
  static constexpr const char* kKeep =
      "update idempotency_key set status = $4::integer::smallint, answer = $5"
      " where tenant_id = $1 and user_id = $2 and key = $3";
  auto kept = transaction.run({kKeep, {key.business, key.user, key.key, status, body}});
  if (!kept) return std::move(kept).error();
  return {};
}

bool may_repeat(const Error& error) {
  return error.cause.starts_with("40001") || error.cause.starts_with("40P01");
}

}  // namespace gateway::store
