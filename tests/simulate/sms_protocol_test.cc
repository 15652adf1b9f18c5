// Vectors of the providers' signature schemes, computed with openssl from the texts the documents
// name: twilio.com/docs/usage/webhooks/webhooks-security, developer.vonage.com
// getting-started/concepts/{webhooks,signing-messages}, developers.telnyx.com
// docs/messaging/messages/receiving-webhooks, docs.plivo.com
// messaging/concepts/signature-validation, docs.bird.com notifications-api/verifying-a-webhook,
// github.com/sinch/sinch-sdk-node authorization.helper.ts (read 2026-11-20).
#include "gateway/simulate/sms_protocol.h"

#include <boost/test/unit_test.hpp>

#include "connectors/sdk/crypto.h"
#include "gateway/simulate/keys.h"

using namespace gateway::simulate;

namespace {

const std::string kToken = "a1b2c3d4e5f60718293a4b5c6d7e8f90";

}  // namespace

BOOST_AUTO_TEST_SUITE(sms_protocol)

BOOST_AUTO_TEST_CASE(twilio_signs_the_url_and_the_sorted_parameters) {
  const auto fields = sdk::parse_form(
      "ToCountry=US&MessageSid=SM0f1e2d3c4b5a69788796a5b4c3d2e1f0&NumMedia=0&Body=H%C3%A9llo+%26+"
      "50%25+off%3F+%F0%9F%91%8D+&From=%2B14155550100&To=%2B14155550199&AccountSid="
      "AC00112233445566778899aabbccddeeff&ApiVersion=2010-04-01");
  BOOST_TEST(twilio_signature(kToken, "https://gw.example.com/hooks/sms/ch_9?v=1", fields) ==
             "frKNgfqPB/n8pJispjcswHzNgtE=");
  BOOST_TEST(twilio_signature(kToken, "https://gw.example.com:443/hooks/sms/ch_9?v=1", fields) ==
             "T2RfbeUI7riFbLKLb6zLUb5teRM=");
  BOOST_TEST(twilio_signature(kToken, "https://gw.example.com/hooks/sms/ch_9?v=1#rc=3", fields) ==
             "frKNgfqPB/n8pJispjcswHzNgtE=");
  // A JSON body is covered by its digest in the query.
  BOOST_TEST(twilio_signature(kToken,
                              "https://gw.example.com/hooks/sms/ch_9?bodySHA256="
                              "986f64ec43afb7ca8feec0bb530c56a6e4d4a9b2fced88998c8bc11ba3d7950c",
                              {}) == "0jQKfofKTtv8MdyN/AylFCN2g1A=");
}

BOOST_AUTO_TEST_CASE(a_repeated_parameter_is_signed_once_per_value_in_order) {
  const sdk::Form repeated{{"B", "2"}, {"A", "z"}, {"B", "1"}, {"B", "2"}};
  const sdk::Form unique{{"A", "z"}, {"B", "1"}, {"B", "2"}};
  BOOST_TEST(twilio_signature(kToken, "https://a.example/", repeated) ==
             twilio_signature(kToken, "https://a.example/", unique));
  BOOST_TEST(twilio_signature(kToken, "https://a.example/", unique) ==
             sdk::base64(sdk::hmac_sha1(kToken, "https://a.example/AzB1B2")));
}

BOOST_AUTO_TEST_CASE(a_fragment_overrides_twilios_retries_within_bounds) {
  const TwilioRetries usual = twilio_retries("https://a.example/x");
  BOOST_TEST(usual.count == 1);
  BOOST_TEST((usual.on == std::set<std::string>{"ct"}));
  const TwilioRetries own =
      twilio_retries("https://a.example/x#rc=3&rp=ct,rt,5xx&ct=2000&tt=99999");
  BOOST_TEST(own.count == 3);
  BOOST_TEST((own.on == std::set<std::string>{"ct", "rt", "5xx"}));
  BOOST_TEST(own.connect_ms == 2'000);
  BOOST_TEST(own.total_ms == 15'000);
  BOOST_TEST(twilio_retries("https://a.example/x#rc=9").count == 5);
}

BOOST_AUTO_TEST_CASE(vonage_signs_a_token_over_the_bodys_digest) {
  const std::string body =
      R"({"channel":"sms","message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"})";
  BOOST_TEST(
      vonage_jwt("vsecret0123456789", "abcd1234", "3c1f", 1795165200, body) ==
      "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
      "eyJpYXQiOjE3OTUxNjUyMDAsImp0aSI6IjNjMWYiLCJpc3MiOiJWb25hZ2UiLCJwYXlsb2FkX2hhc2giOiJlMjNiOGMz"
      "MzJmOWNmZGFjMjFmNjMzNTk0NzViMmY0MWIxN2Q0YTNhNzU5ZjM5MDlkMzFjNDUxMzBkMzg1YzgyIiwiYXBpX2tleSI6"
      "ImFiY2QxMjM0In0.b-SOmBevPOMYeaWPsthKcf87WRSLMO_M2NnVWgSjL2M");
}

BOOST_AUTO_TEST_CASE(vonage_signs_the_sms_apis_parameters_with_separators_replaced) {
  const sdk::Form fields{{"msisdn", "447700900001"},
                         {"to", "447700900002"},
                         {"messageId", "0A0000000123ABCD1"},
                         {"text", "Hi & bye = ok"},
                         {"type", "text"},
                         {"keyword", "HI"},
                         {"message-timestamp", "2026-11-20 09:00:00"},
                         {"timestamp", "1795165200"},
                         {"nonce", "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"},
                         {"sig", "ignored"}};
  BOOST_TEST(vonage_sig("vsecret0123456789", "md5hash", fields) ==
             "2d6ba5739e3245b87d1a74332bcd1599");
  BOOST_TEST(vonage_sig("vsecret0123456789", "sha256", fields) ==
             "5281F60E2F0FC645BA11B6A032E813D837E6B0FA6D0BB468FCE63D557721B5BF");
}

BOOST_AUTO_TEST_CASE(telnyx_signs_time_and_body_with_ed25519) {
  std::string seed;
  for (char c = 0; c < 32; ++c) seed += c;
  const KeyPair key = KeyPair::ed25519(seed);
  BOOST_TEST(sdk::base64(key.raw_public_key()) == "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
  const std::string text =
      telnyx_signed_text(1795165200, R"({"data":{"event_type":"message.received","id":"e1"}})");
  BOOST_TEST(sdk::base64(key.sign(text)) ==
             "DGHklvlxYTmXKjhKK+MCFjZD+Dp/wgxQ3XMUaqtzvprPF2Ww34JYW86rdgTlj9wEOXEw3ON6qMYX/"
             "Jyy/fM0Bg==");
}

BOOST_AUTO_TEST_CASE(plivo_signs_the_url_and_in_version_3_the_sorted_parameters_too) {
  const std::string token = "PLV_auth_token_1234567890";
  const std::string url = "https://gw.example.com/hooks/sms/ch_p";
  const std::string nonce = "12345678901234567890";
  const sdk::Form fields{{"To", "14155550199"},
                         {"From", "14155550100"},
                         {"Type", "sms"},
                         {"Text", "Hi there"},
                         {"MessageUUID", "db342550-7c8d-11ea-9d73-0242ac110002"}};
  BOOST_TEST(plivo_signature_v3(token, url, fields, nonce) ==
             "coVZ+DHH/kC80NqHVaCUHFyDTgVajUZ7GaOp7i2cLLE=");
  BOOST_TEST(plivo_signature_v3(token, url + "?b=2&a=1", fields, nonce) ==
             "KkQ6kQBo/7NuPfyo0FIhzScIUuJEKfW/6nc+Vkxnvqc=");
  BOOST_TEST(plivo_signature_v3(token, url + "?To=14155550199&From=14155550100&Text=Hi%20there", {},
                                nonce) == "15VKDIw35d//zUDY0EFKwjWFb426FRq/Hi4TP0BQKzA=");
  BOOST_TEST(plivo_signature_v3(token, url, {}, nonce) ==
             "MAVJbb2V847ude1YdiCZYiCejs1ENH/AhELU7cEAxMo=");
  const std::string v2 = "j3PbAn0dOnQjeolD9TcPnXP9l+LHGHea2RW6iwzJ62A=";
  BOOST_TEST(plivo_signature_v2(token, url, "05429567804466091622") == v2);
  BOOST_TEST(plivo_signature_v2(token, url + "?a=1", "05429567804466091622") == v2);
}

BOOST_AUTO_TEST_CASE(sinch_signs_body_nonce_and_time) {
  BOOST_TEST(sinch_signature("sinchSecret01", R"({"type":"mo_text","id":"01HZZZ"})", "01HZNONCE",
                             "1795165200") == "D30N2W7b0MxMHyYzYob3Q4wV0jPLHUKNpLz+yc2v1Fg=");
}

BOOST_AUTO_TEST_CASE(bird_signs_time_url_and_the_bodys_digest) {
  BOOST_TEST(bird_signature("birdSigningKey01", "1795165200",
                            "https://gw.example.com/hooks/sms/ch_b",
                            R"({"service":"channels","event":"sms.inbound"})") ==
             "u/0kUH+TxtRYOm9DhmRi3Yf0WjGz6+q+uFMSz02xopE=");
}

// www.twilio.com/docs/messaging/twiml/message, docs.plivo.com messaging/xml (read 2026-11-20).
BOOST_AUTO_TEST_CASE(messages_of_an_xml_answer_are_found) {
  BOOST_TEST(xml_messages("<Response/>").empty());
  const auto two = xml_messages(
      "<Response><Message>one</Message>"
      "<Message src=\"1\" dst=\"2\">two</Message></Response>");
  BOOST_REQUIRE(two.size() == 2u);
  BOOST_TEST(two[0] == "one");
  BOOST_TEST(two[1] == "two");
  BOOST_TEST(xml_messages("<Response><Message>cut").empty());
  BOOST_TEST(xml_messages("</Message><Message").empty());
}

BOOST_AUTO_TEST_CASE(keys_sign_what_the_platforms_verify) {
  const KeyPair curve = KeyPair::p256();
  BOOST_TEST(sdk::is_signed_ecdsa(curve.public_key_der(), "text", curve.sign("text")));
  BOOST_TEST(!sdk::is_signed_ecdsa(curve.public_key_der(), "other", curve.sign("text")));
  const KeyPair rsa = KeyPair::rsa();
  const std::string pem = rsa.certificate_pem("sns.us-east-1.amazonaws.com");
  BOOST_TEST(sdk::is_signed_by_certificate(pem, sdk::RsaDigest::sha256, "text", rsa.sign("text")));
  BOOST_TEST(
      sdk::is_signed_by_certificate(pem, sdk::RsaDigest::sha1, "text", rsa.sign("text", true)));
  BOOST_TEST(is_signed_rs256(rsa.public_key_pem(), "text", rsa.sign("text")));
  BOOST_TEST(!is_signed_rs256(rsa.public_key_pem(), "other", rsa.sign("text")));
  BOOST_TEST(!is_signed_rs256("no key", "text", rsa.sign("text")));
  BOOST_TEST(!KeyPair::from_pem("no key").valid());
  BOOST_TEST(KeyPair::from_pem(rsa.private_key_pem()).public_key_pem() == rsa.public_key_pem());
}

// GSM-7: 160 or 153 per part, an extension character counts two; else UCS-2 units: 70 or 67, a
// surrogate pair is not cut. Lower-case c-cedilla is not of the alphabet, upper-case is.
BOOST_AUTO_TEST_CASE(parts_are_counted_as_networks_count_them) {
  BOOST_TEST(sms_segments("") == 1);
  BOOST_TEST(sms_segments(std::string(160, 'x')) == 1);
  BOOST_TEST(sms_segments(std::string(161, 'x')) == 2);
  BOOST_TEST(sms_segments(std::string(306, 'x')) == 2);
  BOOST_TEST(sms_segments(std::string(307, 'x')) == 3);
  BOOST_TEST(sms_segments(std::string(80, '{')) == 1);
  BOOST_TEST(sms_segments(std::string(81, '{')) == 2);
  BOOST_TEST(is_gsm7("Ç @ € ñ \n"));
  BOOST_TEST(!is_gsm7("ç"));
  BOOST_TEST(!is_gsm7("’"));
  std::string emoji;
  for (int i = 0; i < 35; ++i) emoji += "👍";
  BOOST_TEST(sms_segments(emoji) == 1);
  emoji += "👍";
  BOOST_TEST(sms_segments(emoji) == 2);
}

BOOST_AUTO_TEST_CASE(words_of_opting_out_and_in_are_known_whole) {
  BOOST_TEST((opt_keyword(" stop ") == OptKeyword::stop));
  BOOST_TEST((opt_keyword("Unsubscribe") == OptKeyword::stop));
  BOOST_TEST((opt_keyword("START") == OptKeyword::start));
  BOOST_TEST((opt_keyword("help") == OptKeyword::help));
  BOOST_TEST((opt_keyword("stop it") == OptKeyword::none));
}

BOOST_AUTO_TEST_SUITE_END()
