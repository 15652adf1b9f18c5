#include "gateway/auth/visitor_throttle.h"

#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/auth/manual_clock.h"

namespace {

using auth_test::ManualClock;
using gateway::auth::VisitorLimits;
using gateway::auth::VisitorThrottle;

struct Fixture {
  ManualClock clock;
  VisitorThrottle throttle{clock, VisitorLimits{.new_visitors = {20, 40}, .entries = 100}};

  int taken(const std::string& address, int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += throttle.new_visitor(address) ? 0 : 1;
    return count;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(visitor_throttle, Fixture)

BOOST_AUTO_TEST_CASE(a_burst_passes_and_then_only_what_the_minute_brings) {
  BOOST_TEST(taken("192.0.2.1", 100) == 40);
  clock.advance(60'000);
  BOOST_TEST(taken("192.0.2.1", 100) == 20);
  clock.advance(3'600'000);
  BOOST_TEST(taken("192.0.2.1", 100) == 40);
}

BOOST_AUTO_TEST_CASE(the_wait_it_names_is_long_enough_and_no_longer) {
  taken("192.0.2.1", 40);
  const auto wait = throttle.new_visitor("192.0.2.1");
  BOOST_TEST_REQUIRE(wait.has_value());
  BOOST_TEST(*wait == 3'000);
  clock.advance(*wait - 1);
  BOOST_TEST(throttle.new_visitor("192.0.2.1").has_value());
  clock.advance(1);
  BOOST_TEST(!throttle.new_visitor("192.0.2.1").has_value());
}

BOOST_AUTO_TEST_CASE(addresses_and_kinds_are_counted_apart) {
  BOOST_TEST(taken("192.0.2.1", 41) == 40);
  BOOST_TEST(!throttle.new_visitor("192.0.2.2").has_value());
  BOOST_TEST(!throttle.call("192.0.2.1").has_value());
  BOOST_TEST(!throttle.anonymous_file("192.0.2.1").has_value());
}

BOOST_AUTO_TEST_CASE(the_addresses_of_one_ipv6_network_are_one) {
  BOOST_TEST(taken("2001:db8::1", 40) == 40);
  BOOST_TEST(throttle.new_visitor("2001:db8::2").has_value());
}

BOOST_AUTO_TEST_CASE(loopback_has_more_room) { BOOST_TEST(taken("127.0.0.1", 3'000) == 2'000); }

BOOST_AUTO_TEST_CASE(a_full_table_goes_on_counting_and_does_not_grow) {
  for (int i = 0; i < 1'000; ++i) {
    BOOST_TEST(
        !throttle.new_visitor("192.0." + std::to_string(i / 250) + "." + std::to_string(i % 250))
             .has_value());
  }
}

BOOST_AUTO_TEST_SUITE_END()
