#include "gateway/simulate/bot_api.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

#include "connectors/sdk/json.h"

using namespace gateway::simulate;
using sdk::json::Document;

namespace {

// The form of telegram.md section 1: digits, colon, 35 characters.
const std::string kToken = "7012345678:AAF-x_0123456789abcdefghijklmnopqrs";
constexpr std::int64_t kBot = 7012345678;

struct FakeClock final : gateway::Clock {
  std::int64_t now_ms() const override { return ms; }
  std::int64_t steady_ms() const override { return ms; }
  std::int64_t ms = 1'763'600'000'000;
};

struct FakeDesk final : DeliveryDesk {
  Health health(std::int64_t) override { return figures; }
  void webhook_changed(const Bot&, bool drop_pending) override {
    ++changes;
    dropped = drop_pending;
  }
  std::vector<std::string> poll(std::int64_t, std::int64_t, std::size_t) override {
    return {"{\"update_id\":5}"};
  }
  Health figures;
  int changes = 0;
  bool dropped = false;
};

struct Platform {
  FakeClock clock;
  World world{1, clock};
  FakeDesk desk;
  BotApi api{world, desk, {}};

  ApiAnswer call(const std::string& method, const std::map<std::string, std::string>& params = {},
                 const std::string& token = kToken) {
    Params given;
    for (const auto& [name, value] : params) given.add(name, value);
    return api.call(token, method, given);
  }
  Bot& bot() { return *world.authenticate(kToken); }
  // Somebody has written, so the bot may answer.
  std::int64_t ana_writes(const std::string& text = "hola") {
    Incoming incoming;
    incoming.from = *find_person("ana");
    incoming.content = world.text(text);
    return world.message(bot(), incoming).message_id;
  }
  const std::string ana = std::to_string(find_person("ana")->id);
};

void check_refused(const ApiAnswer& answer, int code, const std::string& description) {
  BOOST_TEST(answer.status == code);
  const auto body = Document::parse(answer.body);
  BOOST_REQUIRE(body);
  BOOST_TEST(body->root()["ok"].boolean().value() == false);
  BOOST_TEST(body->root()["error_code"].integer().value() == code);
  BOOST_TEST(body->root()["description"].text_or("") == description);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bot_api)

BOOST_AUTO_TEST_CASE(any_well_formed_token_is_a_bot_and_stays_the_only_one_of_its_id) {
  Platform platform;
  const auto me = platform.call("getMe");
  BOOST_TEST(me.status == 200);
  BOOST_TEST(Document::parse(me.body)->root()["result"]["id"].integer().value() == kBot);
  BOOST_TEST(Document::parse(me.body)->root()["result"]["is_bot"].boolean().value());
  BOOST_TEST(platform.call("GETME").status == 200);
  check_refused(platform.call("getMe", {}, "7012345678:AAG-x_0123456789abcdefghijklmnopqrs"), 401,
                "Unauthorized");
  check_refused(platform.call("getMe", {}, "7012345678:short"), 401, "Unauthorized");
  check_refused(platform.call("getMe", {}, "nonsense"), 401,
                "Unauthorized: invalid token specified");
  platform.bot().revoked = true;
  check_refused(platform.call("getMe"), 401, "Unauthorized");
}

BOOST_AUTO_TEST_CASE(unknown_methods_are_404) {
  Platform platform;
  check_refused(platform.call("sendMoney"), 404, "Not Found: method not found");
}

// telegram.md 1.2.
BOOST_AUTO_TEST_CASE(webhook_urls_follow_the_rules) {
  const auto telegram = [](std::string_view url) {
    return refuse_webhook_url(url, UrlRules::telegram).value_or("");
  };
  BOOST_TEST(telegram("https://gw.example.com/x") == "");
  BOOST_TEST(telegram("https://gw.example.com:8443/x") == "");
  BOOST_TEST(telegram("nonsense") == "Bad Request: invalid webhook URL specified");
  BOOST_TEST(telegram("ftp://x/") == "Bad Request: invalid webhook URL specified");
  BOOST_TEST(telegram("http://gw.example.com/x") ==
             "Bad Request: bad webhook: An HTTPS URL must be provided for webhook");
  BOOST_TEST(telegram("https://gw.example.com:9443/x") ==
             "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443");
  BOOST_TEST(telegram("https://10.0.0.1/x") ==
             "Bad Request: bad webhook: IP address 10.0.0.1 is reserved");
  BOOST_TEST(!refuse_webhook_url("http://127.0.0.1:43210/x", UrlRules::loopback));
  BOOST_TEST(refuse_webhook_url("http://10.0.0.1:43210/x", UrlRules::loopback).has_value());
  BOOST_TEST(!refuse_webhook_url("http://gateway:8080/x", UrlRules::any));
}

BOOST_AUTO_TEST_CASE(a_webhook_is_set_once_and_described) {
  Platform platform;
  const std::map<std::string, std::string> wish{
      {"url", "http://127.0.0.1:8080/hook"},
      {"secret_token", "abc_DEF-123"},
      {"max_connections", "500"},
      {"allowed_updates", R"(["message","message_reaction","no_such_kind"])"}};
  const auto first = platform.call("setWebhook", wish);
  BOOST_TEST(Document::parse(first.body)->root()["description"].text_or("") == "Webhook was set");
  BOOST_TEST(platform.desk.changes == 1);
  // More than one call a second is too many.
  const auto hasty = platform.call("setWebhook", wish);
  check_refused(hasty, 429, "Too Many Requests: retry after 1");
  BOOST_TEST(hasty.retry_after == 1);
  platform.clock.ms += 1'000;
  const auto second = platform.call("setWebhook", wish);
  BOOST_TEST(Document::parse(second.body)->root()["description"].text_or("") ==
             "Webhook is already set");
  BOOST_TEST(platform.desk.changes == 1);

  platform.desk.figures = {3, 1'763'600'001, "Read timeout expired"};
  const auto info = Document::parse(platform.call("getWebhookInfo").body);
  const auto result = info->root()["result"];
  BOOST_TEST(result["url"].text_or("") == "http://127.0.0.1:8080/hook");
  BOOST_TEST(result["max_connections"].integer().value() == 100);
  BOOST_TEST(result["pending_update_count"].integer().value() == 3);
  BOOST_TEST(result["last_error_message"].text_or("") == "Read timeout expired");
  BOOST_TEST(result["allowed_updates"].dump() == R"(["message","message_reaction"])");
  BOOST_TEST(!result["secret_token"].exists());

  // Without allowed_updates the list stays; an empty one means the default again.
  platform.clock.ms += 1'000;
  platform.call("setWebhook", {{"url", "http://127.0.0.1:8080/other"}});
  BOOST_TEST(wants(platform.bot(), "message_reaction"));
  BOOST_TEST(!wants(platform.bot(), "callback_query"));
  platform.clock.ms += 1'000;
  platform.call("setWebhook", {{"url", "http://127.0.0.1:8080/other"}, {"allowed_updates", "[]"}});
  BOOST_TEST(wants(platform.bot(), "callback_query"));
  BOOST_TEST(!wants(platform.bot(), "message_reaction"));
  BOOST_TEST(!wants(platform.bot(), "chat_member"));

  check_refused(
      platform.call("getUpdates"), 409,
      "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to "
      "delete the webhook first");
  const auto gone = platform.call("deleteWebhook", {{"drop_pending_updates", "false"}});
  BOOST_TEST(Document::parse(gone.body)->root()["description"].text_or("") ==
             "Webhook was deleted");
  BOOST_TEST(!platform.desk.dropped);
  const auto again = platform.call("deleteWebhook");
  BOOST_TEST(Document::parse(again.body)->root()["description"].text_or("") ==
             "Webhook is already deleted");
  BOOST_TEST(Document::parse(platform.call("getUpdates").body)->root()["result"].dump() ==
             R"([{"update_id":5}])");
}

BOOST_AUTO_TEST_CASE(secret_tokens_are_checked) {
  Platform platform;
  const auto with = [&](const std::string& secret) {
    return platform.call("setWebhook", {{"url", "http://127.0.0.1:1/x"}, {"secret_token", secret}});
  };
  check_refused(with(std::string(257, 'a')), 400, "Bad Request: secret token is too long");
  check_refused(with("a+b"), 400, "Bad Request: secret token contains unallowed characters");
  BOOST_TEST(with(std::string(256, 'a')).status == 200);
}

BOOST_AUTO_TEST_CASE(a_message_is_sent_and_answers_what_it_replies_to) {
  Platform platform;
  const std::int64_t question = platform.ana_writes();
  const auto sent = platform.call(
      "sendMessage", {{"chat_id", platform.ana},
                      {"text", "¡Hola! <3"},
                      {"reply_parameters", "{\"message_id\":" + std::to_string(question) + "}"}});
  BOOST_REQUIRE(sent.status == 200);
  for (const char c : sent.body) BOOST_TEST(static_cast<unsigned char>(c) < 0x80);
  const auto body = Document::parse(sent.body);
  const auto message = body->root()["result"];
  BOOST_TEST(message["text"].text_or("") == "¡Hola! <3");
  BOOST_TEST(message["chat"]["id"].integer().value() == find_person("ana")->id);
  BOOST_TEST(message["from"]["id"].integer().value() == kBot);
  BOOST_TEST(message["message_id"].integer().value() == question + 1);
  BOOST_TEST(message["reply_to_message"]["message_id"].integer().value() == question);
  BOOST_REQUIRE(platform.api.sent().size() == 1u);
  BOOST_TEST(platform.api.sent()[0].reply_to == question);
  BOOST_TEST(platform.api.sent()[0].text == "¡Hola! <3");
}

// telegram.md section 5.
BOOST_AUTO_TEST_CASE(refusals_use_the_platforms_words) {
  Platform platform;
  check_refused(platform.call("sendMessage", {{"text", "x"}}), 400,
                "Bad Request: chat_id is empty");
  check_refused(platform.call("sendMessage", {{"chat_id", platform.ana}, {"text", "x"}}), 400,
                "Bad Request: chat not found");
  platform.ana_writes();
  const auto send = [&](std::map<std::string, std::string> more) {
    more["chat_id"] = platform.ana;
    return platform.call("sendMessage", more);
  };
  check_refused(send({{"text", " "}}), 400, "Bad Request: message text is empty");
  check_refused(send({{"text", "x"}, {"reply_parameters", R"({"message_id":99999})"}}), 400,
                "Bad Request: message to be replied not found");
  BOOST_TEST(
      send({{"text", "x"},
            {"reply_parameters", R"({"message_id":99999,"allow_sending_without_reply":true})"}})
          .status == 200);
  check_refused(send({{"text", "<b>x"}, {"parse_mode", "HTML"}}), 400,
                "Bad Request: can't parse entities: Can't find end tag corresponding to start tag "
                "\"b\"");
  check_refused(send({{"text", "x"}, {"business_connection_id", "nope"}}), 400,
                "Bad Request: BUSINESS_CONNECTION_INVALID");
  platform.world.membership(platform.bot(), *find_person("ana"), find_person("ana")->id, "member",
                            "kicked");
  check_refused(send({{"text", "x"}}), 403, "Forbidden: bot was blocked by the user");
  platform.ana_writes();
  BOOST_TEST(send({{"text", "x"}}).status == 200);
}

BOOST_AUTO_TEST_CASE(text_limits_count_utf16_units_behind_parsing) {
  Platform platform;
  platform.ana_writes();
  const auto send = [&](const std::string& text, const std::string& mode = "") {
    return platform.call("sendMessage",
                         {{"chat_id", platform.ana}, {"text", text}, {"parse_mode", mode}});
  };
  std::string astral;
  for (int i = 0; i < 2048; ++i) astral += "😀";
  BOOST_TEST(send(astral).status == 200);
  check_refused(send(astral + "x"), 400, "Bad Request: message is too long");
  BOOST_TEST(send("<b>" + std::string(4096, 'x') + "</b>", "HTML").status == 200);
  check_refused(send(std::string(32'769, 'x')), 400, "Bad Request: Text is too long");
}

BOOST_AUTO_TEST_CASE(an_upgraded_group_names_its_successor) {
  Platform platform;
  Incoming hello;
  hello.from = *find_person("ana");
  hello.chat = Chat{-512345678, "group", "Team", "", "", ""};
  hello.content = platform.world.text("hi");
  platform.world.message(platform.bot(), hello);
  const auto [old_side, new_side] =
      platform.world.migrate(platform.bot(), *find_person("ana"), -512345678, -1002233445566);
  BOOST_TEST(old_side.body.find("\"migrate_to_chat_id\":-1002233445566") != std::string::npos);
  BOOST_TEST(new_side.body.find("\"migrate_from_chat_id\":-512345678") != std::string::npos);
  const auto refused = platform.call("sendMessage", {{"chat_id", "-512345678"}, {"text", "x"}});
  check_refused(refused, 400, "Bad Request: group chat was upgraded to a supergroup chat");
  BOOST_TEST(
      Document::parse(refused.body)->root()["parameters"]["migrate_to_chat_id"].integer().value() ==
      -1002233445566);
  BOOST_TEST(platform.call("sendMessage", {{"chat_id", "-1002233445566"}, {"text", "x"}}).status ==
             200);
}

BOOST_AUTO_TEST_CASE(media_are_taken_by_id_and_url_and_can_be_downloaded) {
  Platform platform;
  platform.ana_writes();
  BOOST_TEST(platform
                 .call("sendPhoto", {{"chat_id", platform.ana},
                                     {"photo", "https://shop.example/a.jpg"},
                                     {"caption", "see"}})
                 .status == 200);
  check_refused(
      platform.call("sendDocument", {{"chat_id", platform.ana}, {"document", "no-such-id"}}), 400,
      "Bad Request: wrong file identifier/HTTP URL specified");

  const std::string id = platform.world.mint_file(platform.bot(), "document", ".pdf", 12'345);
  const auto file = Document::parse(platform.call("getFile", {{"file_id", id}}).body);
  const std::string path(file->root()["result"]["file_path"].text_or(""));
  BOOST_TEST(file->root()["result"]["file_size"].integer().value() == 12'345);
  const auto bytes = platform.api.download(kToken, path);
  BOOST_REQUIRE(bytes);
  BOOST_TEST(bytes->size() == 12'345u);
  BOOST_TEST(*platform.api.download(kToken, path) == *bytes);
  BOOST_TEST(!platform.api.download(kToken, "documents/other"));

  const std::string big = platform.world.mint_file(platform.bot(), "video", ".mp4", (20 << 20) + 1);
  check_refused(platform.call("getFile", {{"file_id", big}}), 400, "Bad Request: file is too big");
}

BOOST_AUTO_TEST_CASE(an_album_has_two_to_ten_items) {
  Platform platform;
  platform.ana_writes();
  const auto album = [&](int items) {
    std::string media = "[";
    for (int i = 0; i < items; ++i) {
      media += std::string(i ? "," : "") + R"({"type":"photo","media":"https://x.example/a.jpg"})";
    }
    return platform.call("sendMediaGroup", {{"chat_id", platform.ana}, {"media", media + "]"}});
  };
  BOOST_TEST(album(1).status == 400);
  BOOST_TEST(album(11).status == 400);
  const auto sent = album(3);
  BOOST_TEST(Document::parse(sent.body)->root()["result"].size() == 3u);
}

BOOST_AUTO_TEST_CASE(callbacks_are_answered_by_their_id) {
  Platform platform;
  const auto update =
      platform.world.callback(platform.bot(), *find_person("ana"), find_person("ana")->id, 3, "d");
  const auto body = Document::parse(update.body);
  const std::string id(body->root()["callback_query"]["id"].text_or(""));
  BOOST_TEST(body->root()["callback_query"]["message"]["date"].integer().value() == 0);
  BOOST_TEST(platform.call("answerCallbackQuery", {{"callback_query_id", id}}).status == 200);
  BOOST_TEST(platform.bot().callbacks.at(id));
  check_refused(
      platform.call("answerCallbackQuery", {{"callback_query_id", "1"}}), 400,
      "Bad Request: query is too old and response timeout expired or query ID is invalid");
}

BOOST_AUTO_TEST_CASE(an_edit_must_change_something_of_the_bots_own) {
  Platform platform;
  const std::int64_t hers = platform.ana_writes();
  const auto sent = platform.call("sendMessage", {{"chat_id", platform.ana}, {"text", "one"}});
  const auto id =
      std::to_string(Document::parse(sent.body)->root()["result"]["message_id"].integer().value());
  const auto edit = [&](const std::string& message, const std::string& text) {
    return platform.call("editMessageText",
                         {{"chat_id", platform.ana}, {"message_id", message}, {"text", text}});
  };
  BOOST_TEST(edit(id, "one").description.find("message is not modified") != std::string::npos);
  BOOST_TEST(edit(id, "two").status == 200);
  BOOST_TEST(edit(std::to_string(hers), "x").status == 400);
  check_refused(edit("99999", "x"), 400, "Bad Request: message to edit not found");
}

BOOST_AUTO_TEST_SUITE_END()
