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

// The sixteen arrays both statements share.
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
  params.reserve(19);
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
  return params;
}

Query known_query(Messages messages) {
  static constexpr const char* kIngest =
      "select ingest_known($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
  return {kIngest, shared_arrays(messages)};
}

std::vector<std::size_t> fresh_of(const Rows& rows) {
  std::vector<std::size_t> fresh;
  for (const std::int64_t ordinal : rows.integers(0, 0)) {
    fresh.push_back(static_cast<std::size_t>(ordinal - 1));
  }
  return fresh;
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
  static constexpr const char* kIngest =
      "select ord, conversation, contact from ingest_resolve($1, $2, $3, $4, $5, $6, $7, $8, $9, "
      "$10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
  using M = InboundMessage;
  auto params = shared_arrays(messages);
  params.push_back(texts(
      messages, [](const M& m) -> const auto& { return m.contact_remote; }));
  params.push_back(texts(
      messages, [](const M& m) -> const auto& { return m.contact_name; }));
  params.push_back(texts(
      messages, [](const M& m) -> const auto& { return m.thread; }));
  auto rows = db.run(Scope::none(), Query{kIngest, std::move(params)});
  if (!rows) return std::move(rows).error();
  std::vector<Resolved> fresh;
  for (int i = 0; i < rows->size(); ++i) {
    fresh.push_back({static_cast<std::size_t>(rows->integer(i, 0) - 1),
                     rows->id<domain::ConversationId>(i, 1), rows->id<domain::ContactId>(i, 2)});
  }
  return fresh;
}

Result<std::vector<ChangeOutcome>> ingest_changes(Session& db,
                                                  std::span<const InboundChange* const> changes) {
  static constexpr const char* kChange =
      "select ingest_change($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::int::smallint, $11, $12, $13, "
      "$14, $15)";
  std::vector<Query> queries;
  for (const InboundChange* change : changes) {
    const auto json = [](const std::optional<std::string>& text) {
      return text ? Param(Json{*text}) : Param(nullptr);
    };
    queries.push_back(
        {kChange,
         {change->channel, change->key, change->id, change->kind, TimestampMs{change->at_ms},
          change->thread, change->target, change->actor, change->content, Param(change->state),
          change->code, json(change->attachments), json(change->metadata),
          change->raw != nullptr ? Param(Bytes{change->raw->body}) : Param(nullptr),
          change->raw != nullptr ? Param(change->raw->content_type) : Param(nullptr)}});
  }
  auto answers = db.run(Scope::none(), queries);
  if (!answers) return std::move(answers).error();
  std::vector<ChangeOutcome> outcomes;
  for (const Rows& rows : *answers) {
    const auto text = rows.text(0, 0);
    outcomes.push_back(text == "stored"      ? ChangeOutcome::stored
                       : text == "duplicate" ? ChangeOutcome::duplicate
                                             : ChangeOutcome::missing);
  }
  return outcomes;
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
