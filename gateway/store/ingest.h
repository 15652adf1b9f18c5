// The inbound rows and the statements that write them (schemas/sql/0001_core.sql and
// 0004_channels.sql say how).
//
// Values and functions; the caller decides what shares a transaction.
#ifndef GATEWAY_STORE_INGEST_H_
#define GATEWAY_STORE_INGEST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/domain/conversation.h"
#include "gateway/store/pg.h"

namespace gateway::store {

// SQLSTATEs of our own, in Error::cause.
inline constexpr std::string_view kConversationClosed = "BC001";
inline constexpr std::string_view kChannelGone = "BC002";

// The bytes of a delivery, kept beside the first of its events.
struct RawDelivery {
  std::string body;
  std::string content_type;
};

// An attachment whose bytes are stored with its message, or fetched later.
struct InboundMedia {
  Uuid id;             // of the attachment
  std::string source;  // JSON: kind, media_id, mime_type, file_name, size, extra
  std::shared_ptr<const std::string> body;  // null: to be fetched
};

struct InboundMessage {
  domain::ChannelId channel;
  Uuid key;
  domain::MessageId id;
  domain::ConversationId conversation;  // known, or the id a new one would get
  domain::ContactId contact;            // likewise
  std::int64_t sort_at_ms = 0;
  std::int64_t sort_seq = 0;
  domain::SenderType sender_type = domain::SenderType::customer;
  domain::MessageKind kind = domain::MessageKind::message;
  std::string content;
  std::optional<std::string> attachments;  // JSON array
  std::optional<std::string> metadata;     // JSON object
  std::optional<std::string> remote_id;
  std::optional<std::string> reply_to;
  std::string contact_remote;
  std::string contact_name;
  std::string thread;
  std::vector<InboundMedia> media;
  // Remote ids of messages whose conversation it belongs to, see thread_of_references.
  std::vector<std::string> references;
  const RawDelivery* raw = nullptr;  // borrowed; null for the second and further events
};

struct InboundChange {
  domain::ChannelId channel;
  Uuid key;
  Uuid id;
  int kind = 0;  // connector::EventKind
  std::int64_t at_ms = 0;
  std::string thread;
  std::string target;  // remote id of the message it is about
  std::string actor;
  std::string content;
  std::optional<int> state;
  std::string code;
  std::optional<std::string> attachments;
  std::optional<std::string> metadata;
  std::optional<Uuid> message_key;  // of a status: our own id of its message
  bool up_to = false;               // of a status: of all our messages up to this one
  std::vector<InboundMedia> media;  // of an edit
  const RawDelivery* raw = nullptr;
};

struct Quarantined {
  domain::ChannelId channel;
  Uuid key;
  Uuid id;
  std::string reason;
  const RawDelivery* raw = nullptr;
};

// Ordinals of the answer count from 1 in the order of `messages`.
struct Resolved {
  std::size_t index = 0;  // into `messages`, from 0
  domain::ConversationId conversation;
  domain::ContactId contact;
};

// In a transaction of their own, or in the caller's. The answers name the ones that were stored;
// what is missing was stored before. No two messages of one call may have the same channel and key.
//
// ingest_known is for all but echoes: ingest_resolve alone looks whether an echo is of a message
// that is here already.
Result<std::vector<std::size_t>> ingest_known(Session& db,
                                              std::span<const InboundMessage* const> messages);
// ingest_known in two halves: between them the caller may work, and nothing else may be asked of
// the session.
Result<> send_known(Session& db, std::span<const InboundMessage* const> messages);
Result<std::vector<std::size_t>> receive_known(Session& db);
Result<std::vector<Resolved>> ingest_resolve(Session& db,
                                             std::span<const InboundMessage* const> messages);
Result<std::vector<Resolved>> ingest_resolve(Transaction& transaction,
                                             std::span<const InboundMessage* const> messages);

// missing: an edit of a message that is not here.
enum class ChangeOutcome { stored, duplicate, missing };
// All in one transaction, in the order given.
Result<std::vector<ChangeOutcome>> ingest_changes(Session& db,
                                                  std::span<const InboundChange* const> changes);
Result<std::vector<ChangeOutcome>> ingest_changes(Transaction& transaction,
                                                  std::span<const InboundChange* const> changes);

// The thread of the conversation that holds a message with one of these remote ids, the first of
// them that is known. Absent where none is.
Result<std::optional<std::string>> thread_of_references(Session& db, domain::ChannelId channel,
                                                        const std::vector<std::string>& references);
Result<std::optional<std::string>> thread_of_references(Transaction& transaction,
                                                        domain::ChannelId channel,
                                                        const std::vector<std::string>& references);

// Gives the transaction the tenant of a channel, for statements under row-level security. Nothing
// where the channel is gone: they then see no rows.
Result<> enter_tenant_of(Transaction& transaction, domain::ChannelId channel);

Result<> ingest_quarantine(Session& db, const Quarantined& entry);

// Makes coming partitions, drops what is past keeping.
Result<> sweep(Session& db, int raw_days, int key_days, int realtime_hours);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_INGEST_H_
