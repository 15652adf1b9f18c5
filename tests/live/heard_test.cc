#include "gateway/live/heard.h"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace gateway::live;  // NOLINT(google-build-using-namespace)

namespace {

using Numbers = std::vector<std::int64_t>;

// Every second number below `last`.
Place full_of_holes(std::int64_t last, std::size_t holes) {
  Place place{.last = last, .open = {}};
  for (std::size_t i = holes; i > 0; --i) {
    place.open.push_back(last - 2 * static_cast<std::int64_t>(i));
  }
  return place;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(heard)

BOOST_AUTO_TEST_CASE(an_offset_is_its_event_and_its_part) {
  BOOST_TEST((Offset{17, 2}.text() == "17.2"));
}

BOOST_AUTO_TEST_CASE(a_place_without_holes_is_the_offset_of_what_was_heard_last) {
  const Heard heard{{17, 2}, {17, {}}};
  BOOST_TEST(heard.text() == "17.2");
  BOOST_TEST((Heard::parse("17.2") == heard));
}

BOOST_AUTO_TEST_CASE(open_numbers_are_distances_from_the_end_far_ones_first_in_ranges) {
  const Heard heard{{17, 0}, {17, {12, 14, 15}}};
  BOOST_TEST(heard.text() == "17.0~5,3-2");
  BOOST_TEST((Heard::parse("17.0~5,3-2") == heard));
}

BOOST_AUTO_TEST_CASE(an_event_that_came_late_says_where_the_others_had_got_to) {
  const Heard heard{{9, 1}, {17, {12}}};
  BOOST_TEST(heard.text() == "9.1^17~5");
  BOOST_TEST((Heard::parse("9.1^17~5") == heard));
}

BOOST_AUTO_TEST_CASE(what_is_no_place_is_refused) {
  for (const char* text : {"",
                           "17",
                           "17.",
                           ".2",
                           "17.2.3",
                           "17.2 ",
                           "-1.0",
                           "1.-1",
                           "a.b",
                           "99999999999999999999.0",
                           "1.99999999999",
                           "17.0~",
                           "17.0~5,",
                           "17.0~5-",
                           "17.0~0",
                           "17.0~2-5",
                           "17.0~3,5",
                           "17.0~3,3",
                           "17.0~17",
                           "17.0~18",
                           "17.0^17",
                           "17.0^16",
                           "17.0^",
                           "9.0^17~8",
                           "17.0~5 ",
                           "17.0~5^20",
                           "17.0!"}) {
    BOOST_TEST(!Heard::parse(text), text);
  }
}

BOOST_AUTO_TEST_CASE(more_holes_than_a_place_can_name_are_said_to_be_too_many_and_nobody_goes_on) {
  const Heard most{{1'000, 0}, full_of_holes(1'000, Heard::kMaxRanges)};
  BOOST_TEST((Heard::parse(most.text()) == most));
  const Heard more{{1'000, 0}, full_of_holes(1'000, Heard::kMaxRanges + 1)};
  BOOST_TEST(more.text() == "1000.0!");
  BOOST_TEST(!Heard::parse(more.text()));
}

BOOST_AUTO_TEST_CASE(
    a_place_of_any_size_fits_and_a_text_cannot_name_more_numbers_than_are_looked_for) {
  const std::int64_t last = INT64_MAX;
  const Heard far{{last, 2'000'000'000}, full_of_holes(last, Heard::kMaxRanges)};
  BOOST_TEST(far.text().size() <= Heard::kMaxText);
  BOOST_TEST((Heard::parse(far.text()) == far));
  BOOST_TEST(Heard::parse("20000.0~10000-1").has_value());
  BOOST_TEST(!Heard::parse("20000.0~10001-1"));
  BOOST_TEST(!Heard::parse("9223372036854775807.0~9223372036854775806-1"));
  BOOST_TEST(!Heard::parse("17.0~" + std::string(Heard::kMaxText, '5')));
}

BOOST_AUTO_TEST_CASE(a_place_has_what_was_said_and_an_open_number_once_it_is_said) {
  Place place{.last = 17, .open = {12, 15}};
  BOOST_TEST(place.has(17));
  BOOST_TEST(place.has(3));
  BOOST_TEST(!place.has(12));
  BOOST_TEST(!place.has(18));
  place.add(12);
  BOOST_TEST(place.has(12));
  BOOST_TEST((place == Place{17, {15}}));
  place.add(18);
  BOOST_TEST((place == Place{18, {15}}));
}

BOOST_AUTO_TEST_SUITE_END()
