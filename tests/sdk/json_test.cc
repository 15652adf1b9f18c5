#include "connectors/sdk/json.h"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <string>

#include "connectors/sdk/text.h"

namespace {

using sdk::json::Document;
using sdk::json::kApiLimits;
using sdk::json::kWebhookLimits;
using sdk::json::Type;
using sdk::json::Writer;

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::string reason_for(std::string_view text, const sdk::json::Limits& limits = kWebhookLimits) {
  const auto document = Document::parse(text, limits);
  return document ? "" : document.error().reason;
}

std::string dump_of(std::string_view text) {
  const auto document = Document::parse(text);
  return document ? document->root().dump() : "error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json)

BOOST_AUTO_TEST_CASE(lookups_chain_and_missing_values_are_absent) {
  const auto document =
      Document::parse(R"({"a":{"b":["x",7,true,null]},"e":{},"":"empty key"})").value();
  const auto root = document.root();
  BOOST_TEST(root["a"]["b"].at(0).text_or("") == "x");
  BOOST_TEST(root["a"]["b"].at(1).integer().value_or(0) == 7);
  BOOST_TEST(root["a"]["b"].at(2).boolean().value_or(false));
  BOOST_TEST(root["a"]["b"].at(3).is_null());
  BOOST_TEST(!root["a"]["b"].at(4).exists());
  BOOST_TEST(!root["a"]["c"]["d"].at(9)["e"].exists());
  BOOST_TEST(!root["a"].text().has_value());
  BOOST_TEST(root["e"].size() == 0u);
  BOOST_TEST(root[""].text_or("") == "empty key");
  BOOST_TEST(root.members().size() == 3u);
  BOOST_TEST(root["a"]["b"].elements().size() == 4u);
  BOOST_TEST((sdk::json::Value().type() == Type::absent));
}

BOOST_AUTO_TEST_CASE(integers_are_exact_or_absent) {
  const auto document =
      Document::parse(
          R"([9007199254740993,-9223372036854775808,9223372036854775808,1.0,1e2,-0,"42"])")
          .value();
  const auto root = document.root();
  BOOST_TEST(root.at(0).integer().value_or(0) == 9007199254740993);
  BOOST_TEST(root.at(1).integer().value_or(0) == std::numeric_limits<std::int64_t>::min());
  BOOST_TEST(!root.at(2).integer().has_value());
  BOOST_TEST(root.at(2).digits().value_or("") == "9223372036854775808");
  BOOST_TEST(!root.at(3).integer().has_value());
  BOOST_TEST(!root.at(4).integer().has_value());
  BOOST_TEST(root.at(4).number().value_or(0) == 100.0);
  BOOST_TEST(root.at(5).integer().value_or(1) == 0);
  BOOST_TEST(!root.at(6).integer().has_value());
  BOOST_TEST(root.at(6).digits().value_or("") == "42");
}

BOOST_AUTO_TEST_CASE(depth_is_bounded_at_exactly_the_limit) {
  BOOST_TEST(reason_for(nested(64)) == "");
  BOOST_TEST(reason_for(nested(65)) == "nested deeper than 64 levels");
  BOOST_TEST(reason_for(nested(32), kApiLimits) == "");
  BOOST_TEST(reason_for(nested(33), kApiLimits) == "nested deeper than 32 levels");
}

BOOST_AUTO_TEST_CASE(a_million_brackets_are_refused_without_recursion) {
  BOOST_TEST(reason_for(std::string(1'000'000, '[')) == "nested deeper than 64 levels");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  BOOST_TEST(reason_for(objects) == "nested deeper than 64 levels");
}

BOOST_AUTO_TEST_CASE(bytes_and_values_are_bounded) {
  const sdk::json::Limits limits{16, 8, 4, sdk::json::Duplicates::first_wins};
  BOOST_TEST(reason_for("[1,2,3]", limits) == "");
  BOOST_TEST(reason_for("[1,2,3,4]", limits) == "has more than 4 values");
  BOOST_TEST(reason_for("\"0123456789abcdef\"", limits) == "is longer than 16 bytes");
  BOOST_TEST(reason_for("\"0123456789abcd\"", limits) == "");
}

BOOST_AUTO_TEST_CASE(of_a_repeated_key_the_first_counts_or_the_text_is_refused) {
  const auto document = Document::parse(R"({"a":1,"a":2})").value();
  BOOST_TEST(document.root()["a"].integer().value_or(0) == 1);
  BOOST_TEST(reason_for(R"({"x":{"a":1,"a":2}})", kApiLimits) == "names a key twice");
  // Told apart by what they mean, not by how they are spelled.
  BOOST_TEST(reason_for(R"({"a":1,"\u0061":2})", kApiLimits) == "names a key twice");
  BOOST_TEST(reason_for(R"({"a":{"a":1},"b":{"a":1}})", kApiLimits) == "");
}

BOOST_AUTO_TEST_CASE(lone_surrogates_and_nul_become_replacements) {
  const std::string replacement = "\xEF\xBF\xBD";
  const auto text = [](std::string_view json) {
    const auto document = Document::parse(json);
    return document ? std::string(document->root().text_or("absent")) : document.error().reason;
  };
  BOOST_TEST(text(R"("a\ud800b")") == "a" + replacement + "b");
  BOOST_TEST(text(R"("a\udc00b")") == "a" + replacement + "b");
  BOOST_TEST(text(R"("\ud800\ud83d\ude00")") == replacement + "\xF0\x9F\x98\x80");
  BOOST_TEST(text(R"("\ude00\ud83d")") == replacement + replacement);
  BOOST_TEST(text(R"("nul\u0000")") == "nul" + replacement);
  BOOST_TEST(text(R"("\\u0000\\ud800")") == "\\u0000\\ud800");
  BOOST_TEST(text(R"("\\\u0000")") == "\\" + replacement);
}

BOOST_AUTO_TEST_CASE(broken_utf8_is_replaced_for_webhooks_and_refused_for_the_api) {
  const auto document = Document::parse("{\"k\xFF\":\"\xC3(\xED\xA0\x80\"}").value();
  for (const auto& [key, value] : document.root().members()) {
    BOOST_TEST(sdk::is_valid_utf8(key));
    BOOST_TEST(sdk::is_valid_utf8(value.text_or("\xFF")));
  }
  BOOST_TEST(reason_for("\"\xFF\"", kApiLimits) == "is not valid UTF-8");
}

BOOST_AUTO_TEST_CASE(what_is_not_json_is_refused) {
  for (const std::string_view text : {std::string_view(""),
                                      std::string_view(" "),
                                      std::string_view("{"),
                                      std::string_view("[1,]"),
                                      std::string_view("{\"a\":1,}"),
                                      std::string_view("nul"),
                                      std::string_view("'a'"),
                                      std::string_view("01"),
                                      std::string_view("+1"),
                                      std::string_view(".5"),
                                      std::string_view("1."),
                                      std::string_view("1e"),
                                      std::string_view("NaN"),
                                      std::string_view("Infinity"),
                                      std::string_view("1 2"),
                                      std::string_view("{}x"),
                                      std::string_view("\"a\nb\""),
                                      std::string_view("\"\\x\""),
                                      std::string_view("\"\\u12g4\""),
                                      std::string_view("{}\0junk", 7),
                                      std::string_view("{}\0", 3),
                                      std::string_view("/**/1"),
                                      std::string_view("{a:1}"),
                                      std::string_view("\"a")}) {
    BOOST_TEST(!Document::parse(text).has_value(), std::string(text));
  }
}

BOOST_AUTO_TEST_CASE(a_dump_is_compact_and_means_the_same) {
  BOOST_TEST(dump_of(" { \"b\" : [ 1 , 2.50 , 1e5 , \"x\" ] , \"a\" : { } , \"n\" : null } ") ==
             R"({"b":[1,2.50,1e5,"x"],"a":{},"n":null})");
  BOOST_TEST(dump_of("[[],[[]],{\"a\":[]}]") == R"([[],[[]],{"a":[]}])");
  BOOST_TEST(dump_of("18446744073709551616") == "18446744073709551616");
  BOOST_TEST(dump_of("true") == "true");
  const auto document = Document::parse(R"({"a":[1,{"b":[2,3]},4]})").value();
  BOOST_TEST(document.root()["a"].at(1).dump() == R"({"b":[2,3]})");
}

BOOST_AUTO_TEST_CASE(written_text_is_safe_inside_html) {
  Writer writer;
  writer.value("</script>&\"\\\n\t\r\x01\xE2\x80\xA8\xE2\x80\xA9\xC3\xA9");
  BOOST_TEST(writer.take() ==
             "\"\\u003c/script\\u003e\\u0026\\\"\\\\\\n\\t\\r\\u0001\\u2028\\u2029\xC3\xA9\"");
}

BOOST_AUTO_TEST_CASE(written_strings_are_valid_whatever_they_were) {
  Writer writer;
  writer.array().value(std::string_view("a\0b", 3)).value("\xFF\n\xC3").end();
  const std::string text = writer.take();
  BOOST_TEST(text == "[\"a\\ufffdb\",\"\xEF\xBF\xBD\\n\xEF\xBF\xBD\"]");
  BOOST_TEST(Document::parse(text, kApiLimits).has_value());
}

BOOST_AUTO_TEST_CASE(the_writer_keeps_the_order_it_is_given) {
  Writer writer;
  writer.object().member("z", 1).member("a", true).key("list").array().value(1.5).null().end();
  writer.member("none", std::optional<std::string>()).member("some", std::optional(2)).end();
  BOOST_TEST(writer.take() == R"({"z":1,"a":true,"list":[1.5,null],"none":null,"some":2})");
  writer.value(std::numeric_limits<double>::infinity());
  BOOST_TEST(writer.take() == "null");
}

BOOST_AUTO_TEST_CASE(documents_can_be_moved_and_their_values_stay) {
  auto first = Document::parse(R"({"a":"long enough to live on the heap for sure"})").value();
  const auto value = first.root()["a"];
  const Document second = std::move(first);
  BOOST_TEST(value.text_or("") == "long enough to live on the heap for sure");
  BOOST_TEST(second.root()["a"].text_or("") == value.text_or(""));
}

BOOST_AUTO_TEST_SUITE_END()
