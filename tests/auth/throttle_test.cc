#include "gateway/auth/throttle.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/auth/manual_clock.h"

namespace {

using auth_test::ManualClock;
using gateway::auth::Throttle;
using gateway::auth::ThrottleLimits;

constexpr std::int64_t kMinute = 60'000;

struct Fixture {
  ManualClock clock;
  Throttle throttle{clock, ThrottleLimits{}};

  void fail(int times, const std::string& account, const std::string& address) {
    for (int i = 0; i < times; ++i) {
      BOOST_TEST_REQUIRE(!throttle.begin_attempt(account, address).has_value());
    }
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(throttle, Fixture)

BOOST_AUTO_TEST_CASE(the_eleventh_attempt_after_ten_failures_is_refused) {
  fail(10, "a@b.test", "192.0.2.1");
  const auto wait = throttle.begin_attempt("a@b.test", "192.0.2.2");
  BOOST_TEST_REQUIRE(wait.has_value());
  BOOST_TEST(*wait == kMinute);
  BOOST_TEST(!throttle.begin_attempt("other@b.test", "192.0.2.1").has_value());
}

BOOST_AUTO_TEST_CASE(the_delay_doubles_with_every_further_failure_up_to_an_hour) {
  fail(10, "a@b.test", "192.0.2.1");
  std::int64_t expected = kMinute;
  for (int i = 0; i < 8; ++i) {
    const auto wait = throttle.begin_attempt("a@b.test", "192.0.2.1");
    BOOST_TEST_REQUIRE(wait.has_value());
    BOOST_TEST(*wait == expected);
    clock.advance(*wait);
    fail(1, "a@b.test", "192.0.2.1");
    expected = std::min<std::int64_t>(expected * 2, 60 * kMinute);
  }
}

BOOST_AUTO_TEST_CASE(failures_are_forgotten_after_a_quiet_quarter_of_an_hour) {
  fail(9, "a@b.test", "192.0.2.1");
  clock.advance(15 * kMinute);
  fail(10, "a@b.test", "192.0.2.1");
  BOOST_TEST(throttle.begin_attempt("a@b.test", "192.0.2.1").has_value());
}

BOOST_AUTO_TEST_CASE(a_hundred_failures_close_the_address_for_every_account) {
  for (int i = 0; i < 100; ++i) fail(1, std::to_string(i) + "@b.test", "192.0.2.1");
  BOOST_TEST(throttle.begin_attempt("fresh@b.test", "192.0.2.1").has_value());
  BOOST_TEST(!throttle.begin_attempt("fresh@b.test", "192.0.2.9").has_value());
}

BOOST_AUTO_TEST_CASE(an_ipv6_client_is_counted_by_its_64_network) {
  for (int i = 0; i < 100; ++i) {
    fail(1, std::to_string(i) + "@b.test", "2001:db8:1:2::" + std::to_string(i));
  }
  BOOST_TEST(throttle.begin_attempt("fresh@b.test", "2001:db8:1:2:ffff::1").has_value());
  BOOST_TEST(!throttle.begin_attempt("fresh@b.test", "2001:db8:1:3::1").has_value());
}

BOOST_AUTO_TEST_CASE(attempts_side_by_side_cannot_overshoot) {
  std::atomic<int> allowed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        if (!throttle.begin_attempt("a@b.test", "192.0.2.1")) ++allowed;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(allowed == 10);
}

BOOST_AUTO_TEST_CASE(a_success_is_no_failure) {
  for (int i = 0; i < 50; ++i) {
    BOOST_TEST_REQUIRE(!throttle.begin_attempt("a@b.test", "192.0.2.1").has_value());
    throttle.succeeded("a@b.test", "192.0.2.1");
  }
}

BOOST_AUTO_TEST_CASE(strangers_do_not_lock_the_owner_out_of_a_known_address) {
  fail(1, "a@b.test", "192.0.2.1");
  throttle.succeeded("a@b.test", "192.0.2.1");
  fail(10, "a@b.test", "198.51.100.1");
  BOOST_TEST(throttle.begin_attempt("a@b.test", "198.51.100.2").has_value());
  BOOST_TEST(!throttle.begin_attempt("a@b.test", "192.0.2.1").has_value());
}

BOOST_AUTO_TEST_CASE(an_attempt_that_was_our_own_fault_is_taken_back) {
  for (int i = 0; i < 30; ++i) {
    BOOST_TEST_REQUIRE(!throttle.begin_attempt("a@b.test", "192.0.2.1").has_value());
    throttle.take_back("a@b.test", "192.0.2.1");
  }
}

BOOST_AUTO_TEST_CASE(an_address_registers_five_times_an_hour) {
  for (int i = 0; i < 5; ++i) BOOST_TEST(!throttle.begin_registration("192.0.2.1").has_value());
  BOOST_TEST(throttle.begin_registration("192.0.2.1").value_or(0) == 60 * kMinute);
  BOOST_TEST(!throttle.begin_registration("192.0.2.2").has_value());
  clock.advance(60 * kMinute);
  BOOST_TEST(!throttle.begin_registration("192.0.2.1").has_value());
}

BOOST_AUTO_TEST_CASE(this_machine_registers_more_often) {
  for (int i = 0; i < 1000; ++i) {
    BOOST_TEST_REQUIRE(!throttle.begin_registration("127.0.0.1").has_value());
  }
  BOOST_TEST(throttle.begin_registration("127.0.0.1").has_value());
}

BOOST_AUTO_TEST_CASE(memory_is_bounded) {
  Throttle small(clock, ThrottleLimits{.failures_per_address = 1'000'000, .entries = 100});
  for (int i = 0; i < 10'000; ++i) {
    BOOST_TEST_REQUIRE(!small.begin_attempt(std::to_string(i) + "@b.test", "192.0.2.1"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
