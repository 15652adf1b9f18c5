#include "gateway/store/ingest.h"

#include <type_traits>

namespace gateway::store {
namespace {

using Messages = std::span<const InboundMessage* const>;

using Element = ArrayWriter::Element;

// One array of a column: `write` puts a message's value into the writer.
template <class Write>
Param column(Messages messages, Element element, std::size_t bytes_expected, Write write) {
  ArrayWriter array(element, messages.size(), bytes_expected);
  for (const InboundMessage* message : messages) write(array, *message);
  return array.take();
}

template <class Read>
Param uuids(Messages messages, Read read) {
  return column(messages, Element::uuid, messages.size() * 16,
                [&](ArrayWriter& array, const InboundMessage& m) { array.uuid(read(m)); });
}

template <class Read>
Param texts(Messages messages, Read read) {
  return column(messages, Element::text, messages.size() * 64,
                [&](ArrayWriter& array, const InboundMessage& m) {
                  const auto& value = read(m);
                  using Value = std::decay_t<decltype(value)>;
                  if constexpr (std::is_same_v<Value, std::optional<std::string>>) {
                    value ? array.bytes(*value) : array.null();
                  } else {
                    array.bytes(value);
                  }
                });
}

template <class Read>
Param jsons(Messages messages, Read read) {
  return column(messages, Element::jsonb, messages.size() * 16,
                [&](ArrayWriter& array, const InboundMessage& m) {
                  const std::optional<std::string>& value = read(m);
                  value ? array.json(*value) : array.null();
                });
}

// The four parallel arrays of attachments; `put` adds those of each event with its place, from 1.
class MediaArrays {
 public:
  explicit MediaArrays(std::size_t count, std::size_t bytes)
      : ids_(Element::uuid, count, count * 16),
        sources_(Element::jsonb, count, count * 128),
        bodies_(Element::bytea, count, bytes) {}
  void put(int place, const std::vector<InboundMedia>& media) {
    for (const InboundMedia& one : media) {
      places_.push_back(place);
      ids_.uuid(one.id);
      sources_.json(one.source);
      one.body ? bodies_.bytes(*one.body) : bodies_.null();
    }
  }
  Param places() const { return {places_}; }
  void append_rest(std::vector<Param>& params) {
    params.push_back(ids_.take());
    params.push_back(sources_.take());
    params.push_back(bodies_.take());
  }

 private:
  std::vector<int> places_;
  ArrayWriter ids_, sources_, bodies_;
};

std::size_t bytes_of(const std::vector<InboundMedia>& media) {
  std::size_t bytes = 0;
  for (const InboundMedia& one : media) bytes += one.body ? one.body->size() : 0;
  return bytes;
}

// Nulls where no message has any, which is the common case.
void append_media(std::vector<Param>& params, Messages messages) {
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (const InboundMessage* message : messages) {
    count += message->media.size();
    bytes += bytes_of(message->media);
  }
  if (count == 0) {
    for (int i = 0; i < 4; ++i) params.emplace_back(nullptr);
    return;
  }
  MediaArrays arrays(count, bytes);
  int place = 0;
  for (const InboundMessage* message : messages) arrays.put(++place, message->media);
  params.push_back(arrays.places());
  arrays.append_rest(params);
}

// The twenty arrays both statements share.
std::vector<Param> shared_arrays(Messages messages) {
  using M = InboundMessage;
  const auto small = [&](auto read) {
    return column(
        messages, Element::int2, messages.size() * 2,
        [&](ArrayWriter& array, const M& m) { array.int2(static_cast<std::int16_t>(read(m))); });
  };
  std::size_t raw_bytes = 0;
  for (const M* message : messages) {
    raw_bytes += message->raw != nullptr ? message->raw->body.size() : 0;
  }
  std::vector<Param> params;
  params.reserve(23);
  params.push_back(uuids(messages, [](const M& m) { return m.channel.get(); }));
  params.push_back(uuids(messages, [](const M& m) { return m.key; }));
  params.push_back(uuids(messages, [](const M& m) { return m.id.get(); }));
  params.push_back(uuids(messages, [](const M& m) { return m.conversation.get(); }));
  params.push_back(uuids(messages, [](const M& m) { return m.contact.get(); }));
  params.push_back(
      column(messages, Element::timestamptz, messages.size() * 8,
             [](ArrayWriter& array, const M& m) { array.timestamp_ms(m.sort_at_ms); }));
  params.push_back(column(messages, Element::int8, messages.size() * 8,
                          [](ArrayWriter& array, const M& m) { array.int8(m.sort_seq); }));
  params.push_back(small([](const M& m) { return m.sender_type; }));
  params.push_back(small([](const M& m) { return m.kind; }));
  params.push_back(texts(messages, [](const M& m) -> const std::string& { return m.content; }));
  params.push_back(jsons(
      messages, [](const M& m) -> const auto& { return m.attachments; }));
  params.push_back(jsons(
      messages, [](const M& m) -> const auto& { return m.metadata; }));
  params.push_back(texts(
      messages, [](const M& m) -> const auto& { return m.remote_id; }));
  params.push_back(texts(
      messages, [](const M& m) -> const auto& { return m.reply_to; }));
  params.push_back(column(messages, Element::bytea, raw_bytes, [](ArrayWriter& array, const M& m) {
    m.raw != nullptr ? array.bytes(m.raw->body) : array.null();
  }));
  params.push_back(
      column(messages, Element::text, messages.size() * 16, [](ArrayWriter& array, const M& m) {
        m.raw != nullptr ? array.bytes(m.raw->content_type) : array.null();
      }));
  append_media(params, messages);
  return params;
}

Query known_query(Messages messages) {
  static constexpr const char* kIngest =
      "select ingest_known($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
      "$17, $18, $19, $20)";
  return {kIngest, shared_arrays(messages)};
}

Query resolve_query(Messages messages) {
  static constexpr const char* kIngest =
      "select ord, conversation, contact from ingest_resolve($1, $2, $3, $4, $5, $6, $7, $8, $9, "
      "$10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)";
  using M = InboundMessage;
  auto params = shared_arrays(messages);
  params.push_back(texts(
      messages, [](const M& m) -> const auto& { return m.contact_remote; }));
  params.push_back(texts(
      messages, [](const M& m) -> const auto& { return m.contact_name; }));
  params.push_back(texts(
      messages, [](const M& m) -> const auto& { return m.thread; }));
  return {kIngest, std::move(params)};
}

std::vector<std::size_t> fresh_of(const Rows& rows) {
  std::vector<std::size_t> fresh;
  for (const std::int64_t ordinal : rows.integers(0, 0)) {
    fresh.push_back(static_cast<std::size_t>(ordinal - 1));
  }
  return fresh;
}

std::vector<Resolved> resolved_of(const Rows& rows) {
  std::vector<Resolved> fresh;
  for (int i = 0; i < rows.size(); ++i) {
    fresh.push_back({static_cast<std::size_t>(rows.integer(i, 0) - 1),
                     rows.id<domain::ConversationId>(i, 1), rows.id<domain::ContactId>(i, 2)});
  }
  return fresh;
}

using Changes = std::span<const InboundChange* const>;

Query change_query(const InboundChange& change) {
  static constexpr const char* kChange =
      "select ingest_change($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::int::smallint, $11, $12, $13, "
      "$14, $15, $16, $17, $18, $19, $20)";
  const auto json = [](const std::optional<std::string>& text) {
    return text ? Param(Json{*text}) : Param(nullptr);
  };
  Query query{kChange,
              {change.channel, change.key, change.id, change.kind, TimestampMs{change.at_ms},
               change.thread, change.target, change.actor, change.content, Param(change.state),
               change.code, json(change.attachments), json(change.metadata),
               change.raw != nullptr ? Param(Bytes{change.raw->body}) : Param(nullptr),
               change.raw != nullptr ? Param(change.raw->content_type) : Param(nullptr),
               Param(change.message_key), change.up_to}};
  if (change.media.empty()) {
    for (int i = 0; i < 3; ++i) query.params.emplace_back(nullptr);
  } else {
    MediaArrays arrays(change.media.size(), bytes_of(change.media));
    arrays.put(1, change.media);
    arrays.append_rest(query.params);
  }
  return query;
}

// What several changes lock is locked before the first of them, in one order. Absent where they
// lock nothing, or only one of them does.
std::optional<Query> locks_query(Changes changes) {
  static constexpr const char* kLocks = "select ingest_change_locks($1, $2, $3)";
  constexpr int kDeleted = 4;
  constexpr int kStatus = 6;
  std::vector<Uuid> channels;
  std::vector<std::string> targets;
  std::vector<bool> of_any;
  for (const InboundChange* change : changes) {
    if (change->kind < kDeleted || change->kind > kStatus || change->target.empty()) continue;
    channels.push_back(change->channel.get());
    targets.push_back(change->target);
    of_any.push_back(change->kind != kStatus || change->up_to);
  }
  if (channels.size() < 2) return std::nullopt;
  return Query{kLocks, {channels, targets, of_any}};
}

ChangeOutcome outcome_of(const Rows& rows) {
  const auto text = rows.text(0, 0);
  return text == "stored"      ? ChangeOutcome::stored
         : text == "duplicate" ? ChangeOutcome::duplicate
                               : ChangeOutcome::missing;
}

Query references_query(domain::ChannelId channel, const std::vector<std::string>& references) {
  static constexpr const char* kThread = "select thread_of_references($1, $2)";
  return {kThread, {channel, references}};
}

}  // namespace

Result<std::vector<std::size_t>> ingest_known(Session& db, Messages messages) {
  auto rows = db.run(Scope::none(), known_query(messages));
  if (!rows) return std::move(rows).error();
  return fresh_of(*rows);
}

Result<> send_known(Session& db, Messages messages) {
  const Query query = known_query(messages);
  return db.send(Scope::none(), std::span<const Query>(&query, 1));
}

Result<std::vector<std::size_t>> receive_known(Session& db) {
  auto rows = db.receive();
  if (!rows) return std::move(rows).error();
  return fresh_of(rows->front());
}

Result<std::vector<Resolved>> ingest_resolve(Session& db, Messages messages) {
  auto rows = db.run(Scope::none(), resolve_query(messages));
  if (!rows) return std::move(rows).error();
  return resolved_of(*rows);
}

Result<std::vector<Resolved>> ingest_resolve(Transaction& transaction, Messages messages) {
  auto rows = transaction.run(resolve_query(messages));
  if (!rows) return std::move(rows).error();
  return resolved_of(*rows);
}

Result<std::vector<ChangeOutcome>> ingest_changes(Session& db, Changes changes) {
  std::vector<Query> queries;
  const auto locks = locks_query(changes);
  if (locks) queries.push_back(*locks);
  for (const InboundChange* change : changes) queries.push_back(change_query(*change));
  auto answers = db.run(Scope::none(), queries);
  if (!answers) return std::move(answers).error();
  std::vector<ChangeOutcome> outcomes;
  for (std::size_t i = locks ? 1 : 0; i < answers->size(); ++i) {
    outcomes.push_back(outcome_of((*answers)[i]));
  }
  return outcomes;
}

Result<std::vector<ChangeOutcome>> ingest_changes(Transaction& transaction, Changes changes) {
  if (const auto locks = locks_query(changes)) {
    if (auto locked = transaction.run(*locks); !locked) return std::move(locked).error();
  }
  std::vector<ChangeOutcome> outcomes;
  for (const InboundChange* change : changes) {
    auto rows = transaction.run(change_query(*change));
    if (!rows) return std::move(rows).error();
    outcomes.push_back(outcome_of(*rows));
  }
  return outcomes;
}

Result<std::optional<std::string>> thread_of_references(
    Session& db, domain::ChannelId channel, const std::vector<std::string>& references) {
  auto rows = db.run(Scope::none(), references_query(channel, references));
  if (!rows) return std::move(rows).error();
  return rows->maybe_text(0, 0);
}

Result<std::optional<std::string>> thread_of_references(
    Transaction& transaction, domain::ChannelId channel,
    const std::vector<std::string>& references) {
  auto rows = transaction.run(references_query(channel, references));
  if (!rows) return std::move(rows).error();
  return rows->maybe_text(0, 0);
}

Result<> enter_tenant_of(Transaction& transaction, domain::ChannelId channel) {
  static constexpr const char* kEnter =
      "select set_config('app.tenant', h.tenant_id::text, true) from resolve_hook($1) h";
  auto rows = transaction.run({kEnter, {channel}});
  if (!rows) return std::move(rows).error();
  return {};
}

Result<> ingest_quarantine(Session& db, const Quarantined& entry) {
  static constexpr const char* kQuarantine = "select ingest_quarantine($1, $2, $3, $4, $5, $6)";
  auto rows = db.run(Scope::none(), Query{kQuarantine,
                                          {entry.channel, entry.key, entry.id, entry.reason,
                                           Bytes{entry.raw->body}, entry.raw->content_type}});
  if (!rows) return std::move(rows).error();
  return {};
}

Result<> sweep(Session& db, int raw_days, int key_days, int realtime_hours) {
  static constexpr const char* kSweep = "select sweep($1, $2, $3)";
  auto rows = db.run(Scope::none(), Query{kSweep, {raw_days, key_days, realtime_hours}});
  if (!rows) return std::move(rows).error();
  return {};
}

}  // namespace gateway::store
