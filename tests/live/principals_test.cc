#include "gateway/live/principals.h"

#include "gateway/store/visitors.h"
#include "tests/api/world.h"

using namespace gateway::live;  // NOLINT(google-build-using-namespace)
using gateway::auth::VisitorLimits;
using gateway::auth::VisitorThrottle;
using test_support::why;

namespace {

constexpr const char* kPage = "https://acme.com";
constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

struct Fixture : api_test::World {
  api_test::Person shop = owner();
  std::string embed = widget(shop);
  VisitorThrottle throttle{clock, VisitorLimits{}};
  AdmitContext context{*tokens, *visitor_tokens, throttle, *visitors, clock};

  Admission admitted(const std::string& auth, const std::string& origin = kPage) {
    gateway::realtime::ConnectRequest request;
    request.nsp = "/";
    request.ip = "192.0.2.7";
    request.origin = origin;
    if (!auth.empty()) {
      auto document = sdk::json::Document::parse(auth);
      BOOST_REQUIRE(document);
      request.auth = *std::move(document);
    }
    auto admission = admit(context, database.gateway, request);
    BOOST_REQUIRE_MESSAGE(admission, why(admission));
    return *std::move(admission);
  }
  Admitted taken(const std::string& auth, const std::string& origin = kPage) {
    auto admission = admitted(auth, origin);
    BOOST_REQUIRE_MESSAGE(std::holds_alternative<Admitted>(admission), "refused: " + auth);
    return std::get<Admitted>(std::move(admission));
  }
  // The code of the refusal.
  std::string refused(const std::string& auth, const std::string& origin = kPage) {
    const auto admission = admitted(auth, origin);
    const auto* refusal = std::get_if<gateway::realtime::Refusal>(&admission);
    BOOST_REQUIRE_MESSAGE(refusal != nullptr, "taken: " + auth);
    const auto data = sdk::json::Document::parse(refusal->data);
    BOOST_REQUIRE(data);
    return std::string(data->root()["code"].text_or(""));
  }
  std::string of_agent(const api_test::Person& who) { return R"({"token":")" + who.token + "\"}"; }
  std::string documented() { return R"({"business_id":")" + shop.business + "\"}"; }
  std::string with_token(const Admitted& visitor) {
    return R"({"visitor_token":")" + visitor.session->token + "\"}";
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(principals, Fixture)

BOOST_AUTO_TEST_CASE(an_agent_is_taken_for_the_business_of_the_token_until_it_expires) {
  const auto agent = taken(of_agent(shop), "");
  BOOST_TEST(agent.principal->is_agent());
  BOOST_TEST(agent.principal->business.text() == shop.business);
  BOOST_TEST(agent.principal->id() == shop.id.text());
  BOOST_TEST((agent.principal->rooms() ==
              std::vector<std::string>{"business_" + shop.business, "agent_" + shop.id.text()}));
  BOOST_TEST(agent.expires_ms > clock.now_ms());
  clock.advance(agent.expires_ms - clock.now_ms());
  BOOST_TEST(refused(of_agent(shop)) == "TOKEN_INVALID");
}

BOOST_AUTO_TEST_CASE(a_token_that_was_revoked_or_forged_is_refused) {
  const auto claims = tokens->verify("Bearer " + shop.token);
  BOOST_REQUIRE(claims);
  BOOST_REQUIRE(tokens->revoke(database.gateway, *claims));
  BOOST_TEST(refused(of_agent(shop)) == "TOKEN_INVALID");
  BOOST_TEST(refused(R"({"token":"a.b.c"})") == "TOKEN_INVALID");
  // A token that does not hold makes nobody a visitor instead.
  BOOST_TEST(refused(R"({"token":"a.b.c","business_id":")" + shop.business + "\"}") ==
             "TOKEN_INVALID");
}

BOOST_AUTO_TEST_CASE(an_agent_gets_no_other_business_by_naming_it_and_none_without_one) {
  const auto other = owner();
  BOOST_TEST(refused(R"({"token":")" + shop.token + R"(","business_id":")" + other.business +
                     "\"}") == "NOT_FOUND");
  BOOST_TEST(refused(of_agent(person())) == "NO_BUSINESS");
}

BOOST_AUTO_TEST_CASE(
    the_documented_handshake_makes_a_new_visitor_who_is_in_no_room_of_the_business) {
  const auto visitor = taken(documented());
  BOOST_TEST(!visitor.principal->is_agent());
  BOOST_REQUIRE(visitor.session.has_value());
  BOOST_TEST((visitor.principal->rooms() ==
              std::vector<std::string>{"visitor_" + visitor.session->visitor.text(),
                                       "visitors_" + shop.business}));
  BOOST_TEST(taken(documented()).session->visitor.text() != visitor.session->visitor.text());
  BOOST_TEST(count("visitor") == 0);
}

BOOST_AUTO_TEST_CASE(a_visitors_token_brings_them_back_until_it_expires_and_then_they_are_new) {
  const auto first = taken(documented());
  const auto again = taken(with_token(first));
  BOOST_TEST(!again.session.has_value());
  BOOST_TEST(again.principal->id() == first.principal->id());
  clock.advance(31 * kDayMs);
  BOOST_TEST(refused(with_token(first)) == "AUTH_REQUIRED");
  const auto anew = taken(R"({"business_id":")" + shop.business + R"(","visitor_token":")" +
                          first.session->token + "\"}");
  BOOST_TEST(anew.session.has_value());
  BOOST_TEST(anew.principal->id() != first.principal->id());
}

BOOST_AUTO_TEST_CASE(other_pages_are_refused_with_and_without_a_token) {
  const auto visitor = taken(documented());
  BOOST_TEST(refused(documented(), "https://elsewhere.test") == "FORBIDDEN");
  BOOST_TEST(refused(R"({"widget_id":")" + embed + "\"}", "https://elsewhere.test") == "FORBIDDEN");
  BOOST_TEST(refused(with_token(visitor), "https://elsewhere.test") == "FORBIDDEN");
  // No browser sends no Origin.
  BOOST_TEST(taken(documented(), "").session.has_value());
}

BOOST_AUTO_TEST_CASE(who_says_nothing_or_names_what_is_not_there_is_refused) {
  BOOST_TEST(refused("") == "AUTH_REQUIRED");
  BOOST_TEST(refused("{}") == "AUTH_REQUIRED");
  BOOST_TEST(refused(R"({"business_id":"00000000-0000-7000-8000-000000000000"})") == "NOT_FOUND");
  BOOST_TEST(refused(R"({"business_id":"42"})") == "NOT_FOUND");
  BOOST_TEST(refused(R"({"widget_id":"no id"})") == "NOT_FOUND");
}

BOOST_AUTO_TEST_CASE(new_visitors_of_one_address_are_bounded_and_known_ones_are_not) {
  const auto visitor = taken(documented());
  const auto burst = static_cast<int>(VisitorLimits{}.new_visitors.burst);
  for (int i = 1; i < burst; ++i) taken(documented());
  BOOST_TEST(refused(documented()) == "TOO_MANY");
  BOOST_TEST(!taken(with_token(visitor)).session.has_value());
}

BOOST_AUTO_TEST_SUITE_END()
