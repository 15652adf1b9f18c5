#include "gateway/api/router.h"

#include <array>
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "gateway/api/routes.h"

namespace {

using gateway::api::Access;
using gateway::api::Match;
using gateway::api::Origins;
using gateway::api::Route;
using gateway::api::Router;
using gateway::api::Runs;

constexpr std::array<Route, 6> kRoutes = {{
    {"GET", "/things/", "list"},
    {"POST", "/things/", "create"},
    {"GET", "/things/types", "types"},
    {"GET", "/things/{id}", "show"},
    {"DELETE", "/things/{id}", "remove"},
    {"POST", "/hooks/{type}/{id}", "hook", Access::platform, Runs::reactor, Origins::none},
}};

// "list", "show 7", "404", "405", "400".
std::string outcome(std::string_view method, std::string_view path) {
  static const Router router(kRoutes);
  const auto match = router.match(method, path);
  switch (match.kind) {
    case Match::Kind::unknown_path:
      return "404";
    case Match::Kind::unknown_method:
      return "405 " + router.allowed(match);
    case Match::Kind::malformed:
      return "400";
    case Match::Kind::found:
      break;
  }
  std::string text(kRoutes[match.route].operation);
  for (const auto& [name, value] : match.params.all()) text += " " + value;
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(router)

BOOST_AUTO_TEST_CASE(both_forms_of_the_trailing_slash_are_one_path) {
  BOOST_TEST(outcome("GET", "/things/") == "list");
  BOOST_TEST(outcome("GET", "/things") == "list");
  BOOST_TEST(outcome("GET", "/things/7") == "show 7");
  BOOST_TEST(outcome("GET", "/things/7/") == "show 7");
}

BOOST_AUTO_TEST_CASE(a_literal_wins_over_a_parameter) {
  BOOST_TEST(outcome("GET", "/things/types") == "types");
  BOOST_TEST(outcome("GET", "/things/types/") == "types");
  BOOST_TEST(outcome("DELETE", "/things/types").starts_with("405"));
}

BOOST_AUTO_TEST_CASE(unknown_paths_are_404_and_unknown_methods_405_with_allow) {
  BOOST_TEST(outcome("GET", "/") == "404");
  BOOST_TEST(outcome("GET", "") == "404");
  BOOST_TEST(outcome("GET", "things") == "404");
  BOOST_TEST(outcome("GET", "*") == "404");
  BOOST_TEST(outcome("GET", "/thing") == "404");
  BOOST_TEST(outcome("GET", "/THINGS") == "404");
  BOOST_TEST(outcome("GET", "//things") == "404");
  BOOST_TEST(outcome("GET", "/things//") == "404");
  BOOST_TEST(outcome("GET", "/things/7/8") == "404");
  BOOST_TEST(outcome("GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o") == "404");
  BOOST_TEST(outcome("PUT", "/things/7") == "405 DELETE, GET, HEAD, OPTIONS");
  BOOST_TEST(outcome("get", "/things/7") == "405 DELETE, GET, HEAD, OPTIONS");
  BOOST_TEST(outcome("PUT", "/hooks/a/b") == "405 POST");
}

BOOST_AUTO_TEST_CASE(head_is_served_as_get) {
  BOOST_TEST(outcome("HEAD", "/things/7") == "show 7");
  BOOST_TEST(outcome("HEAD", "/hooks/a/b") == "405 POST");
}

BOOST_AUTO_TEST_CASE(escapes_are_decoded_once) {
  BOOST_TEST(outcome("GET", "/things/%37") == "show 7");
  BOOST_TEST(outcome("GET", "/%74hings/7") == "show 7");
  BOOST_TEST(outcome("GET", "/things/%2537") == "show %37");
  BOOST_TEST(outcome("GET", "/things/a+b") == "show a+b");
}

BOOST_AUTO_TEST_CASE(an_id_cannot_pretend_to_be_a_path) {
  for (const std::string& path : std::vector<std::string>{
           "/things/a%2Fb", "/things/a%2fb", "/things/%00", "/things/a%00b", "/things/%",
           "/things/%4", "/things/%zz", "/things/%ff", "/things/%C0%AF", "/%2Fthings"}) {
    BOOST_TEST(outcome("GET", path) == "400", path);
  }
  BOOST_TEST(outcome("GET", "/things/..") == "show ..");
  BOOST_TEST(outcome("GET", "/x/../things") == "404");
}

BOOST_AUTO_TEST_CASE(every_route_of_the_table_finds_itself_in_both_forms) {
  const auto table = gateway::api::routes();
  const Router all(table);
  for (std::size_t i = 0; i < table.size(); ++i) {
    std::string path(table[i].pattern);
    for (auto at = path.find('{'); at != std::string::npos; at = path.find('{')) {
      path.replace(at, path.find('}', at) - at + 1, "0198b2c3-0000-7000-8000-000000000001");
    }
    while (path.ends_with('/')) path.pop_back();
    for (const auto& form : {path, path + "/"}) {
      const auto match = all.match(table[i].method, form);
      BOOST_TEST((match.kind == Match::Kind::found), table[i].method << " " << form);
      BOOST_TEST(match.route == i);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
