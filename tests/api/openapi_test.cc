// The document and the URL table are the same list.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gateway/api/routes.h"
#include "gateway/domain/plan.h"
#include "tests/api/schema.h"

namespace {

using api_test::OpenApi;
using gateway::api::Access;
using gateway::api::routes;

}  // namespace

BOOST_AUTO_TEST_SUITE(openapi)

BOOST_AUTO_TEST_CASE(every_route_is_an_operation_and_every_operation_a_route) {
  std::map<std::string, std::string> described;
  for (const auto& [name, operation] : OpenApi::document().operations()) {
    BOOST_TEST(described.emplace(name, operation).second, name);
  }
  std::map<std::string, std::string> served;
  for (const auto& route : routes()) {
    served.emplace(std::string(route.method) + " " + std::string(route.pattern), route.operation);
  }
  for (const auto& [name, operation] : served) {
    BOOST_TEST(described.contains(name), name << " is not described");
    BOOST_TEST(described[name] == operation);
  }
  for (const auto& [name, operation] : described) {
    BOOST_TEST(served.contains(name), name << " is not served");
  }
}

BOOST_AUTO_TEST_CASE(the_guide_lists_every_route_and_no_other) {
  std::ifstream file(BACKCHANNEL_SOURCE_DIR "/docs/API.md");
  std::set<std::string> listed;
  for (std::string line; std::getline(file, line);) {
    const auto end = line.find("` |", 3);
    if (!line.starts_with("| `") || end == std::string::npos) continue;
    const std::string route = line.substr(3, end - 3);
    const auto path = route.find(" /");
    const bool is_route = path != std::string::npos && route.find(' ', path + 1) == route.npos;
    // The other tables are of live traffic's events.
    if (is_route) listed.insert(route);
  }
  std::set<std::string> served;
  for (const auto& route : routes()) {
    served.insert(std::string(route.method) + " " + std::string(route.pattern));
  }
  BOOST_TEST(listed == served, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(operation_ids_are_unique) {
  std::set<std::string> seen;
  for (const auto& [name, operation] : OpenApi::document().operations()) {
    BOOST_TEST(seen.insert(operation).second, operation);
  }
}

BOOST_AUTO_TEST_CASE(who_may_call_is_described_as_it_is_served) {
  for (const auto& route : routes()) {
    std::string method(route.method);
    for (auto& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto security =
        OpenApi::document().root()["paths"][route.pattern][method]["security"].elements();
    const bool bearer = !security.empty() && security[0]["bearer"].exists();
    const bool operator_token = !security.empty() && security[0]["operator"].exists();
    BOOST_TEST(bearer == (route.access == Access::user), route.operation);
    BOOST_TEST(operator_token == (route.access == Access::operator_token), route.operation);
    const bool visitor = !security.empty() && security[0]["visitor"].exists();
    BOOST_TEST(visitor == (route.access == Access::visitor), route.operation);
  }
}

BOOST_AUTO_TEST_CASE(every_path_parameter_is_described) {
  for (const auto& [path, methods] : OpenApi::document().root()["paths"].members()) {
    for (const auto& [method, operation] : methods.members()) {
      std::set<std::string> described;
      for (const auto parameter : operation["parameters"].elements()) {
        if (parameter["in"].text() == "path") {
          described.insert(std::string(parameter["name"].text_or("")));
        }
      }
      std::set<std::string> wanted;
      for (std::size_t at = path.find('{'); at != std::string_view::npos;
           at = path.find('{', at + 1)) {
        wanted.insert(std::string(path.substr(at + 1, path.find('}', at) - at - 1)));
      }
      BOOST_TEST(described == wanted, method << " " << path);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_plans_of_the_document_are_the_plans_there_are) {
  std::set<std::string> described;
  const auto& root = OpenApi::document().root();
  for (const auto plan :
       root["components"]["schemas"]["PlanChange"]["properties"]["plan"]["enum"].elements()) {
    described.insert(std::string(plan.text_or("")));
  }
  std::set<std::string> known;
  for (const auto& [id, plan] : gateway::domain::Plans::built_in().all()) known.insert(id);
  BOOST_TEST(described == known);
}

BOOST_AUTO_TEST_SUITE_END()
