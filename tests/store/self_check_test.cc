#include "gateway/store/self_check.h"

#include <boost/test/unit_test.hpp>

#include "tests/support/database.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)

namespace {

std::string problems(Session& db, const Clock& clock) {
  const auto findings = self_check(db, clock);
  if (!findings) return "error: " + findings.error().message;
  std::string all;
  for (const Finding& finding : *findings) all += finding.problem + "\n";
  return all;
}

class ShiftedClock final : public Clock {
 public:
  explicit ShiftedClock(std::int64_t by_ms) : by_ms_(by_ms) {}
  std::int64_t now_ms() const override { return real_.now_ms() + by_ms_; }
  std::int64_t steady_ms() const override { return real_.steady_ms(); }

 private:
  SystemClock real_;
  std::int64_t by_ms_;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(self_check_suite, test_support::Database)

BOOST_AUTO_TEST_CASE(the_restricted_role_on_a_migrated_database_has_only_the_tests_own_finding) {
  // The test cluster runs without fsync, and the check says so.
  const std::string found = problems(gateway, clock);
  BOOST_TEST(found.find("row-level") == std::string::npos, found);
  BOOST_TEST(found.find("owns the tables") == std::string::npos, found);
  BOOST_TEST(found.find("clock") == std::string::npos, found);
}

BOOST_AUTO_TEST_CASE(a_superuser_is_found) {
  BOOST_TEST(problems(owner, clock).find("ignores row-level security") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_table_without_row_security_is_found_by_name) {
  BOOST_TEST(
      owner.script("alter table backchannel.message no force row level security").has_value());
  BOOST_TEST(problems(gateway, clock).find("table message has no forced row-level") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(commits_that_do_not_wait_for_the_disk_are_found) {
  BOOST_TEST(owner
                 .script("do $$ begin execute format('alter database %I set synchronous_commit = "
                         "off', current_database()); end $$")
                 .has_value());
  Session again(gateway_options());
  BOOST_TEST(problems(again, clock).find("synchronous_commit is off") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_clock_ten_seconds_off_is_found) {
  const ShiftedClock shifted(-10'000);
  BOOST_TEST(problems(gateway, shifted).find("clock differs") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
