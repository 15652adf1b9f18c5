// What the people of a business say of themselves.
#include <string>
#include <vector>

#include "tests/api/world.h"

namespace {

using api_test::Person;
using api_test::World;
using gateway::store::Role;

struct Fixture : World {
  api_test::Result says(const Person& who, const std::string& status) {
    return call("PATCH", "/api/v1/team/status", who.token, R"({"status":")" + status + "\"}");
  }
  std::string stored(const Person& who) {
    return value("select status from membership where user_id = '" + who.id.text() + "'");
  }
  std::vector<std::string> told() {
    const std::lock_guard lock(outbound.mutex);
    return status_news;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(team, Fixture)

BOOST_AUTO_TEST_CASE(every_member_sets_their_own_status_and_the_business_hears_of_changes_alone) {
  const auto ada = owner();
  std::vector<std::string> expected;
  for (const auto& who : {ada, member(ada, Role::admin), member(ada, Role::agent)}) {
    for (const char* status : {"live", "live", "away", "offline"}) {
      const auto answer = says(who, status);
      BOOST_TEST(answer.status == 200);
      BOOST_TEST(answer.body == std::string(R"({"status":")") + status + "\"}");
      BOOST_TEST(stored(who) == status);
      const auto news = ada.business + " " + who.id.text() + " " + status;
      if (expected.empty() || expected.back() != news) expected.push_back(news);
    }
  }
  BOOST_TEST(told() == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_status_that_is_none_is_refused_and_nothing_is_told) {
  const auto ada = owner();
  for (const char* body : {R"({"status":"busy"})", R"({"status":"Live"})", R"({"status":""})",
                           R"({"status":null})", R"({"status":7})", "{}", "[]", ""}) {
    BOOST_TEST(call("PATCH", "/api/v1/team/status", ada.token, body).status == 422, body);
  }
  BOOST_TEST(stored(ada) == "offline");
  BOOST_TEST(told().empty());
}

BOOST_AUTO_TEST_CASE(who_works_nowhere_has_no_status) {
  BOOST_TEST(says(person(), "live").status == 404);
  const auto ada = owner();
  const auto agent = member(ada, Role::agent);
  value("update membership set is_active = false where user_id = '" + agent.id.text() +
        "' returning 1");
  BOOST_TEST(says(agent, "live").status == 404);
  BOOST_TEST(told().empty());
}

BOOST_AUTO_TEST_SUITE_END()
