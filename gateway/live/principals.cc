#include "gateway/live/principals.h"

#include <utility>

#include "connectors/sdk/json.h"

namespace gateway::live {
namespace {

using realtime::ConnectRequest;

// Longer ones are none of ours.
constexpr std::size_t kMaxToken = 4096;

std::string text_of(const ConnectRequest& request, std::string_view name) {
  if (!request.auth) return {};
  const auto text = request.auth->root()[name].text();
  return text && text->size() <= kMaxToken ? std::string(*text) : std::string();
}

Admission unauthorized(std::string_view code) { return refusal("unauthorized", code); }

Admission refused(const visitors::Refusal& why) {
  switch (why.code) {
    case Errc::not_found:
      return refusal(why.detail, "NOT_FOUND");
    case Errc::unauthorized:
      return refusal(why.detail, "TOKEN_INVALID");
    default:
      return refusal(why.detail, "FORBIDDEN");
  }
}

Result<Admission> admit_agent(const AdmitContext& context, store::Session& db,
                              const ConnectRequest& request, const std::string& token) {
  auto claims = context.tokens.verify("Bearer " + token);
  if (!claims) return unauthorized("TOKEN_INVALID");
  auto identity = context.tokens.resolve(db, *claims);
  if (!identity) {
    if (identity.error().code == Errc::unauthorized) return unauthorized("TOKEN_INVALID");
    return std::move(identity).error();
  }
  if (!identity->business) return refusal("you have no business yet", "NO_BUSINESS");
  const std::string wanted = text_of(request, "business_id");
  if (!wanted.empty() && domain::BusinessId::parse(wanted) != identity->business) {
    return refusal("no such business", "NOT_FOUND");
  }
  auto principal = std::make_shared<Principal>();
  principal->business = *identity->business;
  principal->agent = *claims;
  // As long as the token is taken: who were put out before would come again with it at once.
  const std::int64_t expires_ms = (claims->expires_s + auth::Jwt::kSkewSeconds) * 1000;
  return Admission(Admitted{std::move(principal), expires_ms, std::nullopt});
}

Result<Admission> admit_visitor(const AdmitContext& context, store::Session& db,
                                const ConnectRequest& request) {
  const std::string token = text_of(request, "visitor_token");
  if (!token.empty()) {
    const auto claims = context.visitor_tokens.verify(token, context.clock.now_ms());
    if (claims) {
      auto guest = context.visitors.recognize(db, *claims, request.origin);
      if (!guest) return std::move(guest).error();
      if (!*guest) return refused(guest->refusal());
      auto principal = std::make_shared<Principal>();
      principal->business = claims->business;
      principal->visitor = **guest;
      return Admission(Admitted{std::move(principal), claims->expires_s * 1000, std::nullopt});
    }
  }
  // New, or as good as new: the token has run out.
  const std::string widget = text_of(request, "widget_id");
  const std::string business = text_of(request, "business_id");
  if (widget.empty() && business.empty()) return unauthorized("AUTH_REQUIRED");
  if (context.throttle.new_visitor(request.ip)) {
    return refusal("too many visitors from here; try again in a minute", "TOO_MANY");
  }
  Result<visitors::Answered<visitors::Door>> door =
      visitors::Answered<visitors::Door>(visitors::Refusal{Errc::not_found, "no such widget", {}});
  if (!widget.empty()) {
    if (const auto embed = domain::EmbedId::parse(widget)) {
      door = context.visitors.admit(db, *embed, request.origin);
    }
  } else if (const auto id = domain::BusinessId::parse(business)) {
    door = context.visitors.admit_to_business(db, *id, request.origin);
  }
  if (!door) return std::move(door).error();
  if (!*door) return refused(door->refusal());
  auto opened = context.visitors.open_session(db, **door, {});
  if (!opened) return std::move(opened).error();
  if (!*opened) return refused(opened->refusal());
  auto principal = std::make_shared<Principal>();
  principal->business = (*door)->embed.business;
  principal->visitor =
      visitors::Guest{**door, store::Visitor{.id = (*opened)->visitor, .embed = (*door)->embed.id}};
  const std::int64_t expires_ms = (*opened)->expires_ms;
  return Admission(Admitted{std::move(principal), expires_ms, **opened});
}

}  // namespace

std::string business_room(domain::BusinessId business) { return "business_" + business.text(); }
std::string agent_room(domain::UserId user) { return "agent_" + user.text(); }
std::string visitor_room(const Uuid& visitor) { return "visitor_" + visitor.text(); }
std::string visitors_room(domain::BusinessId business) { return "visitors_" + business.text(); }
std::string conversation_room(domain::ConversationId conversation) {
  return "conversation_" + conversation.text();
}

std::string Principal::id() const {
  return is_agent() ? agent->user.text() : visitor->visitor.id.text();
}

std::vector<std::string> Principal::rooms() const {
  if (is_agent()) return {business_room(business), agent_room(agent->user)};
  return {visitor_room(visitor->visitor.id), visitors_room(business)};
}

realtime::Refusal refusal(std::string message, std::string_view code) {
  sdk::json::Writer data;
  data.object().member("code", code).end();
  return {std::move(message), data.take()};
}

Result<Admission> admit(const AdmitContext& context, store::Session& db,
                        const ConnectRequest& request) {
  const std::string token = text_of(request, "token");
  if (!token.empty()) return admit_agent(context, db, request, token);
  return admit_visitor(context, db, request);
}

}  // namespace gateway::live
