#include "connectors/sdk/form.h"

#include <boost/test/unit_test.hpp>
#include <string>

BOOST_AUTO_TEST_SUITE(form)

BOOST_AUTO_TEST_CASE(unreserved_characters_stay_and_all_others_are_encoded) {
  BOOST_TEST(sdk::url_encode("AZaz09-._~") == "AZaz09-._~");
  BOOST_TEST(sdk::url_encode(" +/?&=%\"<>") == "%20%2B%2F%3F%26%3D%25%22%3C%3E");
  BOOST_TEST(sdk::url_encode("H\xC3\xA9") == "H%C3%A9");
  BOOST_TEST(sdk::url_encode(std::string_view("\0", 1)) == "%00");
}

BOOST_AUTO_TEST_CASE(every_byte_survives_percent_encoding) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  BOOST_TEST((sdk::percent_decode(sdk::url_encode(bytes)) == bytes));
}

BOOST_AUTO_TEST_CASE(broken_escapes_are_refused_and_plus_stays) {
  BOOST_TEST(sdk::percent_decode("a+b%2b%2B").value_or("") == "a+b++");
  for (const char* text : {"%", "%2", "%zz", "a%", "%%20", "%2 0"}) {
    BOOST_TEST(!sdk::percent_decode(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(a_form_keeps_order_repetitions_and_empty_values) {
  const sdk::Form form = sdk::parse_form("b=2&a=1&b=3&empty=&bare&&=x");
  const sdk::Form expected{{"b", "2"},    {"a", "1"},   {"b", "3"},
                           {"empty", ""}, {"bare", ""}, {"", "x"}};
  BOOST_TEST((form == expected));
  BOOST_TEST(sdk::find(form, "b").value_or("") == "2");
  BOOST_TEST(!sdk::find(form, "c").has_value());
}

BOOST_AUTO_TEST_CASE(blanks_and_escapes_are_decoded_and_broken_ones_stay) {
  const sdk::Form form =
      sdk::parse_form("Body=H%C3%A9llo+%26+50%25+off%3F+%F0%9F%91%8D+&x=100%&y=%zz%41");
  BOOST_TEST(sdk::find(form, "Body").value_or("") == "H\xC3\xA9llo & 50% off? \xF0\x9F\x91\x8D ");
  BOOST_TEST(sdk::find(form, "x").value_or("") == "100%");
  BOOST_TEST(sdk::find(form, "y").value_or("") == "%zzA");
}

BOOST_AUTO_TEST_CASE(only_so_many_fields_are_read) {
  std::string body;
  for (int i = 0; i < 2000; ++i) body += "a=1&";
  BOOST_TEST(sdk::parse_form(body).size() == 1000u);
  BOOST_TEST(sdk::parse_form(body, 3).size() == 3u);
  BOOST_TEST(sdk::parse_form("").empty());
}

BOOST_AUTO_TEST_CASE(what_is_encoded_is_read_back) {
  const sdk::Form form{{"To", "+1415"}, {"Body", "a&b=c d\r\n\xFF"}, {"", ""}, {"To", "x"}};
  BOOST_TEST((sdk::parse_form(sdk::encode_form(form)) == form));
  BOOST_TEST(sdk::encode_form({{"a b", "c+d"}}) == "a%20b=c%2Bd");
}

BOOST_AUTO_TEST_SUITE_END()
