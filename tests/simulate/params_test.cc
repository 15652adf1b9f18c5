#include "gateway/simulate/params.h"

#include <boost/test/unit_test.hpp>
#include <string>

using gateway::simulate::parse_params;

BOOST_AUTO_TEST_SUITE(params)

// https://core.telegram.org/bots/api#making-requests: four ways, and the query counts with a body.
BOOST_AUTO_TEST_CASE(query_form_and_json_mean_the_same) {
  const auto query = parse_params("chat_id=-100123&text=a%20b%2Bc", "", "");
  const auto form = parse_params("", "application/x-www-form-urlencoded; charset=utf-8",
                                 "chat_id=-100123&text=a+b%2Bc");
  const auto json = parse_params("", "application/json", R"({"chat_id":-100123,"text":"a b+c"})");
  for (const auto* params : {&query, &form, &json}) {
    BOOST_REQUIRE(*params);
    BOOST_TEST((**params).integer("chat_id").value() == -100123);
    BOOST_TEST((**params).text("text") == "a b+c");
  }
}

BOOST_AUTO_TEST_CASE(nested_json_stays_json_text) {
  const auto params = parse_params("", "application/json",
                                   R"({"a":[1,{"b":null}],"yes":true,"id":9007199254740993})");
  BOOST_REQUIRE(params);
  BOOST_TEST(params->text("a") == R"([1,{"b":null}])");
  BOOST_TEST(params->flag("yes"));
  BOOST_TEST(params->integer("id").value() == 9007199254740993);
}

BOOST_AUTO_TEST_CASE(multipart_carries_values_and_files) {
  const std::string body =
      "--x-1\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n7\r\n"
      "--x-1\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n"
      "Content-Type: image/jpeg\r\n\r\n\xFF\xD8--x-1 no end\r\n\r\n--x-1--\r\n";
  const auto params = parse_params("", "multipart/form-data; boundary=\"x-1\"", body);
  BOOST_REQUIRE(params);
  BOOST_TEST(params->text("chat_id") == "7");
  BOOST_REQUIRE(params->upload("photo") != nullptr);
  BOOST_TEST(params->upload("photo")->file_name == "a.jpg");
  BOOST_TEST(params->upload("photo")->content_type == "image/jpeg");
  BOOST_TEST(params->upload("photo")->bytes == "\xFF\xD8--x-1 no end\r\n");
}

BOOST_AUTO_TEST_CASE(broken_bodies_are_refused) {
  BOOST_TEST(!parse_params("", "application/json", "{\"a\":"));
  BOOST_TEST(!parse_params("", "application/json", "[1]"));
  BOOST_TEST(!parse_params("", "multipart/form-data; boundary=x", "--x\r\nno end"));
  BOOST_TEST(!parse_params("", "multipart/form-data", "--x--"));
}

BOOST_AUTO_TEST_CASE(a_hidden_value_is_not_shown) {
  const auto params =
      parse_params("", "application/json", R"({"secret_token":"s3cret","url":"u"})");
  BOOST_TEST(params->to_json("secret_token") == R"({"secret_token":"***","url":"u"})");
}

BOOST_AUTO_TEST_SUITE_END()
