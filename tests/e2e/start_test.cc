// A start that cannot succeed says why, and what would be right.
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <string>

#include "gateway/simulate/program.h"
#include "tests/e2e/gateway.h"

using namespace e2e;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(start)

BOOST_AUTO_TEST_CASE(a_wrong_value_names_its_setting) {
  const auto [status, output] =
      Gateway::instance().command({"serve"}, {{"BACKCHANNEL_HTTP", "nonsense"}});
  BOOST_TEST(WEXITSTATUS(status) == 2);
  BOOST_TEST(contains(output, "BACKCHANNEL_HTTP"), output);
  BOOST_TEST(contains(output, "nonsense"), output);
}

BOOST_AUTO_TEST_CASE(a_mistyped_flag_or_command_is_refused) {
  const auto [status, output] = Gateway::instance().command({"serve", "--htpp", "127.0.0.1:0"});
  BOOST_TEST(WEXITSTATUS(status) != 0);
  BOOST_TEST(contains(output, "--http"), output);
  const auto [unknown, words] = Gateway::instance().command({"srve"});
  BOOST_TEST(WEXITSTATUS(unknown) != 0);
  BOOST_TEST(contains(words, "srve"), words);
}

BOOST_AUTO_TEST_CASE(a_dead_database_is_named_without_its_password) {
  const std::string port = std::to_string(gateway::simulate::free_port());
  const auto [status, output] = Gateway::instance().command(
      {"serve"}, {{"DATABASE_URL", "postgresql://gw:t0p-s3cret@127.0.0.1:" + port + "/backchannel"},
                  {"BACKCHANNEL_HTTP", "127.0.0.1:0"}});
  BOOST_TEST(WEXITSTATUS(status) == 1);
  BOOST_TEST(contains(output, "DATABASE_URL"), output);
  BOOST_TEST(!contains(output, "t0p-s3cret"), output);
}

BOOST_AUTO_TEST_CASE(a_second_gateway_on_the_same_folder_is_told_who_holds_it) {
  const auto [status, output] =
      Gateway::instance().command({"serve"}, {{"BACKCHANNEL_HTTP", "127.0.0.1:0"}});
  BOOST_TEST(WEXITSTATUS(status) == 1);
  BOOST_TEST(contains(output, "data"), output);
  BOOST_TEST(contains(output, "process"), output);
  BOOST_TEST(Gateway::instance().call("GET", "/readyz").status == 200);
}

BOOST_AUTO_TEST_CASE(simulate_and_plan_refuse_wrong_use) {
  const auto [status, output] = Gateway::instance().command({"simulate", "--urls", "some"});
  BOOST_TEST(WEXITSTATUS(status) == 2);
  BOOST_TEST(contains(output, "--urls"), output);
  const auto [plan, words] = Gateway::instance().command({"plan", "set", "no-uuid", "mini"});
  BOOST_TEST(WEXITSTATUS(plan) == 2);
  BOOST_TEST(contains(words, "no-uuid"), words);
}

BOOST_AUTO_TEST_SUITE_END()
