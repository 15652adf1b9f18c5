// The outbox's statements: leases, fences, fairness, and what they refuse.
#include "gateway/store/outbox.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "gateway/store/registrations.h"
#include "tests/outbound/world.h"

using namespace test_outbound;
using namespace gateway::store;
using gateway::domain::MessageStatus;

namespace {

struct Fixture : World {
  Fixture() : World([](const HttpRequest&) { return HttpAnswer{}; }) {
    business = make_business();
    fake = make_channel(business);
  }
  std::vector<Lane> claim(int limit = 10, int cap = 8, std::int64_t lease_ms = 30'000) {
    auto lanes = claim_lanes(db.gateway, {owner, limit, cap, lease_ms});
    if (!lanes) throw std::runtime_error(lanes.error().message);
    return *lanes;
  }
  MessageId say(const std::string& thread, const std::string& text = "x") {
    auto [found, fresh] = conversations.try_emplace(thread);
    if (fresh) found->second = make_conversation(business, fake, thread);
    return World::say(business, found->second, fake, text);
  }

  BusinessId business;
  ChannelId fake;
  gateway::Uuid owner = db.ids.next();
  std::map<std::string, ConversationId> conversations;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(outbox)

BOOST_AUTO_TEST_CASE(a_lane_is_leased_to_one_gateway_until_the_lease_ends) {
  Fixture world;
  const auto id = world.say("a");
  const auto first = world.claim();
  BOOST_TEST_REQUIRE(first.size() == 1u);
  BOOST_TEST(world.claim().empty());
  world.execute("update lane set next_at = clock_timestamp()");
  const auto second = world.claim();
  BOOST_TEST_REQUIRE(second.size() == 1u);
  BOOST_TEST(second[0].fence > first[0].fence);
  // The first one's writes all miss.
  BOOST_TEST(!load_head(world.db.gateway, first[0], 1 << 20).value().has_value());
  BOOST_TEST((ask(world.db.gateway, first[0], id, {}).value().outcome == AskOutcome::lost));
  BOOST_TEST(!settle(world.db.gateway, first[0], id, {}).value());
  BOOST_TEST(!again(world.db.gateway, first[0], id, world.fake, {}).value());
  BOOST_TEST(world.message(id) == "0");
  BOOST_TEST((ask(world.db.gateway, second[0], id, {}).value().outcome == AskOutcome::go));
  BOOST_TEST(world.message(id) == "1");
}

BOOST_AUTO_TEST_CASE(a_fence_is_never_given_twice_even_to_a_new_lane) {
  Fixture world;
  std::set<std::int64_t> fences;
  for (int i = 0; i < 5; ++i) {
    const auto id = world.say("a");
    const auto lanes = world.claim();
    BOOST_TEST_REQUIRE(lanes.size() == 1u);
    BOOST_TEST(fences.insert(lanes[0].fence).second);
    BOOST_TEST(settle(world.db.gateway, lanes[0], id, {}).value());
    BOOST_TEST(world.value("select count(*) from lane") == "0");
  }
}

BOOST_AUTO_TEST_CASE(settling_twice_is_one_effect) {
  Fixture world;
  const auto id = world.say("a");
  const auto next = world.say("a", "y");
  const auto lanes = world.claim();
  const Settled sent{.remote_ids = {"r1"}};
  BOOST_TEST(settle(world.db.gateway, lanes[0], id, sent).value());
  const auto events = world.value("select count(*) from realtime_event");
  BOOST_TEST(settle(world.db.gateway, lanes[0], id, sent).value());
  BOOST_TEST(world.value("select count(*) from realtime_event") == events);
  BOOST_TEST(world.message(id) == "2");
  BOOST_TEST(world.message(next) == "0");
  BOOST_TEST(world.value("select count(*) from outbox") == "1");
}

BOOST_AUTO_TEST_CASE(a_message_enqueued_twice_is_in_the_outbox_once) {
  Fixture world;
  const auto id = world.say("a");
  static constexpr const char* kEnqueue =
      "select outbox_enqueue($1, $2, $3, m.id, m.sort_at, m.sort_seq) from message m"
      " where m.id = $4";
  BOOST_TEST_REQUIRE(
      world.db.gateway
          .run(Scope::of(world.business),
               Query{kEnqueue, {world.business, world.conversations["a"], world.fake, id}})
          .has_value());
  BOOST_TEST(world.value("select count(*) from outbox") == "1");
}

BOOST_AUTO_TEST_CASE(asking_again_after_an_unknown_outcome_counts_one_attempt) {
  Fixture world;
  const auto id = world.say("a");
  const auto lanes = world.claim();
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(
        (ask(world.db.gateway, lanes[0], id, {.attempt = 1}).value().outcome == AskOutcome::go));
  }
  BOOST_TEST(world.value("select attempt || ' ' || asked || ' ' || answered from outbox") ==
             "1 1 0");
}

BOOST_AUTO_TEST_CASE(what_the_platform_already_confirmed_is_not_taken_back) {
  Fixture world;
  const auto id = world.say("a");
  const auto lanes = world.claim();
  // A delivery receipt overtakes the answer of the call.
  world.execute("update message set status = 3");
  BOOST_TEST(settle(world.db.gateway, lanes[0], id, {.remote_ids = {"r1"}}).value());
  BOOST_TEST(world.message(id) == "3");
  BOOST_TEST(world.message(id, "remote_id") == "r1");
}

BOOST_AUTO_TEST_CASE(a_platforms_word_is_better_than_what_became_of_our_call) {
  // Numbers are domain::MessageStatus: 2 sent, 3 delivered, 4 read, 5 failed, 6 uncertain.
  struct Row {
    int told;
    MessageStatus ours;
    const char* status;
    const char* error;
  };
  for (const Row& row :
       {Row{1, MessageStatus::sent, "2", "ours"}, Row{1, MessageStatus::failed, "5", "ours"},
        Row{1, MessageStatus::uncertain, "6", "ours"}, Row{2, MessageStatus::sent, "2", "ours"},
        Row{2, MessageStatus::uncertain, "2", "theirs"}, Row{2, MessageStatus::failed, "5", "ours"},
        Row{3, MessageStatus::uncertain, "3", "theirs"},
        Row{3, MessageStatus::failed, "3", "theirs"}, Row{4, MessageStatus::sent, "4", "theirs"},
        Row{5, MessageStatus::sent, "5", "theirs"}, Row{5, MessageStatus::uncertain, "5", "theirs"},
        Row{5, MessageStatus::failed, "5", "ours"}}) {
    BOOST_TEST_CONTEXT(row.told << " and then " << static_cast<int>(row.ours)) {
      Fixture world;
      const auto id = world.say("a");
      const auto lanes = world.claim();
      world.execute("update message set error = 'theirs', status = " + std::to_string(row.told));
      Settled settled;
      settled.status = row.ours;
      settled.error = "ours";
      BOOST_TEST(settle(world.db.gateway, lanes[0], id, settled).value());
      BOOST_TEST(world.message(id) == row.status);
      BOOST_TEST(world.message(id, "error") == row.error);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_remote_id_the_platform_told_first_stays_and_ours_is_known_too) {
  Fixture world;
  world.record_remote_ids();
  const auto id = world.say("a");
  const auto lanes = world.claim();
  world.execute("update message set remote_id = 'told'");
  BOOST_TEST(settle(world.db.gateway, lanes[0], id, {.remote_ids = {"r1", "r2"}}).value());
  BOOST_TEST(world.message(id, "remote_id") == "told");
  BOOST_TEST(world.value("select remote_ids::text from known_remote_id where message_id = '" +
                         id.text() + "'") == "{r1,r2}");
  // Without ids nothing is made known.
  const auto other = world.say("b");
  const auto next = world.claim();
  BOOST_TEST(settle(world.db.gateway, next[0], other, {}).value());
  BOOST_TEST(world.value("select count(*) from known_remote_id") == "1");
}

BOOST_AUTO_TEST_CASE(a_call_that_only_reads_leaves_nothing_in_doubt) {
  Fixture world;
  const auto id = world.say("a");
  const auto lanes = world.claim();
  BOOST_TEST((ask(world.db.gateway, lanes[0], id, {.asked = 0, .answered = 0}).value().outcome ==
              AskOutcome::go));
  BOOST_TEST(world.value("select asked || ' ' || answered from outbox") == "0 0");
  // But it keeps to a pause like any other.
  static constexpr const char* kPause = "select channel_pause($1, 30000, 1::smallint)";
  BOOST_TEST(
      world.db.gateway.run(Scope::of(world.business), Query{kPause, {world.fake}}).has_value());
  BOOST_TEST((ask(world.db.gateway, lanes[0], id, {.asked = 0, .answered = 0}).value().outcome ==
              AskOutcome::paused));
}

BOOST_AUTO_TEST_CASE(a_transcript_stays_until_it_is_replaced_and_goes_with_its_answers) {
  Fixture world;
  const auto id = world.say("a");
  const auto claim = [&] {
    world.hurry();
    return world.claim().at(0);
  };
  const auto stored = [&] {
    return world.value("select coalesce(encode(transcript, 'escape'), 'null') from outbox");
  };
  auto lane = claim();
  BOOST_TEST(
      again(world.db.gateway, lane, id, world.fake, {.answered = 1, .transcript = {"t1"}}).value());
  BOOST_TEST(stored() == "t1");
  lane = claim();
  BOOST_TEST((ask(world.db.gateway, lane, id, {.asked = 2, .answered = 1}).value().outcome ==
              AskOutcome::go));
  BOOST_TEST(stored() == "t1");
  BOOST_TEST(again(world.db.gateway, lane, id, world.fake, {.answered = 1}).value());
  BOOST_TEST(stored() == "t1");
  lane = claim();
  BOOST_TEST(
      again(world.db.gateway, lane, id, world.fake, {.answered = 2, .transcript = {"t2"}}).value());
  BOOST_TEST(stored() == "t2");
  // One too long to be read in passing is only measured.
  lane = claim();
  const auto head = load_head(world.db.gateway, lane, 1).value();
  BOOST_TEST_REQUIRE(head.has_value());
  BOOST_TEST(head->transcript == "");
  BOOST_TEST(head->transcript_bytes == 2);
  BOOST_TEST(load_transcript(world.db.gateway, lane, id).value() == "t2");
  BOOST_TEST(again(world.db.gateway, lane, id, world.fake, {.answered = 0}).value());
  BOOST_TEST(stored() == "null");
}

BOOST_AUTO_TEST_CASE(tenants_take_turns_and_none_has_more_than_its_cap) {
  Fixture world;
  for (int i = 0; i < 40; ++i) world.say("noisy" + std::to_string(i));
  std::set<BusinessId> quiet;
  for (int i = 0; i < 5; ++i) {
    const auto business = world.make_business();
    const auto channel = world.make_channel(business);
    world.World::say(business, world.make_conversation(business, channel, "q"), channel, "x");
    quiet.insert(business);
  }
  const auto first = world.claim(8, 4);
  std::map<BusinessId, int> taken;
  for (const auto& lane : first) ++taken[lane.tenant];
  BOOST_TEST(first.size() == 8u);
  for (const auto& business : quiet) BOOST_TEST(taken[business] == 1);
  BOOST_TEST(taken[world.business] == 3);
  // What is leased already counts.
  const auto second = world.claim(8, 4);
  BOOST_TEST(second.size() == 1u);
  BOOST_TEST(world.claim(8, 4).empty());
}

BOOST_AUTO_TEST_CASE(a_new_message_does_not_hurry_one_that_waits) {
  Fixture world;
  const auto id = world.say("a");
  const auto lanes = world.claim();
  BOOST_TEST((ask(world.db.gateway, lanes[0], id, {}).value().outcome == AskOutcome::go));
  BOOST_TEST(
      again(world.db.gateway, lanes[0], id, world.fake, {.delay_ms = 60'000, .error = "busy"})
          .value());
  BOOST_TEST(world.message(id) == "0");
  world.say("a", "y");
  BOOST_TEST(world.claim().empty());
}

BOOST_AUTO_TEST_CASE(no_wait_goes_beyond_the_deadline) {
  Fixture world;
  const auto id = world.say("a");
  const auto lanes = world.claim();
  BOOST_TEST((ask(world.db.gateway, lanes[0], id, {}).value().outcome == AskOutcome::go));
  const std::int64_t week_ms = 7LL * 24 * 3'600'000;
  BOOST_TEST(again(world.db.gateway, lanes[0], id, world.fake, {.delay_ms = week_ms}).value());
  BOOST_TEST(world.value("select l.next_at = o.deadline from lane l, outbox o") == "t");
}

BOOST_AUTO_TEST_CASE(a_pause_holds_every_lane_of_its_channel_and_no_other) {
  Fixture world;
  const auto id = world.say("a");
  world.say("b");
  const auto other_channel = world.make_channel(world.business);
  const auto other = world.make_conversation(world.business, other_channel, "c");
  const auto lanes = world.claim(1);
  BOOST_TEST((ask(world.db.gateway, lanes[0], id, {}).value().outcome == AskOutcome::go));
  BOOST_TEST(again(world.db.gateway, lanes[0], id, world.fake,
                   {.delay_ms = 5'000, .pause_ms = 50'000, .reason = PauseReason::rate})
                 .value());
  world.say("d");
  BOOST_TEST(world.claim().empty());
  world.World::say(world.business, other, other_channel, "free");
  const auto free = world.claim();
  BOOST_TEST_REQUIRE(free.size() == 1u);
  BOOST_TEST((free[0].conversation == other));
  // A shorter pause does not end a longer one.
  static constexpr const char* kPause = "select channel_pause($1, 1000, 1::smallint)";
  BOOST_TEST(
      world.db.gateway.run(Scope::of(world.business), Query{kPause, {world.fake}}).has_value());
  BOOST_TEST(world.value("select until > clock_timestamp() + interval '40 s' from channel_pause") ==
             "t");
}

BOOST_AUTO_TEST_CASE(a_lane_claimed_before_the_pause_is_told_of_it_before_it_asks) {
  Fixture world;
  const auto id = world.say("a");
  const auto lanes = world.claim();
  static constexpr const char* kPause = "select channel_pause($1, 30000, 1::smallint)";
  BOOST_TEST(
      world.db.gateway.run(Scope::of(world.business), Query{kPause, {world.fake}}).has_value());
  const auto asked = ask(world.db.gateway, lanes[0], id, {}).value();
  BOOST_TEST((asked.outcome == AskOutcome::paused));
  BOOST_TEST(asked.paused_ms > 25'000);
  BOOST_TEST(asked.paused_ms <= 30'000);
  BOOST_TEST(world.message(id) == "0");
  BOOST_TEST(world.value("select asked from outbox") == "0");
}

BOOST_AUTO_TEST_CASE(released_leases_are_claimable_at_once_and_fenced) {
  Fixture world;
  const auto id = world.say("a");
  const auto lanes = world.claim();
  BOOST_TEST(release_leases(world.db.gateway, world.owner).has_value());
  BOOST_TEST(!settle(world.db.gateway, lanes[0], id, {}).value());
  BOOST_TEST(world.claim().size() == 1u);
}

BOOST_AUTO_TEST_CASE(another_tenants_outbox_does_not_exist) {
  Fixture world;
  const auto id = world.say("a");
  auto lanes = world.claim();
  const auto stranger = world.make_business();
  lanes[0].tenant = stranger;
  BOOST_TEST(!load_head(world.db.gateway, lanes[0], 1 << 20).value().has_value());
  BOOST_TEST((ask(world.db.gateway, lanes[0], id, {}).value().outcome == AskOutcome::lost));
  BOOST_TEST(!settle(world.db.gateway, lanes[0], id, {}).value());
  for (const char* table : {"lane", "outbox", "channel_pause", "registration_job"}) {
    BOOST_TEST_CONTEXT(table) {
      BOOST_TEST(world.value(std::string("select relrowsecurity and relforcerowsecurity from"
                                         " pg_class where oid = 'backchannel.") +
                             table + "'::regclass") == "t");
    }
  }
  static constexpr const char* kCount =
      "select (select count(*) from lane) + (select count(*) from outbox)";
  BOOST_TEST(world.db.gateway.run(Scope::of(stranger), Query{kCount, {}})->integer(0, 0) == 0);
  BOOST_TEST(world.db.gateway.run(Scope::none(), Query{kCount, {}})->integer(0, 0) == 0);
  BOOST_TEST(world.db.gateway.run(Scope::of(world.business), Query{kCount, {}})->integer(0, 0) ==
             2);
}

BOOST_AUTO_TEST_CASE(settling_and_sending_into_one_conversation_never_deadlock) {
  Fixture world;
  const auto id = world.say("a");
  const auto lanes = world.claim();
  // A sender holds the conversation, as the API does, and then enqueues.
  static constexpr const char* kHold =
      "select from conversation where tenant_id = $1 and id = $2 for no key update";
  auto sending = world.db.gateway.begin(Scope::of(world.business));
  BOOST_TEST_REQUIRE(sending.has_value());
  const auto conversation = world.conversations["a"];
  BOOST_TEST_REQUIRE(sending->run({kHold, {world.business, conversation}}).has_value());
  std::optional<bool> settled;
  std::thread other([&] {
    Session session(world.db.gateway_options());
    auto result =
        settle(session, lanes[0], id, {.status = MessageStatus::failed, .unreachable = "blocked"});
    if (result) settled = *result;
  });
  BOOST_TEST(eventually(
      [&] { return world.value("select count(*) from pg_locks where not granted") != "0"; }));
  static constexpr const char* kEnqueue =
      "select outbox_enqueue($1, $2, $3, $4, clock_timestamp(), 1)";
  const gateway::Uuid next = world.db.ids.next();
  BOOST_TEST(
      sending->run({kEnqueue, {world.business, conversation, world.fake, next}}).has_value());
  BOOST_TEST(sending->commit().has_value());
  other.join();
  BOOST_TEST(settled.value_or(false));
  BOOST_TEST(world.value("select unreachable_reason from conversation") == "blocked");
  BOOST_TEST(world.value("select count(*) from lane") == "1");
}

BOOST_AUTO_TEST_CASE(an_empty_lane_is_removed_when_it_is_claimed) {
  Fixture world;
  world.say("a");
  world.execute("delete from outbox");
  const auto lanes = world.claim();
  BOOST_TEST_REQUIRE(lanes.size() == 1u);
  BOOST_TEST(!load_head(world.db.gateway, lanes[0], 1 << 20).value().has_value());
  BOOST_TEST(world.value("select count(*) from lane") == "0");
}

BOOST_AUTO_TEST_CASE(the_depth_counts_all_tenants) {
  Fixture world;
  world.say("a");
  world.say("b");
  world.execute("update outbox set accepted_at = clock_timestamp() - interval '10 s'");
  const auto depth = outbox_depth(world.db.gateway);
  BOOST_TEST_REQUIRE(depth.has_value());
  BOOST_TEST(depth->waiting == 2);
  BOOST_TEST(depth->oldest_ms >= 10'000);
}

BOOST_AUTO_TEST_CASE(jobs_of_one_channel_run_one_at_a_time_unregistrations_first) {
  Fixture world;
  const auto run = [&](const char* operation) {
    static constexpr const char* kEnqueue = "select registration_enqueue($1, $2)";
    BOOST_TEST_REQUIRE(
        world.db.gateway
            .run(Scope::of(world.business), Query{kEnqueue, {world.fake, std::string(operation)}})
            .has_value());
  };
  const auto claim_job = [&] {
    return claim_registrations(world.db.gateway, {world.owner, 10, 8, 30'000}).value();
  };
  run("check");
  run("unregister");
  world.execute(
      "update channel set config_sealed = config_sealed || '\\x00'");  // other credentials
  run("register");
  run("register");  // the same job, asked for twice
  BOOST_TEST(world.value("select count(*) from registration_job") == "3");
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    const auto jobs = claim_job();
    BOOST_TEST_REQUIRE(jobs.size() == 1u);
    BOOST_TEST(claim_job().empty());  // the channel is busy
    const auto loaded = load_job(world.db.gateway, jobs[0]).value();
    BOOST_TEST_REQUIRE(loaded.has_value());
    order.push_back(static_cast<int>(loaded->operation));
    BOOST_TEST(end_job(world.db.gateway, jobs[0], loaded->wanted, {})->held);
  }
  const std::vector<int> expected = {2, 1, 3};
  BOOST_TEST(order == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_the_gateway_serves_itself_has_no_jobs) {
  Fixture world;
  world.execute("update channel set type = 'widget'");
  static constexpr const char* kEnqueue = "select registration_enqueue($1, $2)";
  for (const char* operation : {"unregister", "register", "check"}) {
    BOOST_TEST_REQUIRE(
        world.db.gateway
            .run(Scope::of(world.business), Query{kEnqueue, {world.fake, std::string(operation)}})
            .has_value());
  }
  BOOST_TEST(world.value("select count(*) from registration_job") == "0");
  const Query unknown{kEnqueue, {world.fake, std::string("explode")}};
  BOOST_TEST(!world.db.gateway.run(Scope::of(world.business), unknown).has_value());
}

BOOST_AUTO_TEST_CASE(registering_the_same_credentials_again_cancels_an_unregistration) {
  Fixture world;
  static constexpr const char* kEnqueue = "select registration_enqueue($1, $2)";
  for (const char* operation : {"unregister", "register"}) {
    BOOST_TEST_REQUIRE(
        world.db.gateway
            .run(Scope::of(world.business), Query{kEnqueue, {world.fake, std::string(operation)}})
            .has_value());
  }
  BOOST_TEST(world.value("select string_agg(operation::text, ',') from registration_job") == "1");
}

BOOST_AUTO_TEST_CASE(an_end_that_was_overtaken_by_a_new_wish_changes_nothing) {
  Fixture world;
  const auto job =
      start_registration(world.db.gateway, world.business, world.fake, world.owner, 30'000).value();
  BOOST_TEST_REQUIRE(job.has_value());
  const auto loaded = load_job(world.db.gateway, *job).value();
  BOOST_TEST_REQUIRE(loaded.has_value());
  // Asked for again while it runs: not leased twice, and not started twice.
  BOOST_TEST(!start_registration(world.db.gateway, world.business, world.fake, world.owner, 30'000)
                  .value()
                  .has_value());
  JobEnd end;
  end.channel.registration = gateway::domain::RegistrationState::failed;
  end.channel.error = "no";
  const auto ended = end_job(world.db.gateway, *job, loaded->wanted, end).value();
  BOOST_TEST(ended.held);
  BOOST_TEST(ended.superseded);
  BOOST_TEST(!ended.changed);
  BOOST_TEST(world.channel(world.fake) == "1");
  BOOST_TEST(claim_registrations(world.db.gateway, {world.owner, 10, 8, 30'000})->size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_zombies_job_end_misses) {
  Fixture world;
  const auto job =
      start_registration(world.db.gateway, world.business, world.fake, world.owner, 30'000).value();
  BOOST_TEST_REQUIRE(job.has_value());
  world.execute("update registration_job set next_at = clock_timestamp()");
  const auto next = claim_registrations(world.db.gateway, {world.db.ids.next(), 10, 8, 30'000});
  BOOST_TEST_REQUIRE(next->size() == 1u);
  BOOST_TEST(!load_job(world.db.gateway, *job).value().has_value());
  BOOST_TEST(!record_answers(world.db.gateway, *job, Bytes{"x"}, 30'000).value());
  BOOST_TEST(!end_job(world.db.gateway, *job, 1, {})->held);
  BOOST_TEST(end_job(world.db.gateway, next->front(), 1, {})->held);
}

BOOST_AUTO_TEST_CASE(only_active_channels_without_their_jobs_are_scheduled) {
  Fixture world;  // one active, registered channel
  const auto pending = world.make_channel(world.business, "0");
  const auto off = world.make_channel(world.business, "1");
  world.execute(
      "update channel set created_at = now() - interval '2 minutes';"
      "update channel set is_active = false where id = '" +
      off.text() + "'");
  world.db.make_channel(world.business, "telegram");  // of a type that is not loaded
  const std::vector<std::string> types = {"fake"};
  BOOST_TEST(schedule_registrations(world.db.gateway, types, {}, 0).value() == 3);
  BOOST_TEST(schedule_registrations(world.db.gateway, types, {}, 0).value() == 0);
  BOOST_TEST(world.value("select string_agg(operation::text, ',' order by operation) from"
                         " registration_job where channel_id = '" +
                         pending.text() + "'") == "1,3");
  BOOST_TEST(world.value("select string_agg(operation::text, ',' order by operation) from"
                         " registration_job where channel_id = '" +
                         world.fake.text() + "'") == "3");
  BOOST_TEST(schedule_registrations(world.db.gateway, types, types, 0).value() == 2);
}

BOOST_AUTO_TEST_SUITE_END()
