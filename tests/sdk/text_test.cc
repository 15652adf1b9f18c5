#include "connectors/sdk/text.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace {

const std::string kReplacement = "\xEF\xBF\xBD";

}  // namespace

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(valid_utf8_is_told_from_invalid) {
  for (const char* text : {"", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBF",
                           "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"}) {
    BOOST_TEST(sdk::is_valid_utf8(text), text);
  }
  for (const char* bytes :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xE2\x82", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFF", "\xFE", "a\xC3z", "\xF0\x9F\x98"}) {
    BOOST_TEST(!sdk::is_valid_utf8(bytes));
  }
}

BOOST_AUTO_TEST_CASE(invalid_sequences_become_one_replacement_each) {
  BOOST_TEST(sdk::sanitize("a\xFFz") == "a" + kReplacement + "z");
  // The maximal part of a broken sequence counts once; what follows is read anew.
  BOOST_TEST(sdk::sanitize("\xF0\x9F\x98z") == kReplacement + "z");
  BOOST_TEST(sdk::sanitize("\xED\xA0\x80") == kReplacement + kReplacement + kReplacement);
  BOOST_TEST(sdk::sanitize("\xC3") == kReplacement);
}

BOOST_AUTO_TEST_CASE(control_characters_vanish_and_line_ends_become_newlines) {
  BOOST_TEST(sdk::sanitize(std::string_view("a\0b\x01\x1F"
                                            "c",
                                            6)) == "abc");
  BOOST_TEST(sdk::sanitize("a\tb\nc") == "a\tb\nc");
  BOOST_TEST(sdk::sanitize("a\r\nb\rc\r") == "a\nb\nc\n");
  BOOST_TEST(sdk::sanitize("\xE2\x80\xAE"
                           "abc") ==
             "\xE2\x80\xAE"
             "abc");
}

BOOST_AUTO_TEST_CASE(long_text_is_cut_between_code_points) {
  const std::string euros = "\xE2\x82\xAC\xE2\x82\xAC";
  BOOST_TEST(sdk::sanitize(euros, 6) == euros);
  BOOST_TEST(sdk::sanitize(euros, 5) == "\xE2\x82\xAC");
  BOOST_TEST(sdk::sanitize(euros, 2) == "");
  BOOST_TEST(sdk::sanitize("abc", 0) == "");
  BOOST_TEST(sdk::sanitize("\xFF\xFF", 4) == kReplacement);
}

BOOST_AUTO_TEST_CASE(lengths_and_offsets_count_utf16_units) {
  // A family of three with two joiners is 2+1+2+1+2 units.
  const std::string family =
      "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7";
  BOOST_TEST(sdk::utf16_length(family) == 8u);
  BOOST_TEST(sdk::utf16_length("") == 0u);
  BOOST_TEST(sdk::utf16_length("h\xC3\xA9") == 2u);
  BOOST_TEST(sdk::utf16_offset(family, 0) == 0u);
  BOOST_TEST(sdk::utf16_offset(family, 2) == 4u);
  BOOST_TEST(sdk::utf16_offset(family, 1) == 0u);
  BOOST_TEST(sdk::utf16_offset(family, 3) == 7u);
  BOOST_TEST(sdk::utf16_offset(family, 4) == 7u);
  BOOST_TEST(sdk::utf16_offset(family, 99) == family.size());
}

BOOST_AUTO_TEST_CASE(text_is_split_at_newlines_then_blanks_then_anywhere) {
  using Pieces = std::vector<std::string>;
  BOOST_TEST((sdk::split_utf16("", 5) == Pieces{}));
  BOOST_TEST((sdk::split_utf16("abcde", 5) == Pieces{"abcde"}));
  BOOST_TEST((sdk::split_utf16("abcdef", 5) == Pieces{"abcde", "f"}));
  BOOST_TEST((sdk::split_utf16("ab cd ef", 5) == Pieces{"ab cd", "ef"}));
  BOOST_TEST((sdk::split_utf16("ab\ncd ef", 6) == Pieces{"ab", "cd ef"}));
  BOOST_TEST((sdk::split_utf16(" abcdef", 4) == Pieces{" abc", "def"}));
}

BOOST_AUTO_TEST_CASE(no_piece_cuts_a_code_point_or_is_too_long) {
  std::string emoji;
  for (int i = 0; i < 10; ++i) emoji += "\xF0\x9F\x98\x80";
  for (std::size_t units = 1; units <= 21; ++units) {
    std::string joined;
    for (const std::string& piece : sdk::split_utf16(emoji, units)) {
      BOOST_TEST(sdk::is_valid_utf8(piece));
      BOOST_TEST(sdk::utf16_length(piece) <= std::max<std::size_t>(units, 2));
      joined += piece;
    }
    BOOST_TEST(joined == emoji);
  }
}

BOOST_AUTO_TEST_CASE(ascii_helpers_leave_other_bytes_alone) {
  BOOST_TEST(sdk::trim(" \t a b\t ") == "a b");
  BOOST_TEST(sdk::trim(" \t") == "");
  BOOST_TEST(sdk::trim("\na") == "\na");
  BOOST_TEST(sdk::lower_ascii("X-Hub \xC3\x89") == "x-hub \xC3\x89");
  BOOST_TEST(sdk::equals_ignoring_case("Retry-After", "retry-aFTER"));
  BOOST_TEST(!sdk::equals_ignoring_case("a", "ab"));
}

BOOST_AUTO_TEST_CASE(bytes_are_split_outside_what_is_seen_as_one_character) {
  using Pieces = std::vector<std::string>;
  BOOST_TEST((sdk::split_bytes("", 5) == Pieces{}));
  BOOST_TEST((sdk::split_bytes("abcdef", 5) == Pieces{"abcde", "f"}));
  BOOST_TEST((sdk::split_bytes("ab cd ef", 5) == Pieces{"ab cd", "ef"}));
  // Two bytes each.
  BOOST_TEST((sdk::split_bytes("\u00e9\u00e9\u00e9", 5) == Pieces{"\u00e9\u00e9", "\u00e9"}));
  // A woman at a computer with a skin tone is one emoji of 15 bytes.
  const std::string woman = "\U0001F469\U0001F3FD\u200D\U0001F4BB";
  BOOST_TEST((sdk::split_bytes(woman + woman, 20) == Pieces{woman, woman}));
  BOOST_TEST((sdk::split_bytes("ab" + woman + "c", 16) == Pieces{"ab", woman + "c"}));
  // e and a combining acute accent.
  BOOST_TEST((sdk::split_bytes("abce\u0301", 5) == Pieces{"abc", "e\u0301"}));
  // Two flags of two indicators each.
  const std::string spain = "\U0001F1EA\U0001F1F8";
  BOOST_TEST((sdk::split_bytes(spain + spain, 12) == Pieces{spain, spain}));
  // Where nothing else fits it is cut between code points.
  BOOST_TEST(sdk::split_bytes(woman, 8).front() == "\U0001F469\U0001F3FD");
}

BOOST_AUTO_TEST_SUITE_END()
