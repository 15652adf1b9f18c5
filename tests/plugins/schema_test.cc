#include <boost/test/unit_test.hpp>
#include <string>

#include "gateway/plugins/connector.h"

namespace {

using gateway::plugins::ConfigSchema;

const std::string kMail = R"({
  "type": "object",
  "properties": {
    "address": {"type": "string", "minLength": 3, "maxLength": 20, "pattern": "^[^@]+@[^@]+$"},
    "name": {"type": "string", "maxLength": 4},
    "mode": {"type": "string", "enum": ["poll", "push"], "default": "poll"},
    "retries": {"type": "integer", "minimum": 0, "maximum": 10},
    "share": {"type": "number", "minimum": 0.5},
    "active": {"type": "boolean"},
    "smtp": {
      "type": "object",
      "properties": {
        "host": {"type": "string", "minLength": 1},
        "password": {"type": "string", "writeOnly": true}
      },
      "required": ["host"],
      "additionalProperties": false
    }
  },
  "required": ["address"],
  "additionalProperties": false
})";

// "field message; field message"
std::string errors_for(const std::string& config, const std::string& schema = kMail) {
  const auto parsed = ConfigSchema::parse(schema);
  if (!parsed) return parsed.error().message;
  const auto document = sdk::json::Document::parse(config);
  std::string text;
  for (const auto& error : parsed->validate(document.value().root())) {
    text += (text.empty() ? "" : "; ") + error.field + " " + error.message;
  }
  return text;
}

std::string complaint_about(const std::string& properties) {
  const auto parsed = ConfigSchema::parse(R"({"type":"object","properties":)" + properties +
                                          R"(,"additionalProperties":false})");
  return parsed ? "" : parsed.error().message;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(schema)

BOOST_AUTO_TEST_CASE(a_valid_config_has_no_errors) {
  BOOST_TEST(errors_for(R"({"address":"a@b"})") == "");
  BOOST_TEST(errors_for(R"({"address":"a@b","name":"Zoë!","mode":"push","retries":10,"share":0.5,)"
                        R"("active":false,"smtp":{"host":"h","password":""}})") == "");
}

BOOST_AUTO_TEST_CASE(a_missing_field_is_named_with_its_path) {
  BOOST_TEST(errors_for("{}") == "config.address is required");
  BOOST_TEST(errors_for(R"({"address":"a@b","smtp":{}})") == "config.smtp.host is required");
}

BOOST_AUTO_TEST_CASE(unknown_fields_are_errors_at_every_depth) {
  BOOST_TEST(errors_for(R"({"address":"a@b","x":1})") == "config.x is not a known field");
  BOOST_TEST(errors_for(R"({"address":"a@b","smtp":{"host":"h","port":1}})") ==
             "config.smtp.port is not a known field");
}

BOOST_AUTO_TEST_CASE(types_are_not_converted) {
  BOOST_TEST(errors_for(R"({"address":7})") == "config.address must be a string");
  BOOST_TEST(errors_for(R"({"address":null})") == "config.address must be a string");
  BOOST_TEST(errors_for(R"({"address":"a@b","retries":"3"})") ==
             "config.retries must be a whole number");
  BOOST_TEST(errors_for(R"({"address":"a@b","retries":3.0})") ==
             "config.retries must be a whole number");
  BOOST_TEST(errors_for(R"({"address":"a@b","active":"true"})") ==
             "config.active must be true or false");
  BOOST_TEST(errors_for(R"({"address":"a@b","smtp":"h"})") == "config.smtp must be an object");
  BOOST_TEST(errors_for("[]") == "config must be an object");
}

BOOST_AUTO_TEST_CASE(limits_hold_at_their_edges) {
  BOOST_TEST(errors_for(R"({"address":""})") == "config.address must not be empty");
  BOOST_TEST(errors_for(R"({"address":"a@"})") == "config.address must have at least 3 characters");
  BOOST_TEST(errors_for(R"({"address":"0123456789@012345678"})") == "");
  BOOST_TEST(errors_for(R"({"address":"0123456789@0123456789"})") ==
             "config.address must have at most 20 characters");
  BOOST_TEST(errors_for(R"({"address":"a@b","name":"12345"})") ==
             "config.name must have at most 4 characters");
  BOOST_TEST(errors_for(R"({"address":"a@b","retries":-1})") ==
             "config.retries must be at least 0");
  BOOST_TEST(errors_for(R"({"address":"a@b","retries":11})") ==
             "config.retries must be at most 10");
  BOOST_TEST(errors_for(R"({"address":"a@b","share":0.49})") ==
             "config.share must be at least 0.5");
}

BOOST_AUTO_TEST_CASE(patterns_and_enumerations_hold) {
  BOOST_TEST(errors_for(R"({"address":"a@b@c"})") == "config.address does not have the right form");
  BOOST_TEST(errors_for(R"({"address":"a@b","mode":"pull"})") ==
             "config.mode must be one of poll, push");
}

BOOST_AUTO_TEST_CASE(all_errors_are_told_at_once) {
  BOOST_TEST(errors_for(R"({"name":"12345","x":1})") ==
             "config.address is required; config.name must have at most 4 characters; "
             "config.x is not a known field");
}

BOOST_AUTO_TEST_CASE(secret_fields_are_found_at_every_depth) {
  BOOST_TEST((ConfigSchema::parse(kMail).value().secret_fields() ==
              std::vector<std::string>{"smtp.password"}));
}

BOOST_AUTO_TEST_CASE(schemas_that_could_not_be_kept_are_refused) {
  BOOST_TEST(complaint_about(R"({"a":{"type":"array"}})") ==
             "config schema: \"a\" has no type this gateway knows");
  BOOST_TEST(complaint_about(R"({"a":{"type":"string","oneOf":[]}})") ==
             "config schema: \"a\" uses \"oneOf\", which is not supported");
  BOOST_TEST(complaint_about(R"({"a":{"type":"integer","minLength":1}})") ==
             "config schema: \"a\" uses \"minLength\", which is not supported");
  BOOST_TEST(complaint_about(R"({"a":{"type":"string","pattern":"(","maxLength":9}})") ==
             "config schema: \"a\" has a pattern that is no regular expression");
  BOOST_TEST(complaint_about(R"({"a":{"type":"string","pattern":"^a$"}})") ==
             "config schema: \"a\" has a pattern and needs a maxLength of at most 512");
  BOOST_TEST(complaint_about(R"({"a":{"type":"object","properties":{}}})") ==
             "config schema: \"a\" must say \"additionalProperties\": false");
  BOOST_TEST(complaint_about(R"({"a.b":{"type":"string"}})") ==
             "config schema: the schema has a property whose name is empty or has a dot");
  BOOST_TEST(ConfigSchema::parse("{").has_value() == false);
  BOOST_TEST(ConfigSchema::parse(R"({"type":"string"})").has_value() == false);
  BOOST_TEST(ConfigSchema::parse(R"({"type":"object","additionalProperties":false,)"
                                 R"("required":["a"]})")
                 .has_value() == false);
}

BOOST_AUTO_TEST_CASE(a_flattened_config_has_dotted_names_and_json_scalars) {
  const auto document = sdk::json::Document::parse(
      R"({"smtp":{"host":"h","port":465,"tls":true},"a":"x","none":null,"big":9007199254740993})");
  const connector::Pairs pairs = gateway::plugins::flatten(document.value().root());
  const connector::Pairs expected{{"smtp.host", "h"},
                                  {"smtp.port", "465"},
                                  {"smtp.tls", "true"},
                                  {"a", "x"},
                                  {"big", "9007199254740993"}};
  BOOST_TEST((pairs == expected));
}

BOOST_AUTO_TEST_CASE(setup_and_deployment_defaults_are_read) {
  const auto parsed = ConfigSchema::parse(R"({"type":"object",
    "x-setup": {"fields": ["verify_token"], "keyed_unless": "app_secret"},
    "properties": {"verify_token": {"type": "string"},
                   "app_secret": {"type": "string", "x-deployment-default": "meta_app_secret"}},
    "additionalProperties": false})");
  BOOST_TEST_REQUIRE(parsed.has_value());
  BOOST_TEST_REQUIRE(parsed->manual_setup().has_value());
  BOOST_TEST(parsed->manual_setup()->fields == std::vector<std::string>{"verify_token"});
  BOOST_TEST(parsed->manual_setup()->keyed_unless == "app_secret");
  BOOST_TEST(
      (parsed->deployment_defaults() == connector::Pairs{{"app_secret", "meta_app_secret"}}));
  BOOST_TEST(!ConfigSchema::parse(R"({"type":"object"})"));
}

BOOST_AUTO_TEST_CASE(a_setup_that_names_no_property_is_refused) {
  const auto parsed = ConfigSchema::parse(R"({"type":"object","x-setup":{"fields":["typo"]},
    "properties":{},"additionalProperties":false})");
  BOOST_TEST_REQUIRE(!parsed);
  BOOST_TEST(parsed.error().message.find("\"typo\"") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
