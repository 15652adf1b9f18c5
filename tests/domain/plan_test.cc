#include "gateway/domain/plan.h"

#include <boost/test/unit_test.hpp>

using gateway::domain::Plans;

BOOST_AUTO_TEST_SUITE(plan)

BOOST_AUTO_TEST_CASE(free_covers_the_widget_and_nothing_else) {
  const auto* free = Plans::built_in().find("free");
  BOOST_TEST_REQUIRE(free != nullptr);
  BOOST_TEST(free->display == "Free");
  BOOST_TEST(free->channel_types.size() == 1U);
  BOOST_TEST(free->covers("widget"));
  BOOST_TEST(!free->covers("webchat"));
  BOOST_TEST(!free->covers("telegram"));
  BOOST_TEST(!free->covers("a_plug_in_of_somebody_else"));
}

BOOST_AUTO_TEST_CASE(paid_plans_cover_every_channel_type) {
  for (const char* id : {"mini", "pro"}) {
    const auto* plan = Plans::built_in().find(id);
    BOOST_TEST_REQUIRE(plan != nullptr);
    for (const char* type : {"webchat", "widget", "email", "whatsapp", "telegram", "instagram", "x",
                             "sms", "a_plug_in_of_somebody_else"}) {
      BOOST_TEST(plan->covers(type), id << " " << type);
    }
  }
}

BOOST_AUTO_TEST_CASE(limits_are_those_of_the_contract) {
  const auto& plans = Plans::built_in();
  BOOST_TEST(plans.find("free")->channels == 1);
  BOOST_TEST(plans.find("mini")->channels == 3);
  BOOST_TEST(plans.find("pro")->channels == 100);
  BOOST_TEST(plans.find("mini")->agents == 2);
  BOOST_TEST(plans.find("pro")->agents == 5);
  BOOST_TEST(plans.find("free")->messages_per_month == 1'000);
  BOOST_TEST(plans.find("mini")->messages_per_month == 10'000);
  BOOST_TEST(plans.find("pro")->messages_per_month == 100'000);
}

BOOST_AUTO_TEST_CASE(an_unknown_plan_is_none_and_not_a_default) {
  BOOST_TEST(Plans::built_in().find("Free") == nullptr);
  BOOST_TEST(Plans::built_in().find("") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_wrong_file_is_refused_by_the_member_that_is_wrong) {
  const auto no_limit = Plans::parse(
      R"({"free":{"display":"Free","channel_types":["widget"],"channels":1,"agents":0,)"
      R"("kb_articles":5}})");
  BOOST_TEST_REQUIRE(!no_limit);
  BOOST_TEST(no_limit.error().message.find("free.messages_per_month") != std::string::npos);
  const auto typo = Plans::parse(
      R"({"free":{"display":"Free","channel_types":["widgit"],"channels":1,"agents":0,)"
      R"("kb_articles":5,"messages_per_month":5}})");
  BOOST_TEST_REQUIRE(!typo);
  BOOST_TEST(typo.error().message.find("free.channel_types") != std::string::npos);
  BOOST_TEST(!Plans::parse("{}"));
  BOOST_TEST(!Plans::parse("[1"));
}

BOOST_AUTO_TEST_SUITE_END()
