// Businesses see their own and nothing else; plans hold under concurrency.
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/gateway.h"

using namespace e2e;

BOOST_AUTO_TEST_SUITE(tenants)

BOOST_AUTO_TEST_CASE(foreign_things_do_not_exist) {
  Gateway& gateway = Gateway::instance();
  const Tenant mine = Tenant::make();
  const Tenant other = Tenant::make();
  const Channel channel = Channel::connect(mine);
  BOOST_TEST(deliver(channel, text_update(1, 5512345678, 11, "mine")).status == 200);
  const std::string id = only_conversation(mine);
  BOOST_REQUIRE(!id.empty());

  Answer keep;
  BOOST_TEST(conversations(keep, other).empty());
  const auto gone = [&](const std::string& method, const std::string& path,
                        const std::string& json = {}) {
    const Answer answer = gateway.call(method, path, other.token, json);
    BOOST_TEST(answer.status == 404, method << " " << path << ": " << answer.status);
    BOOST_TEST(answer.json()["detail"].text_or("") != "");
    return answer;
  };
  gone("GET", "/api/v1/conversations/" + id);
  gone("POST", "/api/v1/conversations/" + id + "/messages", R"({"content":"hi"})");
  gone("PUT", "/api/v1/conversations/" + id + "/resolve");
  gone("PUT", "/api/v1/conversations/" + id + "/close");
  gone("GET", "/api/v1/channels/" + channel.id);
  gone("PATCH", "/api/v1/channels/" + channel.id, R"({"is_active":false})");
  gone("DELETE", "/api/v1/channels/" + channel.id);
  gone("POST", "/api/v1/conversations/",
       R"({"business_id":")" + mine.business + R"(","initial_message":"x"})");
  // Exactly as for what nobody has.
  const Answer foreign = gone("GET", "/api/v1/conversations/" + id);
  const Answer absent = gone("GET", "/api/v1/conversations/00000000-0000-7000-8000-000000000000");
  BOOST_TEST(foreign.json()["detail"].text_or("") == absent.json()["detail"].text_or("-"));

  BOOST_TEST(conversation(mine, id).status == 200);
  BOOST_TEST(gateway.call("GET", "/api/v1/conversations/" + id).status == 401);
  BOOST_TEST(gateway.telegram().sent(channel.bot_id).empty());
}

BOOST_AUTO_TEST_CASE(another_channels_secret_opens_nothing) {
  const Tenant mine = Tenant::make();
  const Tenant other = Tenant::make();
  const Channel a = Channel::connect(mine);
  Channel b = Channel::connect(other);
  b.path = a.path;
  BOOST_TEST(deliver(b, text_update(1, 5512345678, 11, "x")).status == 401);
}

// Plan Mini has three channels (contract 1.11); 402 names them.
BOOST_AUTO_TEST_CASE(six_creates_at_once_on_mini_leave_exactly_three) {
  const Tenant tenant = Tenant::make("mini");
  const std::uint16_t port = Gateway::instance().port();
  std::atomic<int> created{0}, refused{0}, others{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    const std::string bot_token = fresh_bot().second;
    threads.emplace_back([&, bot_token] {
      try {
        HttpClient client(port);
        const Answer answer =
            Gateway::call(client, "POST", "/api/v1/channels/", tenant.token,
                          R"({"type":"telegram","config":{"bot_token":")" + bot_token + R"("}})");
        if (answer.status == 201) {
          ++created;
        } else if (answer.status == 402 && answer.json()["error"].text_or("") == "limit_exceeded" &&
                   answer.json()["plan"].text_or("") == "Mini" &&
                   answer.json()["feature"].text_or("") == "channels" &&
                   answer.json()["current"].integer().value_or(0) == 3 &&
                   answer.json()["limit"].integer().value_or(0) == 3) {
          ++refused;
        } else {
          ++others;
        }
      } catch (const HttpClient::Error&) {
        ++others;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(created == 3);
  BOOST_TEST(refused == 3);
  BOOST_TEST(others == 0);
  const Answer list = Gateway::instance().call("GET", "/api/v1/channels/", tenant.token);
  BOOST_TEST(list.json().size() == 3u);
}

BOOST_AUTO_TEST_CASE(free_has_the_widget_alone) {
  const Tenant tenant = Tenant::make("");
  const Answer answer = Gateway::instance().call(
      "POST", "/api/v1/channels/", tenant.token,
      R"({"type":"telegram","config":{"bot_token":")" + fresh_bot().second + R"("}})");
  BOOST_TEST(answer.status == 402);
  BOOST_TEST(answer.json()["error"].text_or("") == "feature_locked");
  BOOST_TEST(answer.json()["plan"].text_or("") == "Free");
}

BOOST_AUTO_TEST_CASE(the_command_sets_a_plan_beside_the_running_gateway) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make("");
  const auto [status, output] = gateway.command({"plan", "set", tenant.business, "pro"});
  BOOST_TEST(status == 0, output);
  const auto [shown, text] = gateway.command({"plan", "show", tenant.business});
  BOOST_TEST(shown == 0);
  BOOST_TEST(text.find("pro") != std::string::npos, text);
  BOOST_TEST(
      gateway
          .call("POST", "/api/v1/channels/", tenant.token,
                R"({"type":"telegram","config":{"bot_token":")" + fresh_bot().second + R"("}})")
          .status == 201);
  const auto [unknown, why] =
      gateway.command({"plan", "set", "00000000-0000-7000-8000-000000000000", "pro"});
  BOOST_TEST(unknown != 0);
  BOOST_TEST(why.find("no business") != std::string::npos, why);
}

BOOST_AUTO_TEST_SUITE_END()
