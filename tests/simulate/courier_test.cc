#include "gateway/simulate/courier.h"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <random>
#include <set>

#include "tests/simulate/webhook_stub.h"

using namespace gateway::simulate;
using namespace std::chrono_literals;
using test_support::WebhookStub;

namespace {

struct Post {
  CourierOptions options{1, 0.001, 60s};  // a second of the platform's waiting is 1 ms
  WebhookStub hook;
  Courier courier{options, {}};
  Bot bot;

  Post() {
    bot.user.id = 7;
    bot.webhook = Webhook{hook.url("/hook/1"), "s3cret-token", 40, "", false};
    courier.webhook_changed(bot, false);
    courier.start();
  }
  void put(const std::string& body, const std::string& queue = "message:1") {
    Update update;
    update.bot_id = 7;
    update.update_id = ++last_id;
    update.kind = "message";
    update.body = body;
    update.queue = queue;
    update.lifetime_ms = 86'400'000;
    courier.post(update);
  }
  bool idle() { return courier.wait_idle(std::chrono::steady_clock::now() + 20s); }
  std::int64_t last_id = 0;
};

bool has_line(const std::string& head, const std::string& line) {
  return head.find("\r\n" + line + "\r\n") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(courier)

// telegram.md section 4: the first failure is retried at once, then 2, 4, 8 ... s, at most a random
// 60 to 120 s.
BOOST_AUTO_TEST_CASE(retries_follow_the_platforms_schedule) {
  std::mt19937_64 random(1);
  const std::vector<std::int64_t> expected{0, 2'000, 4'000, 8'000, 16'000, 32'000};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    BOOST_TEST(retry_delay_ms(static_cast<int>(i) + 1, random) == expected[i]);
  }
  std::set<std::int64_t> caps;
  for (int i = 0; i < 200; ++i) {
    const std::int64_t delay = retry_delay_ms(12, random);
    BOOST_TEST(delay >= 60'000);
    BOOST_TEST(delay <= 120'000);
    caps.insert(delay);
  }
  BOOST_TEST(caps.size() > 100u);
}

BOOST_AUTO_TEST_CASE(retry_after_is_clamped_to_an_hour) {
  BOOST_TEST(retry_after_seconds("30") == 30);
  BOOST_TEST(retry_after_seconds("0") == 0);
  BOOST_TEST(retry_after_seconds("-5") == 0);
  BOOST_TEST(retry_after_seconds("86400") == 3600);
  BOOST_TEST(retry_after_seconds("") == -1);
  BOOST_TEST(retry_after_seconds("Wed, 21 Oct 2026 07:28:00 GMT") == -1);
}

// telegram.md section 2: these headers, no User-Agent, never chunked.
BOOST_AUTO_TEST_CASE(a_delivery_is_the_platforms_request) {
  Post post;
  post.put("{\"update_id\":1}");
  const auto seen = post.hook.wait_for(1);
  BOOST_REQUIRE(seen.size() == 1u);
  BOOST_TEST(seen[0].head.rfind("POST /hook/1 HTTP/1.1\r\n", 0) == 0u);
  BOOST_TEST(has_line(seen[0].head, "Host: 127.0.0.1:" + std::to_string(post.hook.port())));
  BOOST_TEST(has_line(seen[0].head, "X-Telegram-Bot-Api-Secret-Token: s3cret-token"));
  BOOST_TEST(has_line(seen[0].head, "Content-Type: application/json"));
  BOOST_TEST(has_line(seen[0].head, "Content-Length: 15"));
  BOOST_TEST(has_line(seen[0].head, "Connection: keep-alive"));
  BOOST_TEST(has_line(seen[0].head, "Accept-Encoding: gzip, deflate"));
  for (const char* absent : {"User-Agent", "Accept:", "Expect", "Transfer-Encoding"}) {
    BOOST_TEST(seen[0].head.find(absent) == std::string::npos);
  }
  BOOST_TEST(seen[0].body == "{\"update_id\":1}");
}

BOOST_AUTO_TEST_CASE(a_queue_waits_for_its_acknowledgement_and_others_do_not) {
  Post post;
  post.hook.hold(true);
  post.put("a1", "message:1");
  post.put("a2", "message:1");
  post.put("b1", "message:2");
  const auto held = post.hook.wait_for(2);
  std::set<std::string> first;
  for (const auto& delivered : held) first.insert(delivered.body);
  BOOST_TEST((first == std::set<std::string>{"a1", "b1"}));
  post.hook.hold(false);
  const auto all = post.hook.wait_for(3);
  BOOST_REQUIRE(all.size() == 3u);
  BOOST_TEST(all[2].body == "a2");
  BOOST_TEST(post.idle());
}

BOOST_AUTO_TEST_CASE(a_failure_is_repeated_until_it_is_acknowledged) {
  Post post;
  for (int i = 0; i < 3; ++i) {
    post.hook.answer_next("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  }
  post.put("a1");
  post.put("a2");
  BOOST_TEST(post.idle());
  const auto all = post.hook.wait_for(5);
  BOOST_REQUIRE(all.size() == 5u);
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(all[i].body == "a1");
  BOOST_TEST(all[4].body == "a2");
  const DeliveryStats stats = post.courier.stats();
  BOOST_TEST(stats.acknowledged == 2);
  BOOST_TEST(stats.by_status.at(500) == 3);
  BOOST_TEST(stats.by_status.at(200) == 2);
}

BOOST_AUTO_TEST_CASE(retry_after_replaces_the_delay) {
  Post post;
  post.hook.answer_next(
      "HTTP/1.1 503 Later\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n");  // 300 ms here
  const auto begin = std::chrono::steady_clock::now();
  post.put("a1");
  BOOST_TEST(post.idle());
  // Without the header the second try comes at once.
  BOOST_TEST((std::chrono::steady_clock::now() - begin >= 300ms));
}

BOOST_AUTO_TEST_CASE(expired_updates_are_given_up) {
  Post post;
  for (int i = 0; i < 50; ++i) {
    post.hook.answer_next("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  }
  Update callback;
  callback.bot_id = 7;
  callback.body = "c";
  callback.queue = "callback_query:1";
  callback.lifetime_ms = 150'000;  // 150 ms here
  post.courier.post(callback);
  BOOST_TEST(post.idle());
  BOOST_TEST(post.courier.stats().expired == 1);
  BOOST_TEST(post.courier.stats().acknowledged == 0);
}

BOOST_AUTO_TEST_CASE(faults_bend_secrets_and_copies) {
  Post post;
  post.courier.inject({DeliveryFault::Kind::wrong_secret, 1, 2});
  post.hook.answer_next("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
  post.put("a");
  BOOST_TEST(post.idle());
  post.courier.inject({DeliveryFault::Kind::no_secret, 1, 2});
  post.put("b");
  BOOST_TEST(post.idle());
  post.courier.inject({DeliveryFault::Kind::twice_secret, 1, 2});
  post.put("c");
  BOOST_TEST(post.idle());
  post.courier.inject({DeliveryFault::Kind::duplicate, 1, 3});
  post.put("d");
  post.courier.inject({DeliveryFault::Kind::drop, 1, 2});
  BOOST_TEST(post.idle());
  post.put("e");
  BOOST_TEST(post.idle());
  const auto all = post.hook.wait_for(7);
  BOOST_REQUIRE(all.size() == 7u);
  const std::string good = "X-Telegram-Bot-Api-Secret-Token: s3cret-token";
  const std::string name = "X-Telegram-Bot-Api-Secret-Token";
  BOOST_TEST(!has_line(all[0].head, good));
  BOOST_TEST(all[0].head.find(name) != std::string::npos);
  BOOST_TEST(has_line(all[1].head, good));
  BOOST_TEST(all[2].head.find(name) == std::string::npos);
  BOOST_TEST(has_line(all[3].head, good));
  BOOST_TEST(all[3].head.find(name) != all[3].head.rfind(name));
  for (std::size_t i = 4; i < 7; ++i) BOOST_TEST(all[i].body == "d");
  BOOST_TEST(post.courier.stats().dropped == 1);
}

BOOST_AUTO_TEST_CASE(reordered_updates_all_arrive) {
  Post post;
  post.courier.inject({DeliveryFault::Kind::reorder, 8, 2});
  std::set<std::string> sent;
  for (int i = 0; i < 8; ++i) {
    post.put("r" + std::to_string(i));
    sent.insert("r" + std::to_string(i));
  }
  BOOST_TEST(post.idle());
  std::set<std::string> got;
  for (const auto& delivered : post.hook.wait_for(8)) got.insert(delivered.body);
  BOOST_TEST((got == sent));
}

BOOST_AUTO_TEST_CASE(updates_wait_for_a_webhook_and_can_be_polled) {
  Post post;
  post.bot.webhook.reset();
  post.courier.webhook_changed(post.bot, false);
  post.put("one");
  post.put("two", "message:2");
  BOOST_TEST(post.courier.health(7).pending == 2);
  BOOST_TEST((post.courier.poll(7, 0, 100) == std::vector<std::string>{"one", "two"}));
  // An offset confirms what is below it.
  BOOST_TEST((post.courier.poll(7, 2, 100) == std::vector<std::string>{"two"}));
  BOOST_TEST(post.courier.health(7).pending == 1);
  post.bot.webhook = Webhook{post.hook.url(), "", 40, "", false};
  post.courier.webhook_changed(post.bot, false);
  BOOST_TEST(post.idle());
  BOOST_TEST(post.hook.wait_for(1).at(0).body == "two");
}

BOOST_AUTO_TEST_SUITE_END()
