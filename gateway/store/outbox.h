// The outbox: agents' messages on their way to a platform (schemas/sql/0002_outbox.sql and
// 0005_outbound.sql say how).
//
// A lane is one conversation, leased to one gateway process. Every write names the lane's fence and
// says whether the lease still held. Values and functions; each call is one transaction.
#ifndef GATEWAY_STORE_OUTBOX_H_
#define GATEWAY_STORE_OUTBOX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/domain/conversation.h"
#include "gateway/store/pg.h"

namespace gateway::store {

// What a sealed transcript is bound to, beside the message's id.
inline constexpr std::string_view kOutboxTranscript = "outbox.transcript";

struct Lane {
  domain::BusinessId tenant;
  domain::ConversationId conversation;
  std::int64_t fence = 0;
};

struct ClaimOptions {
  Uuid owner;
  int limit = 16;
  int tenant_cap = 8;  // leased at one time per tenant, by all gateways together
  std::int64_t lease_ms = 30'000;
};

// A channel's row with its secrets still sealed.
struct SealedChannel {
  domain::ChannelId id;
  std::string type;
  std::string config;
  std::string secret;
  std::string state;  // empty where nothing was kept
  bool is_active = true;
  int revision = 0;
  domain::RegistrationState registration = domain::RegistrationState::pending;
  std::string registration_error;
};
// The nine columns from `column` on: id, type, config, secret, state, is_active, registration
// state, its error, revision. Absent where the id is null: the channel was removed.
std::optional<SealedChannel> read_sealed_channel(const Rows& rows, int row, int column);

// The first unsent message of a lane with all that sending it needs.
struct Head {
  domain::MessageId message;
  domain::ChannelId channel_id;
  std::optional<SealedChannel> channel;  // absent where it was removed
  int attempt = 0;
  int asked = 0;
  int answered = 0;
  // Sealed. Not read where it is larger than `load_head` was allowed to read; see load_transcript.
  std::string transcript;
  std::int64_t transcript_bytes = 0;  // 0 where nothing was answered
  std::string last_error;
  std::int64_t left_ms = 0;    // until its deadline
  std::int64_t paused_ms = 0;  // the channel must be left alone that long
  std::string content;
  std::string attachments;  // JSON array or empty
  std::string metadata;     // JSON object or empty
  std::string reply_to;
  std::string thread;
  std::string contact;  // remote id of whom the thread is with, where known
  std::string contact_name;
  // The latest message the contact wrote.
  bool has_last = false;
  std::string last_remote_id;
  std::int64_t last_sent_ms = 0;
  std::string last_metadata;  // JSON object or empty
};

struct Ask {
  int attempt = 1;
  int asked = 1;  // calls that may have done something; equal to `answered` before one that reads
  int answered = 0;
  Bytes transcript;  // sealed; empty leaves the stored one
  std::int64_t lease_ms = 30'000;
};

enum class AskOutcome { go, lost, paused };
struct Asked {
  AskOutcome outcome = AskOutcome::lost;
  std::int64_t paused_ms = 0;
};

struct Settled {
  domain::MessageStatus status = domain::MessageStatus::sent;
  std::optional<std::string> error;
  std::vector<std::string> remote_ids;     // the message's own first
  std::optional<std::string> metadata;     // JSON object, merged into the message's
  std::optional<std::string> unreachable;  // why the contact cannot be written to
  std::optional<std::string> moved_to;     // the thread's new id
};

enum class PauseReason { none = 0, rate = 1, credentials = 2, inactive = 3, silent = 4 };

struct Again {
  int attempt = 1;
  int answered = 0;
  Bytes transcript;  // sealed; empty leaves the stored one
  std::int64_t delay_ms = 0;
  std::optional<std::string> error;
  std::int64_t pause_ms = 0;  // of the whole channel
  PauseReason reason = PauseReason::none;
  // Set: the platform refused the credentials; the channel's registration becomes failed.
  std::optional<std::string> channel_error;
};

// Crosses tenants.
Result<std::vector<Lane>> claim_lanes(Session& db, const ClaimOptions& options);
Result<> release_leases(Session& db, const Uuid& owner);

struct Depth {
  std::int64_t waiting = 0;
  std::int64_t oldest_ms = 0;
};
Result<Depth> outbox_depth(Session& db);

// Absent where the lease was lost or the lane is empty (which removes it). A transcript of more
// than `transcript_bytes` is left where it is.
Result<std::optional<Head>> load_head(Session& db, const Lane& lane, std::int64_t transcript_bytes);
// Sealed; empty where the message is not in the outbox.
Result<std::string> load_transcript(Session& db, const Lane& lane, domain::MessageId message);
Result<Asked> ask(Session& db, const Lane& lane, domain::MessageId message, const Ask& ask);
// False where the lease was lost. Repeating after an unknown outcome is safe.
Result<bool> settle(Session& db, const Lane& lane, domain::MessageId message,
                    const Settled& settled);
Result<bool> again(Session& db, const Lane& lane, domain::MessageId message,
                   domain::ChannelId channel, const Again& again);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_OUTBOX_H_
