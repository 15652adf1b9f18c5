#include "gateway/api/health_api.h"

#include "connectors/sdk/json.h"

namespace gateway::api {

Answer show_health(const ApiContext&, const Call&) {
  return ok(sdk::json::Writer().object().member("status", "ok").end().take());
}

Answer show_readiness(const ApiContext& context, const Call&) {
  const auto& readiness = context.readiness;
  if (readiness.draining()) return refused(Errc::unavailable, "This process is about to stop");
  if (!readiness.database_answers()) {
    return refused(Errc::unavailable, "The database does not answer");
  }
  return ok(sdk::json::Writer().object().member("status", "ready").end().take());
}

Answer show_metrics(const ApiContext& context, const Call&) {
  auto answer = ok(context.metrics.render());
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return answer;
}

Answer refuse_realtime(const ApiContext&, const Call&) {
  return not_implemented("Socket.IO is not available on this server");
}

}  // namespace gateway::api
