#include "gateway/simulate/html_text.h"

#include <boost/test/unit_test.hpp>

using gateway::simulate::parse_html;

BOOST_AUTO_TEST_SUITE(html_text)

// https://core.telegram.org/bots/api#html-style; offsets count UTF-16 units.
BOOST_AUTO_TEST_CASE(tags_become_entities_in_utf16_units) {
  const auto parsed = parse_html("😀 <b>bold</b> <a href=\"https://x.example/?a=1\">link</a>");
  BOOST_REQUIRE(parsed);
  BOOST_TEST(parsed->text == "😀 bold link");
  BOOST_TEST(parsed->entities ==
             R"([{"offset":3,"length":4,"type":"bold"},{"offset":8,"length":4,"type":"text_link",)"
             R"("url":"https://x.example/?a=1"}])");
}

BOOST_AUTO_TEST_CASE(references_are_characters) {
  BOOST_TEST(parse_html("1 &lt; 2 &amp;&amp; 3 &gt; 2 &quot;")->text == "1 < 2 && 3 > 2 \"");
}

BOOST_AUTO_TEST_CASE(wrong_markup_is_named_with_its_place) {
  BOOST_TEST(parse_html("a <table>").error().message ==
             "Unsupported start tag \"table\" at byte offset 2");
  BOOST_TEST(parse_html("<b>a</i>").error().message ==
             "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\"");
  BOOST_TEST(parse_html("<b>a").error().message ==
             "Can't find end tag corresponding to start tag \"b\"");
}

BOOST_AUTO_TEST_SUITE_END()
