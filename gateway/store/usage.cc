#include "gateway/store/usage.h"

namespace gateway::store {

Result<std::vector<std::pair<std::string, std::int64_t>>> usage(Session& db,
                                                                domain::BusinessId business) {
  static constexpr const char* kUsage =
      "select resource, used from usage_counter where tenant_id = $1 order by resource";
  auto rows = db.run(Scope::of(business), Query{kUsage, {business}});
  if (!rows) return std::move(rows).error();
  std::vector<std::pair<std::string, std::int64_t>> counters;
  for (int i = 0; i < rows->size(); ++i) {
    counters.emplace_back(std::string(rows->text(i, 0)), rows->integer(i, 1));
  }
  return counters;
}

}  // namespace gateway::store
