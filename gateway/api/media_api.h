// Files over HTTP: agents upload them, and whoever has a signed address reads them.
#ifndef GATEWAY_API_MEDIA_API_H_
#define GATEWAY_API_MEDIA_API_H_

#include <cstddef>

#include "gateway/api/call.h"
#include "gateway/api/context.h"

namespace gateway::api {

// Of one request's files together.
inline constexpr std::size_t kMaxUploadBytes = 25u << 20;
// And what a form writes around them.
inline constexpr std::size_t kMaxUploadBody = kMaxUploadBytes + (64u << 10);

Answer upload_files(const ApiContext& context, store::Session& db, const Call& call);
// Runs on the reactor, where it checks the signature; the rest is a worker's.
void show_media(const ApiContext& context, const CallPtr& call);

}  // namespace gateway::api

#endif  // GATEWAY_API_MEDIA_API_H_
