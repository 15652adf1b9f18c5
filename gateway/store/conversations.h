// Conversations and messages as agents see and write them. Free functions on the caller's Session
// or open Transaction, on its thread. What platforms deliver is written by ingest.h.
//
// Lock order, the same as everywhere: idempotency key, counter, conversation, head, lane.
#ifndef GATEWAY_STORE_CONVERSATIONS_H_
#define GATEWAY_STORE_CONVERSATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/domain/conversation.h"
#include "gateway/domain/ids.h"
#include "gateway/store/pg.h"

namespace gateway::store {

struct Contact {
  domain::ContactId id;
  domain::BusinessId business;
  std::optional<std::string> name;
  std::optional<std::string> email;
  std::optional<std::string> external_id;
  std::int64_t created_ms = 0;
};

// Where a message stands in its conversation: platform time, platform sequence, arrival.
struct MessagePosition {
  std::int64_t sort_us = 0;
  std::int64_t sort_seq = 0;
  domain::MessageId id;
};

struct Message {
  MessagePosition position;
  domain::ConversationId conversation;
  domain::SenderType sender_type = domain::SenderType::customer;
  std::optional<Uuid> sender;  // a contact or a user
  domain::MessageKind kind = domain::MessageKind::message;
  std::optional<domain::MessageStatus> status;  // of outgoing ones
  std::string content;
  std::string attachments;  // JSON array
  std::string metadata;     // JSON object
  std::optional<domain::MessageId> reply_to;
  std::optional<std::string> error;
  std::optional<std::int64_t> edited_ms;
  std::optional<std::int64_t> deleted_ms;
  std::int64_t stored_ms = 0;
};

// How satisfied the customer was.
struct Csat {
  int score = 0;  // 1 to 5
  std::optional<std::string> comment;
  std::int64_t at_ms = 0;
};

struct Conversation {
  domain::ConversationId id;
  domain::BusinessId business;
  std::optional<domain::ContactId> contact_id;
  std::optional<domain::UserId> assignee;
  domain::ConversationStatus status = domain::ConversationStatus::open;
  std::string channel_type;
  std::optional<domain::ChannelId> channel;  // absent: the channel was deleted
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::optional<std::int64_t> first_response_ms;
  std::optional<std::int64_t> resolved_ms;
  std::optional<std::int64_t> closed_ms;
  std::optional<std::string> handoff_reason;
  std::optional<std::string> unreachable_reason;
  std::int64_t unread = 0;
  std::int64_t message_count = 0;
  std::optional<std::string> preview;
  std::optional<Contact> contact;
  std::optional<Csat> csat;
  std::int64_t last_message_us = 0;  // with the id: its place in the inbox
  std::string remote_thread;         // empty: it has none
};

struct InboxPosition {
  std::int64_t last_message_us = 0;
  domain::ConversationId id;
};

struct InboxQuery {
  std::vector<domain::ConversationStatus> statuses;
  std::optional<domain::UserId> assignee;
  std::optional<InboxPosition> before;
  int limit = 50;
  int skip = 0;
};

// By last message, newest first, exact. One more than the limit is never read: a full page may be
// the last.
Result<std::vector<Conversation>> list_conversations(Session& db, domain::BusinessId business,
                                                     const InboxQuery& query);

struct Thread {
  Conversation conversation;
  std::vector<Message> messages;  // oldest first
};
// The newest `limit` messages, or those before a position.
Result<std::optional<Thread>> find_conversation(Session& db, domain::BusinessId business,
                                                domain::ConversationId id, int limit,
                                                const std::optional<MessagePosition>& before);
// One that was made in this transaction; its messages are few.
Result<Thread> find_conversation(Transaction& transaction, domain::BusinessId business,
                                 domain::ConversationId id);

// Absent where the conversation has no such message.
Result<std::optional<Message>> find_message(Session& db, domain::BusinessId business,
                                            domain::ConversationId conversation,
                                            domain::MessageId id);
Result<std::optional<Message>> find_message(Transaction& transaction, domain::BusinessId business,
                                            domain::ConversationId conversation,
                                            domain::MessageId id);
// By its whole key, without a look at the others of its conversation.
Result<std::optional<Message>> find_message(Transaction& transaction, domain::BusinessId business,
                                            domain::ConversationId conversation,
                                            const MessagePosition& position);
// Where messages are, without their times.
struct MessageName {
  domain::ConversationId conversation;
  domain::MessageId id;
};
// Those of them that are there, in any order. Meant for messages near the ends of their
// conversations: older ones are found, by walking there.
Result<std::vector<Message>> find_messages(Session& db, domain::BusinessId business,
                                           const std::vector<MessageName>& names);
// Those of them that are there, in any order.
Result<std::vector<Conversation>> find_conversations(
    Session& db, domain::BusinessId business, const std::vector<domain::ConversationId>& ids);

// Writing --------------------------------------------------------------------------------------

struct ChannelChoice {
  domain::ChannelId id;
  std::string type;
  bool is_active = true;
};
// The named channel of the business, or without a name its oldest active widget channel.
Result<std::optional<ChannelChoice>> choose_channel(Transaction& transaction,
                                                    domain::BusinessId business,
                                                    const std::optional<domain::ChannelId>& named);
Result<bool> has_contact(Transaction& transaction, domain::BusinessId business,
                         domain::ContactId contact);

struct NewConversation {
  domain::ConversationId id;
  domain::BusinessId business;
  ChannelChoice channel;
  std::optional<domain::ContactId> contact;
};
Result<> insert_conversation(Transaction& transaction, const NewConversation& conversation);

// Counts one outgoing message of the month ("2026-11"). Absent: allowed and counted; else how many
// there were.
Result<std::optional<std::int64_t>> count_message(Transaction& transaction,
                                                  domain::BusinessId business,
                                                  std::string_view month, std::int64_t limit);
// The plan's id of a business; Errc::not_found.
Result<std::string> plan_of(Transaction& transaction, domain::BusinessId business);

struct NewMessage {
  domain::MessageId id;
  domain::ConversationId conversation;
  domain::BusinessId business;
  domain::UserId sender;
  std::string content;
  std::string attachments;                   // JSON array
  std::optional<std::string> metadata = {};  // JSON object
  std::optional<domain::MessageId> reply_to = {};
};
enum class SendRefusal { no_conversation, closed, no_channel, channel_off, nothing_to_quote };
struct SendResult {
  std::optional<SendRefusal> refusal;  // set: nothing was written
  Message message;
  bool queued = false;  // the outbox has it
};
// An agent's message: stored, put at the top of the inbox, and queued where a platform delivers it.
// A resolved conversation opens again; unread counts stay.
Result<SendResult> send_message(Transaction& transaction, const NewMessage& message);

enum class Settling { resolve, close };
struct SettledConversation {
  domain::ConversationStatus status = domain::ConversationStatus::resolved;
  bool already = false;
  std::int64_t at_ms = 0;
};
Result<std::optional<SettledConversation>> settle_conversation(Session& db,
                                                               domain::BusinessId business,
                                                               domain::ConversationId id,
                                                               Settling settling);

// False: no such conversation, or no such active member of this business.
Result<bool> assign_conversation(Session& db, domain::BusinessId business,
                                 domain::ConversationId id, domain::UserId agent,
                                 domain::UserId by);

// Repeated requests ----------------------------------------------------------------------------

struct RepeatKey {
  domain::BusinessId business;
  domain::UserId user;
  std::string key;
  std::string request_hash;
};
struct KeptAnswer {
  bool same_request = true;
  int status = 0;
  std::string body;
};
// Claims the key for this transaction, waiting for another that holds it. Absent: it is fresh, and
// keep_answer is due before the commit. Keys are kept for a day.
Result<std::optional<KeptAnswer>> claim_key(Transaction& transaction, const RepeatKey& key);
Result<> keep_answer(Transaction& transaction, const RepeatKey& key, int status,
                     std::string_view body);

// Deadlocks and serialization failures, after which a transaction may simply be repeated.
bool may_repeat(const Error& error);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_CONVERSATIONS_H_
