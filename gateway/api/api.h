// The application behind the HTTP edge: routes, asks who is there, and hands the request to its
// resource.
//
// Parsing and routing run on the reactor; whatever needs the database runs on the workers. A full
// queue answers 503 at once. Thread-safe after construction.
#ifndef GATEWAY_API_API_H_
#define GATEWAY_API_API_H_

#include <memory>
#include <vector>

#include "gateway/api/call.h"
#include "gateway/api/context.h"
#include "gateway/api/router.h"
#include "gateway/http/server.h"
#include "gateway/store/conversations.h"

namespace gateway::api {

class Api final : public http::App {
 public:
  explicit Api(ApiContext context);

  std::size_t body_limit(const http::Request& head) override;
  void handle(http::Request&& request, http::Reply&& reply) override;
  http::Headers refusal_headers(const http::Request& head) override;

  // A message as agents see it, JSON. Blocks on the database.
  Result<std::string> shown_message(store::Session& db, domain::BusinessId business,
                                    const store::Message& message) const;

 private:
  void deliver(const Match& match, http::Request&& request, http::Reply&& reply);
  std::size_t large_body_limit(const Route& route, const http::Request& head) const;
  void dispatch(const CallPtr& call, std::size_t route);
  Answer preflight(const Match& match, const http::Request& request) const;
  bool is_operator(const CallPtr& call) const;

  const std::shared_ptr<const ApiContext> context_;  // shared with calls under way
  Router router_;
  std::vector<RouteMetrics> metrics_;
};

}  // namespace gateway::api

#endif  // GATEWAY_API_API_H_
