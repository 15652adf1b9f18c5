// What live clients have to hear, and which agents are there (schemas/sql/0008_live.sql,
// 0009_presence.sql). Free functions on the caller's Session, on its thread.
#ifndef GATEWAY_STORE_LIVE_H_
#define GATEWAY_STORE_LIVE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/domain/conversation.h"
#include "gateway/domain/ids.h"
#include "gateway/store/pg.h"

namespace gateway::store {

enum class LiveKind { message = 0, changed = 1, conversation = 2, status = 3, assigned = 4 };

// An entry of the log. It says where something happened; what it is now is read there.
struct LiveEvent {
  std::int64_t seq = 0;
  domain::BusinessId business;
  domain::ConversationId conversation;
  std::optional<domain::MessageId> message;
  LiveKind kind = LiveKind::conversation;
  std::optional<domain::MessageStatus> state;  // LiveKind::status: what was told
  std::optional<domain::UserId> actor;         // LiveKind::assigned: by whom
  std::int64_t at_ms = 0;
};

// Of all businesses: at most `limit` behind `after`, and those of `missing` that have come, by seq.
Result<std::vector<LiveEvent>> live_tail(Session& db, std::int64_t after,
                                         const std::vector<std::int64_t>& missing, int limit);
Result<std::int64_t> newest_live_event(Session& db);
// Of one business: `at`, what is behind `behind`, and those of `open` that have come, by seq.
// Absent: `at` is not in the log any more or was another business's, or too much has happened
// since, in this business (`limit`) or in all.
Result<std::optional<std::vector<LiveEvent>>> missed_live_events(
    Session& db, domain::BusinessId business, std::int64_t at, std::int64_t behind,
    const std::vector<std::int64_t>& open, int limit);
// Transactions that were not over at a moment: none older than `oldest` was open, all begin to
// write behind `next`. Numbers that were taken from the log before it are committed, or never will
// be, once `oldest` has reached that `next`.
struct OpenTransactions {
  std::int64_t oldest = 0;
  std::int64_t next = 0;
};
Result<OpenTransactions> open_transactions(Session& db);

// Other sessions that call themselves so in this database.
Result<int> sessions_called(Session& db, std::string_view application_name);
// To everybody who listens on `channel`; `payload` below 8000 bytes.
Result<> notify(Session& db, std::string_view channel, std::string_view payload);

// Agents -----------------------------------------------------------------------------------------

struct Presence {
  domain::BusinessId business;
  domain::UserId user;
};
// What an agent has chosen to be, away or offline, stays until they choose otherwise; without a
// choice they are live while they are connected anywhere.
//
// The agent is connected to this node. Answers the agent's status where it has changed by that.
Result<std::optional<std::string>> agent_arrived(Session& db, const Presence& who,
                                                 std::string_view node);
// Not connected to this node any more. Answers as agent_arrived.
Result<std::optional<std::string>> agent_left(Session& db, const Presence& who,
                                              std::string_view node);
// The agent's own choice: live, away or offline; live takes an earlier one back. False: it is the
// agent's status already. Absent: no active member.
Result<std::optional<bool>> set_agent_status(Session& db, const Presence& who,
                                             std::string_view status);
// Those of this node are still there.
Result<> renew_presence(Session& db, const std::vector<Presence>& agents, std::string_view node);
// Who was connected to a gateway that was killed, is nowhere else, and is offline by that.
Result<std::vector<Presence>> end_stale_presence(Session& db);

// Who has to go ----------------------------------------------------------------------------------

// An access token by which somebody is connected.
struct TokenInUse {
  Uuid token;
  domain::UserId user;
  std::int64_t version = 0;
  domain::BusinessId business;  // whose live traffic they hear
};
// Those that were revoked, or whose user was disabled, is gone, or works in that business no more.
Result<std::vector<Uuid>> ended_tokens(Session& db, std::span<const TokenInUse> tokens);

struct RevokedVisitor {
  domain::BusinessId business;
  Uuid visitor;
};
// Of all businesses, within the last so many seconds.
Result<std::vector<RevokedVisitor>> visitors_revoked_within(Session& db, int seconds);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_LIVE_H_
