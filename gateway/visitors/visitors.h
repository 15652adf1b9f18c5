// What visitors of web pages may do, without a word of HTTP or Socket.IO: both call this.
//
// A visitor is admitted by an embed (widget or webchat) whose pages they are on, and known by a
// token. What they write is ingested as what platforms deliver: one live conversation per visitor
// and channel, a resolved one opens again, behind a closed one begins a new one, and a repeated
// client_id adds nothing. Plans count what agents write, so no plan refuses a visitor.
//
// Immutable; const methods from any thread, each with the caller's own Session. They block on the
// database, so never on a reactor.
#ifndef GATEWAY_VISITORS_VISITORS_H_
#define GATEWAY_VISITORS_VISITORS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gateway/auth/visitor_tokens.h"
#include "gateway/base/clock.h"
#include "gateway/store/conversations.h"
#include "gateway/store/media_url.h"
#include "gateway/store/vault.h"
#include "gateway/store/visitors.h"

namespace gateway::visitors {

inline constexpr std::size_t kMaxContentBytes = 16u << 10;
inline constexpr std::size_t kMaxClientIdBytes = 128;
inline constexpr std::size_t kMaxFiles = 10;
inline constexpr std::size_t kMaxUserIdBytes = 200;
inline constexpr std::size_t kMaxCommentCharacters = 2000;

// Why a visitor does not get what they ask for; the detail is fit for them.
struct Refusal {
  Errc code = Errc::forbidden;
  std::string detail;
  std::string field;  // of the request, where one is wrong
};
// What was asked for, or why not. An error is trouble of ours.
template <class T>
class Answered {
 public:
  Answered(T value) : state_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Answered(Refusal refusal) : state_(std::move(refusal)) {}  // NOLINT(google-explicit-constructor)
  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  T& operator*() { return std::get<T>(state_); }
  const T& operator*() const { return std::get<T>(state_); }
  T* operator->() { return &std::get<T>(state_); }
  const T* operator->() const { return &std::get<T>(state_); }
  const Refusal& refusal() const { return std::get<Refusal>(state_); }

 private:
  std::variant<T, Refusal> state_;
};

// An embed that takes visitors.
struct Door {
  store::Embed embed;
  domain::ChannelId channel;
};
// Somebody whose token held.
struct Guest {
  Door door;
  store::Visitor visitor;
};

struct SessionRequest {
  std::string token;      // of an earlier session; empty: none. One that does not hold is none
  std::string user_id;    // the business's own id of the person
  std::string user_hash;  // hex HMAC-SHA256 of it with the embed's identity secret
  std::optional<std::string> name;
  std::optional<std::string> email;
};
struct OpenedSession {
  Uuid visitor;
  std::string token;
  std::int64_t expires_ms = 0;
  std::optional<domain::ConversationId> conversation;  // the latest one
};

struct NewMessage {
  std::string content;
  std::string client_id;    // the client's own, makes repeats safe; empty: each call is a message
  std::vector<Uuid> files;  // uploads of this visitor
};

struct History {
  store::Conversation conversation;
  int unread = 0;                                 // of agents' messages
  std::vector<store::Message> messages;           // oldest first, only those for visitors
  std::optional<store::MessagePosition> earlier;  // there may be more before this
};

class Visitors {
 public:
  Visitors(store::Vault& vault, const auth::VisitorTokens& tokens,
           const store::MediaUrls& media_urls, const Clock& clock, Uuid7& ids)
      : vault_(vault), tokens_(tokens), media_urls_(media_urls), clock_(clock), ids_(ids) {}

  // The embed, for a page of this Origin; without one (no browser) for every caller. not_found:
  // there is none, or it is switched off. forbidden: it is not for this page.
  Result<Answered<Door>> admit(store::Session& db, const domain::EmbedId& embed,
                               std::string_view origin) const;
  // The documented handshake names a business alone: its oldest widget for this page.
  Result<Answered<Door>> admit_to_business(store::Session& db, domain::BusinessId business,
                                           std::string_view origin) const;
  // Who holds a token that was verified. unauthorized: it has been revoked.
  Result<Answered<Guest>> recognize(store::Session& db, const auth::VisitorClaims& claims,
                                    std::string_view origin) const;

  // A visitor, new or known. Nothing is written where nothing is said of them. A user_id is taken
  // with its proof alone (unauthorized, or forbidden without a secret to prove it by).
  Result<Answered<OpenedSession>> open_session(store::Session& db, const Door& door,
                                               const SessionRequest& request) const;
  // Of an earlier session's token that still holds for this embed, and its visitor is not revoked.
  std::optional<auth::VisitorClaims> claims_of(const Door& door, std::string_view token) const;

  // Stored, and in the inbox. For a client_id that was used before, the message it became.
  Result<Answered<store::Message>> write(store::Session& db, const Guest& guest,
                                         const NewMessage& message) const;
  // Ids of agents' messages that were not read before.
  Result<std::vector<domain::MessageId>> read(store::Session& db, const Guest& guest,
                                              std::optional<domain::MessageId> up_to) const;
  // not_found: there is no conversation. conflict: it is neither resolved nor closed.
  Result<Answered<store::Csat>> rate(store::Session& db, const Guest& guest, int score,
                                     std::optional<std::string> comment) const;
  // The latest conversation; absent where there is none.
  Result<std::optional<History>> history(store::Session& db, const Guest& guest, int limit,
                                         const std::optional<store::MessagePosition>& before) const;
  // Whether this is the visitor's own conversation, for joining its room. Asks the database: it may
  // have begun since the guest was recognized.
  Result<bool> owns(store::Session& db, const Guest& guest,
                    domain::ConversationId conversation) const;
  // A message as a visitor sees it, JSON.
  Result<std::string> message_json(store::Session& db, domain::BusinessId business,
                                   const store::Message& message) const;

  // Makes the secret that proves identities, in place of the one before; shown this once. Absent:
  // the business has no such embed.
  Result<std::optional<Secret>> mint_secret(store::Session& db, domain::BusinessId business,
                                            const domain::EmbedId& embed) const;

 private:
  Result<Answered<store::Message>> write_once(store::Session& db, const Guest& guest,
                                              const NewMessage& message) const;
  Result<std::optional<Refusal>> check_identity(store::Session& db, const Door& door,
                                                const SessionRequest& request) const;

  store::Vault& vault_;
  const auth::VisitorTokens& tokens_;
  const store::MediaUrls& media_urls_;
  const Clock& clock_;
  Uuid7& ids_;
};

}  // namespace gateway::visitors

#endif  // GATEWAY_VISITORS_VISITORS_H_
