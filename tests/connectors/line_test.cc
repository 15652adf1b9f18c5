// What fixtures and transcripts cannot say of LINE: what must not be accepted, and what must be
// equal or differ between calls.
#include <boost/test/unit_test.hpp>
#include <regex>
#include <set>
#include <string>

#include "connectors/line/send.h"
#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/crypto.h"
#include "gateway/plugins/connector.h"

extern "C" const gwc_connector* gwc_connector_line(void);

namespace {

using connector::Channel;
using connector::Request;
using connector::Verdict;

constexpr const char* kSecret = "8c570fa6dd201bb328f1c1eac23a96d8";

Channel a_channel() {
  return {
      .config = {{"channel_access_token", "bNl4YEFPI/hjFWhTqexp4"}, {"channel_secret", kSecret}},
      .webhook_url = "https://gw.example.com/h",
      .secret = std::string(64, 'a')};
}

Request a_delivery(const std::string& body, const std::string& signature) {
  return {
      .method = "POST", .target = "/h", .headers = {{"x-line-signature", signature}}, .body = body};
}

gateway::plugins::Connector line_connector() {
  const gwc_connector* table = gwc_connector_line();
  return {*table, gateway::plugins::ConfigSchema::parse(table->config_schema).value(), "linked"};
}

Verdict verdict_on(const Request& request) { return line_connector().verify(a_channel(), request); }

}  // namespace

BOOST_AUTO_TEST_SUITE(line)

// The example of LINE's page on webhook signatures: its secret, its body and the signature it
// names.
BOOST_AUTO_TEST_CASE(lines_own_example_is_accepted) {
  const std::string body = R"({"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]})";
  const std::string signature = "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=";
  BOOST_TEST((verdict_on(a_delivery(body, signature)) == Verdict::accept));
}

BOOST_AUTO_TEST_CASE(only_the_base64_digest_of_these_bytes_is_accepted) {
  const std::string body = R"({"destination":"U1","events":[]})";
  const std::string mac = sdk::hmac_sha256(kSecret, body);
  BOOST_TEST((verdict_on(a_delivery(body, sdk::base64(mac))) == Verdict::accept));
  BOOST_TEST((verdict_on(a_delivery(body, sdk::hex(mac))) == Verdict::refuse));
  BOOST_TEST((verdict_on(a_delivery(body, sdk::base64url(mac))) == Verdict::refuse));
  BOOST_TEST((verdict_on(a_delivery(body + " ", sdk::base64(mac))) == Verdict::refuse));
  const std::string other = sdk::base64(sdk::hmac_sha256("another channel's", body));
  BOOST_TEST((verdict_on(a_delivery(body, other)) == Verdict::refuse));
  Request request = a_delivery(body, sdk::base64(mac));
  request.method = "GET";
  BOOST_TEST((verdict_on(request) == Verdict::refuse));
}

BOOST_AUTO_TEST_CASE(retry_keys_are_uuids_that_repeat_with_the_message_only) {
  const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> keys;
  for (const std::string message : {"01939f6c-0000-7000-8000-0000000000aa", "m", "m1", "1 m"}) {
    for (std::size_t part = 0; part < 12; ++part) {
      const std::string key = line::retry_key(message, part);
      BOOST_TEST(std::regex_match(key, uuid), key);
      BOOST_TEST(key == line::retry_key(message, part));
      BOOST_TEST(keys.insert(key).second, message << " " << part);
    }
  }
}

// A redelivery is the same event with another flag, and must be stored once.
BOOST_AUTO_TEST_CASE(a_redelivery_has_the_key_of_the_first) {
  const auto key_of = [](const std::string& is_redelivery) {
    const auto received = line_connector().receive(
        a_channel(),
        a_delivery(R"({"events":[{"type":"message","webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR",)"
                   R"("deliveryContext":{"isRedelivery":)" +
                       is_redelivery +
                       R"(},"source":{"type":"user","userId":"U1"},"timestamp":1,)"
                       R"("message":{"id":"1","type":"text","text":"x"}}]})",
                   ""));
    return received.value().events.at(0).key;
  };
  BOOST_TEST(key_of("false") == "01FZ74A0TDDPYRVKNK77XKC3ZR");
  BOOST_TEST(key_of("true") == key_of("false"));
}

BOOST_AUTO_TEST_SUITE_END()
