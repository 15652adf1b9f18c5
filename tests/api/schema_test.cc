// The judge itself: it must be able to say no.
#include "tests/api/schema.h"

#include <boost/test/unit_test.hpp>

namespace {

using api_test::OpenApi;

bool accepts(const std::string& schema, const std::string& value) {
  const OpenApi document("{\"schema\":" + schema + ",\"value\":" + value + "}");
  return document.judge(document.root()["schema"], document.root()["value"]).empty();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(schema)

BOOST_AUTO_TEST_CASE(types_are_told_apart) {
  BOOST_TEST(accepts(R"({"type":"integer"})", "1"));
  BOOST_TEST(!accepts(R"({"type":"integer"})", "1.5"));
  BOOST_TEST(!accepts(R"({"type":"integer"})", "\"1\""));
  BOOST_TEST(!accepts(R"({"type":"string"})", "null"));
  BOOST_TEST(accepts(R"({"type":["string","null"]})", "null"));
}

BOOST_AUTO_TEST_CASE(a_member_that_is_missing_or_not_in_the_schema_is_noticed) {
  const std::string schema =
      R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a"],
          "additionalProperties":false})";
  BOOST_TEST(accepts(schema, R"({"a":"x"})"));
  BOOST_TEST(!accepts(schema, "{}"));
  BOOST_TEST(!accepts(schema, R"({"a":"x","b":1})"));
  BOOST_TEST(!accepts(schema, R"({"a":1})"));
}

BOOST_AUTO_TEST_CASE(formats_constants_and_choices_are_checked) {
  BOOST_TEST(accepts(R"({"type":"string","format":"date-time"})", "\"2026-11-21T09:30:00Z\""));
  BOOST_TEST(!accepts(R"({"type":"string","format":"date-time"})", "\"2026-11-21T09:30:00.1Z\""));
  BOOST_TEST(!accepts(R"({"type":"string","format":"uuid"})", "\"7\""));
  BOOST_TEST(!accepts(R"({"enum":["a",null]})", "\"b\""));
  BOOST_TEST(accepts(R"({"enum":["a",null]})", "null"));
  BOOST_TEST(!accepts(R"({"const":"x"})", "\"y\""));
  BOOST_TEST(!accepts(R"({"oneOf":[{"type":"string"},{"type":"integer"}]})", "true"));
  BOOST_TEST(!accepts(R"({"type":"array","items":{"type":"string"}})", "[\"a\",1]"));
}

BOOST_AUTO_TEST_CASE(an_unknown_keyword_is_a_complaint) {
  BOOST_TEST(!accepts(R"({"type":"string","wrong":1})", "\"a\""));
}

BOOST_AUTO_TEST_SUITE_END()
