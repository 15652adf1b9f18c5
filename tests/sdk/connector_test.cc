#include "connectors/sdk/connector.h"

#include <array>
#include <boost/test/unit_test.hpp>
#include <string>

namespace {

using connector::Fail;
using connector::Failure;
using connector::Repeat;

constexpr std::int64_t kNow = 784'111'777'000;  // Sun, 06 Nov 1994 08:49:37 GMT

Failure failure_of(std::int32_t status, Repeat repeat = Repeat::safe) {
  return connector::fail_from({.status = status}, repeat, kNow).code;
}

std::int64_t wait_for(const std::string& value) {
  return connector::retry_after_ms({.status = 429, .headers = {{"retry-after", value}}}, kNow);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(connector_helpers)

BOOST_AUTO_TEST_CASE(statuses_become_the_failures_the_gateway_acts_on) {
  BOOST_TEST((failure_of(401) == Failure::auth));
  BOOST_TEST((failure_of(403) == Failure::auth));
  BOOST_TEST((failure_of(429) == Failure::rate));
  BOOST_TEST((failure_of(408) == Failure::retry));
  BOOST_TEST((failure_of(500) == Failure::retry));
  BOOST_TEST((failure_of(599) == Failure::retry));
  BOOST_TEST((failure_of(0) == Failure::retry));
  BOOST_TEST((failure_of(400) == Failure::permanent));
  BOOST_TEST((failure_of(302) == Failure::permanent));
}

BOOST_AUTO_TEST_CASE(not_knowing_is_kept_apart_where_repeating_harms) {
  BOOST_TEST((failure_of(0, Repeat::harmful) == Failure::uncertain));
  BOOST_TEST((failure_of(502, Repeat::harmful) == Failure::uncertain));
  BOOST_TEST((failure_of(200, Repeat::harmful) == Failure::uncertain));
  BOOST_TEST((failure_of(429, Repeat::harmful) == Failure::rate));
  const Fail unsent = connector::fail_from({.status = 0, .not_sent = true}, Repeat::harmful, kNow);
  BOOST_TEST((unsent.code == Failure::retry));
}

BOOST_AUTO_TEST_CASE(retry_after_is_read_as_seconds_or_as_a_date_and_capped) {
  BOOST_TEST(wait_for("7") == 7000);
  BOOST_TEST(wait_for(" 7 ") == 7000);
  BOOST_TEST(wait_for("0") == 0);
  BOOST_TEST(wait_for("-5") == 0);
  BOOST_TEST(wait_for("99999999999999999999") == 3'600'000);
  BOOST_TEST(wait_for("soon") == 0);
  BOOST_TEST(wait_for("7s") == 0);
  BOOST_TEST(wait_for("") == 0);
  BOOST_TEST(wait_for("Sun, 06 Nov 1994 08:50:37 GMT") == 60'000);
  BOOST_TEST(wait_for("Sun, 06 Nov 1994 08:49:00 GMT") == 0);
  BOOST_TEST(wait_for("Mon, 07 Nov 1994 08:49:37 GMT") == 3'600'000);
  BOOST_TEST(wait_for("Sun, 31 Feb 1994 08:50:37 GMT") == 0);
  BOOST_TEST(wait_for("Sunday, 06-Nov-94 08:50:37 GMT") == 0);
}

BOOST_AUTO_TEST_CASE(credentials_are_written_as_their_rfcs_have_it) {
  // RFC 7617 section 2 and RFC 6750 section 2.1.
  BOOST_TEST(connector::basic_auth("Aladdin", "open sesame").second ==
             "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  BOOST_TEST(connector::bearer_auth("mF_9.B5f-4.1JqM").second == "Bearer mF_9.B5f-4.1JqM");
}

BOOST_AUTO_TEST_CASE(secrets_vanish_from_words_in_plain_and_encoded_form) {
  const std::array<std::string_view, 3> secrets{"to:ken", "", "abc"};
  BOOST_TEST(connector::without_secrets("a to:ken b to%3Aken c to:ken", secrets) ==
             "a *** b *** c ***");
  // Three letters are no secret; replacing them would only spoil the words.
  BOOST_TEST(connector::without_secrets("abc", secrets) == "abc");
  const std::array<std::string_view, 1> stars{"****"};
  BOOST_TEST(connector::without_secrets("x****y", stars) == "x***y");
}

BOOST_AUTO_TEST_CASE(calls_say_what_their_bodies_are) {
  const auto json = connector::json_call("https://a.example/x", "{}");
  BOOST_TEST(json.method == "POST");
  BOOST_TEST(json.headers[0].second == "application/json");
  const auto form = connector::form_call("https://a.example/x", {{"To", "+1"}});
  BOOST_TEST(form.body == "To=%2B1");
  BOOST_TEST(form.headers[0].second == "application/x-www-form-urlencoded");
}

BOOST_AUTO_TEST_CASE(a_keyed_url_is_accepted_by_its_key_alone) {
  const connector::Channel channel{.webhook_url = "https://gw.example.com/hooks/1",
                                   .secret = std::string(64, 'a')};
  const std::string url = connector::keyed_webhook_url(channel);
  BOOST_TEST(url.starts_with("https://gw.example.com/hooks/1/"));
  const std::string key = url.substr(url.rfind('/') + 1);
  BOOST_TEST(key.size() == 22u);
  const auto came_by = [&](const std::string& target) {
    return connector::came_by_keyed_url(channel, {.method = "POST", .target = target});
  };
  BOOST_TEST(came_by("/hooks/1/" + key));
  BOOST_TEST(came_by("/hooks/1/" + key + "?a=/b"));
  BOOST_TEST(!came_by("/hooks/1"));
  BOOST_TEST(!came_by("/hooks/1/"));
  BOOST_TEST(!came_by("/hooks/1/?" + key));
  BOOST_TEST(!came_by("/hooks/1/" + key + "/"));
  BOOST_TEST(!came_by("/hooks/1/" + key.substr(1)));
  BOOST_TEST(!connector::came_by_keyed_url({.webhook_url = channel.webhook_url},
                                           {.method = "POST", .target = "/hooks/1/" + key}));
}

BOOST_AUTO_TEST_SUITE_END()
