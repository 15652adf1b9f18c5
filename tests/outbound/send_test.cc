// Agents' messages from the outbox to a platform, with a real database and a platform that fails in
// every way. Numbers are domain::MessageStatus: 0 queued, 2 sent, 5 failed, 6 uncertain.
#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

#include "gateway/store/outbox.h"
#include "tests/outbound/world.h"
#include "tests/support/mail_server.h"
#include "tests/support/tls.h"

using namespace test_outbound;
using Fault = test_support::HttpAnswer::Fault;

namespace {

// "<key> <text>": what the connector sends.
std::string text_of(const HttpRequest& request) {
  return request.body.substr(request.body.find(' ') + 1);
}

HttpAnswer fine(const HttpRequest& request) { return {.body = "id:" + text_of(request)}; }
// The same where texts are said more than once: a remote id is unique within its channel.
HttpAnswer fine_by_key(const HttpRequest& request) { return {.body = "id:" + request.body}; }

struct Fixture : World {
  explicit Fixture(test_support::HttpServer::Handler handler) : World(std::move(handler)) {
    business = make_business();
    fake = make_channel(business);
    conversation = make_conversation(business, fake, "t1");
  }
  MessageId say(const std::string& text) { return World::say(business, conversation, fake, text); }
  // What the platform was asked to send, in order.
  std::vector<HttpRequest> sends() {
    std::vector<HttpRequest> found;
    for (auto& request : platform.requests()) {
      if (request.target.starts_with("/send")) found.push_back(std::move(request));
    }
    return found;
  }
  std::string job(const std::string& column) {
    return value("select coalesce(" + column + "::text, 'null') from outbox order by seq limit 1");
  }

  BusinessId business;
  ChannelId fake;
  ConversationId conversation;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(sending)

BOOST_AUTO_TEST_CASE(a_message_is_sent_and_leaves_nothing_behind) {
  Fixture world(fine);
  auto outbound = world.start();
  const auto id = world.say("hello");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(world.message(id, "remote_id") == "id:hello");
  BOOST_TEST(world.message(id, "error") == "null");
  const auto requests = world.sends();
  BOOST_TEST_REQUIRE(requests.size() == 1u);
  BOOST_TEST(requests[0].target == "/send/t1");
  BOOST_TEST(requests[0].body == id.text() + " hello");
  BOOST_TEST(requests[0].header("authorization") == "Bearer " + std::string(kToken));
  BOOST_TEST(world.value("select count(*) from outbox") == "0");
  BOOST_TEST(world.value("select count(*) from lane") == "0");
  // queued -> sending -> sent: whoever watches heard of both.
  BOOST_TEST(
      world.value("select count(*) from realtime_event where kind in (1, 3) and message_id = '" +
                  id.text() + "'") == "2");
}

BOOST_AUTO_TEST_CASE(every_failure_has_its_status) {
  struct Row {
    const char* text;
    HttpAnswer answer;
    const char* status;
    const char* error;
  };
  const Row rows[] = {
      {"permanent",
       {.status = 400, .headers = {{"x-code", "E7"}}, .body = "no such"},
       "5",
       "no such"},
      {"config", {.status = 422, .body = "bad base"}, "5", "bad base"},
      {"unreachable", {.status = 403, .body = "blocked"}, "5", "blocked"},
      {"uncertain", {.status = 502, .body = "bad gateway"}, "6", "bad gateway"},
      {"reset", {.fault = Fault::reset}, "6", "no answer"},
      {"cut", {.fault = Fault::short_body}, "6", "no answer"},
      {"silence", {.fault = Fault::silence}, "6", "no answer"},
      {"fine", {.body = "1"}, "2", "null"},
  };
  Fixture world([&](const HttpRequest& request) {
    for (const Row& row : rows) {
      if (text_of(request) == row.text) return row.answer;
    }
    return HttpAnswer{.status = 500};
  });
  std::map<std::string, MessageId> ids;
  for (const Row& row : rows) {
    const auto conversation =
        world.make_conversation(world.business, world.fake, std::string("of-") + row.text);
    ids[row.text] = world.World::say(world.business, conversation, world.fake, row.text);
  }
  auto outbound = world.start();
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT(row.text) {
      BOOST_TEST(world.becomes(ids[row.text], row.status));
      BOOST_TEST(world.message(ids[row.text], "error") == row.error);
      BOOST_TEST(world.platform.count(std::string("/send/of-") + row.text) == 1);
    }
  }
  BOOST_TEST(world.message(ids["permanent"], "metadata->>'error_code'") == "E7");
  BOOST_TEST(world.value("select unreachable_reason from conversation where remote_thread ="
                         " 'of-unreachable'") == "blocked");
  BOOST_TEST(
      world.value("select count(*) from conversation where unreachable_reason is not null") == "1");
  BOOST_TEST(world.value("select count(*) from outbox") == "0");
}

BOOST_AUTO_TEST_CASE(what_certainly_was_not_sent_is_tried_again_until_it_is) {
  std::atomic<bool> up{false};
  Fixture world([&](const HttpRequest& request) {
    return up ? fine(request) : HttpAnswer{.status = 503, .body = "busy"};
  });
  auto outbound = world.start();
  const auto id = world.say("again");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.platform.count("/send") >= 1; }));
  BOOST_TEST(eventually([&] { return world.job("last_error") == "busy"; }));
  BOOST_TEST(world.job("asked") == "0");
  up = true;
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.message(id) == "2";
  }));
  BOOST_TEST(world.message(id, "error") == "null");
}

BOOST_AUTO_TEST_CASE(an_unreachable_platform_is_retried_and_never_uncertain) {
  Fixture world(fine);
  const int port = test_support::closed_port();
  auto outbound = world.start([&](auto& options) {
    options.upstreams = {{"https://platform.example", "http://127.0.0.1:" + std::to_string(port)}};
  });
  const auto id = world.say("later");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.job("attempt") != "0" && world.job("state") == "0"; }));
  BOOST_TEST(world.message(id) == "0");
  BOOST_TEST(world.job("last_error") == "no answer");
  outbound->stop(std::chrono::seconds(5));
  outbound = world.start();
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.message(id) == "2";
  }));
  BOOST_TEST(world.platform.count("/send") == 1);
}

BOOST_AUTO_TEST_CASE(twelve_attempts_are_enough) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.status = 503, .body = "busy"}; });
  auto outbound = world.start();
  const auto id = world.say("never");
  outbound->wake();
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.message(id) == "5";
  }));
  BOOST_TEST(world.platform.count("/send") == 12);
  BOOST_TEST(world.message(id, "error") == "busy");
}

BOOST_AUTO_TEST_CASE(a_message_past_its_deadline_is_failed_with_the_last_reason) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.status = 503, .body = "busy"}; });
  const auto id = world.say("old");
  world.execute("update outbox set deadline = clock_timestamp(), last_error = 'busy'");
  auto outbound = world.start();
  BOOST_TEST(world.becomes(id, "5"));
  BOOST_TEST(world.message(id, "error") == "not sent within 24 hours: busy");
  BOOST_TEST(world.platform.count("/send") == 0);
}

BOOST_AUTO_TEST_CASE(messages_of_a_conversation_arrive_in_the_order_they_were_accepted) {
  constexpr int kConversations = 12;
  constexpr int kMessages = 12;
  std::map<std::string, int> in_flight;  // the handler is called by one thread at a time
  int tries = 0;
  Fixture world([&](const HttpRequest& request) {
    // Every third call fails in a way that proves it was not done.
    return ++tries % 3 == 0 ? HttpAnswer{.status = 503, .body = "busy"} : fine_by_key(request);
  });
  std::vector<ConversationId> conversations;
  for (int c = 0; c < kConversations; ++c) {
    conversations.push_back(
        world.make_conversation(world.business, world.fake, "c" + std::to_string(c)));
  }
  auto outbound = world.start();
  std::vector<MessageId> ids;
  for (int m = 0; m < kMessages; ++m) {
    for (const auto& conversation : conversations) {
      ids.push_back(world.World::say(world.business, conversation, world.fake, std::to_string(m)));
    }
    outbound->wake();
  }
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.value("select count(*) from outbox") == "0";
  }));
  for (const auto& id : ids) BOOST_TEST(world.message(id) == "2");
  // What the platform took, per conversation: each message once, and in order. A repeated number is
  // the retry of one it had refused.
  std::map<std::string, std::vector<int>> taken;
  for (const auto& request : world.sends()) {
    auto& list = taken[request.target];
    const int number = std::stoi(text_of(request));
    if (list.empty() || list.back() != number) list.push_back(number);
  }
  BOOST_TEST(taken.size() == static_cast<std::size_t>(kConversations));
  for (const auto& [target, list] : taken) {
    BOOST_TEST_CONTEXT(target) {
      BOOST_TEST(list.size() == static_cast<std::size_t>(kMessages));
      BOOST_TEST(std::is_sorted(list.begin(), list.end()));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_stuck_conversation_does_not_hold_up_another) {
  Fixture world([](const HttpRequest& request) {
    if (request.target == "/send/stuck") return HttpAnswer{.status = 503};
    return fine(request);
  });
  const auto stuck = world.make_conversation(world.business, world.fake, "stuck");
  const auto first = world.World::say(world.business, stuck, world.fake, "a");
  const auto second = world.World::say(world.business, stuck, world.fake, "b");
  auto outbound = world.start();
  BOOST_TEST(eventually([&] { return world.platform.count("/send/stuck") >= 1; }));
  const auto other = world.say("free");
  outbound->wake();
  BOOST_TEST(world.becomes(other, "2"));
  BOOST_TEST(world.message(second) == "0");
  for (const auto& request : world.sends()) BOOST_TEST(text_of(request) != "b");
  BOOST_TEST(world.message(first) != "2");
}

BOOST_AUTO_TEST_CASE(a_long_text_is_sent_in_pieces_and_goes_on_where_it_was_refused) {
  std::atomic<int> refused{0};
  Fixture world([&](const HttpRequest& request) {
    if (text_of(request) == "three" && refused++ < 2) {
      return HttpAnswer{.status = 503, .body = "busy"};
    }
    return fine(request);
  });
  auto outbound = world.start();
  const auto id = world.say("one|two|three|four");
  outbound->wake();
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.message(id) == "2";
  }));
  std::vector<std::string> texts;
  for (const auto& request : world.sends()) texts.push_back(text_of(request));
  const std::vector<std::string> expected = {"one", "two", "three", "three", "three", "four"};
  BOOST_TEST(texts == expected, boost::test_tools::per_element());
  BOOST_TEST(world.message(id, "remote_id") == "id:one");
  BOOST_TEST(world.message(id, "metadata->'remote_ids'") ==
             "[\"id:one\", \"id:two\", \"id:three\", \"id:four\"]");
}

BOOST_AUTO_TEST_CASE(a_send_has_at_most_32_calls) {
  Fixture world(fine);
  auto outbound = world.start();
  std::string text = "0";
  for (int i = 1; i < 33; ++i) text += "|" + std::to_string(i);
  const auto id = world.say(text);
  outbound->wake();
  BOOST_TEST(world.becomes(id, "5"));
  BOOST_TEST(world.platform.count("/send") == 32);
}

BOOST_AUTO_TEST_CASE(a_rate_limit_pauses_the_channel_and_nobody_else) {
  std::atomic<bool> limited{true};
  Fixture world([&](const HttpRequest& request) {
    if (limited && request.target == "/send/t1") {
      return HttpAnswer{.status = 429, .headers = {{"Retry-After", "600"}}, .body = "slow down"};
    }
    return fine(request);
  });
  auto outbound = world.start();
  const auto first = world.say("first");
  outbound->wake();
  BOOST_TEST(eventually(
      [&] { return world.value("select count(*) from channel_pause where reason = 1") == "1"; }));
  const auto seconds = std::stoi(world.value(
      "select floor(extract(epoch from until - clock_timestamp()))::int from channel_pause"));
  BOOST_TEST(seconds >= 590);
  BOOST_TEST(seconds <= 601);
  // Another conversation of the same channel, enqueued after the refusal.
  const auto same = world.make_conversation(world.business, world.fake, "t2");
  const auto waiting = world.World::say(world.business, same, world.fake, "waits");
  // Another business is not concerned.
  const auto stranger = world.make_business();
  const auto own = world.make_channel(stranger);
  const auto theirs = world.make_conversation(stranger, own, "t3");
  const auto free = world.World::say(stranger, theirs, own, "free");
  outbound->wake();
  BOOST_TEST(world.becomes(free, "2"));
  BOOST_TEST(world.message(first) == "0");
  BOOST_TEST(world.message(waiting) == "0");
  BOOST_TEST(world.platform.count("/send/t1") == 1);
  BOOST_TEST(world.platform.count("/send/t2") == 0);
  limited = false;
  world.hurry();
  BOOST_TEST(world.becomes(first, "2"));
  BOOST_TEST(world.becomes(waiting, "2"));
}

BOOST_AUTO_TEST_CASE(refused_credentials_fail_the_channel_and_keep_its_messages) {
  std::atomic<bool> revoked{true};
  Fixture world([&](const HttpRequest& request) {
    if (request.target.starts_with("/check")) return HttpAnswer{.body = "ok"};
    // A careless platform echoes the credentials.
    if (revoked) {
      return HttpAnswer{.status = 401, .body = "token " + std::string(kToken) + " is revoked"};
    }
    return fine(request);
  });
  const auto revision = world.channel(world.fake, "revision");
  auto outbound = world.start();
  const auto id = world.say("hello");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.channel(world.fake) == "2"; }));
  BOOST_TEST(world.channel(world.fake, "registration_error") == "token *** is revoked");
  // The credentials are as they were: nothing a cached copy would have to learn.
  BOOST_TEST(world.channel(world.fake, "revision") == revision);
  BOOST_TEST(world.message(id) == "0");
  BOOST_TEST(eventually([&] {
    const std::lock_guard lock(world.mutex);
    return std::find(world.changed.begin(), world.changed.end(), world.fake) != world.changed.end();
  }));
  const int asked = world.platform.count("/send");
  BOOST_TEST(asked == 1);
  // A healthy check lets the waiting message go.
  revoked = false;
  world.execute("update registration_job set next_at = clock_timestamp() where operation = 3");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(world.channel(world.fake) == "1");
  BOOST_TEST(world.channel(world.fake, "registration_error") == "null");
}

BOOST_AUTO_TEST_CASE(a_moved_thread_is_followed) {
  Fixture world([](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    if (request.target == "/send/t1") answer.headers = {{"x-moved-to", "t1-new"}};
    return answer;
  });
  auto outbound = world.start();
  const auto first = world.say("one");
  const auto second = world.say("two");
  outbound->wake();
  BOOST_TEST(world.becomes(first, "2"));
  BOOST_TEST(world.becomes(second, "2"));
  BOOST_TEST(world.platform.count("/send/t1-new") == 1);
  BOOST_TEST(world.value("select remote_thread from conversation where id = '" +
                         world.conversation.text() + "'") == "t1-new");
}

BOOST_AUTO_TEST_CASE(a_thread_that_moved_to_a_live_conversation_stays) {
  Fixture world([](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    answer.headers = {{"x-moved-to", "taken"}};
    return answer;
  });
  world.make_conversation(world.business, world.fake, "taken");
  auto outbound = world.start();
  const auto id = world.say("one");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(world.value("select remote_thread from conversation where id = '" +
                         world.conversation.text() + "'") == "t1");
}

BOOST_AUTO_TEST_CASE(a_delivered_message_makes_its_contact_reachable_again) {
  Fixture world(fine);
  world.execute("update conversation set unreachable_reason = 'blocked'");
  auto outbound = world.start();
  const auto id = world.say("hello");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(world.value("select unreachable_reason is null from conversation") == "t");
}

BOOST_AUTO_TEST_CASE(what_a_send_keeps_is_merged_into_the_channels_state) {
  Fixture world([](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    answer.headers = {{"x-keep", "canary-kept-value"}};
    return answer;
  });
  auto outbound = world.start();
  const auto id = world.say("hello");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(eventually([&] { return world.channel(world.fake, "state_sealed") != "null"; }));
  BOOST_TEST(world.channel(world.fake, "revision") == "2");
  BOOST_TEST(world.value("select position('canary'::bytea in state_sealed) from channel") == "0");
}

BOOST_AUTO_TEST_CASE(messages_of_a_removed_channel_fail_and_those_of_an_inactive_one_wait) {
  Fixture world(fine);
  const auto id = world.say("waits");
  const auto gone = world.make_channel(world.business);
  const auto orphan = world.make_conversation(world.business, gone, "orphan");
  const auto lost = world.World::say(world.business, orphan, gone, "lost");
  world.execute("delete from channel where id = '" + gone.text() +
                "';"
                "update channel set is_active = false");
  auto outbound = world.start();
  BOOST_TEST(world.becomes(lost, "5"));
  BOOST_TEST(world.message(lost, "error") == "the channel was removed");
  BOOST_TEST(eventually(
      [&] { return world.value("select count(*) from channel_pause where reason = 3") == "1"; }));
  BOOST_TEST(world.message(id) == "0");
  BOOST_TEST(world.platform.count("/send") == 0);
}

// The platform has answered all it was asked; only the database did not take the next question.
BOOST_AUTO_TEST_CASE(a_database_that_refuses_the_next_question_makes_no_message_uncertain) {
  Fixture world(fine);
  world.execute(
      "create function backchannel.refuse() returns trigger language plpgsql as"
      " $$ begin raise exception 'not now' using errcode = '55P03'; end $$;"
      "create trigger refuse before update on backchannel.outbox for each row"
      " when (new.asked = 2) execute function backchannel.refuse();");
  auto outbound = world.start([](auto& options) {
    options.lease_ms = 2'000;
    options.http.total = std::chrono::milliseconds(500);
  });
  const auto id = world.say("one|two");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.job("answered") == "1"; }));
  BOOST_TEST(world.sends().size() == 1u);
  world.execute("drop trigger refuse on backchannel.outbox");
  BOOST_TEST(world.becomes(id, "2"));
  const auto sends = world.sends();
  BOOST_TEST_REQUIRE(sends.size() == 2u);
  BOOST_TEST(text_of(sends[0]) == "one");
  BOOST_TEST(text_of(sends[1]) == "two");
}

BOOST_AUTO_TEST_CASE(a_dead_gateways_question_makes_the_message_uncertain) {
  Fixture world(fine);
  const auto asked = world.say("may have left");
  const auto behind = world.say("behind it");
  const auto other = world.make_conversation(world.business, world.fake, "t2");
  const auto unasked = world.World::say(world.business, other, world.fake, "never left");
  // A gateway claims both lanes, commits "asked" for one message, and dies.
  const gateway::Uuid dead = world.db.ids.next();
  auto lanes = gateway::store::claim_lanes(world.db.gateway, {.owner = dead, .limit = 10});
  BOOST_TEST_REQUIRE(lanes.has_value());
  BOOST_TEST_REQUIRE(lanes->size() == 2u);
  for (const auto& lane : *lanes) {
    if (lane.conversation != world.conversation) continue;
    const auto answer = gateway::store::ask(world.db.gateway, lane, asked, {});
    BOOST_TEST_REQUIRE(answer.has_value());
    BOOST_TEST((answer->outcome == gateway::store::AskOutcome::go));
  }
  BOOST_TEST(world.message(asked) == "1");
  auto outbound = world.start();
  const auto bystander = world.World::say(
      world.business, world.make_conversation(world.business, world.fake, "t3"), world.fake, "x");
  outbound->wake();
  BOOST_TEST(world.becomes(bystander, "2"));
  BOOST_TEST(world.message(asked) == "1");  // the lease still holds
  world.execute("update lane set next_at = clock_timestamp()");
  BOOST_TEST(world.becomes(asked, "6"));
  BOOST_TEST(world.becomes(behind, "2"));
  BOOST_TEST(world.becomes(unasked, "2"));
  for (const auto& request : world.sends()) {
    BOOST_TEST(text_of(request) != "may have left");
  }
  // The dead one comes back: its lease is another's.
  for (const auto& lane : *lanes) {
    const auto late = gateway::store::settle(world.db.gateway, lane, asked,
                                             {.status = gateway::domain::MessageStatus::failed});
    BOOST_TEST_REQUIRE(late.has_value());
    BOOST_TEST(!*late);
  }
  BOOST_TEST(world.message(asked) == "6");
}

BOOST_AUTO_TEST_CASE(stop_waits_for_calls_under_way_and_gives_back_the_rest) {
  Fixture world(fine_by_key);
  std::vector<MessageId> ids;
  for (int i = 0; i < 30; ++i) {
    ids.push_back(world.World::say(
        world.business,
        world.make_conversation(world.business, world.fake, "s" + std::to_string(i)), world.fake,
        "x"));
  }
  auto outbound = world.start();
  BOOST_TEST(eventually([&] { return world.platform.count("/send") >= 1; }));
  outbound->stop(std::chrono::seconds(5));
  BOOST_TEST(world.value("select count(*) from lane where lease_owner is not null") == "0");
  // Whatever was asked was also answered.
  BOOST_TEST(world.value("select count(*) from message where status = 6") == "0");
  const auto sent = std::stoi(world.value("select count(*) from message where status = 2"));
  BOOST_TEST(sent == world.platform.count("/send"));
  auto next = world.start();
  for (const auto& id : ids) BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(world.platform.count("/send") == 30);
}

BOOST_AUTO_TEST_CASE(a_call_that_outlasts_the_stop_is_uncertain_at_once) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.fault = Fault::silence}; });
  const auto id = world.say("cut off");
  auto outbound = world.start();
  BOOST_TEST(eventually([&] { return world.platform.count("/send") == 1; }));
  outbound->stop(std::chrono::milliseconds(100));
  BOOST_TEST(world.message(id) == "6");
  BOOST_TEST(world.value("select count(*) from lane") == "0");
}

BOOST_AUTO_TEST_CASE(a_database_that_goes_away_is_waited_for) {
  Fixture world(fine);
  auto outbound = world.start();
  const std::string others =
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
      " and application_name = 'backchannel outbound';";
  for (int i = 0; i < 5; ++i) {
    const auto id = world.say("m" + std::to_string(i));
    outbound->wake();
    world.execute(others);
    BOOST_TEST(world.becomes(id, "2"));
  }
  BOOST_TEST(world.platform.count("/send") == 5);
}

BOOST_AUTO_TEST_CASE(a_channels_config_may_not_name_an_inner_host) {
  Fixture world(fine);
  test_support::HttpServer inner(fine);
  auto outbound = world.start([&](auto& options) { options.upstreams.clear(); });
  const auto sealed =
      world.vault->seal(world.db.gateway, world.business, gateway::store::kChannelConfig,
                        world.fake.get(), "{\"base\":\"" + inner.origin() + "\",\"token\":\"x\"}");
  BOOST_TEST_REQUIRE(sealed.has_value());
  static constexpr const char* kUpdate = "update channel set config_sealed = $1 where id = $2";
  BOOST_TEST_REQUIRE(world.db.gateway
                         .run(gateway::store::Scope::of(world.business),
                              gateway::store::Query{kUpdate, {*sealed, world.fake}})
                         .has_value());
  const auto id = world.say("inside");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "5"));
  BOOST_TEST(inner.connections() == 0);
}

BOOST_AUTO_TEST_CASE(a_platform_that_does_not_answer_is_left_alone) {
  Fixture world([](const HttpRequest& request) {
    if (request.target.starts_with("/send/dead")) return HttpAnswer{.status = 503};
    return fine(request);
  });
  auto outbound = world.start();
  for (int i = 0; i < 40; ++i) {
    const auto conversation =
        world.make_conversation(world.business, world.fake, "dead" + std::to_string(i));
    world.World::say(world.business, conversation, world.fake, "x");
  }
  outbound->wake();
  BOOST_TEST(eventually(
      [&] { return world.value("select count(*) from channel_pause where reason = 4") == "1"; }));
  // Ten in a row open the breaker; what was under way then, and one probe, may be beyond.
  BOOST_TEST(world.platform.count("/send/dead") >= 10);
  BOOST_TEST(world.platform.count("/send/dead") <= 10 + 8 + 1);
  const auto stranger = world.make_business();
  const auto own = world.make_channel(stranger);
  const auto id =
      world.World::say(stranger, world.make_conversation(stranger, own, "free"), own, "free");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
}

BOOST_AUTO_TEST_CASE(an_acknowledgement_is_made_once) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.status = 500}; });
  auto outbound = world.start();
  connector::Event event;
  event.key = "callback-1";
  outbound->acknowledge(world.business, world.fake, event);
  BOOST_TEST(eventually([&] { return world.platform.count("/acknowledge") == 1; }));
  outbound->stop(std::chrono::seconds(2));
  BOOST_TEST(world.platform.count("/acknowledge") == 1);
  BOOST_TEST(world.platform.requests()[0].body == "callback-1");
}

BOOST_AUTO_TEST_CASE(every_id_the_platform_gave_is_known) {
  Fixture world([](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    if (text_of(request) == "one") answer.headers = {{"x-alias", "wire-1"}, {"x-alias", "wire-2"}};
    return answer;
  });
  world.record_remote_ids();
  auto outbound = world.start();
  const auto id = world.say("one|two");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(world.message(id, "remote_id") == "id:one");
  BOOST_TEST(world.message(id, "metadata->'remote_ids'") == "[\"id:one\", \"id:two\"]");
  BOOST_TEST(world.value("select remote_ids::text from known_remote_id") ==
             "{id:one,id:two,wire-1}");
}

BOOST_AUTO_TEST_CASE(a_connector_is_told_whom_and_what_it_answers) {
  Fixture world(fine);
  const std::string tenant = "'" + world.business.text() + "'";
  const std::string contact = "'" + gateway::Uuid(world.db.ids.next()).text() + "'";
  const std::string conversation = "'" + world.conversation.text() + "'";
  world.execute("insert into contact (tenant_id, id, name) values (" + tenant + ", " + contact +
                ", 'Ana');"
                "insert into contact_alias values (" +
                tenant + ", '" + world.fake.text() + "', 'r-ana', " + contact +
                ");"
                "update conversation set contact_id = " +
                contact + ";");
  const auto inbound = [&](const char* at, const char* remote, int sender, const char* metadata) {
    world.execute(
        "insert into message (tenant_id, conversation_id, sort_at, sort_seq, id,"
        " sender_type, content, remote_id, metadata) values (" +
        tenant + ", " + conversation + ", '" + at + "', 0, '" +
        gateway::Uuid(world.db.ids.next()).text() + "', " + std::to_string(sender) + ", 'x', '" +
        remote + "', '" + metadata + "')");
  };
  inbound("2026-11-20T10:00:00Z", "in-1", 0, R"({"subject":"Old"})");
  inbound("2026-11-20T10:00:01.5Z", "in-2", 0,
          R"({"subject":"Hi","n":7,"flag":true,"nested":{"a":"b"},"none":null})");
  inbound("2026-11-20T11:00:00Z", "out-1", 1, R"({"subject":"Ours"})");
  auto outbound = world.start();
  const auto id = world.say("facts");
  world.execute(R"(update message set metadata = '{"tag":"x","last":{"message":"forged"}}')"
                " where id = '" +
                id.text() + "'");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  // 2026-11-20T10:00:01.5Z
  BOOST_TEST(text_of(world.sends().at(0)) ==
             "contact=r-ana;contact_name=Ana;tag=x;last.message=in-2;last.sent_ms=1795168801500;"
             "last.n=7;last.flag=true;last.subject=Hi;");
}

BOOST_AUTO_TEST_CASE(media_that_was_fetched_is_not_fetched_again_after_a_restart) {
  std::atomic<bool> busy{true};
  Fixture world([&](const HttpRequest& request) {
    if (request.target.starts_with("/media")) return HttpAnswer{.body = std::string(3u << 20, 'm')};
    return busy ? HttpAnswer{.status = 503, .body = "busy"} : fine(request);
  });
  auto outbound = world.start();
  const auto id = world.say("media:a");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.job("last_error") == "busy"; }));
  BOOST_TEST(world.job("answered") == "1");
  BOOST_TEST(std::stoi(world.job("octet_length(transcript)")) > 3 << 20);
  outbound->stop(std::chrono::seconds(5));
  busy = false;
  outbound = world.start();
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.message(id) == "2";
  }));
  BOOST_TEST(world.platform.count("/media") == 1);
  BOOST_TEST(text_of(world.sends().back()) == std::to_string(3 << 20));
}

BOOST_AUTO_TEST_CASE(the_largest_answer_is_recorded_and_read_again) {
  constexpr std::size_t kLargest = 40u << 20;
  std::atomic<bool> busy{true};
  Fixture world([&](const HttpRequest& request) {
    if (request.target.starts_with("/media")) return HttpAnswer{.body = std::string(kLargest, 'm')};
    return busy ? HttpAnswer{.status = 503, .body = "busy"} : fine(request);
  });
  auto outbound = world.start();
  const auto id = world.say("media:a");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.job("last_error") == "busy"; }));
  BOOST_TEST(std::stol(world.job("octet_length(transcript)")) > long{kLargest});
  busy = false;
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.message(id) == "2";
  }));
  BOOST_TEST(world.platform.count("/media") == 1);
  BOOST_TEST(text_of(world.sends().back()) == std::to_string(kLargest));
}

BOOST_AUTO_TEST_CASE(media_that_cannot_be_fetched_leaves_nothing_in_doubt) {
  std::atomic<int> asked{0};
  Fixture world([&](const HttpRequest& request) {
    if (!request.target.starts_with("/media")) return fine(request);
    return ++asked < 3 ? HttpAnswer{.fault = Fault::reset} : HttpAnswer{.body = "media"};
  });
  auto outbound = world.start();
  const auto id = world.say("media:a");
  outbound->wake();
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.message(id) == "2";
  }));
  BOOST_TEST(world.platform.count("/media") == 3);
  BOOST_TEST(world.platform.count("/send") == 1);
}

BOOST_AUTO_TEST_CASE(big_answers_take_turns) {
  gateway::outbound::BigAnswers big(2);
  auto first = big.take();
  const auto second = big.take();
  BOOST_TEST((first != nullptr && second != nullptr));
  BOOST_TEST((big.take() == nullptr));
  first.reset();
  BOOST_TEST((big.take() != nullptr));

  Fixture world([](const HttpRequest& request) {
    if (request.target.starts_with("/media")) return HttpAnswer{.body = std::string(2u << 20, 'm')};
    return fine_by_key(request);
  });
  auto outbound = world.start([](auto& options) { options.big_answers = 1; });
  std::vector<MessageId> ids;
  for (int i = 0; i < 4; ++i) {
    const auto conversation =
        world.make_conversation(world.business, world.fake, "b" + std::to_string(i));
    ids.push_back(world.World::say(world.business, conversation, world.fake, "media:a"));
  }
  outbound->wake();
  for (const auto& id : ids) BOOST_TEST(world.becomes(id, "2"));
  // Waiting for a turn is no attempt.
  BOOST_TEST(world.platform.count("/media") == 4);
  BOOST_TEST(world.platform.count("/send") == 4);
}

BOOST_AUTO_TEST_CASE(media_of_our_own_is_answered_without_the_network) {
  Fixture world(fine);
  auto outbound = world.start([](auto& options) {
    options.local_answer =
        [](gateway::store::Session&,
           const connector::Call& call) -> gateway::Result<std::optional<connector::Response>> {
      if (!call.url.ends_with("/media/own")) return std::optional<connector::Response>();
      return std::optional<connector::Response>({.status = 200, .headers = {}, .body = "12345"});
    };
  });
  const auto id = world.say("media:own");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "2"));
  BOOST_TEST(world.platform.count("/media") == 0);
  BOOST_TEST(text_of(world.sends().at(0)) == "5");
}

BOOST_AUTO_TEST_CASE(repetitions_beyond_the_hosts_budget_wait) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.status = 503, .body = "busy"}; });
  auto outbound = world.start([](auto& options) { options.retry_budget = {2, 20}; });
  constexpr int kMessages = 5;
  for (int i = 0; i < kMessages; ++i) {
    const auto conversation =
        world.make_conversation(world.business, world.fake, "r" + std::to_string(i));
    world.World::say(world.business, conversation, world.fake, "x");
  }
  outbound->wake();
  const auto begin = std::chrono::steady_clock::now();
  const auto held = [&] {
    return world.value(
               "select count(*) from lane where lease_owner is null"
               " and next_at > clock_timestamp()") == std::to_string(kMessages);
  };
  BOOST_TEST(eventually([&] { return world.platform.count("/send") == kMessages && held(); }));
  for (int round = 0; round < 4; ++round) {
    world.hurry();
    outbound->wake();
    BOOST_TEST(eventually(held));
  }
  if (std::chrono::steady_clock::now() - begin < std::chrono::seconds(9)) {
    BOOST_TEST(world.platform.count("/send") == kMessages + 2);
    BOOST_TEST(world.value("select sum(attempt) from outbox") == std::to_string(kMessages + 2));
  }
}

BOOST_AUTO_TEST_CASE(what_the_deployment_knows_reaches_the_connector_and_no_client) {
  Fixture world([](const HttpRequest& request) {
    return HttpAnswer{.status = 400, .body = "bad " + request.header("x-app-secret")};
  });
  auto outbound = world.start([](auto& options) {
    options.deployment = {{"fake_app_secret", "deployment-canary-5"}};
  });
  const auto id = world.say("x");
  outbound->wake();
  BOOST_TEST(world.becomes(id, "5"));
  BOOST_TEST(world.sends().at(0).header("x-app-secret") == "deployment-canary-5");
  BOOST_TEST(world.message(id, "error") == "bad ***");
}

BOOST_AUTO_TEST_CASE(mail_is_sent_once_or_in_doubt_or_again_as_its_server_says) {
  test_support::TestCa ca((test_support::TempFolder("send-mail").path().string() + ".pem"));
  std::atomic<int> drop{0};
  test_support::SmtpServer server(
      {.tls = ca.server("IP:127.0.0.1"), .rule = [&](const std::string& command) {
         const bool drops = command == "<message>" && drop == 1;
         return std::string(drops ? test_support::kClose : "");
       }});
  Fixture world(fine);
  world.record_remote_ids();
  auto outbound = world.start([&](auto& options) {
    options.upstreams.emplace_back("smtp://mail.example:587",
                                   "smtp://127.0.0.1:" + std::to_string(server.port()));
    options.http.mail.ca_file = ca.file();
  });
  const auto sent = world.say("mail:ana@example.net");
  outbound->wake();
  BOOST_TEST(world.becomes(sent, "2"));
  BOOST_TEST(world.message(sent, "remote_id") == "<" + sent.text() + "@shop.example>");
  BOOST_TEST(world.value("select remote_ids[2] from known_remote_id") == "Q1");
  drop = 1;
  const auto doubtful = world.say("mail:ana@example.net");
  outbound->wake();
  BOOST_TEST(world.becomes(doubtful, "6"));
  BOOST_TEST(server.count("DATA") == 2);
  BOOST_TEST(world.metrics.render().find("mail-canary-31") == std::string::npos);
  outbound->stop(std::chrono::seconds(5));
  outbound = world.start([&](auto& options) {
    options.upstreams.emplace_back(
        "smtp://mail.example:587",
        "smtp://127.0.0.1:" + std::to_string(test_support::closed_port()));
  });
  const auto later = world.say("mail:ana@example.net");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.job("attempt") == "1" && world.job("state") == "0"; }));
  BOOST_TEST(world.message(later) == "0");
}

BOOST_AUTO_TEST_CASE(a_mail_server_that_refuses_is_not_taken_for_one_that_is_silent) {
  constexpr int kRefused = gateway::outbound::Breaker::kFailures + 2;
  test_support::TestCa ca((test_support::TempFolder("send-mail").path().string() + ".pem"));
  test_support::SmtpServer server(
      {.tls = ca.server("IP:127.0.0.1"), .rule = [](const std::string& command) {
         return std::string(command.starts_with("RCPT") ? "550 5.1.1 no such user\r\n" : "");
       }});
  Fixture world(fine);
  auto outbound = world.start([&](auto& options) {
    options.upstreams.emplace_back("smtp://mail.example:587",
                                   "smtp://127.0.0.1:" + std::to_string(server.port()));
    options.http.mail.ca_file = ca.file();
  });
  for (int i = 0; i < kRefused; ++i) world.say("mail:gone@example.net");
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.value("select count(*) from outbox") == "0"; }));
  BOOST_TEST(server.count("RCPT") == kRefused);
  BOOST_TEST(world.value("select count(*) from channel_pause") == "0");
}

BOOST_AUTO_TEST_SUITE_END()
