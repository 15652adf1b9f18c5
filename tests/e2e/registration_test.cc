// Creating a channel registers its webhook at the platform, or says why not.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/e2e/gateway.h"

using namespace e2e;
using gateway::simulate::ApiFault;

namespace {

Answer create(const Tenant& tenant, const std::string& bot_token) {
  return Gateway::instance().call(
      "POST", "/api/v1/channels/", tenant.token,
      R"({"type":"telegram","config":{"bot_token":")" + bot_token + R"("}})");
}

std::string state_of(const Tenant& tenant, const std::string& id) {
  return std::string(Gateway::instance()
                         .call("GET", "/api/v1/channels/" + id, tenant.token)
                         .json()["registration"]["state"]
                         .text_or(""));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(registration)

BOOST_AUTO_TEST_CASE(the_webhook_is_set_with_a_secret_and_the_kinds_it_needs) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  const auto bot = gateway.telegram().bot(channel.bot_id);
  BOOST_TEST(bot->webhook->url ==
             "http://127.0.0.1:" + std::to_string(gateway.port()) + channel.path);
  BOOST_TEST(bot->webhook->secret_token.size() >= 32u);
  // Reactions come only to bots that list them (telegram.md 1.2).
  for (const char* kind :
       {"message", "edited_message", "channel_post", "edited_channel_post", "callback_query",
        "my_chat_member", "message_reaction", "business_connection", "business_message",
        "edited_business_message", "deleted_business_messages"}) {
    BOOST_TEST(std::count(bot->allowed_updates.begin(), bot->allowed_updates.end(), kind) == 1,
               kind);
  }
  for (const auto& call : gateway.telegram().calls()) {
    if (call.bot_id != channel.bot_id || call.method != "setWebhook") continue;
    BOOST_TEST(call.params.find("\"drop_pending_updates\":\"true\"") == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(the_caller_sees_the_token_once_and_then_four_characters) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const auto [bot_id, token] = fresh_bot();
  const Answer created = create(tenant, token);
  BOOST_REQUIRE(created.status == 201);
  BOOST_TEST(created.json()["config"]["bot_token"].text_or("") == token);
  const Answer listed = gateway.call("GET", "/api/v1/channels/", tenant.token);
  BOOST_TEST(listed.body.find(token.substr(token.find(':') + 1)) == std::string::npos);
  BOOST_TEST(listed.json().at(0)["config"]["bot_token"].text_or("") ==
             "****" + token.substr(token.size() - 4));
}

BOOST_AUTO_TEST_CASE(a_refused_token_is_400_in_the_platforms_words_and_leaves_no_row) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const Channel known = Channel::connect(tenant);
  // The same bot with another secret: the platform answers 401.
  std::string wrong = known.bot_token;
  wrong.back() = wrong.back() == 'e' ? 'f' : 'e';
  const Answer refused = create(tenant, wrong);
  BOOST_TEST(refused.status == 400);
  BOOST_TEST(refused.json()["detail"].text_or("").find("Unauthorized") != std::string_view::npos,
             refused.body);
  BOOST_TEST(refused.body.find(wrong.substr(wrong.find(':') + 1)) == std::string::npos);
  const Answer listed = gateway.call("GET", "/api/v1/channels/", tenant.token);
  BOOST_TEST(listed.json().size() == 1u);
  BOOST_TEST(gateway.query("select count(*) from backchannel.channel where tenant_id = '" +
                           tenant.business + "'") == "1");
  // And its place in the plan is free again: Mini has three.
  BOOST_TEST(create(tenant, fresh_bot().second).status == 201);
  BOOST_TEST(create(tenant, fresh_bot().second).status == 201);
  BOOST_TEST(create(tenant, fresh_bot().second).status == 402);
}

BOOST_AUTO_TEST_CASE(a_platform_that_is_down_makes_it_pending_and_later_active) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const auto [bot_id, token] = fresh_bot();
  gateway.telegram().set_down(true);
  const Answer created = create(tenant, token);
  BOOST_TEST(created.status == 201, created.body);
  BOOST_TEST(created.json()["registration"]["state"].text_or("") == "pending");
  const std::string id(created.json()["id"].text_or(""));
  BOOST_TEST(state_of(tenant, id) == "pending");
  gateway.telegram().clear_faults();
  BOOST_TEST(eventually([&] { return state_of(tenant, id) == "active"; }, 120s));
  BOOST_TEST(gateway.telegram().bot(bot_id)->webhook.has_value());
}

BOOST_AUTO_TEST_CASE(answers_of_a_sick_platform_make_it_pending_too) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const auto [bot_id, token] = fresh_bot();
  ApiFault sick;
  sick.kind = ApiFault::Kind::bad_gateway;
  sick.count = 1'000;
  sick.bot_id = bot_id;
  gateway.telegram().inject(sick);
  const Answer created = create(tenant, token);
  BOOST_TEST(created.status == 201, created.body);
  BOOST_TEST(created.json()["registration"]["state"].text_or("") == "pending");
  gateway.telegram().clear_faults();
  const std::string id(created.json()["id"].text_or(""));
  BOOST_TEST(eventually([&] { return state_of(tenant, id) == "active"; }, 120s));
}

BOOST_AUTO_TEST_CASE(deleting_takes_the_webhook_away_and_keeps_conversations) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  BOOST_TEST(deliver(channel, text_update(1, 5512345678, 11, "hello")).status == 200);
  const std::string id = only_conversation(tenant);
  const Answer deleted = gateway.call("DELETE", "/api/v1/channels/" + channel.id, tenant.token);
  BOOST_TEST(deleted.status == 200);
  BOOST_TEST(deleted.json()["message"].text_or("") == "Channel deleted");
  BOOST_TEST(
      eventually([&] { return !gateway.telegram().bot(channel.bot_id)->webhook.has_value(); }));
  for (const auto& call : gateway.telegram().calls()) {
    if (call.bot_id != channel.bot_id || call.method != "deleteWebhook") continue;
    BOOST_TEST(call.params.find("true") == std::string::npos);
  }
  const Answer kept = conversation(tenant, id);
  BOOST_TEST(kept.status == 200);
  BOOST_TEST(kept.json()["channel_id"].is_null());
  BOOST_TEST(kept.json()["messages"].size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
