// The Telegram connector through the whole outbound path, against a small Bot API that answers as
// https://core.telegram.org/bots/api#making-requests says (read 2026-11-20).
#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

#include "connectors/sdk/json.h"
#include "tests/outbound/world.h"

using namespace test_outbound;
using gateway::domain::RegistrationState;

namespace {

constexpr const char* kBot = "7012345678:AAExampleCanaryExampleCanaryExample";

HttpAnswer said(int status, const std::string& json) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = json};
}
HttpAnswer result(const std::string& json) {
  return said(200, "{\"ok\":true,\"result\":" + json + "}");
}
HttpAnswer error(int code, const std::string& description, const std::string& parameters = "{}") {
  return said(code, "{\"ok\":false,\"error_code\":" + std::to_string(code) + ",\"description\":\"" +
                        description + "\",\"parameters\":" + parameters + "}");
}

struct BotApi {
  std::string webhook;  // what was registered
  std::string allowed = "[]";
  bool authorized = true;
  int next_message = 100;
  int limited = 1;  // sends to chat 55 that are refused as too fast

  HttpAnswer operator()(const HttpRequest& request) {
    const std::string prefix = std::string("/bot") + kBot + "/";
    if (!authorized || !request.target.starts_with(prefix)) return error(401, "Unauthorized");
    const std::string method = request.target.substr(prefix.size());
    const auto document = sdk::json::Document::parse(request.body.empty() ? "{}" : request.body);
    if (!document) return error(400, "Bad Request");
    const auto body = document->root();
    if (method == "getMe") {
      return result(
          "{\"id\":7012345678,\"is_bot\":true,\"first_name\":\"Shop\",\"username\":\"shop_bot\"}");
    }
    if (method == "setWebhook") {
      webhook = body["url"].text_or("");
      allowed = body["allowed_updates"].dump();
      if (body["secret_token"].text_or("").size() != 64) return error(400, "Bad Request: secret");
      return result("true");
    }
    if (method == "deleteWebhook") {
      webhook.clear();
      return result("true");
    }
    if (method == "getWebhookInfo") {
      return result("{\"url\":\"" + webhook +
                    "\",\"has_custom_certificate\":false,"
                    "\"pending_update_count\":0,\"allowed_updates\":" +
                    allowed + "}");
    }
    if (method != "sendMessage") return error(404, "Not Found: method not found");
    const std::string chat(body["chat_id"].digits().value_or(""));
    if (chat == "403") return error(403, "Forbidden: bot was blocked by the user");
    if (chat == "400") return error(400, "Bad Request: chat not found");
    if (chat == "500") return error(500, "Internal Server Error");
    if (chat == "55" && limited-- > 0) {
      return error(429, "Too Many Requests: retry after 1", "{\"retry_after\":1}");
    }
    if (chat == "-77") {
      return error(400, "Bad Request: group chat was upgraded to a supergroup chat",
                   "{\"migrate_to_chat_id\":-1000000000077}");
    }
    return result("{\"message_id\":" + std::to_string(next_message++) + ",\"date\":1763600000}");
  }
};

struct Fixture : World {
  Fixture() : World([this](const HttpRequest& request) { return api(request); }) {
    business = make_business();
    telegram =
        make_channel(business, "0", "telegram", std::string("{\"bot_token\":\"") + kBot + "\"}");
  }
  std::unique_ptr<gateway::outbound::Dispatcher> start() {
    return World::start([this](auto& options) {
      options.upstreams = {{"https://api.telegram.org", platform.origin()}};
    });
  }
  MessageId say(const std::string& chat, const std::string& text) {
    return World::say(business, make_conversation(business, telegram, chat), telegram, text);
  }
  gateway::outbound::RegistrationOutcome register_now(gateway::outbound::Dispatcher& outbound) {
    std::mutex answered;
    std::optional<gateway::outbound::RegistrationOutcome> answer;
    outbound.register_channel(business, telegram, [&](const auto& outcome) {
      const std::lock_guard lock(answered);
      answer = outcome;
    });
    BOOST_TEST_REQUIRE(eventually([&] {
      const std::lock_guard lock(answered);
      return answer.has_value();
    }));
    return *answer;
  }

  BotApi api;
  BusinessId business;
  ChannelId telegram;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(telegram_outbound)

BOOST_AUTO_TEST_CASE(a_bot_is_registered_answered_and_unregistered) {
  Fixture world;
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  BOOST_TEST(world.api.webhook ==
             "https://gateway.example/api/v1/webhooks/telegram/" + world.telegram.text());
  const auto id = world.say("5512345678", "hello");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(world.message(id, "remote_id") == "5512345678:100");
  static constexpr const char* kUnregister = "select registration_enqueue_unregister($1)";
  BOOST_TEST_REQUIRE(world.db.gateway
                         .run(gateway::store::Scope::of(world.business),
                              gateway::store::Query{kUnregister, {world.telegram}})
                         .has_value());
  outbound->wake();
  BOOST_TEST(eventually(
      [&] { return world.platform.count(std::string("/bot") + kBot + "/deleteWebhook") == 1; }));
}

BOOST_AUTO_TEST_CASE(a_wrong_token_is_refused_with_telegrams_words) {
  Fixture world;
  world.api.authorized = false;
  auto outbound = world.start();
  const auto outcome = world.register_now(*outbound);
  BOOST_TEST(outcome.refused);
  BOOST_TEST(outcome.message == "Unauthorized");
  BOOST_TEST(world.channel(world.telegram, "registration_error") == "Unauthorized");
}

BOOST_AUTO_TEST_CASE(telegrams_answers_become_our_states) {
  Fixture world;
  auto outbound = world.start();
  const auto blocked = world.say("403", "x");
  const auto unknown = world.say("400", "x");
  const auto broken = world.say("500", "x");
  const auto moved = world.say("-77", "x");
  const auto twice = world.say("66", std::string(5'000, 'y'));
  outbound->wake();
  BOOST_TEST(world.becomes(blocked, "5"));
  BOOST_TEST(world.message(blocked, "error") == "Forbidden: bot was blocked by the user");
  BOOST_TEST(
      world.value("select unreachable_reason from conversation where remote_thread = '403'") ==
      "Forbidden: bot was blocked by the user");
  BOOST_TEST(world.becomes(unknown, "5"));
  BOOST_TEST(world.becomes(broken, "6"));
  BOOST_TEST(world.becomes(moved, "2"));
  BOOST_TEST(world.value("select count(*) from conversation where remote_thread ="
                         " '-1000000000077'") == "1");
  BOOST_TEST(world.becomes(twice, "2"));
  BOOST_TEST(world.message(twice, "jsonb_array_length(metadata->'remote_ids')") == "2");
}

BOOST_AUTO_TEST_CASE(retry_after_is_honoured_and_the_message_arrives_once) {
  Fixture world;
  auto outbound = world.start();
  const auto id = world.say("55", "x");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.value("select count(*) from channel_pause") == "1"; }));
  BOOST_TEST(world.becomes(id, "2"));
  const std::string send = std::string("/bot") + kBot + "/sendMessage";
  BOOST_TEST(world.platform.count(send) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
