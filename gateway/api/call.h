// One request on its way through the API: what came, who asks, and the duty to answer once.
//
// Shared by the reactor that takes it and the worker that serves it, one at a time. Destroyed
// unanswered it answers 500.
#ifndef GATEWAY_API_CALL_H_
#define GATEWAY_API_CALL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/api/context.h"
#include "gateway/api/respond.h"
#include "gateway/api/router.h"
#include "gateway/auth/tokens.h"
#include "gateway/auth/visitor_tokens.h"
#include "gateway/base/metrics.h"
#include "gateway/http/server.h"

namespace gateway::api {

// Counters of one route, made at start.
struct RouteMetrics {
  Counter* by_class[6] = {};  // [2]: 2xx ... [5]: 5xx
  Histogram* seconds = nullptr;
};

class Call {
 public:
  Call(std::shared_ptr<const ApiContext> context, http::Request&& request, http::Reply&& reply);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void answer(Answer&& answer);

  const http::Request& request() const { return request_; }
  const std::string& request_id() const { return request_id_; }
  // The client's address behind trusted proxies.
  const std::string& address() const { return address_; }

  // Set while the request is routed.
  const Route* route = nullptr;  // null where the path is unknown
  RouteMetrics metrics;
  Params params;
  // Set once the caller is known; on routes of Access::user always.
  std::optional<auth::Claims> claims;
  std::optional<auth::Identity> identity;
  std::optional<auth::VisitorClaims> visitor;  // on routes of Access::visitor always

 private:
  // Kept alive: a job may still wait when the Api itself is gone.
  const std::shared_ptr<const ApiContext> context_;
  const http::Request request_;
  http::Reply reply_;
  const std::string request_id_;
  const std::string address_;
  const std::int64_t started_ms_;
  bool answered_ = false;
};

using CallPtr = std::shared_ptr<Call>;

// Runs `work(Session&)` on the pool, or answers 503 where its queue is full. True: it will run.
template <class Work>
bool post(store::Workers& workers, const CallPtr& call, Work work) {
  if (workers.post([call, work = std::move(work)](store::Session& db) mutable { work(db); })) {
    return true;
  }
  call->answer(busy());
  return false;
}

}  // namespace gateway::api

#endif  // GATEWAY_API_CALL_H_
