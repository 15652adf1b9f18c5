#include "gateway/inbound/lookup_cache.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/auth/manual_clock.h"

using gateway::inbound::LookupCache;
using std::chrono::milliseconds;

namespace {

struct Fixture {
  auth_test::ManualClock clock;
  LookupCache<int, std::string> cache{clock, 8};
  std::vector<int> begun;
  std::vector<std::string> heard;

  void ask(int key) {
    cache.find(
        key, [this](const std::string& answer) { heard.push_back(answer); },
        [this, key] { begun.push_back(key); });
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(lookup_cache, Fixture)

BOOST_AUTO_TEST_CASE(who_asks_meanwhile_waits_for_the_one_lookup) {
  ask(1);
  ask(1);
  ask(1);
  BOOST_TEST(begun == std::vector<int>{1}, boost::test_tools::per_element());
  BOOST_TEST(heard.empty());
  cache.finish(1, "one", milliseconds(1000));
  BOOST_TEST(heard == (std::vector<std::string>{"one", "one", "one"}),
             boost::test_tools::per_element());
  ask(1);
  BOOST_TEST(begun.size() == 1u);
  BOOST_TEST(heard.size() == 4u);
}

BOOST_AUTO_TEST_CASE(an_answer_is_good_for_its_time_and_no_longer) {
  ask(1);
  cache.finish(1, "one", milliseconds(1000));
  clock.advance(999);
  ask(1);
  BOOST_TEST(begun.size() == 1u);
  clock.advance(1);
  ask(1);
  BOOST_TEST(begun.size() == 2u);
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_not_to_be_kept_is_given_once) {
  ask(1);
  cache.finish(1, "error", milliseconds(0));
  BOOST_TEST(heard == std::vector<std::string>{"error"}, boost::test_tools::per_element());
  ask(1);
  BOOST_TEST(begun.size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_changes_while_it_is_looked_up_is_looked_up_again) {
  ask(1);
  cache.forget(1);
  cache.finish(1, "old", milliseconds(1000));
  BOOST_TEST(heard.size() == 1u);
  ask(1);
  BOOST_TEST(begun.size() == 2u);
  cache.finish(1, "new", milliseconds(1000));
  BOOST_TEST(heard.back() == "new");
}

BOOST_AUTO_TEST_CASE(answers_are_forgotten_by_what_they_say) {
  ask(1);
  ask(2);
  ask(3);
  cache.finish(1, "one", milliseconds(1000));
  cache.finish(2, "two", milliseconds(1000));
  cache.forget_if([](const std::string& answer) { return answer == "one"; });
  cache.finish(3, "three", milliseconds(1000));  // it was under way: nobody knows what it says
  ask(1);
  ask(2);
  ask(3);
  BOOST_TEST(begun == (std::vector<int>{1, 2, 3, 1, 3}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_full_cache_gives_up_what_expires_soonest_and_never_a_lookup_under_way) {
  for (int key = 0; key < 8; ++key) {
    ask(key);
    if (key > 0) cache.finish(key, "x", milliseconds(1000 * (9 - key)));
  }
  for (int key = 100; key < 200; ++key) {
    ask(key);
    cache.finish(key, "y", milliseconds(500));
    BOOST_TEST(cache.size() <= 8u);
  }
  begun.clear();
  ask(1);  // the longest lasting is here still
  ask(0);  // and so is the one under way
  BOOST_TEST(begun.empty());
  heard.clear();
  cache.finish(0, "zero", milliseconds(1000));
  BOOST_TEST(heard == (std::vector<std::string>{"zero", "zero"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(many_threads_get_an_answer_each) {
  gateway::SystemClock real;
  LookupCache<int, int> shared(real, 64);
  std::atomic<int> answers{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) {
        const int key = i % 100;
        shared.find(
            key, [&, key](int answer) { answers += answer == key ? 1 : 0; },
            [&] { shared.finish(key, key, milliseconds(i % 3)); });
        if (i % 7 == 0) shared.forget(key);
        if (i % 97 == 0) shared.forget_if([](int answer) { return answer % 2 == 0; });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(answers == 20'000);
}

BOOST_AUTO_TEST_SUITE_END()
