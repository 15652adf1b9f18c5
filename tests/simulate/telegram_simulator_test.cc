#include "gateway/simulate/telegram_simulator.h"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>

#include "connectors/sdk/json.h"
#include "tests/simulate/webhook_stub.h"
#include "tests/support/http_client.h"

using namespace gateway::simulate;
using namespace std::chrono_literals;
using sdk::json::Document;
using test_support::HttpClient;
using test_support::WebhookStub;

namespace {

const std::string kToken = "7012345678:AAF-x_0123456789abcdefghijklmnopqrs";
constexpr std::int64_t kBot = 7012345678;
const HttpClient::Headers kJson{{"Content-Type", "application/json"}};

struct Fixture {
  TelegramOptions options() {
    TelegramOptions chosen;
    chosen.time_scale = 0.001;
    return chosen;
  }
  WebhookStub hook;
  TelegramSimulator telegram{options()};
  std::optional<HttpClient> client;

  Fixture() {
    BOOST_REQUIRE(telegram.start());
    client.emplace(telegram.port());
  }
  HttpClient::Answer api(const std::string& method, const std::string& json) {
    return client->call("POST", "/bot" + kToken + "/" + method, kJson, json);
  }
  HttpClient::Answer control(const std::string& method, const std::string& path,
                             const std::string& json = {}) {
    return client->call(method, "/_simulate" + path, kJson, json);
  }
  void set_webhook(const std::string& more = "") {
    BOOST_REQUIRE(api("setWebhook",
                      "{\"url\":\"" + hook.url() + "\",\"secret_token\":\"s3cret\"" + more + "}")
                      .status == 200);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(telegram_simulator, Fixture)

BOOST_AUTO_TEST_CASE(a_bot_registers_is_written_to_and_answers) {
  set_webhook();
  BOOST_TEST(telegram.wait_webhook(kBot, 1s));
  const std::int64_t id = telegram.say(kBot, *find_person("ana"), "¡Hola! 🌸");
  const auto seen = hook.wait_for(1);
  BOOST_REQUIRE(seen.size() == 1u);
  BOOST_TEST(seen[0].head.find("X-Telegram-Bot-Api-Secret-Token: s3cret\r\n") != std::string::npos);
  const auto update = Document::parse(seen[0].body);
  BOOST_TEST(update->root()["message"]["text"].text_or("") == "¡Hola! 🌸");
  BOOST_TEST(update->root()["message"]["message_id"].integer().value() == id);
  BOOST_TEST(telegram.wait_idle(20s));

  const auto answer = api("sendMessage", R"({"chat_id":5512345678,"text":"Hi"})");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.header("content-type") == "application/json");
  BOOST_TEST(telegram.wait_sent(1s, [](const auto& sent) { return sent.size() == 1; }));
  BOOST_TEST(telegram.sent(kBot, 5512345678).at(0).text == "Hi");
  BOOST_TEST(telegram.sent(kBot, 1).empty());
}

BOOST_AUTO_TEST_CASE(kinds_that_were_not_asked_for_are_not_delivered) {
  set_webhook();
  telegram.act(kBot, [](World& world, Bot& bot) {
    return std::vector<Update>{world.reaction(bot, *find_person("ana"), 5512345678, 1, "", "❤")};
  });
  BOOST_TEST(telegram.wait_idle(20s));
  BOOST_TEST(telegram.delivery_stats().unwanted == 1);
  BOOST_TEST(telegram.delivery_stats().attempts == 0);
}

BOOST_AUTO_TEST_CASE(secrets_and_tokens_stay_out_of_the_log_of_calls) {
  set_webhook();
  const auto calls = control("GET", "/calls").body;
  BOOST_TEST(calls.find("setWebhook") != std::string::npos);
  BOOST_TEST(calls.find("s3cret") == std::string::npos);
  BOOST_TEST(calls.find(kToken.substr(11)) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(faults_hit_the_next_calls_and_then_end) {
  set_webhook();
  telegram.say(kBot, *find_person("ana"), "hola");
  const std::string send = R"({"chat_id":5512345678,"text":"Hi"})";
  BOOST_TEST(control("POST", "/faults",
                     R"({"kind":"too_many_requests","retry_after":3,"method":"sendMessage"})")
                 .status == 200);
  BOOST_TEST(api("getMe", "{}").status == 200);
  const auto limited = api("sendMessage", send);
  BOOST_TEST(limited.status == 429);
  BOOST_TEST(limited.header("retry-after") == "3");
  BOOST_TEST(Document::parse(limited.body)->root()["parameters"]["retry_after"].integer().value() ==
             3);
  for (const auto& [kind, status] :
       {std::pair("server_error", 500), std::pair("bad_gateway", 502)}) {
    control("POST", "/faults", std::string("{\"kind\":\"") + kind + "\"}");
    BOOST_TEST(api("sendMessage", send).status == status);
  }
  control("POST", "/faults", R"({"kind":"refuse","status":403,"description":"Forbidden: gone"})");
  BOOST_TEST(Document::parse(api("sendMessage", send).body)->root()["description"].text_or("") ==
             "Forbidden: gone");
  BOOST_TEST(telegram.sent(kBot).empty());
  BOOST_TEST(api("sendMessage", send).status == 200);
  BOOST_TEST(telegram.sent(kBot).size() == 1u);
}

BOOST_AUTO_TEST_CASE(resets_happen_before_and_behind_the_effect) {
  set_webhook();
  telegram.say(kBot, *find_person("ana"), "hola");
  const std::string send = R"({"chat_id":5512345678,"text":"Hi"})";
  const auto fails = [&](const char* kind) {
    control("POST", "/faults",
            std::string("{\"kind\":\"") + kind + "\",\"method\":\"sendMessage\"}");
    HttpClient fresh(telegram.port());
    BOOST_CHECK_THROW(fresh.call("POST", "/bot" + kToken + "/sendMessage", kJson, send),
                      HttpClient::Error);
  };
  fails("reset_before_body");
  BOOST_TEST(telegram.sent(kBot).empty());
  fails("reset_after_body");
  BOOST_TEST(telegram.sent(kBot).size() == 1u);
  fails("reset_midway");
  BOOST_TEST(telegram.sent(kBot).size() == 2u);
  telegram.set_down(true);
  HttpClient fresh(telegram.port());
  BOOST_CHECK_THROW(fresh.call("GET", "/bot" + kToken + "/getMe"), HttpClient::Error);
  BOOST_TEST(control("DELETE", "/faults").status == 200);
  BOOST_TEST(api("getMe", "{}").status == 200);
}

BOOST_AUTO_TEST_CASE(a_method_in_the_webhooks_answer_is_executed) {
  set_webhook();
  const std::string body =
      R"({"method":"sendMessage","chat_id":5512345678,"text":"from the hook"})";
  hook.answer_next("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                   "\r\n\r\n" + body);
  telegram.say(kBot, *find_person("ana"), "hola");
  BOOST_TEST(telegram.wait_sent(20s, [](const auto& sent) { return sent.size() == 1; }));
  BOOST_TEST(telegram.calls().back().fault == "answer_of_webhook");
}

BOOST_AUTO_TEST_CASE(shorthand_makes_every_kind_of_update) {
  set_webhook(R"(,"allowed_updates":["message","edited_message","callback_query",)"
              R"("message_reaction","my_chat_member","channel_post"])");
  const std::vector<std::pair<std::string, std::string>> wishes{
      {R"({"from":"yulia","text":"привет"})", "message"},
      {R"({"photo":"see","reply_to":1})", "message"},
      {R"({"sticker":"🙏"})", "message"},
      {R"({"venue":true})", "message"},
      {R"({"edit":true,"message_id":5,"text":"new"})", "edited_message"},
      {R"({"callback":"x","message_id":5})", "callback_query"},
      {R"({"reaction":"❤","message_id":5})", "message_reaction"},
      {R"({"blocked":true})", "my_chat_member"},
      {R"({"kind":"channel_post","chat":{"id":-1001,"type":"channel","title":"T"},"text":"x"})",
       "channel_post"},
      {R"({"update":{"holo_message":{"a":9007199254740993}}})", "holo_message"},
      {R"({"update":{"update_id":0,"message":{}}})", "update_id"}};
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    BOOST_TEST(control("POST", "/updates", wishes[i].first).status == 200, wishes[i].first);
    const auto seen = hook.wait_for(i + 1);
    BOOST_REQUIRE(seen.size() == i + 1);
    BOOST_TEST(seen[i].body.find('"' + wishes[i].second + '"') != std::string::npos);
  }
  BOOST_TEST(control("POST", "/updates", R"({"from":"stranger","text":"x"})").status == 400);
  BOOST_TEST(control("POST", "/updates", "{}").status == 400);
  BOOST_TEST(control("POST", "/updates", R"({"bot":1,"text":"x"})").status == 404);
}

BOOST_AUTO_TEST_CASE(raw_bytes_are_delivered_as_they_are) {
  set_webhook();
  const std::string body("{\"update_id\":1,\"x\":\"\0\xFF\"", 23);
  BOOST_TEST(client->call("POST", "/_simulate/raw?bot=7012345678", {}, body).status == 200);
  BOOST_TEST(hook.wait_for(1).at(0).body == body);
}

BOOST_AUTO_TEST_CASE(the_morning_is_acknowledged_whole) {
  set_webhook(R"(,"allowed_updates":["message","edited_message","channel_post",)"
              R"("edited_channel_post","callback_query","my_chat_member","message_reaction",)"
              R"("business_connection","business_message","edited_business_message",)"
              R"("deleted_business_messages"])");
  BOOST_TEST(control("POST", "/scenario", R"({"name":"morning","seed":5})").status == 200);
  BOOST_TEST(telegram.wait_idle(20s));
  const DeliveryStats stats = telegram.delivery_stats();
  BOOST_TEST(stats.updates > 50);
  BOOST_TEST(stats.acknowledged == stats.updates);
  BOOST_TEST(stats.unwanted == 0);
  BOOST_TEST(control("GET", "/idle").body == "{\"idle\":true}");
  BOOST_TEST(control("POST", "/reset").status == 200);
  BOOST_TEST(telegram.delivery_stats().updates == 0);
  BOOST_TEST(telegram.bot(kBot)->webhook.has_value());
}

BOOST_AUTO_TEST_CASE(files_are_downloaded_with_the_token) {
  std::string id;
  api("getMe", "{}");
  telegram.act(kBot, [&](World& world, Bot& bot) {
    id = world.mint_file(bot, "photo", ".jpg", 5'000);
    return std::vector<Update>{};
  });
  const auto file = Document::parse(api("getFile", "{\"file_id\":\"" + id + "\"}").body);
  const std::string path(file->root()["result"]["file_path"].text_or(""));
  BOOST_TEST(client->call("GET", "/file/bot" + kToken + "/" + path).body.size() == 5'000u);
  BOOST_TEST(client->call("GET", "/file/bot1:" + kToken.substr(11) + "/" + path).status == 404);
}

BOOST_AUTO_TEST_SUITE_END()
