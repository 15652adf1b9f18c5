#include "gateway/simulate/terminal_text.h"

#include <boost/test/unit_test.hpp>

using gateway::simulate::display_width;
using gateway::simulate::fit;

BOOST_AUTO_TEST_SUITE(terminal_text)

BOOST_AUTO_TEST_CASE(wide_characters_take_two_columns_and_marks_none) {
  BOOST_TEST(display_width("Jürgen") == 6u);
  BOOST_TEST(display_width("田中") == 4u);
  BOOST_TEST(display_width("e\xCC\x81") == 1u);  // e and a combining acute accent
}

BOOST_AUTO_TEST_CASE(text_is_cut_at_characters_and_filled) {
  BOOST_TEST(fit("田中さくら", 5) == "田中 ");
  BOOST_TEST(fit("a\nb", 4) == "a b ");
  BOOST_TEST(fit("", 2) == "  ");
}

BOOST_AUTO_TEST_SUITE_END()
