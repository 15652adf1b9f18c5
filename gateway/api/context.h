// What the API works with: references to the object graph that gateway/app.cc builds, and settings.
// Everything named here outlives the Api and is safe to use from any thread.
#ifndef GATEWAY_API_CONTEXT_H_
#define GATEWAY_API_CONTEXT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/api/byte_budget.h"
#include "gateway/api/readiness.h"
#include "gateway/auth/client_ip.h"
#include "gateway/auth/throttle.h"
#include "gateway/auth/tokens.h"
#include "gateway/auth/visitor_throttle.h"
#include "gateway/auth/visitor_tokens.h"
#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/base/secret.h"
#include "gateway/base/uuid.h"
#include "gateway/domain/plan.h"
#include "gateway/inbound/receiver.h"
#include "gateway/outbound/outbound.h"
#include "gateway/plugins/connector.h"
#include "gateway/store/live.h"
#include "gateway/store/media_url.h"
#include "gateway/store/vault.h"
#include "gateway/store/workers.h"
#include "gateway/visitors/visitors.h"

namespace gateway::api {

struct ApiSettings {
  std::string public_url;  // base of links, without trailing slash
  // Origins of dashboards in browsers, exact ("https://app.example.com"). "*" alone admits every
  // origin, always without credentials: the API knows no cookies.
  std::vector<std::string> cors_origins;
  Secret operator_token;  // empty: the admin routes do not exist
  auth::TrustedProxies trusted_proxies;
  // Owners read the secrets of their channels in full; otherwise masked.
  bool expose_channel_secrets = false;
};

struct ApiContext {
  store::Workers& workers;    // the pool for requests
  store::Workers& passwords;  // two threads, queue of 16: each scrypt takes 128 MiB
  store::Vault& vault;
  const plugins::Registry& registry;
  const domain::Plans& plans;
  outbound::Outbound& outbound;
  inbound::WebhookReceiver& receiver;
  const Clock& clock;
  Uuid7& ids;
  Metrics& metrics;
  auth::Tokens& tokens;
  auth::Throttle& throttle;
  const Readiness& readiness;
  const store::MediaUrls& media_urls;
  const auth::VisitorTokens& visitor_tokens;
  auth::VisitorThrottle& visitor_throttle;
  const visitors::Visitors& visitors;
  ApiSettings settings;
  plugins::Deployment deployment;
  // An agent types; for live clients. Any thread, does not wait; empty: there are none.
  std::function<void(domain::BusinessId, domain::ConversationId, domain::UserId, bool)> typing;
  // An agent's status is another one, and committed; likewise, on the worker's thread.
  std::function<void(store::Session&, const store::Presence&, std::string_view)> status_changed;
  // Of files on their way to clients, however slowly those read.
  std::shared_ptr<ByteBudget> media_bytes = std::make_shared<ByteBudget>(128u << 20);
};

}  // namespace gateway::api

#endif  // GATEWAY_API_CONTEXT_H_
