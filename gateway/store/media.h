// Files: what deliveries brought, platforms keep, and agents upload (schemas/sql/0006_media.sql).
// How they are fetched is told in media_jobs.h.
//
// A file's id is that of the attachments which name it. Values and functions on the caller's
// Session or open Transaction, on its thread. A body is held once per call, beside what libpq
// needs.
#ifndef GATEWAY_STORE_MEDIA_H_
#define GATEWAY_STORE_MEDIA_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/domain/ids.h"
#include "gateway/store/pg.h"

namespace gateway::store {

enum class MediaState { pending = 0, ready = 1, failed = 2 };

// A file without its bytes.
struct Media {
  Uuid id;
  MediaState state = MediaState::pending;
  std::string content_type;  // empty where unknown
  std::string file_name;     // empty where unknown
  std::optional<std::int64_t> size;
  std::string sha256;  // raw bytes; empty unless ready
  std::string error;   // of failed ones
  std::string head;    // the first bytes; only from find_media
};

// Serving ----------------------------------------------------------------------------------------

// With the first `head_bytes` of its body. Absent where the business has no such file.
Result<std::optional<Media>> find_media(Session& db, domain::BusinessId business, const Uuid& id,
                                        std::size_t head_bytes);
// Of those ids that are files of the business, in any order.
Result<std::vector<Media>> media_of(Session& db, domain::BusinessId business,
                                    std::span<const Uuid> ids);
Result<std::vector<Media>> media_of(Transaction& transaction, domain::BusinessId business,
                                    std::span<const Uuid> ids);
// `count` bytes of a ready file from `begin` on, read piece by piece. Absent where it is not ready
// (any more) or shorter.
Result<std::optional<std::string>> read_media(Session& db, domain::BusinessId business,
                                              const Uuid& id, std::size_t begin, std::size_t count);

// Uploading and sending --------------------------------------------------------------------------

// A connection keeps the room that its longest statement took: behind a large body it is given up.
void forget_large_parameter(Session& db, std::size_t bytes);

struct NewMedia {
  Uuid id;
  std::string content_type;
  std::string file_name;
  std::string_view body;
};
enum class UploadOutcome { stored, no_conversation, too_much };
// All or none, for a message of the conversation, or without one for any purpose. too_much: what
// the business has uploaded and not sent yet would be over `most_unused_bytes`.
Result<UploadOutcome> insert_uploads(Session& db, domain::BusinessId business,
                                     const std::optional<domain::ConversationId>& conversation,
                                     std::span<const NewMedia> files,
                                     std::int64_t most_unused_bytes);
// The ready ones among these files, kept from being swept until the transaction ends and, where a
// message is sent with them, after that.
Result<std::vector<Media>> take_media(Transaction& transaction, domain::BusinessId business,
                                      std::span<const Uuid> ids);
// The same for somebody on a web page: only what was uploaded from there, by them, or by nobody who
// said so and sent by nobody yet.
struct PageSender {
  std::string embed;
  Uuid visitor;
};
Result<std::vector<Media>> take_page_media(Transaction& transaction, domain::BusinessId business,
                                           const PageSender& sender, std::span<const Uuid> ids);
// The key of a message's row.
struct MessageKey {
  domain::ConversationId conversation;
  std::int64_t sort_us = 0;
  std::int64_t sort_seq = 0;
  domain::MessageId id;
};
// The message carries these files.
Result<> use_media(Transaction& transaction, domain::BusinessId business, const MessageKey& message,
                   std::span<const Uuid> ids);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_MEDIA_H_
