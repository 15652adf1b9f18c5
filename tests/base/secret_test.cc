#include "gateway/base/secret.h"

#include <boost/test/unit_test.hpp>
#include <sstream>
#include <type_traits>

namespace {

template <class T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(secrets)

BOOST_AUTO_TEST_CASE(a_secret_cannot_be_streamed) {
  static_assert(Streamable<std::string>);
  static_assert(!Streamable<gateway::Secret>);
}

BOOST_AUTO_TEST_CASE(a_secret_does_not_turn_into_text_by_itself) {
  static_assert(!std::is_convertible_v<gateway::Secret, std::string>);
  static_assert(!std::is_convertible_v<std::string, gateway::Secret>);
}

BOOST_AUTO_TEST_CASE(equals_compares_all_bytes_and_the_length) {
  const gateway::Secret secret("correct horse");
  BOOST_TEST(secret.equals("correct horse"));
  BOOST_TEST(!secret.equals("correct hors"));
  BOOST_TEST(!secret.equals("correct horsf"));
  BOOST_TEST(!secret.equals("dorrect horse"));
  BOOST_TEST(!secret.equals(""));
  BOOST_TEST(gateway::Secret().equals(""));
}

BOOST_AUTO_TEST_CASE(moving_leaves_nothing_behind) {
  gateway::Secret from(std::string(100, 'x'));
  const gateway::Secret to(std::move(from));
  BOOST_TEST(to.size() == 100U);
  BOOST_TEST(from.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
}

BOOST_AUTO_TEST_SUITE_END()
