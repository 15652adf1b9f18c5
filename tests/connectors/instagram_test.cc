// What fixtures and transcripts cannot say of Instagram: what must not be accepted, and whose token
// and whose delivery it is.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "connectors/instagram/account.h"
#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/meta.h"
#include "gateway/plugins/connector.h"

extern "C" const gwc_connector* gwc_connector_instagram(void);

namespace {

using connector::Channel;
using connector::Request;
using connector::Verdict;

const std::string kSecret = "0123456789abcdef0123456789abcdef";
// The bytes Meta would send: escapes in lower-case hex and slashes escaped.
const std::string kBody =
    R"({"object":"instagram","entry":[{"time":1763600000123,"id":"17841400000000001","messaging":[)"
    R"({"sender":{"id":"1234567890123456"},"recipient":{"id":"17841400000000001"},)"
    R"("timestamp":1763599999456,"message":{"mid":"mid.TEST",)"
    R"("text":"Ol\u00e1 \ud83d\udc4b https:\/\/ex.test\/a"}}]}]})";
const std::string kMac = "e652299c7af2a216941d65e557d7bb63eca24ea46e0c4ac61bd0cefe98c729b9";

gateway::plugins::Connector instagram_connector() {
  const gwc_connector* table = gwc_connector_instagram();
  return {*table, gateway::plugins::ConfigSchema::parse(table->config_schema).value(), "linked"};
}

Channel a_channel(const std::string& app_secret = kSecret) {
  return {.config = {{"access_token", "IGAAone"},
                     {"verify_token", "our word"},
                     {"app_secret", app_secret}},
          .state = {{"account", "17841400000000001"}},
          .webhook_url = "https://gw.example.com/h",
          .secret = std::string(64, 'a'),
          .now_ms = 1763600200000};
}

Request a_delivery(const std::string& mac, std::string body = kBody, std::string target = "/h") {
  return {.method = "POST",
          .target = std::move(target),
          .headers = {{"x-hub-signature-256", "sha256=" + mac}},
          .body = std::move(body)};
}

Request a_handshake(const std::string& query, const std::string& path = "/h") {
  return {.method = "GET", .target = path + "?" + query, .query = query};
}

bool accepts(const Channel& channel, const Request& request) {
  return instagram_connector().verify(channel, request) == Verdict::accept;
}

std::string keyed_path(const Channel& channel) {
  const std::string url = connector::keyed_webhook_url(channel);
  return url.substr(url.find('/', 8));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(instagram_connector_tests)

BOOST_AUTO_TEST_CASE(the_signature_is_of_the_bytes_as_they_were_sent) {
  BOOST_TEST(kBody.size() == 277u);
  BOOST_TEST(accepts(a_channel(), a_delivery(kMac)));
  // The digests of the same JSON written differently, each refused with the original bytes too.
  for (const char* mac : {"4158df23df28fcc21a133452d0760915a765c888da197e0f1bae20f5f38f08e9",
                          "5995b9195868edb2dbeb88b2ff41fed2f4409049962510ca01f7e839be27020a"}) {
    BOOST_TEST(!accepts(a_channel(), a_delivery(mac)));
  }
  BOOST_TEST(!accepts(a_channel(), a_delivery(kMac, kBody + "\n")));
  BOOST_TEST(!accepts(a_channel("another app's secret"), a_delivery(kMac)));
  std::string upper = kMac;
  upper[0] = 'E';
  BOOST_TEST(!accepts(a_channel(), a_delivery(upper)));
}

BOOST_AUTO_TEST_CASE(the_older_signature_alone_is_not_enough) {
  Request request = a_delivery(kMac);
  request.headers = {{"x-hub-signature", "sha1=" + sdk::hex(sdk::hmac_sha1(kSecret, kBody))}};
  BOOST_TEST(!accepts(a_channel(), request));
}

BOOST_AUTO_TEST_CASE(two_secrets_hold_while_the_apps_secret_changes) {
  Channel channel = a_channel("the new secret");
  BOOST_TEST(!accepts(channel, a_delivery(kMac)));
  channel.config.emplace_back("app_secret_previous", kSecret);
  BOOST_TEST(accepts(channel, a_delivery(kMac)));
}

BOOST_AUTO_TEST_CASE(without_an_app_secret_only_the_keyed_url_counts) {
  const Channel channel = a_channel("");
  BOOST_TEST(!accepts(channel, a_delivery(kMac)));
  BOOST_TEST(!accepts(channel, a_delivery(sdk::hex(sdk::hmac_sha256("", kBody)))));
  BOOST_TEST(accepts(channel, a_delivery(kMac, kBody, keyed_path(channel))));
  // With a secret the key does not stand in for a signature.
  BOOST_TEST(
      !accepts(a_channel(), a_delivery(std::string(64, '0'), kBody, keyed_path(a_channel()))));
}

BOOST_AUTO_TEST_CASE(the_handshake_echoes_the_challenge_for_the_channels_own_word) {
  const std::string good =
      "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=our%20word";
  BOOST_TEST(accepts(a_channel(), a_handshake(good)));
  const auto received = instagram_connector().receive(a_channel(), a_handshake(good));
  BOOST_TEST_REQUIRE(received.has_value());
  BOOST_TEST_REQUIRE(received->reply.has_value());
  BOOST_TEST(received->reply->body == "1158201444");
  BOOST_TEST(received->reply->header("content-type") == "text/plain");
  for (const char* bad :
       {"hub.mode=subscribe&hub.challenge=1&hub.verify_token=another",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=our%20word",
        "hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token=our%20word",
        "hub.mode=subscribe&hub.verify_token=our%20word",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=x&hub.verify_token=our%20word", ""}) {
    BOOST_TEST(!accepts(a_channel(), a_handshake(bad)), bad);
  }
  Channel wordless = a_channel();
  wordless.config[1].second.clear();
  BOOST_TEST(
      !accepts(wordless, a_handshake("hub.mode=subscribe&hub.challenge=1&hub.verify_token=")));
}

BOOST_AUTO_TEST_CASE(deliveries_and_handshakes_name_the_accounts_they_are_for) {
  const auto instagram = instagram_connector();
  const Request two = a_delivery(
      "",
      R"({"object":"instagram","entry":[{"id":"1"},{"id":"2"},{"id":"1"},{"id":90071992547409931}]})");
  BOOST_TEST(instagram.accounts(two) == (std::vector<std::string>{"1", "2", "90071992547409931"}),
             boost::test_tools::per_element());
  const auto shaken = instagram.accounts(
      a_handshake("hub.mode=subscribe&hub.challenge=1&hub.verify_token=our%20word"));
  BOOST_TEST_REQUIRE(shaken.size() == 1u);
  BOOST_TEST(shaken[0] == connector::meta::handshake_account("our word"));
  BOOST_TEST(shaken[0].find("our word") == std::string::npos);
  BOOST_TEST(instagram.accounts(a_delivery("", "no JSON")).empty());
}

BOOST_AUTO_TEST_CASE(a_refreshed_token_counts_only_for_the_one_it_was_made_of) {
  Channel channel = a_channel();
  channel.state = {{"access_token", "IGAArefreshed"}};
  BOOST_TEST(instagram::token_of(channel) == "IGAAone");
  channel.state.emplace_back("token_of", instagram::fingerprint(channel));
  BOOST_TEST(instagram::token_of(channel) == "IGAArefreshed");
  channel.config[0].second = "IGAAnew";
  BOOST_TEST(instagram::token_of(channel) == "IGAAnew");
}

// chatwoot/chatwoot#11383, #11276: the same mid is used by a message, its echo, its removal, its
// reactions and the read mark; none may hide another.
BOOST_AUTO_TEST_CASE(events_about_one_message_have_keys_of_their_own) {
  const std::string body =
      R"({"object":"instagram","entry":[{"id":"17841400000000001","time":1,"messaging":[)"
      R"({"sender":{"id":"5"},"recipient":{"id":"17841400000000001"},"timestamp":1763600000001,"message":{"mid":"m","text":"a"}},)"
      R"({"sender":{"id":"5"},"recipient":{"id":"17841400000000001"},"timestamp":1763600000001,"message":{"mid":"m","is_deleted":true}},)"
      R"({"sender":{"id":"5"},"recipient":{"id":"17841400000000001"},"timestamp":1763600000001,"reaction":{"mid":"m","action":"react","emoji":"x"}},)"
      R"({"sender":{"id":"5"},"recipient":{"id":"17841400000000001"},"timestamp":1763600000001,"read":{"mid":"m"}}]}]})";
  const auto events =
      instagram_connector().receive(a_channel(), a_delivery("", body)).value().events;
  BOOST_TEST_REQUIRE(events.size() == 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < i; ++j) BOOST_TEST(events[i].key != events[j].key);
  }
}

BOOST_AUTO_TEST_CASE(a_file_whose_link_is_refused_does_not_pause_the_channel) {
  connector::Event file;
  file.attachments.push_back(
      {.media_id = "https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id=1&signature=x"});
  const connector::Response refused[] = {{.status = 401}};
  const auto step =
      instagram_connector().plan(a_channel(), connector::Operation::fetch_media, file, refused);
  const auto* fail = std::get_if<connector::Fail>(&step);
  BOOST_TEST_REQUIRE(fail != nullptr);
  BOOST_TEST((fail->code == connector::Failure::permanent));
}

BOOST_AUTO_TEST_SUITE_END()
