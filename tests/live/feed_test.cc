#include "gateway/live/feed.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <mutex>

#include "tests/support/database.h"
#include "tests/support/result.h"

using namespace gateway;        // NOLINT(google-build-using-namespace)
using namespace gateway::live;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;
using test_support::why;

namespace {

using Numbers = std::vector<std::int64_t>;

bool eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();

  // The number of an event that is written in this transaction.
  std::int64_t write(store::Transaction& transaction) {
    auto rows = transaction.run(
        {"insert into realtime_event (tenant_id, conversation_id, kind) values ($1, $2, 2)"
         " returning seq",
         {business, ids.next()}});
    BOOST_REQUIRE_MESSAGE(rows, why(rows));
    return rows->integer(0, 0);
  }
  store::Transaction begin(store::Session& session) {
    auto transaction = session.begin(store::Scope::of(business));
    BOOST_REQUIRE_MESSAGE(transaction, why(transaction));
    return std::move(*transaction);
  }
  std::int64_t write() {
    auto transaction = begin(gateway);
    const auto seq = write(transaction);
    BOOST_REQUIRE(transaction.commit());
    return seq;
  }
};

// A feed and what it has handed on.
struct Listener {
  Listener(Fixture& database, const std::string& node, FeedOptions options = {})
      : feed(with(database, node, std::move(options)), database.clock, metrics,
             {.is_wanted = [this] { return wanted.load(); },
              .on_events = [this](store::Session&,
                                  std::span<const store::LiveEvent>) -> Feed::Callbacks::Say {
                if (refusals > 0) {
                  --refusals;
                  return {};
                }
                return [this](const store::LiveEvent& event, const Place& place) {
                  const std::lock_guard lock(mutex);
                  heard.push_back(event.seq);
                  places.push_back(place);
                };
              },
              .on_signal =
                  [this](std::string_view signal) {
                    const std::lock_guard lock(mutex);
                    signals.emplace_back(signal);
                  },
              .on_look = [](store::Session&) {}}) {
    const auto started = feed.start();
    BOOST_REQUIRE_MESSAGE(started, why(started));
    BOOST_REQUIRE(feed.arm(10s));
  }

  static FeedOptions with(Fixture& database, const std::string& node, FeedOptions options) {
    options.session = database.gateway_options();
    options.session.application_name = "live feed of a test";
    options.node = node;
    return options;
  }
  Numbers numbers() {
    const std::lock_guard lock(mutex);
    return heard;
  }
  bool hears(const Numbers& expected) {
    return eventually([&] { return numbers().size() >= expected.size(); }) && numbers() == expected;
  }
  double missing() { return metrics.gauge("backchannel_live_missing_events", "").value(); }

  std::atomic<bool> wanted{true};
  std::atomic<int> refusals{0};
  std::mutex mutex;
  Numbers heard;
  std::vector<Place> places;  // behind each of them
  std::vector<std::string> signals;
  Metrics metrics;
  Feed feed;
};

// So that only a bell can be the reason.
FeedOptions without_looking() {
  FeedOptions options;
  options.look_every = 10min;
  return options;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(feed, Fixture)

BOOST_AUTO_TEST_CASE(
    what_is_committed_once_it_is_armed_is_handed_on_in_order_and_what_was_before_is_not) {
  write();
  Listener listener(*this, "a");
  const Numbers expected{write(), write(), write()};
  listener.feed.ring();
  BOOST_TEST(listener.hears(expected));
}

BOOST_AUTO_TEST_CASE(an_event_that_is_committed_behind_a_later_one_is_handed_on_once) {
  Listener listener(*this, "a");
  store::Session other(gateway_options());
  auto slow = begin(other);
  const auto first = write(slow);
  const auto second = write();
  BOOST_REQUIRE(first < second);
  listener.feed.ring();
  BOOST_TEST(listener.hears({second}));
  BOOST_TEST(eventually([&] { return listener.missing() == 1; }));
  BOOST_REQUIRE(slow.commit());
  const auto third = write();
  listener.feed.ring();
  BOOST_REQUIRE(eventually([&] { return listener.numbers().size() == 3; }));
  auto heard = listener.numbers();
  std::sort(heard.begin(), heard.end());
  BOOST_TEST((heard == Numbers{first, second, third}));
  BOOST_TEST(eventually([&] { return listener.missing() == 0; }));
}

BOOST_AUTO_TEST_CASE(one_that_was_begun_before_it_was_armed_and_committed_behind_is_handed_on) {
  store::Session other(gateway_options());
  auto slow = begin(other);
  const auto first = write(slow);
  write();
  Listener listener(*this, "a");
  BOOST_REQUIRE(slow.commit());
  listener.feed.ring();
  BOOST_TEST(listener.hears({first}));
}

BOOST_AUTO_TEST_CASE(its_place_is_what_has_been_said_and_is_waited_for) {
  Listener listener(*this, "a", without_looking());
  store::Session other(gateway_options());
  auto slow = begin(other);
  const auto first = write(slow);
  const auto second = write();
  // Nobody has rung: asking wakes it.
  const auto place = listener.feed.place(second, 10s, [] {});
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST(place->has(second));
  BOOST_TEST(!place->has(first));
  BOOST_TEST(!place->has(second + 1));
  BOOST_TEST(!listener.feed.place(second + 1, 100ms, [] {}).has_value());
}

BOOST_AUTO_TEST_CASE(each_event_comes_with_the_numbers_that_are_open_behind_it) {
  Listener listener(*this, "a");
  store::Session other(gateway_options());
  auto slow = begin(other);
  const auto first = write(slow);
  const auto second = write();
  listener.feed.ring();
  BOOST_TEST(listener.hears({second}));
  BOOST_REQUIRE(slow.commit());
  listener.feed.ring();
  BOOST_TEST(listener.hears({second, first}));
  BOOST_TEST((listener.places == std::vector<Place>{{second, {first}}, {second, {}}}));
}

BOOST_AUTO_TEST_CASE(a_place_is_of_all_that_was_committed_before_it_was_asked_for) {
  Listener listener(*this, "a", without_looking());
  store::Session other(gateway_options());
  auto slow = begin(other);
  const auto first = write(slow);
  const auto second = write();
  BOOST_REQUIRE(listener.feed.place(second, 10s, [] {}).has_value());
  BOOST_REQUIRE(slow.commit());
  // Not a later number, so only the asking tells that there may be something.
  const auto place = listener.feed.place(second, 10s, [] {});
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST((*place == Place{second, {}}));
  BOOST_TEST((listener.numbers() == Numbers{second, first}));
}

BOOST_AUTO_TEST_CASE(a_number_is_awaited_as_long_as_the_transaction_that_took_it_is_open) {
  FeedOptions options;
  options.patience_ms = 50;
  Listener listener(*this, "a", options);
  store::Session other(gateway_options());
  auto slow = begin(other);
  const auto first = write(slow);
  const auto second = write();
  listener.feed.ring();
  BOOST_TEST(listener.hears({second}));
  // Taken later than `first` and given up, so the feed has come to a verdict on both since.
  std::int64_t dropped_number = 0;
  {
    store::Session third(gateway_options());
    auto dropped = begin(third);
    dropped_number = write(dropped);
  }
  const auto last = write();
  BOOST_TEST(dropped_number < last);
  listener.feed.ring();
  const auto begun = clock.steady_ms();
  BOOST_REQUIRE(eventually([&] { return clock.steady_ms() - begun > 20 * options.patience_ms; }));
  BOOST_TEST(listener.missing() == 2);  // an older transaction may have taken either
  BOOST_REQUIRE(slow.commit());
  listener.feed.ring();
  BOOST_TEST(listener.hears({second, last, first}));
  BOOST_TEST(eventually([&] { return listener.missing() == 0; }));
}

BOOST_AUTO_TEST_CASE(a_number_that_was_rolled_back_is_awaited_only_so_long) {
  FeedOptions options;
  options.patience_ms = 300;
  Listener listener(*this, "a", options);
  {
    store::Session other(gateway_options());
    auto dropped = begin(other);
    write(dropped);
  }
  const auto second = write();
  listener.feed.ring();
  BOOST_TEST(listener.hears({second}));
  BOOST_TEST(eventually([&] { return listener.missing() == 1; }));
  BOOST_TEST(eventually([&] { return listener.missing() == 0; }));
  const auto third = write();
  listener.feed.ring();
  BOOST_TEST(listener.hears({second, third}));
}

BOOST_AUTO_TEST_CASE(what_could_not_be_told_comes_again_and_is_told_once) {
  Listener listener(*this, "a");
  listener.refusals = 2;
  const Numbers expected{write(), write()};
  listener.feed.ring();
  BOOST_TEST(listener.hears(expected));
  BOOST_TEST(listener.refusals == 0);
}

BOOST_AUTO_TEST_CASE(a_bell_here_wakes_the_feed_of_another_gateway) {
  Listener far(*this, "b", without_looking());
  // Counts the other one when it starts.
  Listener near(*this, "a", without_looking());
  const auto seq = write();
  near.feed.ring();
  BOOST_TEST(near.hears({seq}));
  BOOST_TEST(far.hears({seq}));
}

BOOST_AUTO_TEST_CASE(a_signal_is_for_the_others_and_one_that_is_too_long_is_for_nobody) {
  Listener far(*this, "b", without_looking());
  Listener near(*this, "a", without_looking());
  near.feed.signal(std::string(Feed::kMaxSignal + 1, 'x'));
  near.feed.signal(R"({"event":"typing"})");
  BOOST_TEST(eventually([&] {
    const std::lock_guard lock(far.mutex);
    return !far.signals.empty();
  }));
  far.feed.stop();
  near.feed.stop();
  BOOST_TEST((far.signals == std::vector<std::string>{R"({"event":"typing"})"}));
  BOOST_TEST(near.signals.empty());
}

BOOST_AUTO_TEST_CASE(without_a_listener_nothing_is_read_and_the_next_one_begins_anew) {
  FeedOptions options;
  options.look_every = 20ms;
  Listener listener(*this, "a", options);
  const auto first = write();
  listener.feed.ring();
  BOOST_TEST(listener.hears({first}));
  listener.wanted = false;
  // A round of the thread behind the last listener's leaving.
  BOOST_TEST(eventually([&] {
    write();
    const auto before = listener.numbers().size();
    listener.feed.ring();
    std::this_thread::sleep_for(100ms);
    return listener.numbers().size() == before;
  }));
  listener.heard.clear();
  listener.wanted = true;
  BOOST_REQUIRE(listener.feed.arm(10s));
  const auto last = write();
  listener.feed.ring();
  BOOST_TEST(listener.hears({last}));
}

BOOST_AUTO_TEST_CASE(a_connection_that_the_database_ends_is_made_again_and_nothing_is_lost) {
  Listener listener(*this, "a");
  Numbers expected{write()};
  listener.feed.ring();
  BOOST_TEST(listener.hears(expected));
  value(
      "select count(pg_terminate_backend(pid)) from pg_stat_activity"
      " where datname = current_database() and application_name = 'live feed of a test'");
  expected.push_back(write());
  expected.push_back(write());
  listener.feed.ring();
  BOOST_TEST(listener.hears(expected));
}

BOOST_AUTO_TEST_CASE(the_pause_after_trouble_with_the_database_ends_with_the_feed) {
  auto session = gateway_options();
  session.conninfo = Secret("host=/nonexistent connect_timeout=1");
  Metrics metrics;
  Feed feed({.session = session, .node = "a", .after_trouble = 10min}, clock, metrics,
            {.is_wanted = [] { return true; },
             .on_events = [](auto&, auto) { return Feed::Callbacks::Say(); },
             .on_signal = [](std::string_view) {},
             .on_look = [](store::Session&) {}});
  BOOST_REQUIRE(feed.start());
  // The first attempt has failed, so it pauses, or is about to.
  BOOST_TEST(!feed.arm(300ms));
  const auto begun = clock.steady_ms();
  feed.stop();
  BOOST_TEST(clock.steady_ms() - begun < 60'000);
}

BOOST_AUTO_TEST_CASE(an_absent_database_does_not_let_anybody_be_armed) {
  auto session = gateway_options();
  session.conninfo = Secret("host=/nonexistent connect_timeout=1");
  Metrics metrics;
  Feed feed({.session = session, .node = "a"}, clock, metrics,
            {.is_wanted = [] { return true; },
             .on_events = [](auto&, auto) { return Feed::Callbacks::Say(); },
             .on_signal = [](std::string_view) {},
             .on_look = [](store::Session&) {}});
  BOOST_REQUIRE(feed.start());
  BOOST_TEST(!feed.arm(300ms));
}

BOOST_AUTO_TEST_SUITE_END()
