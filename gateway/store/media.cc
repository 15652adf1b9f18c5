#include "gateway/store/media.h"

#include <algorithm>

#include "connectors/sdk/crypto.h"

namespace gateway::store {
namespace {

constexpr std::size_t kPieceBytes = 1u << 20;
constexpr unsigned kByteaOid = 17;

#define MEDIA_COLUMNS                                                                         \
  "f.id, f.state, coalesce(f.content_type, ''), coalesce(f.file_name, ''), f.size, f.sha256," \
  " coalesce(f.error, '')"

Media read_row(const Rows& rows, int row) {
  Media file;
  file.id = rows.uuid(row, 0);
  file.state = static_cast<MediaState>(rows.integer(row, 1));
  file.content_type = rows.text(row, 2);
  file.file_name = rows.text(row, 3);
  file.size = rows.maybe_integer(row, 4);
  file.sha256 = rows.bytes(row, 5);
  file.error = rows.text(row, 6);
  return file;
}

Result<std::vector<Media>> read_rows(Result<Rows> rows) {
  if (!rows) return std::move(rows).error();
  std::vector<Media> files;
  for (int row = 0; row < rows->size(); ++row) files.push_back(read_row(*rows, row));
  return files;
}

Query media_of_query(domain::BusinessId business, std::span<const Uuid> ids) {
  static constexpr const char* kSelect =
      "select " MEDIA_COLUMNS " from media f where f.tenant_id = $1 and f.id = any ($2)";
  return {kSelect, {business, std::vector<Uuid>(ids.begin(), ids.end())}};
}

}  // namespace

Result<std::optional<Media>> find_media(Session& db, domain::BusinessId business, const Uuid& id,
                                        std::size_t head_bytes) {
  static constexpr const char* kSelect = "select " MEDIA_COLUMNS
                                         ", substring(f.body from 1 for $3) from media f"
                                         " where f.tenant_id = $1 and f.id = $2";
  auto rows =
      db.run(Scope::of(business), Query{kSelect, {business, id, static_cast<int>(head_bytes)}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Media>();
  Media file = read_row(*rows, 0);
  file.head = rows->bytes(0, 7);
  return std::optional<Media>(std::move(file));
}

Result<std::vector<Media>> media_of(Session& db, domain::BusinessId business,
                                    std::span<const Uuid> ids) {
  return read_rows(db.run(Scope::of(business), media_of_query(business, ids)));
}

Result<std::vector<Media>> media_of(Transaction& transaction, domain::BusinessId business,
                                    std::span<const Uuid> ids) {
  return read_rows(transaction.run(media_of_query(business, ids)));
}

Result<std::optional<std::string>> read_media(Session& db, domain::BusinessId business,
                                              const Uuid& id, std::size_t begin,
                                              std::size_t count) {
  // Piece by piece: an answer of Postgres is text, which takes three times the bytes it stands for.
  static constexpr const char* kRead =
      "select substring(f.body from $3 for $4) from media f"
      " where f.tenant_id = $1 and f.id = $2 and f.state = 1";
  std::string body;
  body.reserve(count);
  while (body.size() < count) {
    const std::size_t piece = std::min(kPieceBytes, count - body.size());
    auto rows = db.run(
        Scope::of(business),
        Query{kRead,
              {business, id, static_cast<int>(begin + body.size()) + 1, static_cast<int>(piece)}});
    if (!rows) return std::move(rows).error();
    const std::string bytes = rows->empty() ? std::string() : rows->bytes(0, 0);
    if (bytes.size() != piece) return std::optional<std::string>();
    body += bytes;
  }
  return std::optional<std::string>(std::move(body));
}

void forget_large_parameter(Session& db, std::size_t bytes) {
  constexpr std::size_t kLarge = 4u << 20;
  if (bytes > kLarge) db.disconnect();
}

Result<UploadOutcome> insert_uploads(Session& db, domain::BusinessId business,
                                     const std::optional<domain::ConversationId>& conversation,
                                     std::span<const NewMedia> files,
                                     std::int64_t most_unused_bytes) {
  // One upload of a business at a time, so that the sum is exact.
  static constexpr const char* kLock =
      "select pg_advisory_xact_lock(hashtextextended('upload' || $1::uuid::text, 0))";
  static constexpr const char* kCheck =
      "select $2::uuid is null"
      " or exists (select from conversation c where c.tenant_id = $1 and c.id = $2),"
      " (select coalesce(sum(f.size), 0)::bigint from media f where f.tenant_id = $1"
      "  and f.conversation_id is not null and f.used_at is null and f.embed_id is null)";
  static constexpr const char* kInsert =
      "insert into media (tenant_id, id, conversation_id, state, content_type, file_name, size,"
      " sha256, body) values ($1, $2, coalesce($3, $1), 1, $4, $5, $6, $7, $8)";
  auto transaction = db.begin(Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  if (auto locked = transaction->run({kLock, {business}}); !locked) {
    return std::move(locked).error();
  }
  auto checked = transaction->run({kCheck, {business, conversation}});
  if (!checked) return std::move(checked).error();
  if (!checked->boolean(0, 0)) return UploadOutcome::no_conversation;
  std::int64_t bytes = checked->integer(0, 1);
  for (const NewMedia& file : files) bytes += static_cast<std::int64_t>(file.body.size());
  if (bytes > most_unused_bytes) return UploadOutcome::too_much;
  for (const NewMedia& file : files) {
    auto inserted = transaction->run(
        {kInsert,
         {business, file.id, conversation, file.content_type, file.file_name,
          static_cast<std::int64_t>(file.body.size()), Bytes{sdk::sha256(file.body)},
          Param::binary(std::string(file.body), kByteaOid)}});
    if (!inserted) return std::move(inserted).error();
  }
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  std::size_t largest = 0;
  for (const NewMedia& file : files) largest = std::max(largest, file.body.size());
  forget_large_parameter(db, largest);
  return UploadOutcome::stored;
}

Result<std::vector<Media>> take_media(Transaction& transaction, domain::BusinessId business,
                                      std::span<const Uuid> ids) {
  static constexpr const char* kTake =
      "update media f set used_at = coalesce(f.used_at, now()) from ("
      "  select x.id from media x where x.tenant_id = $1 and x.id = any ($2) and x.state = 1"
      "  order by x.id for no key update) as taken"
      " where f.tenant_id = $1 and f.id = taken.id returning " MEDIA_COLUMNS;
  return read_rows(transaction.run({kTake, {business, std::vector<Uuid>(ids.begin(), ids.end())}}));
}

Result<std::vector<Media>> take_page_media(Transaction& transaction, domain::BusinessId business,
                                           const PageSender& sender, std::span<const Uuid> ids) {
  static constexpr const char* kTake =
      "update media f set used_at = coalesce(f.used_at, now()), visitor_id = $4 from ("
      "  select x.id from media x where x.tenant_id = $1 and x.id = any ($2) and x.state = 1"
      "   and x.embed_id = $3"
      "   and (x.visitor_id = $4 or (x.visitor_id is null and x.used_at is null))"
      "  order by x.id for no key update) as taken"
      " where f.tenant_id = $1 and f.id = taken.id returning " MEDIA_COLUMNS;
  return read_rows(transaction.run(
      {kTake,
       {business, std::vector<Uuid>(ids.begin(), ids.end()), sender.embed, sender.visitor}}));
}

Result<> use_media(Transaction& transaction, domain::BusinessId business, const MessageKey& message,
                   std::span<const Uuid> ids) {
  static constexpr const char* kUse =
      "insert into media_use (tenant_id, media_id, message_id, conversation_id, sort_at, sort_seq)"
      " select $1, x.id, $3, $4, timestamptz 'epoch' + $5::bigint * interval '1 microsecond',"
      " $6::bigint from unnest($2::uuid[]) as x(id) on conflict do nothing";
  auto used = transaction.run({kUse,
                               {business, std::vector<Uuid>(ids.begin(), ids.end()), message.id,
                                message.conversation, message.sort_us, message.sort_seq}});
  if (!used) return std::move(used).error();
  return {};
}

}  // namespace gateway::store
