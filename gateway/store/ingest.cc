#include "gateway/store/ingest.h"

namespace gateway::store {
namespace {

using Messages = std::span<const InboundMessage* const>;

template <class T, class Read>
std::vector<T> column(Messages messages, Read read) {
  std::vector<T> out;
  out.reserve(messages.size());
  for (const InboundMessage* message : messages) out.push_back(read(*message));
  return out;
}

// The sixteen arrays both statements share.
std::vector<Param> shared_arrays(Messages messages) {
  using M = InboundMessage;
  std::vector<Param> params;
  params.reserve(19);
  params.emplace_back(column<Uuid>(messages, [](const M& m) { return m.channel.get(); }));
  params.emplace_back(column<Uuid>(messages, [](const M& m) { return m.key; }));
  params.emplace_back(column<Uuid>(messages, [](const M& m) { return m.id.get(); }));
  params.emplace_back(column<Uuid>(messages, [](const M& m) { return m.conversation.get(); }));
  params.emplace_back(column<Uuid>(messages, [](const M& m) { return m.contact.get(); }));
  params.emplace_back(
      column<TimestampMs>(messages, [](const M& m) { return TimestampMs{m.sort_at_ms}; }));
  params.emplace_back(column<std::int64_t>(messages, [](const M& m) { return m.sort_seq; }));
  params.emplace_back(column<Int2>(
      messages, [](const M& m) { return Int2{static_cast<std::int16_t>(m.sender_type)}; }));
  params.emplace_back(
      column<Int2>(messages, [](const M& m) { return Int2{static_cast<std::int16_t>(m.kind)}; }));
  params.emplace_back(
      column<std::string_view>(messages, [](const M& m) { return std::string_view(m.content); }));
  const auto json = [](const std::optional<std::string>& text) {
    return text ? std::optional<Json>(Json{*text}) : std::nullopt;
  };
  params.emplace_back(
      column<std::optional<Json>>(messages, [&](const M& m) { return json(m.attachments); }));
  params.emplace_back(
      column<std::optional<Json>>(messages, [&](const M& m) { return json(m.metadata); }));
  params.emplace_back(
      column<std::optional<std::string>>(messages, [](const M& m) { return m.remote_id; }));
  params.emplace_back(
      column<std::optional<std::string>>(messages, [](const M& m) { return m.reply_to; }));
  params.emplace_back(column<std::optional<Bytes>>(messages, [](const M& m) {
    return m.raw != nullptr ? std::optional<Bytes>(Bytes{m.raw->body}) : std::nullopt;
  }));
  params.emplace_back(column<std::optional<std::string>>(messages, [](const M& m) {
    return m.raw != nullptr ? std::optional<std::string>(m.raw->content_type) : std::nullopt;
  }));
  return params;
}

}  // namespace

Result<std::vector<std::size_t>> ingest_known(Session& db, Messages messages) {
  static constexpr const char* kIngest =
      "select ingest_known($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
  auto rows = db.run(Scope::none(), Query{kIngest, shared_arrays(messages)});
  if (!rows) return std::move(rows).error();
  std::vector<std::size_t> fresh;
  for (const std::int64_t ordinal : rows->integers(0, 0)) {
    fresh.push_back(static_cast<std::size_t>(ordinal - 1));
  }
  return fresh;
}

Result<std::vector<Resolved>> ingest_resolve(Session& db, Messages messages) {
  static constexpr const char* kIngest =
      "select ord, conversation, contact from ingest_resolve($1, $2, $3, $4, $5, $6, $7, $8, $9, "
      "$10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
  using M = InboundMessage;
  auto params = shared_arrays(messages);
  params.emplace_back(column<std::string_view>(
      messages, [](const M& m) { return std::string_view(m.contact_remote); }));
  params.emplace_back(column<std::string_view>(
      messages, [](const M& m) { return std::string_view(m.contact_name); }));
  params.emplace_back(
      column<std::string_view>(messages, [](const M& m) { return std::string_view(m.thread); }));
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
