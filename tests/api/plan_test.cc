// What a plan allows: exact under any race, and told with the documented bodies.
#include <string>
#include <vector>

#include "tests/api/world.h"

namespace {

using api_test::Result;
using api_test::World;
using api_test::WorldOptions;

constexpr const char* kChannels = "/api/v1/channels/";
constexpr const char* kWidgetBody = R"({"type":"widget","config":{}})";
constexpr const char* kTelegramBody =
    R"({"type":"telegram","config":{"bot_token":"7123456789:AAHx-secret"}})";

struct Fixture : World {
  static WorldOptions crowded() {
    WorldOptions options;
    options.workers = 8;
    return options;
  }
  Fixture() : World(crowded()) {}

  struct Tally {
    std::atomic<int> created{0};
    std::atomic<int> limited{0};
    std::atomic<int> other{0};
    void add(const Result& result) {
      ++(result.status == 201 ? created : result.status == 402 ? limited : other);
    }
  };
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(plans, Fixture)

BOOST_AUTO_TEST_CASE(free_covers_the_widget_only) {
  const auto ada = owner("free");
  for (const std::string& body : std::vector<std::string>{
           std::string(kTelegramBody), std::string(R"({"type":"webchat","config":{}})"),
           // Not installed here: the plan is asked first.
           std::string(R"({"type":"instagram","config":{}})"),
           std::string(R"({"type":"x","config":{}})"), std::string(R"({"type":"sms","config":{}})"),
           std::string(R"({"type":"email","config":{}})")}) {
    const auto result = call("POST", kChannels, ada.token, body);
    BOOST_TEST(result.status == 402, body);
    BOOST_TEST(result.text("error") == "feature_locked");
    BOOST_TEST(result.text("plan") == "Free");
    BOOST_TEST(result.text("feature") == "integrations");
    BOOST_TEST(!result.text("message").empty());
    BOOST_TEST(!result["detail"].exists());
    BOOST_TEST(!result["limit"].exists());
    BOOST_TEST(!result.text("request_id").empty());
  }
  BOOST_TEST(outbound.registrations == 0);
  BOOST_TEST(call("POST", kChannels, ada.token, R"({"type":"fax","config":{}})").status == 400);
  BOOST_TEST(call("POST", kChannels, ada.token, kWidgetBody).status == 201);
}

BOOST_AUTO_TEST_CASE(beyond_the_number_of_channels_is_402_with_the_documented_body) {
  const auto ada = owner("mini");
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(call("POST", kChannels, ada.token, kTelegramBody).status == 201);
  const auto result = call("POST", kChannels, ada.token, kTelegramBody);
  BOOST_TEST(result.status == 402);
  BOOST_TEST(result.text("error") == "limit_exceeded");
  BOOST_TEST(result.text("plan") == "Mini");
  BOOST_TEST(result.text("feature") == "channels");
  BOOST_TEST(result["current"].integer().value() == 3);
  BOOST_TEST(result["limit"].integer().value() == 3);
  BOOST_TEST(!result.text("message").empty());
  BOOST_TEST(result.json().size() == 7u);
}

BOOST_AUTO_TEST_CASE(six_creates_at_once_on_mini_leave_three) {
  const auto ada = owner("mini");
  Tally tally;
  api_test::together(6, [&](int) { tally.add(call("POST", kChannels, ada.token, kTelegramBody)); });
  BOOST_TEST(tally.created == 3);
  BOOST_TEST(tally.limited == 3);
  BOOST_TEST(count("channel") == 3);
  BOOST_TEST(value("select used from usage_counter") == "3");
}

BOOST_AUTO_TEST_CASE(sixty_four_creates_at_once_leave_exactly_the_limit) {
  for (const auto& [plan, limit] : {std::pair{"free", 1}, std::pair{"mini", 3}}) {
    const auto ada = owner(plan);
    Tally tally;
    api_test::together(64,
                       [&](int) { tally.add(call("POST", kChannels, ada.token, kWidgetBody)); });
    BOOST_TEST(tally.created == limit);
    BOOST_TEST(tally.limited == 64 - limit);
    BOOST_TEST(count("channel where tenant_id = '" + ada.business + "'") == limit);
  }
}

BOOST_AUTO_TEST_CASE(creates_refusals_and_deletes_at_once_leave_counter_and_rows_equal) {
  outbound.behave = [n = std::make_shared<std::atomic<int>>(0)](auto, auto, auto done) {
    const bool refuse = ++*n % 3 == 0;
    done({refuse ? gateway::domain::RegistrationState::failed
                 : gateway::domain::RegistrationState::active,
          refuse, "no"});
  };
  const auto ada = owner("mini");
  api_test::together(16, [&](int) {
    for (int i = 0; i < 4; ++i) {
      const auto made = call("POST", kChannels, ada.token, kTelegramBody);
      if (made.status == 201 && i % 2 == 0) {
        call("DELETE", kChannels + made.text("id"), ada.token);
      }
      if (count("channel") > 3) throw std::runtime_error("more channels than the plan allows");
    }
  });
  BOOST_TEST(value("select used from usage_counter") == value("select count(*) from channel"));
}

BOOST_AUTO_TEST_CASE(a_new_plan_holds_at_once_and_a_lower_one_takes_nothing_away) {
  const auto ada = owner("free");
  const auto set = [&](const std::string& plan) {
    return call("PUT", "/api/v1/admin/businesses/" + ada.business + "/plan",
                api_test::kOperatorToken, R"({"plan":")" + plan + "\"}");
  };
  BOOST_TEST(call("POST", kChannels, ada.token, kTelegramBody).status == 402);
  const auto changed = set("mini");
  BOOST_TEST(changed.status == 200);
  BOOST_TEST(changed.text("plan") == "mini");
  const auto made = call("POST", kChannels, ada.token, kTelegramBody);
  BOOST_TEST(made.status == 201);
  telegram(ada);

  BOOST_TEST(set("free").status == 200);
  const auto id = made.text("id");
  BOOST_TEST(call("GET", kChannels + id, ada.token)["is_active"].boolean().value());
  // Other credentials for what exists are no new channel; switching on again is.
  BOOST_TEST(call("PATCH", kChannels + id, ada.token, R"({"config":{"bot_token":"1:b"}})").status ==
             200);
  BOOST_TEST(call("PATCH", kChannels + id, ada.token, R"({"is_active":false})").status == 200);
  const auto locked = call("PATCH", kChannels + id, ada.token, R"({"is_active":true})");
  BOOST_TEST(locked.status == 402);
  BOOST_TEST(locked.text("error") == "feature_locked");
  const auto counted = call("PATCH", kChannels + id, ada.token, R"({"type":"widget","config":{}})");
  BOOST_TEST(counted.status == 402);
  BOOST_TEST(counted.text("error") == "limit_exceeded");
  BOOST_TEST(counted["current"].integer().value() == 2);
  BOOST_TEST(call("DELETE", kChannels + id, ada.token).status == 200);
}

BOOST_AUTO_TEST_CASE(the_operators_route_is_for_the_operator) {
  const auto ada = owner("free");
  const auto target = "/api/v1/admin/businesses/" + ada.business + "/plan";
  const std::string body = R"({"plan":"pro"})";
  for (const std::string& token :
       std::vector<std::string>{std::string(), ada.token, std::string("wrong"),
                                std::string(api_test::kOperatorToken) + "x",
                                std::string(api_test::kOperatorToken).substr(1)}) {
    BOOST_TEST(call("PUT", target, token, body).status == 401);
  }
  BOOST_TEST(value("select plan from business") == "free");
  const std::string good = api_test::kOperatorToken;
  BOOST_TEST(call("PUT", target, good, R"({"plan":"platinum"})").status == 422);
  BOOST_TEST(call("PUT", target, good, "{}").status == 422);
  BOOST_TEST(call("PUT", "/api/v1/admin/businesses/" + api_test::random_id() + "/plan", good, body)
                 .status == 404);
  BOOST_TEST(call("PUT", "/api/v1/admin/businesses/7/plan", good, body).status == 404);
  BOOST_TEST(call("PUT", target, good, body).status == 200);
  BOOST_TEST(value("select plan from business") == "pro");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(operator_limits)

BOOST_AUTO_TEST_CASE(without_an_operators_token_there_is_no_such_route) {
  WorldOptions options;
  options.operator_token.clear();
  World world(options);
  const auto ada = world.owner("free");
  const auto target = "/api/v1/admin/businesses/" + ada.business + "/plan";
  const auto nowhere = world.call("PUT", "/api/v1/admin/nowhere", "", R"({"plan":"pro"})");
  for (const std::string& token : std::vector<std::string>{"", "x", api_test::kOperatorToken}) {
    for (const std::string& method : std::vector<std::string>{"PUT", "GET", "OPTIONS"}) {
      const auto result = world.call(method, target, token, R"({"plan":"pro"})");
      BOOST_TEST(result.status == 404);
      BOOST_TEST(result.text("detail") == nowhere.text("detail"));
    }
  }
}

BOOST_AUTO_TEST_CASE(guessing_the_operators_token_is_braked) {
  WorldOptions options;
  options.limits.failures_per_address = 5;
  World world(options);
  const auto ada = world.owner("free");
  const auto target = "/api/v1/admin/businesses/" + ada.business + "/plan";
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(world.call("PUT", target, "guess", R"({"plan":"pro"})").status == 401);
  }
  BOOST_TEST(world.call("PUT", target, api_test::kOperatorToken, R"({"plan":"pro"})").status ==
             429);
}

BOOST_AUTO_TEST_SUITE_END()
