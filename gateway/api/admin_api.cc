#include "gateway/api/admin_api.h"

#include "connectors/sdk/json.h"
#include "gateway/api/fields.h"
#include "gateway/store/accounts.h"

namespace gateway::api {

Answer set_plan(const ApiContext& context, store::Session& db, const Call& call) {
  Fields fields(call.request());
  const auto plan = fields.text("plan", {1, 50, false});
  if (fields.valid() && context.plans.find(plan) == nullptr) {
    std::string known;
    for (const auto& [id, unused] : context.plans.all()) known += (known.empty() ? "" : ", ") + id;
    fields.wrong("plan", "must be one of " + known);
  }
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  const auto business = domain::BusinessId::parse(call.params["business_id"]);
  if (!business) return refused(Errc::not_found, "Business not found");
  auto found = store::set_plan(db, *business, plan);
  if (!found) return failed(found.error(), "api");
  if (!*found) return refused(Errc::not_found, "Business not found");
  sdk::json::Writer body;
  body.object().member("business_id", business->text()).member("plan", plan).end();
  return ok(body.take());
}

}  // namespace gateway::api
