#include "connectors/sdk/expected.h"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>

namespace {

struct Trouble {
  int code = 0;
};

sdk::Expected<std::string, Trouble> name_of(int number) {
  if (number < 0) return Trouble{number};
  return std::string("n") + std::to_string(number);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(expected)

BOOST_AUTO_TEST_CASE(holds_a_value_or_the_reason) {
  const auto good = name_of(1);
  BOOST_TEST_REQUIRE(good.has_value());
  BOOST_TEST(*good == "n1");
  BOOST_TEST(good->size() == 2u);
  const auto bad = name_of(-7);
  BOOST_TEST(!bad);
  BOOST_TEST(bad.error().code == -7);
}

BOOST_AUTO_TEST_CASE(void_succeeds_by_default_and_values_can_be_moved_out) {
  const sdk::Expected<void, Trouble> nothing;
  BOOST_TEST(nothing.has_value());
  sdk::Expected<std::unique_ptr<int>, Trouble> owned(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = *std::move(owned);
  BOOST_TEST(*taken == 5);
}

BOOST_AUTO_TEST_CASE(asking_a_failure_for_its_value_throws) {
  BOOST_CHECK_THROW(name_of(-1).value(), std::bad_variant_access);
}

BOOST_AUTO_TEST_SUITE_END()
