// Registration, health checks, repair, unregistration and polling, with a real database and a
// platform that answers as told. States are domain::RegistrationState: 0 pending, 1 active,
// 2 failed, 3 manual, 4 inactive.
#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <map>
#include <optional>

#include "gateway/store/registrations.h"
#include "tests/outbound/world.h"

using namespace test_outbound;
using gateway::domain::RegistrationState;
using gateway::outbound::RegistrationOutcome;
using Fault = test_support::HttpAnswer::Fault;

namespace {

struct Fixture : World {
  explicit Fixture(test_support::HttpServer::Handler handler, std::string_view state = "0")
      : World(std::move(handler)) {
    business = make_business();
    fake = make_channel(business, state);
  }

  // Registers and waits for the answer.
  RegistrationOutcome register_now(gateway::outbound::Dispatcher& outbound) {
    return *wait_for(ask(outbound));
  }
  using Answer = std::shared_ptr<std::pair<std::mutex, std::optional<RegistrationOutcome>>>;
  Answer ask(gateway::outbound::Dispatcher& outbound) {
    auto answer = std::make_shared<std::pair<std::mutex, std::optional<RegistrationOutcome>>>();
    outbound.register_channel(business, fake, [this, answer](const RegistrationOutcome& outcome) {
      const std::lock_guard lock(answer->first);
      ++answers;
      answer->second = outcome;
    });
    return answer;
  }
  std::optional<RegistrationOutcome> wait_for(const Answer& answer) {
    BOOST_TEST_REQUIRE(eventually([&] {
      const std::lock_guard lock(answer->first);
      return answer->second.has_value();
    }));
    const std::lock_guard lock(answer->first);
    return answer->second;
  }
  void sql_as_tenant(const char* sql) {
    const auto done =
        db.gateway.run(gateway::store::Scope::of(business), gateway::store::Query{sql, {fake}});
    BOOST_TEST_REQUIRE(done.has_value());
  }
  std::string jobs(int operation) {
    return value("select count(*) from registration_job where operation = " +
                 std::to_string(operation));
  }
  std::string url() const { return "https://gateway.example/api/v1/webhooks/fake/" + fake.text(); }

  BusinessId business;
  ChannelId fake;
  std::atomic<int> answers{0};
};

constexpr const char* kUnregister = "select registration_enqueue_unregister($1)";
constexpr const char* kCheck = "select registration_enqueue($1, 'check')";

// Registers every channel as webhook "w1".
HttpAnswer fine(const HttpRequest& request) {
  return {.body = request.target == "/register/url" ? "w1" : "ok"};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(registration)

BOOST_AUTO_TEST_CASE(a_channel_is_registered_in_two_calls_and_its_state_is_kept) {
  Fixture world(fine);
  const int revision = std::stoi(world.channel(world.fake, "revision"));
  auto outbound = world.start();
  const auto outcome = world.register_now(*outbound);
  BOOST_TEST((outcome.state == RegistrationState::active));
  BOOST_TEST(!outcome.refused);
  BOOST_TEST(outcome.message == "");
  BOOST_TEST(world.channel(world.fake) == "1");
  BOOST_TEST(world.channel(world.fake, "registration_error") == "null");
  BOOST_TEST(world.channel(world.fake, "registration_checked_at") != "null");
  BOOST_TEST(std::stoi(world.channel(world.fake, "revision")) == revision + 1);
  BOOST_TEST(world.jobs(1) == "0");
  const auto requests = world.platform.requests();
  BOOST_TEST_REQUIRE(requests.size() >= 2u);
  BOOST_TEST(requests[0].target == "/register/url");
  BOOST_TEST(requests[0].body == world.url());
  BOOST_TEST(requests[1].target == "/register/id");
  BOOST_TEST(requests[1].body == "w1");
  // The kept id is used by what comes later.
  world.sql_as_tenant(kUnregister);
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.platform.count("/unregister") == 1; }));
  BOOST_TEST(world.platform.requests().back().body == "w1");
  const std::lock_guard lock(world.mutex);
  BOOST_TEST(
      (std::find(world.changed.begin(), world.changed.end(), world.fake) != world.changed.end()));
}

BOOST_AUTO_TEST_CASE(what_the_platform_refuses_is_refused_with_its_words) {
  for (const int status : {400, 401, 422}) {
    BOOST_TEST_CONTEXT(status) {
      Fixture world([&](const HttpRequest&) {
        return HttpAnswer{.status = status, .body = "no: " + std::string(kToken)};
      });
      const auto revision = world.channel(world.fake, "revision");
      auto outbound = world.start();
      const auto outcome = world.register_now(*outbound);
      BOOST_TEST((outcome.state == RegistrationState::failed));
      BOOST_TEST(outcome.refused);
      BOOST_TEST(outcome.message == "no: ***");
      BOOST_TEST(world.channel(world.fake) == "2");
      BOOST_TEST(world.channel(world.fake, "registration_error") == "no: ***");
      BOOST_TEST(world.jobs(1) == "0");
      BOOST_TEST(world.platform.count("/register") == 1);
      // Whoever created the channel can still remove it as the row it made.
      BOOST_TEST(world.channel(world.fake, "revision") == revision);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_may_still_work_is_pending_and_done_later) {
  const HttpAnswer answers[] = {
      {.status = 503, .body = "later"},
      {.status = 502, .body = "later"},
      {.status = 429, .headers = {{"Retry-After", "300"}}, .body = "later"},
      {.body = "later", .fault = Fault::reset},
  };
  for (const HttpAnswer& bad : answers) {
    BOOST_TEST_CONTEXT(bad.status << " " << static_cast<int>(bad.fault)) {
      std::atomic<bool> up{false};
      Fixture world([&](const HttpRequest& request) { return up ? fine(request) : bad; });
      auto outbound = world.start();
      const auto outcome = world.register_now(*outbound);
      BOOST_TEST((outcome.state == RegistrationState::pending));
      BOOST_TEST(!outcome.refused);
      BOOST_TEST(outcome.message == (bad.fault == Fault::none ? "later" : "no answer"));
      BOOST_TEST(world.channel(world.fake) == "0");
      BOOST_TEST(world.jobs(1) == "1");
      if (bad.status == 429) {
        BOOST_TEST(world.value("select next_at > clock_timestamp() + interval '290 s' from"
                               " registration_job where operation = 1") == "t");
      }
      up = true;
      BOOST_TEST(eventually([&] {
        world.hurry();
        outbound->wake();
        return world.channel(world.fake) == "1";
      }));
      BOOST_TEST(world.jobs(1) == "0");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_platform_that_does_not_answer_is_pending_within_15_seconds) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.fault = Fault::silence}; });
  auto outbound =
      world.start([](auto& options) { options.http.total = std::chrono::milliseconds(15'000); });
  const auto begin = std::chrono::steady_clock::now();
  const auto outcome = world.register_now(*outbound);
  const auto took = std::chrono::steady_clock::now() - begin;
  BOOST_TEST((outcome.state == RegistrationState::pending));
  BOOST_TEST((took < std::chrono::milliseconds(15'500)));
  BOOST_TEST(world.jobs(1) == "1");
}

BOOST_AUTO_TEST_CASE(a_channel_that_a_human_must_finish_is_manual_with_instructions) {
  Fixture world([](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    answer.headers = {{"x-manual", "yes"}};
    return answer;
  });
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::manual));
  BOOST_TEST(world.channel(world.fake) == "3");
  BOOST_TEST(world.instructions(world.fake) == "{\"callback_url\":\"" + world.url() + "\"}");
  // A check that finds nothing wrong does not know whether the human has done it.
  world.sql_as_tenant(kCheck);
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.platform.count("/check") >= 1; }));
  BOOST_TEST(eventually([&] {
    return world.value("select count(*) from registration_job where lease_owner is not null") ==
           "0";
  }));
  BOOST_TEST(world.channel(world.fake) == "3");
}

BOOST_AUTO_TEST_CASE(a_warning_is_shown_on_a_channel_that_works) {
  Fixture world([](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    if (request.target == "/register/id") answer.headers = {{"x-warning", "group privacy is on"}};
    return answer;
  });
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  BOOST_TEST(world.channel(world.fake, "registration_error") == "group privacy is on");
}

// The caller hears of the first run; nobody has to wait for a health check.
BOOST_AUTO_TEST_CASE(what_does_not_fit_into_one_run_is_made_by_the_next_at_once) {
  std::atomic<int> runs{0};
  Fixture world([&](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    if (request.target == "/register/id" && ++runs < 3) {
      answer.headers = {{"x-more", "1"}, {"x-warning", "not complete yet"}};
    }
    return answer;
  });
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  BOOST_TEST(eventually([&] { return world.jobs(1) == "0"; }));
  BOOST_TEST(world.platform.count("/register/id") == 3);
  BOOST_TEST(world.channel(world.fake) == "1");
  BOOST_TEST(world.channel(world.fake, "registration_error") == "null");
}

BOOST_AUTO_TEST_CASE(a_registration_that_always_wants_more_comes_to_an_end) {
  Fixture world([](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    if (request.target == "/register/id") answer.headers = {{"x-more", "1"}};
    return answer;
  });
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  BOOST_TEST(eventually([&] { return world.jobs(1) == "0"; }));
  BOOST_TEST(world.platform.count("/register/id") == 20);
}

BOOST_AUTO_TEST_CASE(a_channel_is_polled_as_soon_as_it_is_registered) {
  Fixture world([](const HttpRequest& request) {
    if (request.target.starts_with("/poll")) return HttpAnswer{.body = "c1"};
    return fine(request);
  });
  auto outbound = world.start([](auto& options) {
    options.store_events = [](auto&&...) { return gateway::Result<>(); };
    options.schedule_interval_ms = 3'600'000;
    options.check_interval_ms = 3'600'000;
  });
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  BOOST_TEST(eventually([&] { return world.platform.count("/poll") == 1; }));
}

BOOST_AUTO_TEST_CASE(an_inactive_or_missing_channel_is_never_registered) {
  Fixture world(fine);
  auto outbound = world.start();
  world.execute("update channel set is_active = false");
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::inactive));
  BOOST_TEST(world.channel(world.fake) == "4");
  BOOST_TEST(world.jobs(1) == "0");
  BOOST_TEST(world.platform.count("/register") == 0);
}

BOOST_AUTO_TEST_CASE(every_caller_is_answered_once) {
  Fixture world(fine);
  auto outbound = world.start();
  std::vector<Fixture::Answer> asked;
  for (int i = 0; i < 5; ++i) asked.push_back(world.ask(*outbound));
  for (const auto& answer : asked) {
    BOOST_TEST((world.wait_for(answer)->state == RegistrationState::active));
  }
  outbound->stop(std::chrono::seconds(2));
  BOOST_TEST(world.answers == 5);
  const auto late = world.ask(*outbound);
  BOOST_TEST((world.wait_for(late)->state == RegistrationState::pending));
}

BOOST_AUTO_TEST_CASE(who_waits_when_the_gateway_stops_is_told) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.fault = Fault::silence}; });
  auto outbound = world.start();
  const auto waiting = world.ask(*outbound);
  BOOST_TEST(eventually([&] { return world.platform.count("/register") == 1; }));
  outbound->stop(std::chrono::milliseconds(50));
  BOOST_TEST((world.wait_for(waiting)->state == RegistrationState::pending));
  BOOST_TEST(world.answers == 1);
  BOOST_TEST(world.jobs(1) == "1");
}

BOOST_AUTO_TEST_CASE(without_a_database_callers_are_answered_and_a_stop_is_quick) {
  Fixture world(fine);
  const std::string nowhere =
      "host=127.0.0.1 user=nobody dbname=none port=" + std::to_string(test_support::closed_port());
  gateway::outbound::OutboundOptions options;
  options.claim_interval_ms = 20;
  gateway::outbound::Dispatcher outbound(
      gateway::store::SessionOptions{.conninfo = gateway::Secret(nowhere)}, world.registry,
      *world.vault, world.db.clock, world.db.ids, world.metrics, options);
  BOOST_TEST_REQUIRE(outbound.start().has_value());
  const auto outcome = world.register_now(outbound);
  BOOST_TEST((outcome.state == RegistrationState::pending));
  BOOST_TEST(outcome.message == "the database cannot be reached");
  const auto begin = std::chrono::steady_clock::now();
  outbound.stop(std::chrono::seconds(5));
  BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(8)));
}

BOOST_AUTO_TEST_CASE(an_upstream_that_is_no_origin_stops_the_start) {
  Fixture world(fine);
  gateway::outbound::OutboundOptions options;
  options.upstreams = {{"https://platform.example", "nowhere"}};
  gateway::outbound::Dispatcher outbound(world.db.gateway_options(), world.registry, *world.vault,
                                         world.db.clock, world.db.ids, world.metrics, options);
  BOOST_TEST(!outbound.start().has_value());
}

BOOST_AUTO_TEST_CASE(an_interrupted_registration_goes_on_where_it_was) {
  Fixture world(fine);
  // A gateway made the first call, stored its answer, and died during the second.
  const auto job = gateway::store::start_registration(world.db.gateway, world.business, world.fake,
                                                      world.db.ids.next(), 30'000);
  BOOST_TEST_REQUIRE(job.has_value());
  BOOST_TEST_REQUIRE(job->has_value());
  const std::string answers("\1\0\1\0\0\0\xc8\0\0\0\0\0\0\2w9", 16);
  const auto sealed =
      world.vault->seal(world.db.gateway, world.business, gateway::store::kRegistrationTranscript,
                        world.fake.get(), answers);
  BOOST_TEST_REQUIRE(sealed.has_value());
  BOOST_TEST(gateway::store::record_answers(world.db.gateway, **job, *sealed, 30'000).value());
  world.execute("update registration_job set next_at = clock_timestamp()");
  auto outbound = world.start();
  BOOST_TEST(eventually([&] { return world.channel(world.fake) == "1"; }));
  BOOST_TEST(world.platform.count("/register/url") == 0);
  BOOST_TEST(world.platform.count("/register/id") == 1);
  BOOST_TEST(world.platform.requests()[0].body == "w9");
}

BOOST_AUTO_TEST_CASE(a_deleted_channel_is_unregistered_by_its_snapshot) {
  std::atomic<int> refusals{2};
  Fixture world([&](const HttpRequest& request) {
    if (request.target == "/unregister" && refusals-- > 0) return HttpAnswer{.status = 503};
    return fine(request);
  });
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  world.sql_as_tenant(kUnregister);
  world.sql_as_tenant("delete from channel where id = $1");
  outbound->wake();
  BOOST_TEST(eventually([&] {
    world.hurry();
    return world.jobs(2) == "0";
  }));
  BOOST_TEST(world.platform.count("/unregister") == 3);
  const auto last = world.platform.requests().back();
  BOOST_TEST(last.body == "w1");
  BOOST_TEST(last.header("authorization") == "Bearer " + std::string(kToken));
}

BOOST_AUTO_TEST_CASE(an_unregistration_is_given_up_after_a_day_or_a_refusal) {
  Fixture world(
      [](const HttpRequest& request) {
        if (request.target == "/unregister") return HttpAnswer{.status = 401, .body = "gone"};
        return fine(request);
      },
      "1");
  auto outbound = world.start();
  world.sql_as_tenant(kUnregister);
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.jobs(2) == "0"; }));
  BOOST_TEST(world.platform.count("/unregister") == 1);
  BOOST_TEST(world.channel(world.fake) == "1");

  outbound->stop(std::chrono::seconds(2));
  world.sql_as_tenant(kUnregister);
  world.execute("update registration_job set deadline = clock_timestamp() where operation = 2");
  outbound = world.start();
  BOOST_TEST(eventually([&] { return world.jobs(2) == "0"; }));
  BOOST_TEST(world.platform.count("/unregister") == 1);
}

BOOST_AUTO_TEST_CASE(an_old_registration_is_removed_before_the_new_one_is_made) {
  Fixture world(fine);
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  world.sql_as_tenant(kUnregister);
  const auto sealed = world.vault->seal(
      world.db.gateway, world.business, gateway::store::kChannelConfig, world.fake.get(),
      "{\"base\":\"https://platform.example\",\"token\":\"new\"}");
  static constexpr const char* kUpdate = "update channel set config_sealed = $1 where id = $2";
  BOOST_TEST_REQUIRE(world.db.gateway
                         .run(gateway::store::Scope::of(world.business),
                              gateway::store::Query{kUpdate, {*sealed, world.fake}})
                         .has_value());
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  std::vector<std::string> order;
  for (const auto& request : world.platform.requests()) {
    if (!request.target.starts_with("/check")) {
      order.push_back(request.target + " " + request.header("authorization"));
    }
  }
  const std::string old_token = " Bearer " + std::string(kToken);
  const std::vector<std::string> expected = {"/register/url" + old_token,
                                             "/register/id" + old_token, "/unregister" + old_token,
                                             "/register/url Bearer new", "/register/id Bearer new"};
  BOOST_TEST(order == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_registration_stolen_by_another_system_is_repaired) {
  std::atomic<bool> stolen{true};
  Fixture world(
      [&](const HttpRequest& request) {
        if (request.target == "/check" && stolen) {
          return HttpAnswer{
              .headers = {{"x-problem", "the webhook points elsewhere"}, {"x-repair", "register"}}};
        }
        if (request.target == "/register/id") stolen = false;
        return fine(request);
      },
      "1");
  auto outbound = world.start([](auto& options) {
    options.check_interval_ms = 100;
    options.schedule_interval_ms = 50;
  });
  BOOST_TEST(eventually([&] { return world.platform.count("/register/id") == 1; }));
  BOOST_TEST(eventually([&] { return world.channel(world.fake) == "1"; }));
  BOOST_TEST(world.channel(world.fake, "registration_error") == "null");
  // Checked again and again, and never registered again.
  const int before = world.platform.count("/check");
  BOOST_TEST(eventually([&] { return world.platform.count("/check") > before + 3; }));
  BOOST_TEST(world.platform.count("/register/id") == 1);
}

BOOST_AUTO_TEST_CASE(a_problem_without_repair_is_shown_until_it_is_gone) {
  std::atomic<bool> broken{true};
  Fixture world(
      [&](const HttpRequest& request) {
        if (request.target == "/check" && broken) {
          return HttpAnswer{.headers = {{"x-problem", "the certificate has expired"}}};
        }
        return fine(request);
      },
      "1");
  auto outbound = world.start([](auto& options) {
    options.check_interval_ms = 100;
    options.schedule_interval_ms = 50;
  });
  BOOST_TEST(eventually([&] { return world.channel(world.fake) == "2"; }));
  BOOST_TEST(world.channel(world.fake, "registration_error") == "the certificate has expired");
  const auto revision = world.channel(world.fake, "revision");
  const int before = world.platform.count("/check");
  BOOST_TEST(eventually([&] { return world.platform.count("/check") > before + 3; }));
  BOOST_TEST(world.channel(world.fake, "revision") == revision);  // nothing new, nothing to reload
  BOOST_TEST(world.platform.count("/register") == 0);
  broken = false;
  BOOST_TEST(eventually([&] { return world.channel(world.fake) == "1"; }));
}

BOOST_AUTO_TEST_CASE(a_check_that_gets_no_answer_says_nothing_about_the_channel) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.status = 503}; }, "1");
  auto outbound = world.start();
  world.sql_as_tenant(kCheck);
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.platform.count("/check") >= 1; }));
  BOOST_TEST(eventually([&] {
    return world.value(
               "select count(*) from registration_job where operation = 3"
               " and lease_owner is null and next_at > clock_timestamp()") == "1";
  }));
  BOOST_TEST(world.channel(world.fake) == "1");
  BOOST_TEST(world.channel(world.fake, "registration_checked_at") == "null");
}

BOOST_AUTO_TEST_CASE(a_channel_nobody_registered_is_found_and_registered) {
  Fixture world(fine);
  world.execute("update channel set created_at = now() - interval '2 minutes'");
  auto outbound = world.start([](auto& options) { options.schedule_interval_ms = 50; });
  BOOST_TEST(eventually([&] { return world.channel(world.fake) == "1"; }));
  BOOST_TEST(world.platform.count("/register/id") == 1);
}

// What a poll brought, in a table of the test and in the transaction of `also`.
struct Polled : Fixture {
  using Handler = test_support::HttpServer::Handler;
  explicit Polled(Handler handler) : Fixture(std::move(handler), "1") {
    execute(
        "create table polled (key text primary key, at serial);"
        "grant insert, select on polled to backchannel_gateway;"
        "grant usage on polled_at_seq to backchannel_gateway;");
  }
  std::unique_ptr<gateway::outbound::Dispatcher> begin(
      std::function<void(gateway::outbound::OutboundOptions&)> adjust = {}) {
    return start([&](auto& options) {
      options.poll_interval_ms = 20;
      options.check_interval_ms = 100;
      options.schedule_interval_ms = 50;
      options.store_events = [this](gateway::store::Session& session, BusinessId, ChannelId,
                                    std::span<const connector::Event> events,
                                    std::span<const gateway::store::Query> also) {
        return store(session, events, also);
      };
      if (adjust) adjust(options);
    });
  }
  gateway::Result<> store(gateway::store::Session& session,
                          std::span<const connector::Event> events,
                          std::span<const gateway::store::Query> also) {
    static constexpr const char* kInsert =
        "insert into polled (key) values ($1) on conflict do nothing";
    static constexpr const char* kDie = "select pg_terminate_backend(pg_backend_pid())";
    const int fault = next_fault.exchange(0);
    if (fault == 1) return gateway::fail(gateway::Errc::unavailable, "not now");
    std::vector<gateway::store::Query> queries;
    for (const auto& event : events) queries.push_back({kInsert, {event.key}});
    if (fault == 2) queries.push_back({kDie, {}});
    for (const auto& query : also) queries.push_back(query);
    auto stored = session.run(gateway::store::Scope::none(), queries);
    if (!stored) return std::move(stored).error();
    if (fault == 3) return gateway::fail(gateway::Errc::internal, "after the commit");
    return {};
  }
  std::string keys() {
    return value("select coalesce(string_agg(key, ',' order by at), '') from polled");
  }

  std::atomic<int> next_fault{0};
};

HttpAnswer three_messages(const HttpRequest& request) {
  if (request.target == "/poll?after=") return HttpAnswer{.body = "c1\nm1\nm2"};
  if (request.target == "/poll?after=c1") return HttpAnswer{.body = "c2\nm3"};
  if (request.target.starts_with("/poll")) return HttpAnswer{.body = "c2"};
  return fine(request);
}

BOOST_AUTO_TEST_CASE(a_polls_cursor_moves_with_its_events_or_not_at_all) {
  // Not stored; the connection killed between the events and the cursor; unknown after the commit.
  for (const int fault : {1, 2, 3}) {
    BOOST_TEST_CONTEXT(fault) {
      Polled world(three_messages);
      world.next_fault = fault;
      auto outbound = world.begin();
      BOOST_TEST(eventually([&] {
        world.hurry();
        return world.platform.count("/poll?after=c2") >= 2;
      }));
      outbound->stop(std::chrono::seconds(5));
      BOOST_TEST(world.keys() == "m1,m2,m3");
      // What was not stored is asked for again, and nothing else is.
      BOOST_TEST(world.platform.count("/poll?after=") - world.platform.count("/poll?after=c") ==
                 (fault == 3 ? 1 : 2));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_cursor_does_not_overwrite_what_changed_meanwhile) {
  // The channel's state changes while the poll is under way: the first write is refused, the merged
  // one is not.
  std::atomic<Polled*> self{nullptr};
  std::atomic<bool> changed{false};
  Polled world([&](const HttpRequest& request) {
    if (request.target == "/poll?after=" && self && !changed.exchange(true)) {
      self.load()->execute("update channel set revision = revision + 1");
    }
    return three_messages(request);
  });
  self = &world;
  auto outbound = world.begin();
  BOOST_TEST(eventually([&] { return world.platform.count("/poll?after=c2") >= 1; }));
  BOOST_TEST(world.keys() == "m1,m2,m3");
}

BOOST_AUTO_TEST_CASE(a_poll_whose_lease_was_lost_stores_nothing) {
  std::atomic<Polled*> self{nullptr};
  std::atomic<bool> taken{false};
  Polled world([&](const HttpRequest& request) {
    if (request.target == "/poll?after=" && self && !taken.exchange(true)) {
      self.load()->execute("update registration_job set fence = fence + 1000000");
    }
    return three_messages(request);
  });
  self = &world;
  auto outbound = world.begin([](auto& options) { options.lease_ms = 4'000; });
  BOOST_TEST(eventually([&] { return taken.load(); }));
  BOOST_TEST(eventually([&] { return world.platform.count("/poll?after=") >= 1; }));
  outbound->stop(std::chrono::seconds(5));
  BOOST_TEST(world.keys() == "");
  BOOST_TEST(world.channel(world.fake, "state_sealed") == "null");
}

BOOST_AUTO_TEST_CASE(a_poll_that_brought_not_everything_goes_on_at_once_twenty_times) {
  std::atomic<int> polls{0};
  Polled world([&](const HttpRequest& request) {
    if (!request.target.starts_with("/poll")) return fine(request);
    const int now = ++polls;
    return HttpAnswer{.headers = {{"x-more", "1"}},
                      .body = "c" + std::to_string(now) + "\nm" + std::to_string(now)};
  });
  auto outbound = world.begin([](auto& options) { options.poll_interval_ms = 3'600'000; });
  BOOST_TEST(eventually([&] {
    return world.value(
               "select count(*) from registration_job where operation = 4 and"
               " lease_owner is null and next_at > clock_timestamp() + interval '50 min'") == "1";
  }));
  BOOST_TEST(polls == 20);
  BOOST_TEST(world.value("select count(*) from polled") == "20");
  BOOST_TEST(world.jobs(4) == "1");
}

BOOST_AUTO_TEST_CASE(a_poll_has_at_most_32_answers_and_none_of_them_is_recorded) {
  std::atomic<int> further{31};
  Polled world([&](const HttpRequest& request) {
    if (request.target.starts_with("/more")) return HttpAnswer{.body = "canary-of-a-mailbox"};
    if (!request.target.starts_with("/poll")) return fine(request);
    return HttpAnswer{.headers = {{"x-further", std::to_string(further)}}, .body = "c1\nm1"};
  });
  auto outbound = world.begin([](auto& options) { options.poll_interval_ms = 3'600'000; });
  BOOST_TEST(eventually([&] { return world.keys() == "m1"; }));
  BOOST_TEST(world.platform.count("/more") == 31);
  BOOST_TEST(world.value("select count(*) from registration_job where transcript is not null") ==
             "0");
  further = 32;
  world.execute("update registration_job set next_at = clock_timestamp() where operation = 4");
  outbound->wake();
  BOOST_TEST(eventually([&] {
    return world.value(
               "select coalesce(last_error, '') from registration_job where operation = 4") ==
           "the connector asks for more calls than an operation may have";
  }));
}

BOOST_AUTO_TEST_CASE(accounts_that_the_platform_confirmed_replace_the_known_ones) {
  std::atomic<int> registrations{0};
  Fixture world([&](const HttpRequest& request) {
    if (request.target != "/register/id") return fine(request);
    HttpAnswer answer;
    if (++registrations == 1) answer.headers = {{"x-account", "17841"}, {"x-account", "page-9"}};
    return answer;
  });
  world.execute(
      "create table account (channel uuid, type text, accounts text[]);"
      "grant insert on account to backchannel_gateway;"
      "create or replace function channel_accounts_replace(p_channel uuid, p_type text,"
      " p_accounts text[]) returns void language sql as $$"
      " insert into account values (p_channel, p_type, p_accounts) $$;");
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  BOOST_TEST(world.value("select channel || ' ' || type || ' ' || accounts::text from account") ==
             world.fake.text() + " fake {17841,page-9}");
  // A registration that names none leaves them.
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  BOOST_TEST(registrations == 2);
  BOOST_TEST(world.value("select count(*) from account") == "1");
}

BOOST_AUTO_TEST_CASE(a_manual_registration_keeps_its_instructions_and_its_warning) {
  Fixture world([&](const HttpRequest& request) {
    HttpAnswer answer = fine(request);
    answer.headers = {{"x-manual", "yes"}, {"x-warning", "the app is in development mode"}};
    return answer;
  });
  auto outbound = world.start();
  const auto outcome = world.register_now(*outbound);
  BOOST_TEST((outcome.state == RegistrationState::manual));
  BOOST_TEST(!outcome.refused);
  BOOST_TEST(world.channel(world.fake) == "3");
  BOOST_TEST(world.channel(world.fake, "registration_error") == "the app is in development mode");
  BOOST_TEST(world.instructions(world.fake) == "{\"callback_url\":\"" + world.url() + "\"}");
}

BOOST_AUTO_TEST_CASE(secrets_of_the_channels_state_are_not_in_words_either) {
  std::atomic<bool> broken{false};
  Fixture world([&](const HttpRequest& request) {
    if (broken) return HttpAnswer{.status = 400, .body = "token page-canary-77 expired"};
    HttpAnswer answer = fine(request);
    answer.headers = {{"x-token", "page-canary-77"}};
    return answer;
  });
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  broken = true;
  world.sql_as_tenant(kCheck);
  outbound->wake();
  BOOST_TEST(eventually([&] { return world.channel(world.fake) == "2"; }));
  BOOST_TEST(world.channel(world.fake, "registration_error") == "token *** expired");
}

BOOST_AUTO_TEST_CASE(no_secret_is_stored_or_counted_in_clear) {
  Fixture world(fine);
  auto outbound = world.start();
  BOOST_TEST((world.register_now(*outbound).state == RegistrationState::active));
  world.sql_as_tenant(kUnregister);
  for (const char* table : {"registration_job", "channel"}) {
    BOOST_TEST(world.value(std::string("select count(*) from ") + table +
                           " t where t::text like '%" + std::string(kToken) + "%'") == "0");
    BOOST_TEST(world.value(std::string("select count(*) from ") + table + " t where position('" +
                           std::string(kToken) + "'::bytea in coalesce(config_sealed, '')) > 0") ==
               "0");
  }
  BOOST_TEST(world.metrics.render().find(kToken) == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
