// Events of the log as what clients hear: read where they happened, inside their tenants, and
// written once for agents and once for visitors, who are shown other things.
//
//   log                         agents: business_ and conversation_ rooms     the visitor
//   message                     new_message                                   new_message
//   changed message             message_updated                               message_updated
//   status of a message         message_updated, delivered or read            likewise, of agents'
//   conversation                conversation_updated                          conversation_updated
//   assignment                  conversation_assigned, conversation_updated   -
//
// Values and functions on the caller's Session, on its thread.
#ifndef GATEWAY_LIVE_TELLING_H_
#define GATEWAY_LIVE_TELLING_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/live/heard.h"
#include "gateway/realtime/app.h"
#include "gateway/store/conversations.h"
#include "gateway/store/live.h"
#include "gateway/store/media_url.h"

namespace gateway::live {

struct Told {
  Offset offset;
  std::vector<std::string> rooms;
  realtime::Emission emission;
  domain::BusinessId business;
};

// A message as the REST API shows it to agents, JSON.
using AgentMessage =
    std::function<Result<std::string>(store::Session&, domain::BusinessId, const store::Message&)>;

struct TellContext {
  const store::MediaUrls& media_urls;
  const Clock& clock;
  AgentMessage agent_message;
};

// In the order of the events, which are of one business. What is not there any more is left out.
Result<std::vector<Told>> tell(const TellContext& context, store::Session& db,
                               domain::BusinessId business,
                               std::span<const store::LiveEvent> events);

// "42["typing",...]" and the like: news that is in no log.
std::string typing_json(domain::ConversationId conversation, std::string_view user, bool is_typing);
std::string agent_status_json(domain::UserId agent, std::string_view status);

}  // namespace gateway::live

#endif  // GATEWAY_LIVE_TELLING_H_
