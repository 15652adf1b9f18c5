// Conversations as agents work on them.
#ifndef GATEWAY_API_CONVERSATIONS_API_H_
#define GATEWAY_API_CONVERSATIONS_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"
#include "gateway/store/conversations.h"

namespace gateway::api {

// A message as agents see it ("Message" of schemas/api/openapi.json).
Result<std::string> shown_message(const ApiContext& context, store::Session& db,
                                  domain::BusinessId business, const store::Message& message);

Answer list_conversations(const ApiContext& context, store::Session& db, const Call& call);
Answer create_conversation(const ApiContext& context, store::Session& db, const Call& call);
Answer show_conversation(const ApiContext& context, store::Session& db, const Call& call);
Answer send_message(const ApiContext& context, store::Session& db, const Call& call);
Answer signal_typing(const ApiContext& context, store::Session& db, const Call& call);
Answer mark_read(const ApiContext& context, store::Session& db, const Call& call);
Answer resolve_conversation(const ApiContext& context, store::Session& db, const Call& call);
Answer close_conversation(const ApiContext& context, store::Session& db, const Call& call);
Answer assign_conversation(const ApiContext& context, store::Session& db, const Call& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_CONVERSATIONS_API_H_
