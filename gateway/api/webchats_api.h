// Webchat configurations, in the documented form of /api/webchats: camelCase, milliseconds, 24 hex
// digits. Each owns a `webchat` channel and drives the same embedded script as widgets do.
#ifndef GATEWAY_API_WEBCHATS_API_H_
#define GATEWAY_API_WEBCHATS_API_H_

#include <optional>
#include <string>

#include "gateway/api/call.h"
#include "gateway/api/context.h"
#include "gateway/store/webchats.h"

namespace gateway::api {

Answer create_webchat(const ApiContext& context, store::Session& db, const Call& call);
Answer show_webchat(const ApiContext& context, store::Session& db, const Call& call);
Answer update_webchat(const ApiContext& context, store::Session& db, const Call& call);

// What everybody may see of one.
struct PublicWebchat {
  std::string name;
  std::string starter_message;
  std::string primary_color;
  std::optional<std::string> icon;  // a signed address
  std::string json;                 // all of it, one object
};
PublicWebchat public_webchat(const ApiContext& context, const store::Webchat& webchat);

}  // namespace gateway::api

#endif  // GATEWAY_API_WEBCHATS_API_H_
