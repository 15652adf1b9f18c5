#include "gateway/store/visitors.h"

#include <algorithm>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"

namespace gateway::store {
namespace {

constexpr unsigned kByteaOid = 17;
constexpr int kMostUnread = 100;

// Embeds -----------------------------------------------------------------------------------------

// The columns of read_widget(), in its order. All widgets of a business share its oldest channel.
#define WIDGET_EMBED_COLUMNS                                                                 \
  "w.id, w.tenant_id, w.domain, (select c.id from channel c where c.tenant_id = w.tenant_id" \
  "  and c.type = 'widget' and c.is_active order by c.created_at, c.id limit 1)"

Embed read_widget(const Rows& rows, int row) {
  Embed embed{.id = domain::EmbedId(rows.id<domain::WidgetId>(row, 0)),
              .business = rows.id<domain::BusinessId>(row, 1),
              .channel = std::nullopt,
              .is_enabled = true,
              .domains = {std::string(rows.text(row, 2))}};
  if (const auto channel = rows.maybe_uuid(row, 3)) embed.channel = domain::ChannelId(*channel);
  return embed;
}

Embed read_webchat(const Rows& rows, const domain::EmbedId& id) {
  Embed embed{.id = id,
              .business = rows.id<domain::BusinessId>(0, 0),
              .channel = std::nullopt,
              .is_enabled = rows.boolean(0, 3),
              .domains = {}};
  if (const auto channel = rows.maybe_uuid(0, 2)) embed.channel = domain::ChannelId(*channel);
  if (const auto domains = sdk::json::Document::parse(rows.text(0, 1))) {
    for (const auto domain : domains->root().elements()) {
      embed.domains.emplace_back(domain.text_or(""));
    }
  }
  return embed;
}

Query embed_query(domain::BusinessId business, const domain::EmbedId& id) {
  static constexpr const char* kWidget =
      "select " WIDGET_EMBED_COLUMNS " from widget w where w.tenant_id = $1 and w.id = $2";
  static constexpr const char* kWebchat =
      "select w.tenant_id, to_json(w.allowed_domains)::text, c.id, w.is_enabled from webchat w"
      " left join channel c on c.tenant_id = w.tenant_id and c.id = w.channel_id"
      "  and c.type = 'webchat' and c.is_active"
      " where w.tenant_id = $1 and w.id = $2";
  if (const auto widget = id.widget()) return {kWidget, {business, *widget}};
  return {kWebchat, {business, id.text()}};
}

Result<std::optional<Embed>> read_embed(Result<Rows> rows, const domain::EmbedId& id) {
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Embed>();
  return std::optional<Embed>(id.is_webchat() ? read_webchat(*rows, id) : read_widget(*rows, 0));
}

// Visitors ---------------------------------------------------------------------------------------

// The columns of read_visitor(), in its order.
#define VISITOR_COLUMNS                                                    \
  "v.id, v.external_id, v.name, v.email, v.contact_id, v.conversation_id," \
  " (extract(epoch from v.read_at) * 1000000)::bigint, v.revoked_at is not null"

Visitor read_visitor(const Rows& rows, int row, const domain::EmbedId& embed) {
  Visitor visitor{.id = rows.uuid(row, 0),
                  .embed = embed,
                  .external_id = rows.maybe_text(row, 1),
                  .name = rows.maybe_text(row, 2),
                  .email = rows.maybe_text(row, 3),
                  .contact = std::nullopt,
                  .conversation = std::nullopt,
                  .read_us = rows.maybe_integer(row, 6),
                  .is_revoked = rows.boolean(row, 7)};
  if (const auto contact = rows.maybe_uuid(row, 4)) visitor.contact = domain::ContactId(*contact);
  if (const auto conversation = rows.maybe_uuid(row, 5)) {
    visitor.conversation = domain::ConversationId(*conversation);
  }
  return visitor;
}

// What an anonymous visitor is called until they say more.
std::string name_of(const Visitor& visitor) {
  return visitor.name.value_or("Visitor " + visitor.id.text().substr(0, 4));
}

// Absent: no agent wrote any of them.
std::optional<Query> sender_names_query(domain::BusinessId business,
                                        std::span<const Message> messages) {
  static constexpr const char* kSelect =
      "select n.message_id, p.full_name"
      " from unnest($2::uuid[], $3::uuid[], $4::uuid[]) n(message_id, conversation_id, sender_id)"
      " join conversation c on c.tenant_id = $1 and c.id = n.conversation_id"
      // Threads of other channels are no UUIDs.
      " join visitor v on v.tenant_id = $1 and v.id ="
      "  case when c.remote_thread ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
      "  then c.remote_thread::uuid end"
      " left join widget w on w.tenant_id = $1 and w.id::text = v.embed_id"
      " left join webchat e on e.tenant_id = $1 and e.id = v.embed_id"
      " join member_names($4::uuid[]) p on p.user_id = n.sender_id"
      " where coalesce(w.config -> 'show_agent_names', e.fields -> 'showSenderNameInWebchat')"
      "  = 'true'::jsonb";
  std::vector<Uuid> ids, conversations, senders;
  for (const auto& message : messages) {
    if (message.sender_type != domain::SenderType::agent || !message.sender) continue;
    ids.push_back(message.position.id.get());
    conversations.push_back(message.conversation.get());
    senders.push_back(*message.sender);
  }
  if (ids.empty()) return std::nullopt;
  return Query{kSelect, {business, ids, conversations, senders}};
}

Result<SenderNames> read_sender_names(Result<Rows> rows) {
  if (!rows) return std::move(rows).error();
  SenderNames names;
  for (int row = 0; row < rows->size(); ++row) {
    names.emplace(rows->id<domain::MessageId>(row, 0), rows->text(row, 1));
  }
  return names;
}

Result<> describe_contact(Transaction& transaction, domain::BusinessId business,
                          domain::ContactId contact, const Visitor& visitor) {
  static constexpr const char* kDescribe =
      "update contact p set name = coalesce($3, p.name), email = coalesce($4, p.email),"
      " external_id = coalesce(p.external_id, $5)"
      " where p.tenant_id = $1 and p.id = $2 and (p.name, p.email, p.external_id) is distinct from"
      " (coalesce($3, p.name), coalesce($4, p.email), coalesce(p.external_id, $5))";
  auto done = transaction.run(
      {kDescribe, {business, contact, visitor.name, visitor.email, visitor.external_id}});
  if (!done) return std::move(done).error();
  return {};
}

}  // namespace

Result<std::optional<Embed>> find_embed(Session& db, const domain::EmbedId& id) {
  static constexpr const char* kWidget = "select resolve_widget($1)";
  static constexpr const char* kWebchat = "select resolve_webchat($1)";
  const auto widget = id.widget();
  auto tenant =
      db.run(Scope::none(), widget ? Query{kWidget, {*widget}} : Query{kWebchat, {id.text()}});
  if (!tenant) return std::move(tenant).error();
  if (tenant->is_null(0, 0)) return std::optional<Embed>();
  return find_embed(db, tenant->id<domain::BusinessId>(0, 0), id);
}

Result<std::optional<Embed>> find_embed(Session& db, domain::BusinessId business,
                                        const domain::EmbedId& id) {
  return read_embed(db.run(Scope::of(business), embed_query(business, id)), id);
}

Result<std::optional<Embed>> find_embed(Transaction& transaction, domain::BusinessId business,
                                        const domain::EmbedId& id) {
  return read_embed(transaction.run(embed_query(business, id)), id);
}

Result<std::vector<Embed>> widgets_of(Session& db, domain::BusinessId business) {
  static constexpr const char* kSelect =
      "select " WIDGET_EMBED_COLUMNS
      " from widget w where w.tenant_id = $1 order by w.created_at, w.id limit 1000";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business}});
  if (!rows) return std::move(rows).error();
  std::vector<Embed> embeds;
  for (int row = 0; row < rows->size(); ++row) embeds.push_back(read_widget(*rows, row));
  return embeds;
}

Result<bool> is_online(Session& db, domain::BusinessId business) {
  static constexpr const char* kSelect =
      "select exists (select from membership m where m.tenant_id = $1 and m.is_active"
      " and m.status = 'live')";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business}});
  if (!rows) return std::move(rows).error();
  return rows->boolean(0, 0);
}

Result<SenderNames> shown_sender_names(Session& db, domain::BusinessId business,
                                       std::span<const Message> messages) {
  auto query = sender_names_query(business, messages);
  if (!query) return SenderNames();
  return read_sender_names(db.run(Scope::of(business), *std::move(query)));
}

Result<SenderNames> shown_sender_names(Transaction& transaction, domain::BusinessId business,
                                       std::span<const Message> messages) {
  auto query = sender_names_query(business, messages);
  if (!query) return SenderNames();
  return read_sender_names(transaction.run(*std::move(query)));
}

Result<bool> put_embed_secret(Session& db, domain::BusinessId business,
                              const domain::EmbedId& embed, const SealedSecret& secret) {
  static constexpr const char* kPut =
      "insert into embed_secret as s (tenant_id, embed_id, id, sealed)"
      " select $1, $2, $3, $4 where"
      " exists (select from widget w where w.tenant_id = $1 and w.id = $5)"
      " or exists (select from webchat w where w.tenant_id = $1 and w.id = $2)"
      " on conflict (tenant_id, embed_id) do update set id = excluded.id,"
      " sealed = excluded.sealed, created_at = now()";
  auto done =
      db.run(Scope::of(business),
             Query{kPut, {business, embed.text(), secret.id, secret.sealed, embed.widget()}});
  if (!done) return std::move(done).error();
  return done->affected() == 1;
}

Result<std::optional<SealedSecret>> find_embed_secret(Session& db, domain::BusinessId business,
                                                      const domain::EmbedId& embed) {
  static constexpr const char* kSelect =
      "select id, sealed from embed_secret where tenant_id = $1 and embed_id = $2";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business, embed.text()}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<SealedSecret>();
  return std::optional<SealedSecret>(SealedSecret{rows->uuid(0, 0), {rows->bytes(0, 1)}});
}

Result<std::optional<Visitor>> find_visitor(Session& db, domain::BusinessId business,
                                            const domain::EmbedId& embed, const Uuid& id) {
  static constexpr const char* kSelect =
      "select " VISITOR_COLUMNS
      " from visitor v where v.tenant_id = $1 and v.id = $2 and v.embed_id = $3";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business, id, embed.text()}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Visitor>();
  return std::optional<Visitor>(read_visitor(*rows, 0, embed));
}

Result<std::optional<Visitor>> take_visitor(Transaction& transaction, domain::BusinessId business,
                                            const domain::EmbedId& embed, const Uuid& id) {
  // The update changes nothing: it is what locks the row and returns it.
  static constexpr const char* kTake =
      "insert into visitor as v (tenant_id, id, embed_id) values ($1, $2, $3)"
      " on conflict (tenant_id, id) do update set embed_id = v.embed_id"
      " where v.embed_id = excluded.embed_id returning " VISITOR_COLUMNS;
  auto rows = transaction.run({kTake, {business, id, embed.text()}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Visitor>();
  return std::optional<Visitor>(read_visitor(*rows, 0, embed));
}

Result<std::optional<Visitor>> describe_visitor(Session& db, domain::BusinessId business,
                                                const domain::EmbedId& embed, const Uuid& id,
                                                const Uuid& fresh, const VisitorDetails& details) {
  // Sessions of one person take turns, so that two of them at once do not both become them.
  static constexpr const char* kTurn =
      "select pg_advisory_xact_lock(hashtextextended('identity' || $1 || ' ' || $2, 0))";
  static constexpr const char* kPerson =
      "select " VISITOR_COLUMNS
      " from visitor v where v.tenant_id = $1 and v.embed_id = $2 and v.external_id = $3"
      " and v.revoked_at is null";
  static constexpr const char* kForgetRevoked =
      "update visitor set external_id = null where tenant_id = $1 and embed_id = $2"
      " and external_id = $3 and revoked_at is not null";
  static constexpr const char* kDescribe =
      "update visitor v set name = coalesce($3, v.name), email = coalesce($4, v.email),"
      " external_id = coalesce($5, v.external_id) where v.tenant_id = $1 and v.id = $2"
      " returning " VISITOR_COLUMNS;
  auto transaction = db.begin(Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  Uuid visitor = id;
  if (details.external_id) {
    auto turn = transaction->run({kTurn, {embed.text(), *details.external_id}});
    if (!turn) return std::move(turn).error();
    auto known = transaction->run({kPerson, {business, embed.text(), *details.external_id}});
    if (!known) return std::move(known).error();
    if (!known->empty()) visitor = known->uuid(0, 0);
    auto forgotten =
        transaction->run({kForgetRevoked, {business, embed.text(), *details.external_id}});
    if (!forgotten) return std::move(forgotten).error();
  }
  auto taken = take_visitor(*transaction, business, embed, visitor);
  if (!taken || !*taken) return taken;
  const bool is_somebody_else =
      details.external_id && (*taken)->external_id && (*taken)->external_id != details.external_id;
  if (is_somebody_else || (*taken)->is_revoked) {
    visitor = fresh;
    taken = take_visitor(*transaction, business, embed, visitor);
    if (!taken || !*taken) return taken;
  }
  auto rows = transaction->run(
      {kDescribe, {business, visitor, details.name, details.email, details.external_id}});
  if (!rows) return std::move(rows).error();
  auto described = read_visitor(*rows, 0, embed);
  if (described.contact) {
    auto done = describe_contact(*transaction, business, *described.contact, described);
    if (!done) return std::move(done).error();
  }
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return std::optional<Visitor>(std::move(described));
}

Result<bool> revoke_visitor(Session& db, domain::BusinessId business, const Uuid& id) {
  static constexpr const char* kRevoke =
      "update visitor set revoked_at = coalesce(revoked_at, now())"
      " where tenant_id = $1 and id = $2";
  auto done = db.run(Scope::of(business), Query{kRevoke, {business, id}});
  if (!done) return std::move(done).error();
  return done->affected() == 1;
}

Result<> link_contact(Transaction& transaction, domain::BusinessId business,
                      domain::ChannelId channel, const Visitor& visitor) {
  // First messages of one person by two embeds take turns: one of them makes the contact.
  static constexpr const char* kTurn =
      "select pg_advisory_xact_lock(hashtextextended('person' || $1::uuid::text || ' ' || $2, 0))";
  static constexpr const char* kLink =
      "insert into contact_alias (tenant_id, channel_id, remote_id, contact_id)"
      " select $1, $2, $3, v.contact_id from visitor v where v.tenant_id = $1"
      // A platform's id of somebody may be the same text: only who was proven is the same person.
      " and v.external_id = $4 and v.contact_id is not null and v.revoked_at is null"
      " order by v.created_at, v.id limit 1 on conflict do nothing";
  if (!visitor.external_id || visitor.contact) return {};
  auto turn = transaction.run({kTurn, {business, *visitor.external_id}});
  if (!turn) return std::move(turn).error();
  auto linked =
      transaction.run({kLink, {business, channel, visitor.id.text(), *visitor.external_id}});
  if (!linked) return std::move(linked).error();
  return {};
}

Result<> visitor_wrote(Transaction& transaction, domain::BusinessId business,
                       const Visitor& visitor, domain::ContactId contact,
                       domain::ConversationId conversation) {
  static constexpr const char* kWrote =
      "update visitor set contact_id = $3, conversation_id = $4"
      " where tenant_id = $1 and id = $2";
  static constexpr const char* kNamed =
      "update contact set name = $3 where tenant_id = $1 and id = $2 and coalesce(name, '') = ''";
  if (visitor.contact == contact && visitor.conversation == conversation) return {};
  auto wrote = transaction.run({kWrote, {business, visitor.id, contact, conversation}});
  if (!wrote) return std::move(wrote).error();
  auto named = transaction.run({kNamed, {business, contact, name_of(visitor)}});
  if (!named) return std::move(named).error();
  return describe_contact(transaction, business, contact, visitor);
}

Result<std::optional<Message>> find_written(Transaction& transaction, domain::BusinessId business,
                                            domain::ChannelId channel, const Uuid& visitor,
                                            const Uuid& event_key) {
  static constexpr const char* kFind =
      "select m.conversation_id, m.id from event_key k"
      " join contact_alias a on a.tenant_id = k.tenant_id and a.channel_id = k.channel_id"
      "  and a.remote_id = $4"
      " join conversation c on c.tenant_id = k.tenant_id and c.contact_id = a.contact_id"
      "  and c.remote_thread = $4"
      " join message m on m.tenant_id = k.tenant_id and m.conversation_id = c.id"
      "  and m.id = k.message_id"
      " where k.tenant_id = $1 and k.channel_id = $2 and k.key = $3";
  auto rows = transaction.run({kFind, {business, channel, event_key, visitor.text()}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Message>();
  return find_message(transaction, business, rows->id<domain::ConversationId>(0, 0),
                      rows->id<domain::MessageId>(0, 1));
}

Result<bool> insert_page_uploads(Session& db, domain::BusinessId business,
                                 const PageUploader& uploader, std::span<const NewMedia> files,
                                 const PageUploadLimits& limits) {
  // One upload of an embed at a time, so that the sums are exact.
  static constexpr const char* kLock =
      "select pg_advisory_xact_lock(hashtextextended('upload' || $1, 0))";
  static constexpr const char* kSums =
      "select coalesce(sum(f.size), 0)::bigint,"
      " coalesce(sum(f.size) filter (where f.visitor_id = $3), 0)::bigint from media f"
      " where f.tenant_id = $1 and f.embed_id = $2 and f.used_at is null";
  static constexpr const char* kInsert =
      "insert into media (tenant_id, id, conversation_id, embed_id, visitor_id, state,"
      " content_type, file_name, size, sha256, body)"
      " values ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10)";
  auto transaction = db.begin(Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  if (auto locked = transaction->run({kLock, {uploader.embed.text()}}); !locked) {
    return std::move(locked).error();
  }
  auto sums = transaction->run({kSums, {business, uploader.embed.text(), uploader.visitor}});
  if (!sums) return std::move(sums).error();
  std::int64_t bytes = 0;
  std::size_t largest = 0;
  for (const NewMedia& file : files) {
    bytes += static_cast<std::int64_t>(file.body.size());
    largest = std::max(largest, file.body.size());
  }
  if (sums->integer(0, 0) + bytes > limits.of_embed) return false;
  if (uploader.visitor && sums->integer(0, 1) + bytes > limits.of_visitor) return false;
  for (const NewMedia& file : files) {
    auto inserted = transaction->run(
        {kInsert,
         {business, file.id, uploader.purpose, uploader.embed.text(), uploader.visitor,
          file.content_type, file.file_name, static_cast<std::int64_t>(file.body.size()),
          Bytes{sdk::sha256(file.body)}, Param::binary(std::string(file.body), kByteaOid)}});
    if (!inserted) return std::move(inserted).error();
  }
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  forget_large_parameter(db, largest);
  return true;
}

Result<int> visitor_unread(Session& db, domain::BusinessId business, const Visitor& visitor) {
  static constexpr const char* kCount =
      "select count(*) from (select from message m where m.tenant_id = $1"
      " and m.conversation_id = $2"
      " and m.sort_at > coalesce(timestamptz 'epoch' + $3::bigint * interval '1 microsecond',"
      "  '-infinity')"
      " and m.sender_type in (1, 2) and m.kind = 0 and m.deleted_at is null limit $4::integer) x";
  if (!visitor.conversation) return 0;
  auto rows =
      db.run(Scope::of(business),
             Query{kCount, {business, *visitor.conversation, visitor.read_us, kMostUnread}});
  if (!rows) return std::move(rows).error();
  return static_cast<int>(rows->integer(0, 0));
}

Result<std::vector<domain::MessageId>> mark_read_by_visitor(
    Session& db, domain::BusinessId business, const Uuid& visitor,
    const std::optional<domain::MessageId>& up_to) {
  // Agents write into a conversation one after another, so nothing of theirs that is older than
  // what is seen here can still be on its way.
  static constexpr const char* kRead =
      "with seen as ("
      "  select v.id, v.conversation_id, coalesce(v.read_at, '-infinity') as from_at from visitor v"
      "  where v.tenant_id = $1 and v.id = $2 for no key update"
      "), place as ("
      "  select s.*, (select max(m.sort_at) from message m where m.tenant_id = $1"
      "    and m.conversation_id = s.conversation_id and m.sort_at > s.from_at"
      "    and m.sender_type <> 0 and ($3::uuid is null or m.id = $3)) as to_at"
      "  from seen s"
      "), marked as ("
      "  update message m set status = 4 from place p"
      "  where m.tenant_id = $1 and m.conversation_id = p.conversation_id"
      "    and m.sort_at > p.from_at and m.sort_at <= p.to_at"
      "    and m.sender_type in (1, 2) and m.status in (2, 3)"
      "  returning m.conversation_id, m.id, m.sort_at"
      "), told as ("
      "  insert into realtime_event (tenant_id, conversation_id, message_id, kind, state)"
      "  select $1, m.conversation_id, m.id, 3, 4 from marked m order by m.sort_at, m.id"
      "), moved as ("
      "  update visitor v set read_at = p.to_at from place p"
      "  where v.tenant_id = $1 and v.id = p.id and p.to_at is not null"
      ") select m.id from marked m order by m.sort_at, m.id";
  auto rows = db.run(Scope::of(business), Query{kRead, {business, visitor, up_to}});
  if (!rows) return std::move(rows).error();
  std::vector<domain::MessageId> ids;
  for (int row = 0; row < rows->size(); ++row) ids.push_back(rows->id<domain::MessageId>(row, 0));
  return ids;
}

Result<bool> rate_conversation(Session& db, domain::BusinessId business,
                               domain::ConversationId conversation, const Csat& csat) {
  static constexpr const char* kRate =
      "with rated as ("
      "  update conversation c set csat_score = $3::integer::smallint, csat_comment = $4,"
      "   csat_at = $5"
      "  where c.tenant_id = $1 and c.id = $2 and exists ("
      "    select from conversation_head h where h.tenant_id = $1 and h.conversation_id = $2"
      "    and h.status in (2, 3))"
      "  returning c.id"
      "), told as ("
      "  insert into realtime_event (tenant_id, conversation_id, kind)"
      "  select $1, r.id, 2 from rated r"
      ") select count(*) from rated";
  auto rows = db.run(
      Scope::of(business),
      Query{kRate, {business, conversation, csat.score, csat.comment, TimestampMs{csat.at_ms}}});
  if (!rows) return std::move(rows).error();
  return rows->integer(0, 0) == 1;
}

}  // namespace gateway::store
