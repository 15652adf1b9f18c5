#include "gateway/api/channel_links.h"

#include <boost/test/unit_test.hpp>
#include <string>

namespace {

std::string link(const std::string& type, const std::string& config, const std::string& state) {
  gateway::store::ChannelFace channel;
  channel.type = type;
  channel.config = gateway::Secret(config);
  channel.state = gateway::Secret(state);
  return gateway::api::public_link(channel).value_or("-");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(channel_links)

BOOST_AUTO_TEST_CASE(a_known_name_is_a_link_of_its_platform) {
  BOOST_TEST(link("telegram", "{}", R"({"account":"71","username":"acme_bot"})") ==
             "https://t.me/acme_bot");
  BOOST_TEST(link("instagram", "{}", R"({"username":"acme.shop"})") == "https://ig.me/m/acme.shop");
  BOOST_TEST(link("line", "{}", R"({"basic_id":"@acme"})") == "https://line.me/R/ti/p/%40acme");
  BOOST_TEST(link("email", R"({"address":"help+shop@acme.com"})", "{}") ==
             "mailto:help%2Bshop@acme.com");
  BOOST_TEST(link("sms", R"({"from":"+14155550123"})", "{}") == "sms:+14155550123");
}

BOOST_AUTO_TEST_CASE(what_is_not_known_or_no_address_is_no_link) {
  BOOST_TEST(link("telegram", R"({"bot_token":"71:AA"})", "") == "-");
  BOOST_TEST(link("telegram", "{}", R"({"username":""})") == "-");
  BOOST_TEST(link("telegram", "{}", "nonsense") == "-");
  BOOST_TEST(link("sms", R"({"from":"ACME"})", "{}") == "-");
  BOOST_TEST(link("sms", R"({"from":"12345"})", "{}") == "-");
  BOOST_TEST(link("email", R"({"address":"nobody"})", "{}") == "-");
  BOOST_TEST(link("whatsapp", R"({"phone_number_id":"1055"})", "{}") == "-");
}

BOOST_AUTO_TEST_CASE(a_name_cannot_become_another_address) {
  BOOST_TEST(link("telegram", "{}", R"({"username":"../evil?x=//y"})") ==
             "https://t.me/..%2Fevil%3Fx%3D%2F%2Fy");
}

BOOST_AUTO_TEST_SUITE_END()
