// Visitors of web pages and what they may touch (schemas/sql/0007_visitors.sql). Values and
// functions on the caller's Session or open Transaction, on its thread; gateway/visitors holds the
// rules.
#ifndef GATEWAY_STORE_VISITORS_H_
#define GATEWAY_STORE_VISITORS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/domain/embed.h"
#include "gateway/store/conversations.h"
#include "gateway/store/media.h"
#include "gateway/store/pg.h"

namespace gateway::store {

// Embeds -----------------------------------------------------------------------------------------

// A widget or webchat as far as visitors are concerned.
struct Embed {
  domain::EmbedId id;
  domain::BusinessId business;
  std::optional<domain::ChannelId> channel;  // an active one of its type
  bool is_enabled = true;
  std::vector<std::string> domains;  // whose pages may embed it; none for a webchat: all
};
// Whatever business it belongs to.
Result<std::optional<Embed>> find_embed(Session& db, const domain::EmbedId& id);
Result<std::optional<Embed>> find_embed(Session& db, domain::BusinessId business,
                                        const domain::EmbedId& id);
Result<std::optional<Embed>> find_embed(Transaction& transaction, domain::BusinessId business,
                                        const domain::EmbedId& id);
// Widgets, oldest first.
Result<std::vector<Embed>> widgets_of(Session& db, domain::BusinessId business);
// Whether an agent is there to answer.
Result<bool> is_online(Session& db, domain::BusinessId business);

// The secret that proves identities, sealed; bound to `id`.
inline constexpr std::string_view kEmbedSecret = "embed.secret";
struct SealedSecret {
  Uuid id;
  Bytes sealed;
};
// In place of the one before. False: the business has no such embed.
Result<bool> put_embed_secret(Session& db, domain::BusinessId business,
                              const domain::EmbedId& embed, const SealedSecret& secret);
Result<std::optional<SealedSecret>> find_embed_secret(Session& db, domain::BusinessId business,
                                                      const domain::EmbedId& embed);

// Names of the agents who wrote messages, by message, where the visitor's embed shows them.
using SenderNames = std::map<domain::MessageId, std::string>;
Result<SenderNames> shown_sender_names(Session& db, domain::BusinessId business,
                                       std::span<const Message> messages);
Result<SenderNames> shown_sender_names(Transaction& transaction, domain::BusinessId business,
                                       std::span<const Message> messages);

// Visitors ---------------------------------------------------------------------------------------

struct Visitor {
  Uuid id;
  domain::EmbedId embed;
  std::optional<std::string> external_id;  // proven
  std::optional<std::string> name;
  std::optional<std::string> email;
  std::optional<domain::ContactId> contact;
  std::optional<domain::ConversationId> conversation;  // the latest one
  std::optional<std::int64_t> read_us;
  bool is_revoked = false;
};
// Absent: who has neither written nor been named has no row.
Result<std::optional<Visitor>> find_visitor(Session& db, domain::BusinessId business,
                                            const domain::EmbedId& embed, const Uuid& id);
// The row, made where there is none, locked until the transaction ends. Absent: a visitor of
// another embed has this id.
Result<std::optional<Visitor>> take_visitor(Transaction& transaction, domain::BusinessId business,
                                            const domain::EmbedId& embed, const Uuid& id);

// What a page says of its visitor.
struct VisitorDetails {
  std::optional<std::string> name;
  std::optional<std::string> email;
  std::optional<std::string> external_id;  // proven
};
// Notes the details of a visitor and their contact; absent ones stay. With an external id it is the
// embed's visitor of this id, whoever `id` is. Where there is none yet, `id` becomes them if that
// is anonymous, else `fresh` does. Absent as in take_visitor.
Result<std::optional<Visitor>> describe_visitor(Session& db, domain::BusinessId business,
                                                const domain::EmbedId& embed, const Uuid& id,
                                                const Uuid& fresh, const VisitorDetails& details);
// Tokens of this visitor are refused from now on. False: there is no such visitor.
Result<bool> revoke_visitor(Session& db, domain::BusinessId business, const Uuid& id);

// Writing ----------------------------------------------------------------------------------------

// Before a proven person's message: the contact the business knows them as writes it.
Result<> link_contact(Transaction& transaction, domain::BusinessId business,
                      domain::ChannelId channel, const Visitor& visitor);
// Behind a message: whose it was.
Result<> visitor_wrote(Transaction& transaction, domain::BusinessId business,
                       const Visitor& visitor, domain::ContactId contact,
                       domain::ConversationId conversation);
// The message an event of this visitor became before.
Result<std::optional<Message>> find_written(Transaction& transaction, domain::BusinessId business,
                                            domain::ChannelId channel, const Uuid& visitor,
                                            const Uuid& event_key);

struct PageUploader {
  domain::EmbedId embed;
  std::optional<Uuid> visitor;  // absent: nobody said who
  Uuid purpose;                 // the conversation, or whom or what it is for
};
// What is uploaded from an embed's pages and not sent yet may have so many bytes.
struct PageUploadLimits {
  std::int64_t of_embed = 0;
  std::int64_t of_visitor = 0;
};
// All or none. False: it would be too much.
Result<bool> insert_page_uploads(Session& db, domain::BusinessId business,
                                 const PageUploader& uploader, std::span<const NewMedia> files,
                                 const PageUploadLimits& limits);
// Reading and rating -----------------------------------------------------------------------------

// Messages of agents in the visitor's conversation behind the place read last; at most 100.
Result<int> visitor_unread(Session& db, domain::BusinessId business, const Visitor& visitor);
// They have been read, up to `up_to` or all of them: their status says so. The ids of those that
// were not read before.
Result<std::vector<domain::MessageId>> mark_read_by_visitor(
    Session& db, domain::BusinessId business, const Uuid& visitor,
    const std::optional<domain::MessageId>& up_to);
// False: the conversation is neither resolved nor closed.
Result<bool> rate_conversation(Session& db, domain::BusinessId business,
                               domain::ConversationId conversation, const Csat& csat);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_VISITORS_H_
