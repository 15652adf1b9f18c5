// Files over HTTP: agents upload them, and whoever has a signed address reads them.
#ifndef GATEWAY_API_MEDIA_API_H_
#define GATEWAY_API_MEDIA_API_H_

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

Answer upload_files(const ApiContext& context, store::Session& db, const Call& call);
// Runs on the reactor, where it checks the signature; the rest is a worker's.
void show_media(const ApiContext& context, const CallPtr& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_MEDIA_API_H_
