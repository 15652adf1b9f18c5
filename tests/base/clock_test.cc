#include "gateway/base/clock.h"

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(iso_times)

BOOST_AUTO_TEST_CASE(times_are_written_in_utc_with_whole_seconds) {
  // `date -u -d @1763600000`: Thu Nov 20 00:53:20 2025.
  BOOST_TEST(gateway::iso8601(1'763'600'000'000) == "2025-11-20T00:53:20Z");
  BOOST_TEST(gateway::iso8601(1'763'600'000'999) == "2025-11-20T00:53:20Z");
  BOOST_TEST(gateway::iso8601(0) == "1970-01-01T00:00:00Z");
  BOOST_TEST(gateway::iso8601(-1) == "1969-12-31T23:59:59Z");
  BOOST_TEST(gateway::iso8601(-1000) == "1969-12-31T23:59:59Z");
}

BOOST_AUTO_TEST_SUITE_END()
