#include "gateway/store/migrate.h"

#include <boost/test/unit_test.hpp>
#include <thread>
#include <vector>

#include "tests/support/database.h"
#include "tests/support/postgres.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)

namespace {

std::string empty_database() { return test_support::TempPostgres::shared().fresh_database(); }

Session session(const std::string& conninfo) {
  return Session(SessionOptions{.conninfo = Secret(conninfo)});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(migrate_suite)

BOOST_AUTO_TEST_CASE(an_empty_database_gets_every_migration_once) {
  Session owner = session(empty_database());
  std::vector<std::string> applied;
  const auto note = [&](const std::string& name) { applied.push_back(name); };
  BOOST_TEST(migrate(owner, note).has_value());
  BOOST_TEST(applied.size() >= 1U);
  BOOST_TEST(applied.front() == "0001_core.sql");
  applied.clear();
  BOOST_TEST(migrate(owner, note).has_value());
  BOOST_TEST(applied.empty());
  BOOST_TEST(check_schema(owner).has_value());
}

BOOST_AUTO_TEST_CASE(an_unmigrated_database_is_named_with_the_remedy) {
  Session owner = session(empty_database());
  const auto checked = check_schema(owner);
  BOOST_TEST_REQUIRE(!checked);
  BOOST_TEST(checked.error().message.find("backchannel migrate") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(two_migrators_at_once_do_the_work_once) {
  const std::string conninfo = empty_database();
  std::vector<std::string> problems(4);
  std::vector<std::thread> threads;
  for (auto& problem : problems) {
    threads.emplace_back([&conninfo, &problem] {
      Session owner = session(conninfo);
      const auto done = migrate(owner);
      if (!done) problem = done.error().message;
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& problem : problems) BOOST_TEST(problem == "");
}

BOOST_AUTO_TEST_CASE(a_newer_or_foreign_database_is_refused) {
  Session owner = session(empty_database());
  BOOST_TEST_REQUIRE(migrate(owner).has_value());
  BOOST_TEST(owner
                 .script("insert into backchannel.schema_migration (name, checksum)"
                         " values ('9999_later.sql', 'x')")
                 .has_value());
  auto refused = migrate(owner);
  BOOST_TEST_REQUIRE(!refused);
  BOOST_TEST(refused.error().message.find("9999_later.sql") != std::string::npos);
  BOOST_TEST(owner
                 .script("delete from backchannel.schema_migration where name = '9999_later.sql';"
                         "update backchannel.schema_migration set checksum = 'y'"
                         " where name = '0001_core.sql'")
                 .has_value());
  refused = migrate(owner);
  BOOST_TEST_REQUIRE(!refused);
  BOOST_TEST(refused.error().message.find("0001_core.sql") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_superuser_needs_the_restricted_role_and_the_role_needs_nothing) {
  test_support::Database database;
  BOOST_TEST(needs_role(database.owner).value());
  BOOST_TEST(!needs_role(database.gateway).value());
  BOOST_TEST(may_migrate(database.owner).value());
  BOOST_TEST(!may_migrate(database.gateway).value());
}

BOOST_AUTO_TEST_CASE(every_key_of_a_tenant_table_begins_with_the_tenant) {
  test_support::Database database;
  // Look-ups that find the tenant, and time indexes, are the exceptions the schema names.
  BOOST_TEST(
      database.value(
          "select coalesce(string_agg(i.relname, ',' order by i.relname), '')"
          " from pg_index x join pg_class i on i.oid = x.indexrelid"
          " join pg_class c on c.oid = x.indrelid join pg_namespace n on n.oid = c.relnamespace"
          " join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id'"
          " where n.nspname = 'backchannel' and x.indkey[0] <> t.attnum"
          " and i.relname !~ '^raw_event|_age$'"
          " and i.relname not in ('channel_id', 'widget_id', 'webchat_id', 'membership_user',"
          " 'business_owner_id_key', 'realtime_event_pkey', 'channel_account_lookup')"
          " and i.relname not like 'outbox%' and i.relname not like 'lane%'"
          " and i.relname not like 'registration_job%'") == "");
}

BOOST_AUTO_TEST_SUITE_END()
