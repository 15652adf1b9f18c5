#include "gateway/api/team_api.h"

#include "connectors/sdk/json.h"
#include "gateway/api/fields.h"
#include "gateway/store/live.h"

namespace gateway::api {

Answer set_own_status(const ApiContext& context, store::Session& db, const Call& call) {
  if (!call.identity->business) return refused(Errc::not_found, "Business not found");
  Fields fields(call.request());
  const auto status = fields.text("status", {});
  if (fields.valid() && status != "live" && status != "away" && status != "offline") {
    fields.wrong("status", "must be live, away or offline");
  }
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  const store::Presence who{*call.identity->business, call.identity->user.id};
  const auto changed = store::set_agent_status(db, who, status);
  if (!changed) return failed(changed.error(), "api");
  // Removed from the business since the token was looked at.
  if (!*changed) return refused(Errc::not_found, "Business not found");
  if (**changed && context.status_changed) context.status_changed(db, who, status);
  sdk::json::Writer body;
  body.object().member("status", status).end();
  return ok(body.take());
}

}  // namespace gateway::api
