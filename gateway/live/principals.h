// Who a live client is: an agent by an access token, a visitor by a visitor's token, or a new
// visitor of a page that may embed the business's widget.
//
// CONNECT's auth object, of the documented shape with more keys:
//   {"token":...}                                     an agent; "business_id" must be theirs
//   {"business_id":...,"visitor_token":...}           a visitor who was here before
//   {"business_id":...} or {"widget_id":...}          a new visitor, with no right but to write
// Secrets come in the CONNECT packet only; an address is logged everywhere.
//
// Values; admit blocks on the database.
#ifndef GATEWAY_LIVE_PRINCIPALS_H_
#define GATEWAY_LIVE_PRINCIPALS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gateway/auth/tokens.h"
#include "gateway/auth/visitor_throttle.h"
#include "gateway/auth/visitor_tokens.h"
#include "gateway/realtime/app.h"
#include "gateway/visitors/visitors.h"

namespace gateway::live {

struct Principal {
  domain::BusinessId business;
  std::optional<auth::Claims> agent;  // one of the two
  std::optional<visitors::Guest> visitor;

  bool is_agent() const { return agent.has_value(); }
  // Of the user, or the visitor.
  std::string id() const;
  // Where everything for them is said.
  std::vector<std::string> rooms() const;
};

std::string business_room(domain::BusinessId business);
std::string agent_room(domain::UserId user);
std::string visitor_room(const Uuid& visitor);
// Of all visitors of the business.
std::string visitors_room(domain::BusinessId business);
// Of agents alone: visitors hear of their own conversation in their own room.
std::string conversation_room(domain::ConversationId conversation);

struct Admitted {
  std::shared_ptr<const Principal> principal;
  std::int64_t expires_ms = 0;
  // A visitor who had no token, or whose token was not good any more.
  std::optional<visitors::OpenedSession> session;
};

struct AdmitContext {
  auth::Tokens& tokens;
  const auth::VisitorTokens& visitor_tokens;
  auth::VisitorThrottle& throttle;
  const visitors::Visitors& visitors;
  const Clock& clock;
};

using Admission = std::variant<Admitted, realtime::Refusal>;
Result<Admission> admit(const AdmitContext& context, store::Session& db,
                        const realtime::ConnectRequest& request);

// {"message":...,"data":{"code":...}}, as clients see it in connect_error.
realtime::Refusal refusal(std::string message, std::string_view code);

}  // namespace gateway::live

#endif  // GATEWAY_LIVE_PRINCIPALS_H_
