#include "gateway/api/channel_config.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace {

using namespace gateway::api;
using gateway::plugins::ConfigSchema;

const ConfigSchema& schema() {
  static const auto parsed = ConfigSchema::parse(R"({
    "type": "object",
    "properties": {
      "phone_number_id": {"type": "string", "maxLength": 64},
      "access_token": {"type": "string", "minLength": 1, "maxLength": 512, "writeOnly": true},
      "smtp": {"type": "object", "additionalProperties": false, "properties": {
        "host": {"type": "string", "maxLength": 100},
        "password": {"type": "string", "maxLength": 100, "writeOnly": true}}}
    },
    "required": ["access_token"],
    "additionalProperties": false})");
  return *parsed;
}

CheckedConfig check(const std::string& config, const std::string& stored = "null") {
  const auto given = sdk::json::Document::parse(config, sdk::json::kApiLimits);
  const auto present = sdk::json::Document::parse(stored, sdk::json::kApiLimits);
  return check_config(schema(), given->root(), present->root());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(channel_config)

BOOST_AUTO_TEST_CASE(a_mask_shows_the_last_four_characters_of_long_secrets) {
  BOOST_TEST(mask("EAAG1234567890abcd") == "****abcd");
  BOOST_TEST(mask("12345678") == "****5678");
  BOOST_TEST(mask("1234567") == "****");
  BOOST_TEST(mask("") == "****");
  BOOST_TEST(mask("geheimnis-äöüß") == "****äöüß");
}

BOOST_AUTO_TEST_CASE(only_secrets_are_masked_also_nested_ones) {
  BOOST_TEST(masked_config(&schema(), R"({"phone_number_id":"106540352242922",
                                          "access_token":"EAAG1234567890abcd",
                                          "smtp":{"host":"mail.acme.com","password":"hunter2hunter2"}})") ==
             R"({"phone_number_id":"106540352242922","access_token":"****abcd",)"
             R"("smtp":{"host":"mail.acme.com","password":"****ter2"}})");
}

BOOST_AUTO_TEST_CASE(without_a_schema_everything_is_masked) {
  BOOST_TEST(masked_config(nullptr, R"({"a":"EAAG1234567890abcd","b":{"c":7}})") ==
             R"({"a":"****abcd","b":{"c":"****"}})");
}

BOOST_AUTO_TEST_CASE(a_masked_secret_sent_back_keeps_the_stored_one) {
  const auto checked =
      check(R"({"access_token":"****abcd","smtp":{"password":"****ter2"}})",
            R"({"access_token":"EAAG1234567890abcd","smtp":{"password":"hunter2hunter2"}})");
  BOOST_TEST(checked.errors.empty());
  BOOST_TEST(checked.json ==
             R"({"access_token":"EAAG1234567890abcd","smtp":{"password":"hunter2hunter2"}})");
  // The answer shows what was sent, not what was kept.
  BOOST_TEST(checked.echo == R"({"access_token":"****abcd","smtp":{"password":"****ter2"}})");
}

BOOST_AUTO_TEST_CASE(a_mask_that_fits_nothing_is_an_error_and_never_stored) {
  for (const std::string& stored :
       std::vector<std::string>{"null", R"({"access_token":"EAAG1234567890wxyz"})"}) {
    const auto checked = check(R"({"access_token":"****abcd"})", stored);
    BOOST_TEST_REQUIRE(checked.errors.size() == 1u);
    BOOST_TEST(checked.errors[0].field == "config.access_token");
  }
}

BOOST_AUTO_TEST_CASE(asterisks_in_what_is_no_secret_are_just_text) {
  BOOST_TEST(check(R"({"access_token":"t","phone_number_id":"****1"})").errors.empty());
}

BOOST_AUTO_TEST_CASE(setup_instructions_sent_back_are_ignored) {
  const auto checked =
      check(R"({"access_token":"t","_meta_setup_instructions":{"callback_url":"https://x"}})");
  BOOST_TEST(checked.errors.empty());
  BOOST_TEST(checked.json == R"({"access_token":"t"})");
  BOOST_TEST(checked.echo == R"({"access_token":"t"})");
}

BOOST_AUTO_TEST_CASE(what_the_schema_says_is_wrong_is_wrong) {
  BOOST_TEST(check("{}").errors.size() == 1u);
  BOOST_TEST(check(R"({"access_token":"t","unknown":1})").errors.size() == 1u);
  BOOST_TEST(check(R"({"access_token":7})").errors.size() == 1u);
  BOOST_TEST(check("[]").errors.size() == 1u);
}

BOOST_AUTO_TEST_CASE(configs_are_compared_by_their_values) {
  BOOST_TEST(same_config(R"({"a":"1","b":{"c":"2"}})", R"({"b":{"c":"2"},"a":"1"})"));
  BOOST_TEST(!same_config(R"({"a":"1"})", R"({"a":"2"})"));
  BOOST_TEST(!same_config(R"({"a":"1"})", R"({"a":"1","b":"2"})"));
}

BOOST_AUTO_TEST_SUITE_END()
