// What is in an authentic delivery can not block its channel: everything is acknowledged and kept.
// (reliability promise R6)
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/e2e/gateway.h"

using namespace e2e;

namespace {

// Tenant and channel of a test, and what came of its deliveries.
struct Hostile {
  Tenant tenant = Tenant::make();
  Channel channel = Channel::connect(tenant);

  std::int64_t rows(const std::string& table) {
    return std::stoll(Gateway::instance().query("select count(*) from backchannel." + table +
                                                " where channel_id = '" + channel.id + "'"));
  }
  std::string column(const std::string& sql) {
    return Gateway::instance().query(sql + " where channel_id = '" + channel.id + "'");
  }
};

std::string nested(std::size_t depth) {
  std::string body = "{\"update_id\":1,\"message\":";
  for (std::size_t i = 0; i < depth; ++i) body += "{\"a\":";
  body += "1";
  body.append(depth + 1, '}');
  return body;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hostile_input, Hostile)

BOOST_AUTO_TEST_CASE(nul_and_lone_surrogates_become_replacement_characters) {
  const std::string body =
      R"({"update_id":1,"message":{"message_id":1,"from":{"id":1,"is_bot":false,"first_name":)"
      R"("A\u0000\ud800B"},"chat":{"id":1,"type":"private","first_name":"A\u0000B"},)"
      R"("date":1763600000,"text":"a\u0000b\ud83dc\udc00"}})";
  BOOST_TEST(deliver(channel, body).status == 200);
  const Answer shown = conversation(tenant, only_conversation(tenant));
  BOOST_REQUIRE(shown.json()["messages"].size() == 1u);
  const std::string content(shown.json()["messages"].at(0)["content"].text_or(""));
  BOOST_TEST(content ==
             "a\xEF\xBF\xBD"
             "b\xEF\xBF\xBD"
             "c\xEF\xBF\xBD");
  // The bytes themselves are kept.
  BOOST_TEST(column("select convert_from(body, 'UTF8') from backchannel.raw_event") == body);
}

BOOST_AUTO_TEST_CASE(ids_of_64_bits_stay_exact) {
  // 2^52 - 1 as user, a supergroup beyond 2^53 in magnitude of its text, message id near 2^31.
  const std::string body =
      R"({"update_id":2147483647,"message":{"message_id":2147483646,"from":{"id":4503599627370495,)"
      R"("is_bot":false,"first_name":"Big"},"chat":{"id":-9007199254740993,"type":"supergroup",)"
      R"("title":"Huge"},"date":1763600000,"text":"big ids"}})";
  BOOST_TEST(deliver(channel, body).status == 200);
  BOOST_TEST(column("select remote_thread like '%-9007199254740993%' from "
                    "backchannel.conversation") == "t");
  // One more than 2^53 would be rounded to this one by a double.
  const std::string neighbour =
      R"({"update_id":2147483646,"message":{"message_id":2147483646,"from":{"id":4503599627370495,)"
      R"("is_bot":false,"first_name":"Big"},"chat":{"id":-9007199254740992,"type":"supergroup",)"
      R"("title":"Huge too"},"date":1763600000,"text":"big ids"}})";
  BOOST_TEST(deliver(channel, neighbour).status == 200);
  BOOST_TEST(rows("conversation") == 2);
}

BOOST_AUTO_TEST_CASE(every_fixture_is_acknowledged_and_twice_is_once) {
  namespace fs = std::filesystem;
  std::vector<std::string> bodies;
  for (const auto& entry :
       fs::directory_iterator(std::string(BACKCHANNEL_SOURCE_DIR) + "/tests/fixtures/telegram")) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    bodies.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  BOOST_REQUIRE(bodies.size() >= 17u);
  for (const std::string& body : bodies) BOOST_TEST(deliver(channel, body).status == 200, body);
  const auto messages = rows("message");
  const auto raw = rows("raw_event");
  const auto quarantined = rows("quarantine");
  BOOST_TEST(messages > 0);
  // Each is kept byte for byte, as an event or, where there is no conversation for it, beside them.
  BOOST_TEST(raw + quarantined == static_cast<std::int64_t>(bodies.size()));
  for (const std::string& body : bodies) BOOST_TEST(deliver(channel, body).status == 200);
  BOOST_TEST(rows("message") == messages);
  BOOST_TEST(rows("raw_event") == raw);
  BOOST_TEST(rows("quarantine") == quarantined);
}

BOOST_AUTO_TEST_CASE(unknown_kinds_are_kept_and_shown_to_nobody) {
  BOOST_TEST(
      deliver(channel, R"({"update_id":5,"holo_message":{"message_id":1,"beam":9007199254740993}})")
          .status == 200);
  BOOST_TEST(only_conversation(tenant) == "");
  BOOST_TEST(rows("raw_event") + rows("quarantine") == 1);
}

BOOST_AUTO_TEST_CASE(what_is_no_update_is_quarantined_once_and_acknowledged) {
  const std::vector<std::string> bodies{"",
                                        "not json at all",
                                        "{\"update_id\":1,",
                                        "[]",
                                        "[[[[",
                                        "null",
                                        "42",
                                        "\"text\"",
                                        std::string("\0\0\0", 3),
                                        "\xFF\xFE\xFD",
                                        "{\"update_id\":1,\"message\":{\"text\":\"\xC3\x28\"}}",
                                        nested(100),
                                        nested(100'000)};
  for (const std::string& body : bodies) {
    const Answer answer = deliver(channel, body);
    BOOST_TEST(answer.status == 200,
               answer.status << " for " << body.substr(0, 40) << " " << answer.body);
    BOOST_TEST(answer.body == "");
  }
  const auto kept = rows("quarantine") + rows("raw_event");
  BOOST_TEST(kept > 0);
  BOOST_TEST(kept <= static_cast<std::int64_t>(bodies.size()));
  for (const std::string& body : bodies) BOOST_TEST(deliver(channel, body).status == 200);
  BOOST_TEST(rows("quarantine") + rows("raw_event") == kept);
  // And the channel goes on.
  BOOST_TEST(deliver(channel, text_update(9, 5512345678, 3, "still here")).status == 200);
  BOOST_TEST(only_conversation(tenant) != "");
}

BOOST_AUTO_TEST_CASE(many_events_with_a_bad_one_between_are_all_kept) {
  HttpClient client(Gateway::instance().port());
  // One flight on one connection, so that they share transactions.
  std::string flight;
  for (int i = 0; i < 40; ++i) {
    const std::string body =
        i == 20 ? std::string("{\"broken\":") : text_update(100 + i, 5512345678, 100 + i, "x");
    flight += "POST " + channel.path +
              " HTTP/1.1\r\nHost: t\r\nX-Telegram-Bot-Api-Secret-Token: " + channel.secret +
              "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  client.send(flight);
  for (int i = 0; i < 40; ++i) BOOST_TEST(client.read_answer().status == 200);
  BOOST_TEST(rows("message") == 39);
}

BOOST_AUTO_TEST_SUITE_END()
