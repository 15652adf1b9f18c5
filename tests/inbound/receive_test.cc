#include "gateway/inbound/receive.h"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <functional>
#include <thread>

#include "gateway/inbound/replay.h"
#include "tests/inbound/world.h"

using namespace gateway;  // NOLINT(google-build-using-namespace)
using inbound_test::Channel;
using inbound_test::delivery;
using inbound_test::entry;
using inbound_test::kSharedPath;
using inbound_test::World;
using inbound_test::WorldOptions;
using test_support::HttpClient;

namespace {

struct Fixture : World {
  domain::BusinessId acme = database.make_business();
  domain::BusinessId bolt = database.make_business();

  int rows() {
    return std::stoi(
        value("select (select count(*) from message) + (select count(*) from event_key)"
              " + (select count(*) from raw_event) + (select count(*) from quarantine)"
              " + (select count(*) from media) + (select count(*) from conversation)"));
  }
  // "deliveries stored events not_understood"
  std::string replay(const Channel& channel) {
    const auto live = inbound::load_channel(database.gateway, hooks->context(), channel.id);
    const auto report = inbound::replay(database.gateway, hooks->context(), **live, database.ids,
                                        inbound::ReplayMode::store);
    if (!report) return report.error().message;
    return std::to_string(report->deliveries) + " " + std::to_string(report->stored) + " " +
           std::to_string(report->events) + " " + std::to_string(report->not_understood);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(receive, Fixture)

BOOST_AUTO_TEST_CASE(each_channel_of_a_shared_delivery_gets_its_own_and_nothing_else) {
  const Channel a = connect(acme, "A");
  const Channel b = connect(bolt, "B");
  const std::string body =
      delivery({entry("A", "1", "to A"), entry("B", "2", "to B"), entry("A", "3", "to A too")});
  const auto answer = post(kSharedPath, body);
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.body == "");
  BOOST_TEST(contents(a) == "to A,to A too");
  BOOST_TEST(contents(b) == "to B");
  BOOST_TEST(value("select count(*) from message m join channel c on c.id = m.channel_id"
                   " where c.tenant_id <> m.tenant_id") == "0");
  // Each keeps the bytes, so that each can be replayed.
  BOOST_TEST(count("raw_event", a) == 1);
  BOOST_TEST(count("raw_event", b) == 1);
  BOOST_TEST(outcomes("verified") == 1.0);
  // A redelivery changes nothing, by whichever URL it comes.
  BOOST_TEST(post(kSharedPath, body).status == 200);
  BOOST_TEST(post(a.path(), body).status == 200);
  BOOST_TEST(contents(a) == "to A,to A too");
  BOOST_TEST(contents(b) == "to B");
}

BOOST_AUTO_TEST_CASE(two_channels_of_one_account_both_get_it) {
  const Channel first = connect(acme, "A");
  const Channel second = connect(bolt, "A");
  BOOST_TEST(post(kSharedPath, delivery({entry("A", "1", "hello")})).status == 200);
  BOOST_TEST(contents(first) == "hello");
  BOOST_TEST(contents(second) == "hello");
}

BOOST_AUTO_TEST_CASE(a_channel_takes_only_what_its_own_secret_signs) {
  const Channel a = connect(acme, "A");
  const Channel b = connect(bolt, "B", "another-app-secret");
  const std::string body = delivery({entry("A", "1", "to A"), entry("B", "2", "forged")});
  BOOST_TEST(post(kSharedPath, body).status == 200);
  BOOST_TEST(contents(a) == "to A");
  BOOST_TEST(contents(b) == "");
  BOOST_TEST(count("event_key", b) == 0);
  BOOST_TEST(count("raw_event", b) == 0);
  // The other way round.
  const std::string other = delivery({entry("A", "5", "forged"), entry("B", "6", "to B")});
  BOOST_TEST(post(kSharedPath, other, "another-app-secret").status == 200);
  BOOST_TEST(contents(a) == "to A");
  BOOST_TEST(contents(b) == "to B");
}

BOOST_AUTO_TEST_CASE(what_no_channel_verifies_is_401_and_leaves_no_row) {
  connect(acme, "A");
  const Channel b = connect(bolt, "B", "another-app-secret");
  const std::string body = delivery({entry("A", "1", "x"), entry("B", "2", "y")});
  BOOST_TEST(post(kSharedPath, body, "guessed").status == 401);
  BOOST_TEST(post(b.path(), delivery({entry("B", "2", "y")})).status == 401);
  BOOST_TEST(post(kSharedPath, "no json").status == 200);  // authentic, and of nobody
  BOOST_TEST(post(kSharedPath, "no json", "guessed").status == 401);
  BOOST_TEST(outcomes("unauthentic") == 3.0);
  BOOST_TEST(rows() == 0);
}

BOOST_AUTO_TEST_CASE(an_authentic_delivery_for_an_account_of_nobody_is_answered_and_counted) {
  connect(acme, "A");
  const std::string body = delivery({entry("Z", "1", "hello")});
  BOOST_TEST(post(kSharedPath, body).status == 200);
  BOOST_TEST(outcomes("unclaimed") == 1.0);
  BOOST_TEST(post(kSharedPath, body, "guessed").status == 401);
  BOOST_TEST(outcomes("unclaimed") == 1.0);
  BOOST_TEST(rows() == 0);
}

BOOST_AUTO_TEST_CASE(without_a_secret_of_the_deployment_nothing_of_nobody_is_believed) {
  World bare(WorldOptions{.deployment_secret = ""});
  const std::string body = delivery({entry("Z", "1", "hello")});
  BOOST_TEST(bare.post(kSharedPath, body, "").status == 401);
  BOOST_TEST(bare.post(kSharedPath, body).status == 401);
  const Channel a = bare.connect(bare.database.make_business(), "A");
  BOOST_TEST(bare.post(a.path(), delivery({entry("A", "1", "x")}), "").status == 401);
}

BOOST_AUTO_TEST_CASE(a_channels_url_serves_the_other_accounts_of_its_delivery_too) {
  const Channel a = connect(acme, "A");
  const Channel b = connect(bolt, "B");
  BOOST_TEST(post(a.path(), delivery({entry("A", "1", "to A"), entry("B", "2", "to B")})).status ==
             200);
  BOOST_TEST(contents(a) == "to A");
  BOOST_TEST(contents(b) == "to B");
  BOOST_TEST(count("quarantine", a) == 0);
}

BOOST_AUTO_TEST_CASE(a_channels_url_works_before_its_account_is_confirmed) {
  const Channel a = connect(acme, "A");
  stand_for(a, {});
  BOOST_TEST(post(a.path(), delivery({entry("A", "1", "to A")})).status == 200);
  BOOST_TEST(contents(a) == "to A");
}

BOOST_AUTO_TEST_CASE(events_of_an_account_of_nobody_are_quarantined_under_the_urls_channel) {
  const Channel a = connect(acme, "A");
  const std::string body = delivery({entry("A", "1", "to A"), entry("Z", "2", "to Z")});
  BOOST_TEST(post(a.path(), body).status == 200);
  BOOST_TEST(post(a.path(), body).status == 200);
  BOOST_TEST(contents(a) == "to A");
  BOOST_TEST(value("select reason || '|' || redelivered || '|' || (convert_from(body, 'UTF8') ="
                   " '" +
                   body + "') from quarantine") == "no channel stands for account Z|1|true");
  // Nothing of Z's is under A but its bytes.
  BOOST_TEST(count("event_key", a) == 1);
}

BOOST_AUTO_TEST_CASE(a_quarantined_account_is_replayed_into_the_channel_that_stands_for_it_later) {
  const Channel a = connect(acme, "A");
  post(a.path(), delivery({entry("A", "1", "to A"), entry("Z", "2", "to Z")}));
  BOOST_TEST(replay(a) == "1 0 0 1");
  BOOST_TEST(contents(a) == "to A");
  // Of another business: it must not get it by this way.
  const Channel stranger = connect(bolt, "Z");
  BOOST_TEST(replay(a) == "1 0 0 1");
  BOOST_TEST(contents(stranger) == "");
  const Channel z = connect(acme, "Z");
  BOOST_TEST(replay(a) == "1 1 1 0");
  BOOST_TEST(contents(z) == "to Z");
  BOOST_TEST(contents(a) == "to A");
  BOOST_TEST(contents(stranger) == "");
  BOOST_TEST(replay(a) == "0 0 0 0");
}

BOOST_AUTO_TEST_CASE(an_event_of_an_unknown_kind_is_replayed_for_its_own_account_alone) {
  const Channel a = connect(acme, "A");
  const Channel b = connect(bolt, "B");
  BOOST_TEST(post(kSharedPath,
                  delivery({entry("A", "1", "", R"(,"kind":"hologram")"), entry("B", "2", "to B")}))
                 .status == 200);
  BOOST_TEST(replay(a) == "1 0 0 1");
  BOOST_TEST(contents(a) == "");
  BOOST_TEST(contents(b) == "to B");
}

BOOST_AUTO_TEST_CASE(what_a_channel_cannot_understand_is_quarantined_beside_what_the_other_stores) {
  const Channel a = connect(acme, "A");
  BOOST_TEST(post(a.path(), "no json").status == 200);
  BOOST_TEST(count("quarantine", a) == 1);
  BOOST_TEST(count("message", a) == 0);
}

BOOST_AUTO_TEST_CASE(a_delivery_is_acknowledged_only_when_every_channel_has_it) {
  World tight(
      WorldOptions{.deployment_secret = inbound_test::kDeploymentSecret, .max_queued_events = 1});
  const auto business = tight.database.make_business();
  const Channel a = tight.connect(business, "A");
  const Channel b = tight.connect(business, "B");
  // Whoever is asked from now on is in memory, so that a request is dealt with in one go.
  const auto nothing = delivery(
      {entry("A", "", "", R"(,"kind":"typing")"), entry("B", "", "", R"(,"kind":"typing")")});
  BOOST_TEST(tight.post(kSharedPath, nothing).status == 200);
  BOOST_TEST(tight.post(a.path(), delivery({entry("A", "", "", R"(,"kind":"typing")")})).status ==
             200);
  auto holder = tight.database.owner.begin(store::Scope::none());
  BOOST_TEST_REQUIRE(
      holder->run({"lock table backchannel.event_key in exclusive mode", {}}).has_value());
  const auto wait_for = [](const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) BOOST_TEST_REQUIRE((std::chrono::steady_clock::now() < deadline));
  };
  // The committer has taken this one and waits for the table.
  std::thread first([&] { tight.post(a.path(), delivery({entry("A", "0", "first")})); });
  wait_for([&] { return tight.value("select count(*) from pg_locks where not granted") == "1"; });
  // Of this one's two the queue has room for A's alone.
  const std::string body = delivery({entry("A", "1", "to A"), entry("B", "2", "to B")});
  HttpClient::Answer answer;
  std::thread second([&] { answer = tight.post(kSharedPath, body); });
  wait_for([&] { return tight.outcomes("verified") == 4.0; });
  BOOST_TEST(tight.get(a.path()).status == 401);  // the reactor is done with it
  BOOST_TEST_REQUIRE(holder->commit().has_value());
  first.join();
  second.join();
  BOOST_TEST(answer.status == 503);
  BOOST_TEST(!answer.header("retry-after").empty());
  BOOST_TEST(tight.contents(a) == "first,to A");
  BOOST_TEST(tight.contents(b) == "");
  // The platform repeats it: B has it then, and A once.
  int status = 0;
  wait_for([&] { return (status = tight.post(kSharedPath, body).status) == 200; });
  BOOST_TEST(tight.contents(a) == "first,to A");
  BOOST_TEST(tight.contents(b) == "to B");
}

BOOST_AUTO_TEST_CASE(a_channel_removed_behind_the_cache_is_looked_up_again) {
  const Channel a = connect(acme, "A");
  const Channel b = connect(bolt, "B");
  const auto body = [](int n) {
    const std::string id = std::to_string(n);
    return delivery({entry("A", id, "a" + id), entry("B", id, "b" + id)});
  };
  BOOST_TEST(post(kSharedPath, body(1)).status == 200);
  BOOST_TEST_REQUIRE(
      database.owner.script("delete from backchannel.channel where id = '" + b.id.text() + "'")
          .has_value());
  BOOST_TEST(post(kSharedPath, body(2)).status == 503);
  BOOST_TEST(post(kSharedPath, body(2)).status == 200);
  BOOST_TEST(contents(a) == "a1,a2");
  BOOST_TEST(value("select count(*) from channel_account where channel_id = '" + b.id.text() +
                   "'") == "0");
}

BOOST_AUTO_TEST_CASE(who_stands_for_an_account_is_remembered_until_a_channel_changes) {
  const Channel a = connect(acme, "A");
  BOOST_TEST(post(kSharedPath, delivery({entry("A", "1", "one")})).status == 200);
  // Nobody has told the cache.
  stand_for(a, {});
  BOOST_TEST(post(kSharedPath, delivery({entry("A", "2", "two")})).status == 200);
  BOOST_TEST(contents(a) == "one,two");
  receiver->channel_changed(a.id);
  BOOST_TEST(post(kSharedPath, delivery({entry("A", "3", "three")})).status == 200);
  BOOST_TEST(contents(a) == "one,two");
  BOOST_TEST(outcomes("unclaimed") == 1.0);
  // What was nobody's may be the changed channel's now.
  stand_for(a, {"A"});
  receiver->channel_changed(a.id);
  BOOST_TEST(post(kSharedPath, delivery({entry("A", "4", "four")})).status == 200);
  BOOST_TEST(contents(a) == "one,two,four");
}

BOOST_AUTO_TEST_CASE(a_delivery_for_more_than_64_channels_is_not_stored_in_part) {
  std::vector<std::string> entries;
  std::vector<Channel> channels;
  for (int i = 0; i < 65; ++i) {
    channels.push_back(connect(acme, "A" + std::to_string(i)));
    entries.push_back(entry("A" + std::to_string(i), "1", "hello"));
  }
  const auto refused = post(kSharedPath, delivery(entries));
  BOOST_TEST(refused.status == 503);
  BOOST_TEST(!refused.header("retry-after").empty());
  BOOST_TEST(outcomes("too_many_channels") == 1.0);
  BOOST_TEST(rows() == 0);
  entries.pop_back();
  BOOST_TEST(post(kSharedPath, delivery(entries)).status == 200);
  BOOST_TEST(value("select count(*) from message") == "64");
}

BOOST_AUTO_TEST_CASE(a_connector_that_cannot_tell_yet_has_the_platform_come_back) {
  const Channel a = connect(acme, "A");
  const std::string body = delivery({entry("A", "1", "hello")});
  for (const std::string& path : {a.path(), std::string(kSharedPath)}) {
    const auto held =
        post(path, body, inbound_test::kDeploymentSecret, {{"X-Switchboard-Hold", "1"}});
    BOOST_TEST(held.status == 503);
    const int wait = std::stoi("0" + held.header("retry-after"));
    BOOST_TEST(wait >= 5);
    BOOST_TEST(wait <= 15);
  }
  BOOST_TEST(outcomes("try_later") == 2.0);
  BOOST_TEST(rows() == 0);
  BOOST_TEST(post(a.path(), body).status == 200);
}

BOOST_AUTO_TEST_CASE(a_document_is_fetched_before_the_delivery_is_verified_and_kept) {
  const Channel a = connect(acme, "A");
  const std::string url = "https://keys.switchboard.example/1.pem";
  sources.put(url, "signing-key");
  for (int i = 0; i < 3; ++i) {
    const std::string body = delivery({entry("A", std::to_string(i), "m" + std::to_string(i))});
    BOOST_TEST(
        post(a.path(), body, "signing-key", {{"X-Switchboard-Certificate", "1.pem"}}).status ==
        200);
    BOOST_TEST(
        post(a.path(), body, "another-key", {{"X-Switchboard-Certificate", "1.pem"}}).status ==
        401);
  }
  BOOST_TEST(contents(a) == "m0,m1,m2");
  BOOST_TEST(sources.fetches(url) == 1);
  const auto missing = post(a.path(), delivery({entry("A", "9", "x")}), "signing-key",
                            {{"X-Switchboard-Certificate", "2.pem"}});
  BOOST_TEST(missing.status == 503);
}

BOOST_AUTO_TEST_CASE(the_platforms_check_of_a_shared_url_is_answered_by_the_channel_it_means) {
  const Channel a = connect(acme, "A");
  connect(bolt, "B");
  const auto checked =
      get(std::string(kSharedPath) + "?token=" + a.token + "&challenge=1158201444");
  BOOST_TEST(checked.status == 200);
  BOOST_TEST(checked.body == "1158201444");
  BOOST_TEST(checked.header("content-type") == "text/plain");
  BOOST_TEST(get(a.path() + "?token=" + a.token + "&challenge=c").body == "c");
  BOOST_TEST(get(std::string(kSharedPath) + "?token=guessed&challenge=c").status == 401);
  BOOST_TEST(get(a.path() + "?token=token-of-B&challenge=c").status == 200);  // B's, by its token
  BOOST_TEST(get(std::string(kSharedPath) + "?challenge=c").status == 401);
  BOOST_TEST(rows() == 0);
}

BOOST_AUTO_TEST_CASE(bytes_that_came_with_a_message_are_stored_apart_and_once) {
  const Channel a = connect(acme, "A");
  const std::string file(3'000'000, 'f');
  const std::string body = delivery({entry("A", "1", "see file", R"(,"file":")" + file + "\"")});
  BOOST_TEST(post(a.path(), body).status == 200);
  BOOST_TEST(post(a.path(), body).status == 200);
  BOOST_TEST(value("select count(*) || '|' || max(state) || '|' || max(size) || '|' ||"
                   " bool_and(body = convert_to(repeat('f', 3000000), 'UTF8')) || '|' ||"
                   " bool_and(sha256 = sha256(body)) || '|' || max(content_type) || '|' ||"
                   " max(file_name) || '|' || max(message_remote_id) from media") ==
             "1|1|3000000|true|true|text/plain|note.txt|1");
  BOOST_TEST(value("select (a ->> 'id') || '|' || (a ->> 'state') || '|' || coalesce(a ->> 'url',"
                   " 'null') || '|' || (a ->> 'size') || '|' || (pg_column_size(attachments) <"
                   " 1000) from message, jsonb_array_elements(attachments) a") ==
             value("select id::text from media") + "|ready|null|3000000|true");
  BOOST_TEST(value("select octet_length(body) from raw_event") == std::to_string(body.size()));
}

BOOST_AUTO_TEST_CASE(racing_redeliveries_of_a_shared_delivery_store_it_once) {
  const Channel a = connect(acme, "A");
  const Channel b = connect(bolt, "B");
  const std::string body = delivery({entry("A", "1", "to A"), entry("B", "2", "to B")});
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] { good += post(kSharedPath, body).status == 200 ? 1 : 0; });
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(good == 16);
  BOOST_TEST(contents(a) == "to A");
  BOOST_TEST(contents(b) == "to B");
}

BOOST_AUTO_TEST_SUITE_END()
