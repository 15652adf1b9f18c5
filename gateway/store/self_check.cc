#include "gateway/store/self_check.h"

#include <cstdlib>

namespace gateway::store {

Result<std::vector<Finding>> self_check(Session& db, const Clock& clock) {
  static constexpr const char* kRole =
      "select r.rolsuper, r.rolbypassrls, exists (select from pg_class c"
      " join pg_namespace n on n.oid = c.relnamespace"
      " where n.nspname = 'backchannel' and c.relowner = r.oid), current_user::text"
      " from pg_roles r where r.rolname = current_user";
  static constexpr const char* kTables =
      "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
      " join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'"
      " where n.nspname = 'backchannel' and c.relkind in ('r', 'p')"
      " and not (c.relrowsecurity and c.relforcerowsecurity) order by 1";
  static constexpr const char* kSettings =
      "select current_setting('synchronous_commit'), current_setting('fsync'),"
      " current_setting('full_page_writes'), current_setting('server_encoding'),"
      " current_setting('server_version_num')::int, pg_is_in_recovery(),"
      " (extract(epoch from clock_timestamp()) * 1000)::bigint";
  const Query queries[] = {{kRole, {}}, {kTables, {}}, {kSettings, {}}};
  auto answers = db.run(Scope::none(), queries);
  if (!answers) return std::move(answers).error();
  const std::int64_t now = clock.now_ms();
  std::vector<Finding> findings;

  const Rows& role = (*answers)[0];
  const std::string user(role.empty() ? std::string_view("?") : role.text(0, 3));
  if (role.empty() || role.boolean(0, 0) || role.boolean(0, 1)) {
    findings.push_back({true,
                        "database role " + user +
                            " ignores row-level security, which keeps "
                            "tenants apart",
                        "connect as a role without SUPERUSER and BYPASSRLS that is a member of "
                        "backchannel_gateway"});
  } else if (role.boolean(0, 2)) {
    findings.push_back({true, "database role " + user + " owns the tables",
                        "migrate with BACKCHANNEL_MIGRATE_URL and serve with another role"});
  }
  const Rows& tables = (*answers)[1];
  for (int i = 0; i < tables.size(); ++i) {
    findings.push_back(
        {true, "table " + std::string(tables.text(i, 0)) + " has no forced row-level security",
         "run: backchannel migrate"});
  }
  const Rows& settings = (*answers)[2];
  const char* const names[] = {"synchronous_commit", "fsync", "full_page_writes"};
  for (int i = 0; i < 3; ++i) {
    const auto value = settings.text(0, i);
    // remote_apply, remote_write and on all wait for the local disk; local does too.
    if (value == "off") {
      findings.push_back(
          {true,
           std::string(names[i]) + " is off: an acknowledged webhook could be lost in a crash",
           std::string("set ") + names[i] + " = on"});
    }
  }
  if (settings.text(0, 3) != "UTF8") {
    findings.push_back({true, "the database's encoding is " + std::string(settings.text(0, 3)),
                        "create the database with encoding UTF8"});
  }
  if (settings.integer(0, 4) < 150000) {
    findings.push_back({true, "Postgres is older than 15", "use Postgres 15 or newer"});
  }
  if (settings.boolean(0, 5)) {
    findings.push_back(
        {true, "the database is a read-only standby", "point DATABASE_URL to the primary"});
  }
  const std::int64_t skew = settings.integer(0, 6) - now;
  if (std::llabs(skew) > 5000) {
    findings.push_back(
        {false,
         "this machine's clock differs from the database's by " + std::to_string(skew) + " ms",
         "synchronize both clocks"});
  }
  return findings;
}

}  // namespace gateway::store
