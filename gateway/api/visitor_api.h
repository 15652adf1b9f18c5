// Visitors of web pages over HTTP: what the embedded script calls. The rules are in
// gateway/visitors.
//
// Every answer may be read from every origin, because no cookie is ever sent; whether a page may
// use an embed is decided by its Origin and said by 403.
#ifndef GATEWAY_API_VISITOR_API_H_
#define GATEWAY_API_VISITOR_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

Answer show_embed(const ApiContext& context, store::Session& db, const Call& call);
Answer open_visitor_session(const ApiContext& context, store::Session& db, const Call& call);
Answer show_visitor_conversation(const ApiContext& context, store::Session& db, const Call& call);
Answer write_as_visitor(const ApiContext& context, store::Session& db, const Call& call);
Answer upload_as_visitor(const ApiContext& context, store::Session& db, const Call& call);
Answer read_as_visitor(const ApiContext& context, store::Session& db, const Call& call);
Answer rate_as_visitor(const ApiContext& context, store::Session& db, const Call& call);
// The documented upload of Tether's webchats: with anybody's token, or with none.
Answer upload_attachment(const ApiContext& context, store::Session& db, const Call& call);
// Agents': the visitor of a conversation is somebody new from now on.
Answer revoke_visitor(const ApiContext& context, store::Session& db, const Call& call);
// The owner's.
Answer mint_identity_secret(const ApiContext& context, store::Session& db, const Call& call);

// Of one file that comes without a token.
inline constexpr std::size_t kAnonymousUploadBody = (4u << 20) + (64u << 10);

}  // namespace gateway::api

#endif  // GATEWAY_API_VISITOR_API_H_
