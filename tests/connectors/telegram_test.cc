// What fixtures and transcripts cannot say of Telegram: what must not be accepted, and ids that
// must survive the way there and back.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/json.h"
#include "connectors/telegram/place.h"
#include "gateway/plugins/connector.h"

extern "C" const gwc_connector* gwc_connector_telegram(void);

namespace {

using connector::Channel;
using connector::Event;
using connector::Operation;
using connector::Request;
using connector::Response;
using connector::Verdict;

gateway::plugins::Connector telegram_connector() {
  const gwc_connector* table = gwc_connector_telegram();
  return {*table, gateway::plugins::ConfigSchema::parse(table->config_schema).value(), "linked"};
}

Channel a_channel() {
  return {.config = {{"bot_token", "7012345678:AAsecretsecretsecret"}},
          .state = {},
          .webhook_url = "https://gw.example.com/h",
          .secret = std::string(64, 'a'),
          .now_ms = 1763600200000};
}

Request an_update(std::string body, const std::string& secret = std::string(64, 'a')) {
  return {.method = "POST",
          .target = "/h",
          .query = {},
          .headers = {{"x-telegram-bot-api-secret-token", secret}},
          .body = std::move(body)};
}

std::vector<Event> events_of(const std::string& body) {
  return telegram_connector().receive(a_channel(), an_update(body)).value().events;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(telegram)

BOOST_AUTO_TEST_CASE(accepts_exactly_one_header_with_the_secret) {
  const auto telegram = telegram_connector();
  BOOST_TEST((telegram.verify(a_channel(), an_update("{}")) == Verdict::accept));
  Request twice = an_update("{}");
  twice.headers.push_back(twice.headers[0]);
  BOOST_TEST((telegram.verify(a_channel(), twice) == Verdict::refuse));
  Request none = an_update("{}");
  none.headers.clear();
  BOOST_TEST((telegram.verify(a_channel(), none) == Verdict::refuse));
}

BOOST_AUTO_TEST_CASE(refuses_another_channels_secret_and_its_own_in_upper_case) {
  const auto telegram = telegram_connector();
  for (const std::string& wrong : {std::string(64, 'b'), std::string(64, 'A'), std::string(63, 'a'),
                                   std::string(65, 'a'), std::string()}) {
    BOOST_TEST((telegram.verify(a_channel(), an_update("{}", wrong)) == Verdict::refuse), wrong);
  }
}

BOOST_AUTO_TEST_CASE(refuses_everything_while_the_channel_has_no_secret) {
  Channel channel = a_channel();
  channel.secret.clear();
  BOOST_TEST((telegram_connector().verify(channel, an_update("{}", "")) == Verdict::refuse));
}

BOOST_AUTO_TEST_CASE(refuses_what_is_not_posted) {
  Request request = an_update("{}");
  request.method = "GET";
  BOOST_TEST((telegram_connector().verify(a_channel(), request) == Verdict::refuse));
}

BOOST_AUTO_TEST_CASE(the_same_message_after_a_restart_of_update_ids_is_another_event) {
  const std::string first = R"({"update_id":5,"message":{"message_id":1,"date":10,)"
                            R"("chat":{"id":9,"type":"private"},"text":"a"}})";
  const std::string later = R"({"update_id":5,"message":{"message_id":2,"date":999999,)"
                            R"("chat":{"id":9,"type":"private"},"text":"a"}})";
  BOOST_TEST(events_of(first)[0].key == events_of(first)[0].key);
  BOOST_TEST(events_of(first)[0].key != events_of(later)[0].key);
}

BOOST_AUTO_TEST_CASE(our_own_messages_seen_by_the_bot_are_echoes) {
  Channel channel = a_channel();
  channel.state = {{"account", "7012345678"}};
  const auto received = telegram_connector().receive(
      channel, an_update(R"({"update_id":5,"message":{"message_id":1,"date":10,)"
                         R"("from":{"id":7012345678,"is_bot":true,"first_name":"B"},)"
                         R"("chat":{"id":-9,"type":"group","title":"G"},"text":"a"}})"));
  BOOST_TEST((received.value().events[0].kind == connector::EventKind::echo));
}

BOOST_AUTO_TEST_CASE(a_kind_named_twice_counts_once) {
  const std::string body = R"({"update_id":5,"message":{"message_id":1,"date":10,)"
                           R"("chat":{"id":9,"type":"private"},"text":"first"},)"
                           R"("message":{"message_id":1,"date":10,)"
                           R"("chat":{"id":9,"type":"private"},"text":"second"}})";
  const auto events = events_of(body);
  BOOST_TEST_REQUIRE(events.size() == 1u);
  BOOST_TEST(events[0].text == "first");
}

BOOST_AUTO_TEST_CASE(places_survive_the_way_there_and_back) {
  using telegram::Place;
  for (const Place& place :
       {Place{.chat = "5512345678"}, Place{.chat = "-1002147483648123", .topic = "77"},
        Place{.chat = "-1002999888777", .direct_topic = "5512345678"},
        Place{.chat = "4503599627370495", .business = "a/b:c%d é"}}) {
    const auto back = telegram::parse_thread(thread_of(place));
    BOOST_TEST_REQUIRE(back.has_value());
    BOOST_TEST(thread_of(*back) == thread_of(place));
    BOOST_TEST(back->business == place.business);
    BOOST_TEST(message_id_in(*back, message_of(place, "31")).value_or("") == "31");
  }
}

BOOST_AUTO_TEST_CASE(threads_of_anything_else_are_refused) {
  for (const char* thread : {"", "x", "12a", "12/", "12/t", "12/tx", "12/q1", "12/b%4", "-",
                             "12345678901234567890", "12/t1/../x", "12\n", "012", "-0", "12/t07"}) {
    BOOST_TEST(!telegram::parse_thread(thread).has_value(), thread);
  }
}

BOOST_AUTO_TEST_CASE(a_message_of_another_chat_or_business_has_no_number_here) {
  const telegram::Place place{.chat = "5512345678"};
  for (const char* message :
       {"5512345679:1", "5512345678/bX:1", "5512345678:", "1", "", "5512345678:1x"}) {
    BOOST_TEST(!message_id_in(place, message).has_value(), message);
  }
}

BOOST_AUTO_TEST_CASE(a_token_with_strange_characters_stays_inside_its_path_segment) {
  Channel channel = a_channel();
  channel.config = {{"bot_token", "1:a/../b?c#d"}};
  const auto step =
      telegram_connector().plan(channel, Operation::register_webhook, {}, std::vector<Response>());
  BOOST_TEST(std::get<connector::Call>(step).url ==
             "https://api.telegram.org/bot1:a%2F..%2Fb%3Fc%23d/getMe");
}

BOOST_AUTO_TEST_CASE(waits_are_bounded_whatever_the_platform_says) {
  const std::vector<std::pair<std::string, std::int64_t>> cases{
      {"37", 37'000}, {"0", 1'000}, {"-5", 1'000}, {"1000000000", 3'600'000}};
  for (const auto& [seconds, wait] : cases) {
    const std::vector<Response> answers{
        {.status = 429,
         .body = R"({"ok":false,"error_code":429,"parameters":{"retry_after":)" + seconds + "}}"}};
    const auto step = telegram_connector().plan(a_channel(), Operation::send,
                                                {.thread = "1", .text = "x"}, answers);
    BOOST_TEST(std::get<connector::Fail>(step).retry_after_ms == wait, seconds);
  }
}

BOOST_AUTO_TEST_SUITE_END()
