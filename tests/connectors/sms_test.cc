// The SMS connector beyond its fixtures: published signatures, right and wrong, what must not be
// confused, and what it computes by itself. Vectors are those of the providers' documents; where a
// document has none they were computed with OpenSSL, or are made here by the SDK's digests, which
// have vectors of their own; never by the connector.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cctype>
#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sms/jwt.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/opt_out.h"
#include "connectors/sms/segments.h"
#include "connectors/sms/twilio_signature.h"
#include "gateway/plugins/connector.h"

extern "C" const gwc_connector* gwc_connector_sms(void);

namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Operation;
using connector::Pairs;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;

constexpr std::int64_t kNow = 1'795'165'200'000;  // 2026-11-20T09:00:00Z
constexpr char kTwilioUrl[] = "https://gw.example.com/hooks/sms/ch_9";
constexpr char kTwilioBody[] =
    "ToCountry=US&MessageSid=SM0f1e2d3c4b5a69788796a5b4c3d2e1f0&NumMedia=0&"
    "Body=H%C3%A9llo+%26+50%25+off%3F+%F0%9F%91%8D+&From=%2B14155550100&To=%2B14155550199&"
    "AccountSid=AC00112233445566778899aabbccddeeff&ApiVersion=2010-04-01";
constexpr char kTwilioToken[] = "a1b2c3d4e5f60718293a4b5c6d7e8f90";

const gateway::plugins::Connector& sms_connector() {
  static const gwc_connector* table = gwc_connector_sms();
  static const gateway::plugins::Connector one(
      *table, gateway::plugins::ConfigSchema::parse(table->config_schema).value(), "linked");
  return one;
}

Channel channel_with(Pairs config, std::string url) {
  return {.config = std::move(config),
          .state = {},
          .webhook_url = std::move(url),
          .secret = std::string(64, 'a'),
          .now_ms = kNow};
}

Channel twilio(std::string url = kTwilioUrl) {
  return channel_with({{"provider", "twilio"},
                       {"account_sid", "AC00112233445566778899aabbccddeeff"},
                       {"auth_token", kTwilioToken},
                       {"from", "+14155550199"}},
                      std::move(url));
}

const Pairs kVonage{{"provider", "vonage"},         {"api_key", "abcd1234"},
                    {"api_secret", "s3cr3t-api"},   {"signature_secret", "vsecret0123456789"},
                    {"application_id", "aaaaaaaa"}, {"from", "+447700900002"}};

void set(Channel& channel, const std::string& name, const std::string& value) {
  std::erase_if(channel.config, [&](const auto& pair) { return pair.first == name; });
  channel.config.emplace_back(name, value);
}

Request post(std::string target, std::string body, Pairs headers,
             const std::string& content_type = "application/x-www-form-urlencoded") {
  Request request{.method = "POST", .target = std::move(target), .body = std::move(body)};
  const auto mark = request.target.find('?');
  if (mark != std::string::npos) request.query = request.target.substr(mark + 1);
  request.headers = std::move(headers);
  request.headers.emplace_back("content-type", content_type);
  return request;
}

Verdict verdict(const Channel& channel, const Request& request) {
  return sms_connector().verify(channel, request);
}
bool accepts(const Channel& channel, const Request& request) {
  return verdict(channel, request) == Verdict::accept;
}

Request twilio_post(const std::string& signature, const std::string& target = "/hooks/sms/ch_9?v=1",
                    const std::string& body = kTwilioBody) {
  return post(target, body, {{"x-twilio-signature", signature}});
}

// Every request that differs from an accepted one in one byte of one place.
std::size_t accepted_after_a_flip(const Channel& channel, const Request& request,
                                  std::string Request::*part) {
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < (request.*part).size(); ++i) {
    Request changed = request;
    (changed.*part)[i] = static_cast<char>((changed.*part)[i] ^ 1);
    accepted += accepts(channel, changed) ? 1 : 0;
  }
  return accepted;
}

Step plan(const Channel& channel, Operation operation, const Event& input,
          const std::vector<Response>& so_far = {}) {
  return sms_connector().plan(channel, operation, input, so_far);
}

Event a_message(std::string thread, std::string text) {
  Event event{.kind = EventKind::message};
  event.thread = std::move(thread);
  event.text = std::move(text);
  event.key = "k1";
  return event;
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

sms::Segments gsm(std::size_t units, std::size_t count) {
  return {.alphabet = sms::Alphabet::gsm7, .units = units, .count = count};
}
sms::Segments ucs2(std::size_t units, std::size_t count) {
  return {.alphabet = sms::Alphabet::ucs2, .units = units, .count = count};
}
bool is(const std::string& text, const sms::Segments& wanted) {
  return sms::segments_of(text) == wanted;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sms_signatures)

// https://www.twilio.com/docs/usage/webhooks/webhooks-security, as its helper libraries test it.
BOOST_AUTO_TEST_CASE(twilios_own_published_example_is_accepted) {
  Channel channel = twilio("https://mycompany.com/myapp.php");
  set(channel, "auth_token", "12345");
  const std::string body =
      "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&"
      "To=%2B18005551212";
  const std::string target = "/myapp.php?foo=1&bar=2";
  BOOST_TEST(accepts(channel, twilio_post("RSOYDt4T1cUTdK1PDd93/VVr8B8=", target, body)));
  BOOST_TEST(!accepts(channel, twilio_post("RSOYDt4T1cUTdK1PDd93/VVr8B9=", target, body)));
}

BOOST_AUTO_TEST_CASE(twilio_signs_with_and_without_the_port) {
  BOOST_TEST(accepts(twilio(), twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=")));
  BOOST_TEST(accepts(twilio(), twilio_post("T2RfbeUI7riFbLKLb6zLUb5teRM=")));
  // The same two where the operator wrote the port down.
  const Channel with_port = twilio("https://gw.example.com:443/hooks/sms/ch_9");
  BOOST_TEST(accepts(with_port, twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=")));
  BOOST_TEST(accepts(with_port, twilio_post("T2RfbeUI7riFbLKLb6zLUb5teRM=")));
}

BOOST_AUTO_TEST_CASE(any_changed_byte_of_a_twilio_delivery_is_refused) {
  const Request good = twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=");
  BOOST_TEST(accepted_after_a_flip(twilio(), good, &Request::body) == 0u);
  BOOST_TEST(accepted_after_a_flip(twilio(), good, &Request::query) == 0u);
}

BOOST_AUTO_TEST_CASE(a_twilio_body_cut_anywhere_is_refused) {
  Request request = twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=");
  while (!request.body.empty()) {
    request.body.pop_back();
    BOOST_TEST(!accepts(twilio(), request));
  }
}

BOOST_AUTO_TEST_CASE(the_host_header_and_forwarded_headers_do_not_count) {
  Channel other = twilio("https://other.example.com/hooks/sms/ch_9");
  Request request = twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=");
  request.headers.emplace_back("host", "gw.example.com");
  request.headers.emplace_back("x-forwarded-host", "gw.example.com");
  request.headers.emplace_back("x-forwarded-proto", "https");
  BOOST_TEST(!accepts(other, request));
  // Nor do wrong ones spoil a right signature.
  request.headers[2].second = "evil.example.com";
  BOOST_TEST(accepts(twilio(), request));
}

BOOST_AUTO_TEST_CASE(both_tokens_sign_while_they_are_being_changed) {
  Channel channel = twilio();
  set(channel, "auth_token", "00000000000000000000000000000000");
  const Request request = twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=");
  BOOST_TEST(!accepts(channel, request));
  set(channel, "auth_token_secondary", kTwilioToken);
  BOOST_TEST(accepts(channel, request));
}

BOOST_AUTO_TEST_CASE(an_api_keys_secret_does_not_verify_signatures) {
  Channel channel = twilio();
  set(channel, "auth_token", "00000000000000000000000000000000");
  set(channel, "api_key_sid", "SK0123456789abcdef0123456789abcdef");
  set(channel, "api_key_secret", kTwilioToken);
  BOOST_TEST(!accepts(channel, twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=")));
}

BOOST_AUTO_TEST_CASE(two_signature_headers_are_refused_even_if_both_are_right) {
  Request request = twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=");
  request.headers.emplace_back("x-twilio-signature", "frKNgfqPB/n8pJispjcswHzNgtE=");
  BOOST_TEST(!accepts(twilio(), request));
}

BOOST_AUTO_TEST_CASE(a_channel_without_a_token_accepts_nothing) {
  Channel channel = twilio();
  set(channel, "auth_token", "");
  // HMAC with an empty key over the same text, computed with openssl.
  BOOST_TEST(!accepts(channel, twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=")));
  const std::string mac = sdk::base64(sdk::hmac_sha1("", std::string(kTwilioUrl) + "?v=1"));
  BOOST_TEST(!accepts(channel, twilio_post(mac)));
}

BOOST_AUTO_TEST_CASE(a_json_body_is_covered_by_its_digest_in_the_query) {
  const std::string body = R"({"specversion":"1.0","type":"x","data":{"n":1}})";
  const std::string target =
      "/hooks/sms/ch_9?bodySHA256="
      "986f64ec43afb7ca8feec0bb530c56a6e4d4a9b2fced88998c8bc11ba3d7950c";
  const Pairs signature{{"x-twilio-signature", "0jQKfofKTtv8MdyN/AylFCN2g1A="}};
  BOOST_TEST(accepts(twilio(), post(target, body, signature, "application/json")));
  BOOST_TEST(accepts(twilio(), post(target, body, signature, "application/json; charset=utf-8")));
  BOOST_TEST(!accepts(twilio(), post(target, body + " ", signature, "application/json")));
}

// With a form the digest would leave the body to anybody.
BOOST_AUTO_TEST_CASE(a_form_with_a_digest_in_the_query_is_verified_as_a_form) {
  const std::string target =
      "/hooks/sms/ch_9?bodySHA256="
      "986f64ec43afb7ca8feec0bb530c56a6e4d4a9b2fced88998c8bc11ba3d7950c";
  const Pairs signature{{"x-twilio-signature", "0jQKfofKTtv8MdyN/AylFCN2g1A="}};
  const std::string json = R"({"specversion":"1.0","type":"x","data":{"n":1}})";
  BOOST_TEST(!accepts(twilio(), post(target, json, signature)));
  BOOST_TEST(!accepts(twilio(), post(target, "Body=forged&From=%2B1&MessageSid=SM1", signature)));
}

BOOST_AUTO_TEST_CASE(equal_values_of_a_repeated_parameter_are_signed_once_and_sorted) {
  // printf %s 'https://gw.example.com/hooks/sms/ch_9aXb1b2' | openssl dgst -sha1 -hmac TOKEN
  // -binary
  const std::string signature = "6hDOWgkaZgz1J4DHrly3bDFjW20=";
  BOOST_TEST(accepts(twilio(), twilio_post(signature, "/hooks/sms/ch_9", "b=2&a=X&b=1&b=2")));
  BOOST_TEST(!accepts(twilio(), twilio_post(signature, "/hooks/sms/ch_9", "b=2&a=X&b=1&b=3")));
}

BOOST_AUTO_TEST_CASE(urls_are_tried_without_port_with_port_and_with_the_query_encoded_anew) {
  using sms::url_spellings;
  BOOST_TEST((url_spellings("https://h.example/p?a=b%20c+d&x=~") ==
              std::vector<std::string>{"https://h.example/p?a=b%20c+d&x=~",
                                       "https://h.example:443/p?a=b%20c+d&x=~",
                                       "https://h.example/p?a=b%20c%20d&x=~",
                                       "https://h.example:443/p?a=b%20c%20d&x=~"}));
  BOOST_TEST((url_spellings("http://h.example:8080/p") ==
              std::vector<std::string>{"http://h.example/p", "http://h.example:8080/p"}));
  // Userinfo is signed, and its colon is no port's; nor are those of an IPv6 address.
  BOOST_TEST((url_spellings("https://u:p@h.example/p") ==
              std::vector<std::string>{"https://u:p@h.example/p", "https://u:p@h.example:443/p"}));
  BOOST_TEST((url_spellings("https://[2001:db8::1]/p") ==
              std::vector<std::string>{"https://[2001:db8::1]/p", "https://[2001:db8::1]:443/p"}));
}

constexpr char kVonageBody[] =
    R"({"channel":"sms","message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"})";
constexpr char kVonageToken[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJpYXQiOjE3OTUxNjUyMDAsImp0aSI6IjNjMWYiLCJpc3MiOiJWb25hZ2UiLCJwYXlsb2FkX2hhc2giOiJlMjNiOGMz"
    "MzJmOWNmZGFjMjFmNjMzNTk0NzViMmY0MWIxN2Q0YTNhNzU5ZjM5MDlkMzFjNDUxMzBkMzg1YzgyIiwiYXBpX2tleSI6"
    "ImFiY2QxMjM0In0.b-SOmBevPOMYeaWPsthKcf87WRSLMO_M2NnVWgSjL2M";

Request vonage_post(const std::string& token, const std::string& body = kVonageBody) {
  return post("/h", body, {{"authorization", "Bearer " + token}}, "application/json");
}

std::string token_of(const std::string& header, const std::string& claims,
                     const std::string& secret) {
  const std::string text = sdk::base64url(header) + "." + sdk::base64url(claims);
  return text + "." + sdk::base64url(sdk::hmac_sha256(secret, text));
}

BOOST_AUTO_TEST_CASE(vonages_token_counts_for_this_body_this_account_and_five_minutes) {
  Channel channel = channel_with(kVonage, "https://gw.example.com/h");
  BOOST_TEST(accepts(channel, vonage_post(kVonageToken)));
  BOOST_TEST(!accepts(channel, vonage_post(kVonageToken, std::string(kVonageBody) + " ")));
  for (const std::int64_t late_ms : {-300'000, 300'000}) {
    channel.now_ms = kNow + late_ms;
    BOOST_TEST(accepts(channel, vonage_post(kVonageToken)));
    channel.now_ms += late_ms > 0 ? 1'000 : -1'000;
    BOOST_TEST(!accepts(channel, vonage_post(kVonageToken)));
  }
  channel.now_ms = kNow;
  set(channel, "api_key", "abcd1235");
  BOOST_TEST(!accepts(channel, vonage_post(kVonageToken)));
}

BOOST_AUTO_TEST_CASE(an_unsigned_vonage_delivery_is_asked_to_come_again) {
  const Channel channel = channel_with(kVonage, "https://gw.example.com/h");
  BOOST_TEST(
      (verdict(channel, post("/h", kVonageBody, {}, "application/json")) == Verdict::try_later));
  BOOST_TEST((verdict(channel, vonage_post("")) == Verdict::refuse));
}

BOOST_AUTO_TEST_CASE(vonage_tokens_of_other_algorithms_and_keys_are_refused) {
  const Channel channel = channel_with(kVonage, "https://gw.example.com/h");
  const std::string claims = R"({"iat":1795165200,"api_key":"abcd1234","payload_hash":")" +
                             sdk::hex(sdk::sha256(kVonageBody)) + R"("})";
  const std::string secret = "vsecret0123456789";
  BOOST_TEST(accepts(channel, vonage_post(token_of(R"({"alg":"HS256"})", claims, secret))));
  for (const char* header : {R"({"alg":"none"})", R"({"alg":"HS512"})", R"({"alg":"hs256"})",
                             R"({"alg":"RS256"})", R"({})", R"({"alg":"HS256","crit":["x"]})"}) {
    BOOST_TEST(!accepts(channel, vonage_post(token_of(header, claims, secret))), header);
  }
  BOOST_TEST(!accepts(channel, vonage_post(token_of(R"({"alg":"HS256"})", claims, "wrong"))));
  // Without what binds it to the body.
  BOOST_TEST(!accepts(channel,
                      vonage_post(token_of(R"({"alg":"HS256"})",
                                           R"({"iat":1795165200,"api_key":"abcd1234"})", secret))));
}

Channel vonage_sms(const std::string& method) {
  return channel_with({{"provider", "vonage_sms"},
                       {"api_key", "abcd1234"},
                       {"api_secret", "s3cr3t-api"},
                       {"signature_secret", "vsecret0123456789"},
                       {"signature_method", method},
                       {"from", "+447700900002"}},
                      "https://gw.example.com/h");
}

// The text was "Hi & bye = ok", which is signed as "Hi _ bye _ ok".
constexpr char kVonageSmsFields[] =
    "msisdn=447700900001&to=447700900002&messageId=0A0000000123ABCD1&text=Hi+%26+bye+%3D+ok&"
    "type=text&keyword=HI&message-timestamp=2026-11-20+09%3A00%3A00&timestamp=1795165200&"
    "nonce=aaaaaaaa-bbbb-cccc-dddd-0123456789ab&sig=";

BOOST_AUTO_TEST_CASE(vonage_sms_signatures_of_the_reference_are_accepted_in_either_case) {
  const std::string fields = kVonageSmsFields;
  const std::string md5hash = "2d6ba5739e3245b87d1a74332bcd1599";
  const std::string sha256 = "5281F60E2F0FC645BA11B6A032E813D837E6B0FA6D0BB468FCE63D557721B5BF";
  BOOST_TEST(accepts(vonage_sms("md5hash"), post("/h", fields + md5hash, {})));
  BOOST_TEST(accepts(vonage_sms(""), post("/h", fields + md5hash, {})));
  BOOST_TEST(accepts(vonage_sms("sha256"), post("/h", fields + sha256, {})));
  std::string lower = sha256;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  BOOST_TEST(accepts(vonage_sms("sha256"), post("/h", fields + lower, {})));
  // One method's signature is none of another's.
  BOOST_TEST(!accepts(vonage_sms("sha256"), post("/h", fields + md5hash, {})));
  BOOST_TEST(!accepts(vonage_sms("md5hash"), post("/h", fields + sha256, {})));
}

// printf %s '&keyword=HI&...&text=Hi _ bye _ ok&...' | openssl dgst -md5|-sha1|-sha512 -hmac SECRET
BOOST_AUTO_TEST_CASE(every_method_vonage_offers_for_its_sms_api_is_understood) {
  const std::vector<std::pair<std::string, std::string>> macs{
      {"md5", "19508bdaaa10e795f5e8eaa3f06d04d0"},
      {"sha1", "263af025789ac40044422e66098f92b91ddb98ae"},
      {"sha512",
       "c77fa5d3a5a91da3813143b83dd98a9d3bd536fecf6f790572ff84e5d3a8eb65"
       "0f3ae68f6bffd10dfb4d841ee3e69f2f2a4d7cad0d568fdde94443a035963a91"}};
  for (const auto& [method, mac] : macs) {
    const Request request = post("/h", kVonageSmsFields + mac, {});
    BOOST_TEST(accepts(vonage_sms(method), request), method);
    BOOST_TEST(!accepts(vonage_sms("sha256"), request), method);
  }
}

BOOST_AUTO_TEST_CASE(an_old_repeated_or_unsigned_vonage_sms_delivery_is_refused) {
  const std::string signed_body =
      std::string(kVonageSmsFields) +
      "5281F60E2F0FC645BA11B6A032E813D837E6B0FA6D0BB468FCE63D557721B5BF";
  Channel channel = vonage_sms("sha256");
  BOOST_TEST(!accepts(channel, post("/h", signed_body + "&text=another", {})));
  BOOST_TEST(!accepts(channel, post("/h", signed_body.substr(0, signed_body.rfind('&')), {})));
  channel.now_ms = kNow + 301'000;
  BOOST_TEST(!accepts(channel, post("/h", signed_body, {})));
}

// With a secret the URL alone is no proof; what asks nothing and says nothing may come by it.
BOOST_AUTO_TEST_CASE(vonages_probe_of_the_address_is_answered_by_the_keyed_url_only) {
  const Channel channel = vonage_sms("sha256");
  const std::string url = connector::keyed_webhook_url(channel);
  const std::string target = url.substr(url.find("/h"));
  Request probe{.method = "GET", .target = target};
  BOOST_TEST(accepts(channel, probe));
  BOOST_TEST(sms_connector().receive(channel, probe).value().events.empty());
  probe.target = "/h";
  BOOST_TEST(!accepts(channel, probe));
  Request forged{.method = "GET", .target = target + "?msisdn=1&messageId=2&text=x"};
  forged.query = "msisdn=1&messageId=2&text=x";
  BOOST_TEST(!accepts(channel, forged));
}

BOOST_AUTO_TEST_CASE(telnyxs_signature_counts_for_five_minutes_and_this_body) {
  Channel channel =
      channel_with({{"provider", "telnyx"},
                    {"telnyx_api_key", "KEY01"},
                    {"telnyx_public_key", "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="},
                    {"from", "+14155550199"}},
                   "https://gw.example.com/h");
  const Request good = post("/h", R"({"data":{"event_type":"message.received","id":"e1"}})",
                            {{"telnyx-timestamp", "1795165200"},
                             {"telnyx-signature-ed25519",
                              "DGHklvlxYTmXKjhKK+MCFjZD+Dp/"
                              "wgxQ3XMUaqtzvprPF2Ww34JYW86rdgTlj9wEOXEw3ON6qMYX/Jyy/fM0Bg=="}},
                            "application/json");
  BOOST_TEST(accepts(channel, good));
  BOOST_TEST(accepted_after_a_flip(channel, good, &Request::body) == 0u);
  Request other = good;
  other.headers[0].second = "1795165201";
  BOOST_TEST(!accepts(channel, other));
  channel.now_ms = kNow + 300'000;
  BOOST_TEST(accepts(channel, good));
  channel.now_ms = kNow + 301'000;
  BOOST_TEST(!accepts(channel, good));
  channel.now_ms = kNow;
  // Another tenant's key.
  set(channel, "telnyx_public_key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
  BOOST_TEST(!accepts(channel, good));
  set(channel, "telnyx_public_key", "no base64");
  BOOST_TEST(!accepts(channel, good));
}

Channel plivo(std::string url) {
  return channel_with({{"provider", "plivo"},
                       {"plivo_auth_id", "MA1"},
                       {"plivo_auth_token", "PLV_auth_token_1234567890"},
                       {"from", "+14155550199"}},
                      std::move(url));
}
constexpr char kPlivoForm[] =
    "From=14155550100&To=14155550199&Text=Hi+there&Type=sms&"
    "MessageUUID=db342550-7c8d-11ea-9d73-0242ac110002";

Request plivo_v3(const std::string& target, const std::string& signature) {
  return post(target, kPlivoForm,
              {{"x-plivo-signature-v3", signature},
               {"x-plivo-signature-v3-nonce", "12345678901234567890"}});
}

BOOST_AUTO_TEST_CASE(plivos_third_version_covers_url_query_and_body) {
  const Channel channel = plivo("https://gw.example.com/hooks/sms/ch_p");
  const std::string target = "/hooks/sms/ch_p";
  const std::string plain = "coVZ+DHH/kC80NqHVaCUHFyDTgVajUZ7GaOp7i2cLLE=";
  const std::string with_query = "KkQ6kQBo/7NuPfyo0FIhzScIUuJEKfW/6nc+Vkxnvqc=";
  BOOST_TEST(accepts(channel, plivo_v3(target, plain)));
  BOOST_TEST(accepts(channel, plivo_v3(target + "?a=1&b=2", with_query)));
  BOOST_TEST(accepts(channel, plivo_v3(target + "?b=2&a=1", with_query)));
  BOOST_TEST(!accepts(channel, plivo_v3(target, with_query)));
  BOOST_TEST(!accepts(channel, plivo_v3(target + "?a=1&b=3", with_query)));
  BOOST_TEST(accepted_after_a_flip(channel, plivo_v3(target, plain), &Request::body) == 0u);
}

BOOST_AUTO_TEST_CASE(any_of_plivos_listed_signatures_may_fit_and_all_of_it_must) {
  const Channel channel = plivo("https://gw.example.com/hooks/sms/ch_p");
  const std::string good = "coVZ+DHH/kC80NqHVaCUHFyDTgVajUZ7GaOp7i2cLLE=";
  const std::string target = "/hooks/sms/ch_p";
  BOOST_TEST(accepts(channel, plivo_v3(target, "AAAA," + good)));
  BOOST_TEST(accepts(channel, plivo_v3(target, good + ", AAAA")));
  for (const std::string& wrong : {std::string("AAAA,BBBB"), std::string(","), std::string(),
                                   good.substr(1), good.substr(0, good.size() - 1), good + good}) {
    BOOST_TEST(!accepts(channel, plivo_v3(target, wrong)), wrong);
  }
  Request without_nonce = plivo_v3(target, good);
  std::erase_if(without_nonce.headers,
                [](const auto& header) { return header.first.ends_with("-nonce"); });
  BOOST_TEST(!accepts(channel, without_nonce));
}

// Version 2 leaves the body to anybody who has seen one delivery.
BOOST_AUTO_TEST_CASE(plivos_second_version_counts_by_the_keyed_url_only) {
  const Channel channel = plivo("https://gw.example.com/hooks/sms/ch_p");
  const auto v2 = [&](const std::string& url, const std::string& signature) {
    return post(url.substr(std::string("https://gw.example.com").size()), kPlivoForm,
                {{"x-plivo-signature-v2", signature},
                 {"x-plivo-signature-v2-nonce", "05429567804466091622"}});
  };
  // The reference's vector is right for the plain URL, which is not enough.
  BOOST_TEST(
      !accepts(channel, v2(channel.webhook_url, "j3PbAn0dOnQjeolD9TcPnXP9l+LHGHea2RW6iwzJ62A=")));
  const std::string keyed = connector::keyed_webhook_url(channel);
  const std::string signature =
      sdk::base64(sdk::hmac_sha256("PLV_auth_token_1234567890", keyed + "05429567804466091622"));
  BOOST_TEST(accepts(channel, v2(keyed, signature)));
  BOOST_TEST(!accepts(channel, v2(keyed, "j3PbAn0dOnQjeolD9TcPnXP9l+LHGHea2RW6iwzJ62A=")));
  // A wrong signature of version 3 is not mended by a right one of version 2.
  Request both = v2(keyed, signature);
  both.headers.emplace_back("x-plivo-signature-v3", "AAAA");
  both.headers.emplace_back("x-plivo-signature-v3-nonce", "1");
  BOOST_TEST(!accepts(channel, both));
}

// The vector itself, over the text the reference gives.
BOOST_AUTO_TEST_CASE(plivos_second_version_is_computed_as_the_reference_does) {
  BOOST_TEST(
      sdk::base64(sdk::hmac_sha256("PLV_auth_token_1234567890",
                                   "https://gw.example.com/hooks/sms/ch_p05429567804466091622")) ==
      "j3PbAn0dOnQjeolD9TcPnXP9l+LHGHea2RW6iwzJ62A=");
}

BOOST_AUTO_TEST_CASE(birds_signature_covers_time_url_and_body) {
  Channel channel = channel_with({{"provider", "bird"},
                                  {"bird_access_key", "key1"},
                                  {"organization_id", "o"},
                                  {"workspace_id", "w"},
                                  {"channel_id", "c"},
                                  {"signing_key", "birdSigningKey01"}},
                                 "https://gw.example.com/hooks/sms/ch_b");
  const Request good =
      post("/hooks/sms/ch_b", R"({"service":"channels","event":"sms.inbound"})",
           {{"messagebird-request-timestamp", "1795165200"},
            {"messagebird-signature", "u/0kUH+TxtRYOm9DhmRi3Yf0WjGz6+q+uFMSz02xopE="}},
           "application/json");
  BOOST_TEST(accepts(channel, good));
  BOOST_TEST(accepted_after_a_flip(channel, good, &Request::body) == 0u);
  Request moved = good;
  moved.target += "?x=1";
  moved.query = "x=1";
  BOOST_TEST(!accepts(channel, moved));
  Request later = good;
  later.headers[0].second = "1795165201";
  BOOST_TEST(!accepts(channel, later));
  channel.now_ms = kNow + std::int64_t{9} * 3600 * 1000 + 1000;
  BOOST_TEST(!accepts(channel, good));
}

BOOST_AUTO_TEST_CASE(messagebirds_token_names_the_url_and_the_body_and_a_time) {
  Channel channel = channel_with({{"provider", "messagebird"},
                                  {"access_key", "live1"},
                                  {"signing_key", "mbkey"},
                                  {"from", "+31600000002"}},
                                 "https://gw.example.com/h");
  const std::string url_hash = sdk::hex(sdk::sha256("https://gw.example.com/h?status=sent"));
  const auto token = [&](const std::string& more, const std::string& issuer = "MessageBird",
                         std::int64_t nbf = 1795165200, std::int64_t exp = 1795165260) {
    return token_of(R"({"alg":"HS256"})",
                    R"({"iss":")" + issuer + R"(","nbf":)" + std::to_string(nbf) + R"(,"exp":)" +
                        std::to_string(exp) + R"(,"url_hash":")" + url_hash + "\"" + more + "}",
                    "mbkey");
  };
  const auto get = [&](const std::string& jwt) {
    Request request{.method = "GET", .target = "/h?status=sent", .query = "status=sent"};
    request.headers = {{"messagebird-signature-jwt", jwt}};
    return request;
  };
  BOOST_TEST(accepts(channel, get(token(""))));
  // A digest of a body that is not there, and a body without its digest.
  BOOST_TEST(!accepts(channel, get(token(R"(,"payload_hash":"00")"))));
  Request with_body = get(token(""));
  with_body.method = "POST";
  with_body.body = "x=1";
  BOOST_TEST(!accepts(channel, with_body));
  with_body.headers[0].second = token(R"(,"payload_hash":")" + sdk::hex(sdk::sha256("x=1")) + "\"");
  BOOST_TEST(accepts(channel, with_body));
  BOOST_TEST(!accepts(channel, get(token("", "messagebird"))));
  BOOST_TEST(!accepts(channel, get(token("", "MessageBird", 1795165202))));
  BOOST_TEST(accepts(channel, get(token("", "MessageBird", 1795165201))));
  BOOST_TEST(accepts(channel, get(token("", "MessageBird", 1795165000, 1795165199))));
  BOOST_TEST(!accepts(channel, get(token("", "MessageBird", 1795165000, 1795165198))));
  Request elsewhere = get(token(""));
  elsewhere.target = "/h?status=delivered";
  elsewhere.query = "status=delivered";
  BOOST_TEST(!accepts(channel, elsewhere));
}

Channel sinch(Pairs proof) {
  Pairs config{{"provider", "sinch"},
               {"sinch_plan_id", "p1"},
               {"sinch_token", "t1"},
               {"from", "+14155550199"}};
  config.insert(config.end(), proof.begin(), proof.end());
  return channel_with(std::move(config), "https://gw.example.com/h");
}

BOOST_AUTO_TEST_CASE(sinchs_signature_out_of_its_time_is_asked_to_come_again) {
  Channel channel = sinch({{"webhook_secret", "sinchSecret01"}});
  const Request good =
      post("/h", R"({"type":"mo_text","id":"01HZZZ"})",
           {{"x-sinch-webhook-signature-nonce", "01HZNONCE"},
            {"x-sinch-webhook-signature-timestamp", "1795165200"},
            {"x-sinch-webhook-signature", "D30N2W7b0MxMHyYzYob3Q4wV0jPLHUKNpLz+yc2v1Fg="}},
           "application/json");
  BOOST_TEST(accepts(channel, good));
  BOOST_TEST(accepted_after_a_flip(channel, good, &Request::body) == 0u);
  Request other = good;
  other.headers.emplace_back("x-sinch-webhook-signature-algorithm", "HmacSHA1");
  BOOST_TEST((verdict(channel, other) == Verdict::refuse));
  // Sinch drops what is answered 4xx; our clock may be the wrong one.
  channel.now_ms = kNow + std::int64_t{25} * 3600 * 1000;
  BOOST_TEST((verdict(channel, good) == Verdict::try_later));
  set(channel, "webhook_secret", "another");
  BOOST_TEST((verdict(channel, good) == Verdict::refuse));
}

BOOST_AUTO_TEST_CASE(sinchs_password_and_key_are_proofs_of_their_own) {
  const Channel basic = sinch({{"basic_user", "hook"}, {"basic_pass", "p@ss:word"}});
  const auto with = [](const std::string& header) {
    return post("/h", "{}", {{"authorization", header}}, "application/json");
  };
  // printf 'hook:p@ss:word' | base64
  BOOST_TEST(accepts(basic, with("Basic aG9vazpwQHNzOndvcmQ=")));
  BOOST_TEST(!accepts(basic, with("Basic aG9vazpwQHNzOndvcmU=")));
  BOOST_TEST(!accepts(basic, with("")));
  const Channel keyed = sinch({});
  const std::string url = connector::keyed_webhook_url(keyed);
  BOOST_TEST(accepts(keyed, post(url.substr(url.find("/h")), "{}", {}, "application/json")));
  BOOST_TEST(!accepts(keyed, post("/h", "{}", {}, "application/json")));
  // A key is none where a secret or a password was agreed on.
  BOOST_TEST(!accepts(basic, post(url.substr(url.find("/h")), "{}", {}, "application/json")));
}

BOOST_AUTO_TEST_CASE(one_providers_proof_is_none_for_a_channel_of_another) {
  const Request request = twilio_post("frKNgfqPB/n8pJispjcswHzNgtE=");
  for (const char* provider :
       {"vonage", "vonage_sms", "telnyx", "plivo", "bird", "messagebird", "sinch", "pigeon"}) {
    Channel channel = twilio();
    set(channel, "provider", provider);
    BOOST_TEST((verdict(channel, request) != Verdict::accept), provider);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sms_segments)

BOOST_AUTO_TEST_CASE(the_limits_of_the_7_bit_alphabet_are_160_and_153) {
  BOOST_TEST(is("", gsm(0, 0)));
  BOOST_TEST(is(repeated("a", 160), gsm(160, 1)));
  BOOST_TEST(is(repeated("a", 161), gsm(161, 2)));
  BOOST_TEST(is(repeated("a", 306), gsm(306, 2)));
  BOOST_TEST(is(repeated("a", 307), gsm(307, 3)));
  BOOST_TEST(is(repeated("a", 1600), gsm(1600, 11)));
}

BOOST_AUTO_TEST_CASE(the_limits_of_ucs2_are_70_and_67_utf16_units) {
  BOOST_TEST(is(repeated("я", 70), ucs2(70, 1)));
  BOOST_TEST(is(repeated("я", 71), ucs2(71, 2)));
  BOOST_TEST(is(repeated("я", 134), ucs2(134, 2)));
  BOOST_TEST(is(repeated("я", 135), ucs2(135, 3)));
  // An emoji has two units.
  BOOST_TEST(is(repeated("👍", 35), ucs2(70, 1)));
  BOOST_TEST(is(repeated("👍", 36), ucs2(72, 2)));
}

// 67 is odd: 33 pairs fill 66 units and the next pair goes to the next segment.
BOOST_AUTO_TEST_CASE(a_surrogate_pair_is_never_cut) {
  BOOST_TEST(is(repeated("👍", 66), ucs2(132, 2)));
  BOOST_TEST(is(repeated("👍", 67), ucs2(134, 3)));
}

// 3GPP TS 23.038 6.2.1.1: escape and character are two septets.
BOOST_AUTO_TEST_CASE(characters_of_the_extension_table_take_two_septets_and_are_not_cut) {
  for (const char* one : {"^", "{", "}", "\\", "[", "~", "]", "|", "€", "\f"}) {
    BOOST_TEST(is(one, gsm(2, 1)), one);
  }
  BOOST_TEST(is(repeated("€", 80), gsm(160, 1)));
  BOOST_TEST(is(repeated("€", 81), gsm(162, 2)));
  // 76 of them fill 152 of 153 septets.
  BOOST_TEST(is(repeated("€", 152), gsm(304, 2)));
  BOOST_TEST(is(repeated("€", 153), gsm(306, 3)));
}

BOOST_AUTO_TEST_CASE(the_alphabet_has_exactly_the_characters_of_the_standard) {
  const std::string basic =
      "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
      "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
  BOOST_TEST(is(basic, gsm(127, 1)));
  // What people take for a part of it: c with cedilla, curly quotes, a blank that does not break,
  // accents of other letters, a tab.
  for (const char* other : {"ç", "’", "“", "\xC2\xA0", "á", "ê", "í", "ó", "ú", "`", "\t", "α"}) {
    BOOST_TEST(is(other, ucs2(1, 1)), other);
  }
}

BOOST_AUTO_TEST_CASE(one_foreign_character_turns_the_whole_text) {
  BOOST_TEST(is(repeated("a", 69) + "ç", ucs2(70, 1)));
  BOOST_TEST(is(repeated("a", 70) + "ç", ucs2(71, 2)));
}

// "Ωmega " has 6 units, the emoji 7 (two, a skin tone of two, a joiner, two) and a blank.
BOOST_AUTO_TEST_CASE(joined_emoji_count_every_unit_they_are_made_of) {
  BOOST_TEST(is("Ωmega 👩🏽‍💻 ", ucs2(14, 1)));
  const auto segments = sms::segments_of(repeated("Ωmega 👩🏽‍💻 ", 40));
  BOOST_TEST(segments.units == 560u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sms_numbers)

BOOST_AUTO_TEST_CASE(numbers_without_their_plus_get_it) {
  using sms::Party;
  const auto check = [](const char* text, const char* wanted, Party party) {
    const sms::Address address = sms::address_of(text);
    BOOST_TEST(address.text == wanted, text);
    BOOST_TEST((address.party == party), text);
  };
  check("+14155550100", "+14155550100", Party::number);
  check("14155550100", "+14155550100", Party::number);
  check("447700900001", "+447700900001", Party::number);
  check(" 31600000001 ", "+31600000001", Party::number);
  check("72345", "72345", Party::short_code);
  check("123", "123", Party::short_code);
  check("ACMEBANK", "ACMEBANK", Party::alphanumeric);
  check("Acme Inc 24", "Acme Inc 24", Party::alphanumeric);
  check("whatsapp:+34600000001", "whatsapp:+34600000001", Party::other);
  // Nine digits are no short code, and seven may be either: +6834002 is in Niue, +7234567 nowhere.
  check("266696687", "+266696687", Party::number);
  check("6834002", "+6834002", Party::number);
  check("7234567", "7234567", Party::short_code);
  check("12", "12", Party::other);
  check("+12345", "+12345", Party::other);
  check("1234567890123456", "1234567890123456", Party::other);
  check("", "", Party::other);
}

BOOST_AUTO_TEST_CASE(what_people_type_becomes_e164_by_the_region) {
  BOOST_TEST((sms::to_e164("(415) 555-0100", "US") == "+14155550100"));
  BOOST_TEST((sms::to_e164("600 000 001", "ES") == "+34600000001"));
  BOOST_TEST((sms::to_e164("07700 900001", "GB") == "+447700900001"));
  BOOST_TEST((sms::to_e164("+34 600 000 001", "") == "+34600000001"));
  BOOST_TEST((sms::to_e164("0034600000001", "ES") == "+34600000001"));
  for (const char* no :
       {"600000001", "", "+", "hello", "+1", "+14155550100 ext. 7", "+14155550100<+14155550101"}) {
    BOOST_TEST(!sms::to_e164(no, "").has_value(), no);
  }
  BOOST_TEST(!sms::to_e164("600000001", "ZZ").has_value());
}

BOOST_AUTO_TEST_CASE(regions_come_from_the_number) {
  BOOST_TEST(sms::region_of("+14155550100") == "US");
  BOOST_TEST(sms::region_of("+34600000001") == "ES");
  BOOST_TEST(sms::region_of("72345") == "");
  BOOST_TEST(sms::is_region("ES"));
  BOOST_TEST(!sms::is_region("XX"));
  BOOST_TEST(!sms::is_region("es"));
}

BOOST_AUTO_TEST_CASE(keywords_are_whole_texts_in_any_case) {
  using sms::Intent;
  using sms::intent_of;
  for (const char* stop : {"STOP", " stop \r\n", "StopAll", "stop all", "UNSUBSCRIBE", "Cancel",
                           "END", "quit", "REVOKE", "optout"}) {
    BOOST_TEST((intent_of(stop) == Intent::stop), stop);
  }
  for (const char* start : {"START", "yes", "Unstop"}) {
    BOOST_TEST((intent_of(start) == Intent::start), start);
  }
  for (const char* help : {"HELP", "info"}) BOOST_TEST((intent_of(help) == Intent::help), help);
  for (const char* none : {"", "stop it", "please stop", "yes please", "STOP.", "help me"}) {
    BOOST_TEST((intent_of(none) == Intent::none), none);
  }
  BOOST_TEST((intent_of("arret", "ARRET, STOPP") == Intent::stop));
  BOOST_TEST((intent_of("stopp", "ARRET, STOPP") == Intent::stop));
  BOOST_TEST((intent_of("", "ARRET,,") == Intent::none));
}

BOOST_AUTO_TEST_CASE(moments_are_read_in_the_forms_providers_write) {
  BOOST_TEST((sms::iso_ms("2026-11-20T09:00:00Z") == kNow));
  BOOST_TEST((sms::iso_ms("2026-11-20T09:00:00.736Z") == kNow + 736));
  BOOST_TEST((sms::iso_ms("2026-11-20T09:00:00.1234567+00:00") == kNow + 123));
  BOOST_TEST((sms::iso_ms("2026-11-20T10:00:00+01:00") == kNow));
  BOOST_TEST((sms::iso_ms("2026-11-20T04:00:00-0500") == kNow));
  BOOST_TEST((sms::iso_ms("2026-11-20 09:00:00") == kNow));
  for (const char* no :
       {"", "2026-11-20", "2026-13-20T09:00:00Z", "2026-02-30T09:00:00Z", "2026-11-20T25:00:00Z",
        "2026-11-20T09:00:00X", "2026-11-20T09:00:00Zx", "-026-11-20T09:00:00Z"}) {
    BOOST_TEST(!sms::iso_ms(no).has_value(), no);
  }
  BOOST_TEST((sms::mail_date_ms("Fri, 20 Nov 2026 09:00:00 +0000") == kNow));
  BOOST_TEST((sms::mail_date_ms("Fri, 20 Nov 2026 10:30:00 +0130") == kNow));
  BOOST_TEST(!sms::mail_date_ms("20 Nov 2026 09:00:00").has_value());
  BOOST_TEST(sms::utc_date(kNow) == "2026-11-20");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sms_sending)

// The reference's table of Twilio's codes, by what they mean for us.
BOOST_AUTO_TEST_CASE(every_error_of_twilios_table_has_its_class) {
  struct Row {
    const char* code;
    Failure failure;
  };
  using enum Failure;
  const std::vector<Row> rows{
      {"20003", auth},        {"20404", config},      {"20429", rate},
      {"21211", unreachable}, {"21201", unreachable}, {"21217", unreachable},
      {"21612", unreachable}, {"21614", unreachable}, {"21635", unreachable},
      {"21408", config},      {"21606", config},      {"21659", config},
      {"21660", config},      {"21608", config},      {"21703", config},
      {"21610", unreachable}, {"21602", permanent},   {"21617", permanent},
      {"21620", permanent},   {"21623", permanent},   {"30001", retry},
      {"30002", config},      {"30003", retry},       {"30004", unreachable},
      {"30005", unreachable}, {"30006", unreachable}, {"30007", permanent},
      {"30008", retry},       {"30010", config},      {"30022", rate},
      {"30023", rate},        {"30027", rate},        {"30032", config},
      {"30034", config},      {"30410", retry}};
  for (const Row& row : rows) {
    const Response refused{.status = 400,
                           .body = std::string(R"({"code":)") + row.code + R"(,"message":"m"})"};
    const Step step = plan(twilio(), Operation::send, a_message("+14155550100", "x"), {refused});
    BOOST_TEST_REQUIRE(std::holds_alternative<Fail>(step), row.code);
    BOOST_TEST((std::get<Fail>(step).code == row.failure), row.code);
    BOOST_TEST(std::get<Fail>(step).platform_code == row.code);
  }
}

BOOST_AUTO_TEST_CASE(a_text_of_1600_is_one_message_and_one_more_is_two) {
  const auto calls = [](std::size_t length) {
    std::vector<Response> answers;
    for (std::size_t i = 0;; ++i) {
      const Step step = plan(twilio(), Operation::send,
                             a_message("+14155550100", repeated("a", length)), answers);
      if (!std::holds_alternative<Call>(step)) return i;
      answers.push_back({.status = 201, .body = R"({"sid":"SM1"})"});
    }
  };
  BOOST_TEST(calls(1600) == 1u);
  BOOST_TEST(calls(1601) == 2u);
}

// Only the first piece carries the key: a report of a later one must not be taken for it.
BOOST_AUTO_TEST_CASE(reports_repeat_the_messages_key_for_its_first_piece_only) {
  const Event input = a_message("+14155550100", repeated("a", 1601));
  const Step first = plan(twilio(), Operation::send, input);
  const Step second =
      plan(twilio(), Operation::send, input, {{.status = 201, .body = R"({"sid":"SM1"})"}});
  const auto callback = [](const Step& step) {
    return std::string(
        sdk::find(sdk::parse_form(std::get<Call>(step).body), "StatusCallback").value_or(""));
  };
  BOOST_TEST(callback(first) == std::string(kTwilioUrl) + "?about=status&key=k1");
  BOOST_TEST(callback(second) == std::string(kTwilioUrl) + "?about=status");
}

BOOST_AUTO_TEST_CASE(no_piece_is_longer_than_its_provider_takes) {
  struct Provider {
    Pairs config;
    std::size_t segments;
    const char* text_member;
  };
  const std::vector<Provider> providers{
      {{{"provider", "telnyx"},
        {"telnyx_api_key", "k"},
        {"telnyx_public_key", "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="},
        {"from", "+14155550199"}},
       10,
       "text"},
      {{{"provider", "messagebird"}, {"access_key", "k"}, {"from", "+14155550199"}}, 9, "body"}};
  for (const Provider& provider : providers) {
    for (const std::string& unit :
         {std::string("€"), std::string("👍"), std::string("я "), std::string("ab ")}) {
      const Channel channel = channel_with(provider.config, "https://gw.example.com/h");
      const std::string text = repeated(unit, 2000);
      std::string joined;
      std::vector<Response> answers;
      for (;;) {
        const Step step = plan(channel, Operation::send, a_message("+14155550100", text), answers);
        if (!std::holds_alternative<Call>(step)) {
          BOOST_TEST(std::holds_alternative<Done>(step));
          break;
        }
        const auto body = sdk::json::Document::parse(std::get<Call>(step).body).value();
        const std::string piece(body.root()[provider.text_member].text_or(""));
        BOOST_TEST(!piece.empty());
        BOOST_TEST(sms::segments_of(piece).count <= provider.segments);
        joined += piece;
        answers.push_back({.status = 200, .body = R"({"id":"m1","data":{"id":"m1"}})"});
      }
      // Nothing but blanks at the cuts is lost.
      const auto without_blanks = [](std::string all) {
        std::erase(all, ' ');
        return all;
      };
      BOOST_TEST(without_blanks(joined) == without_blanks(text));
    }
  }
}

// openssl req -x509 -newkey rsa:1024 -nodes, for this test alone.
const std::string kPrivateKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAMELhwPIrSOqXrRl\n"
    "lr5f3kD3UNFDeTIBSxtE+CDK+mqYEQJqKkbMXmKn7eOkKSdqdbNVweTH6DlweXum\n"
    "u7pnqb1hufRfkXPnjx3rb944L1+F9NBQMrsy76XODJ4HRM6Y3smDKUlYjS3tct99\n"
    "xoPLmSzx2W227N0ijRwFJ5/QUI6fAgMBAAECgYAGg0AL1aJZuK63QVIjnBJgeLeG\n"
    "R9N352lEQ0BnwtFN9VFllnVUrCJnC6lP68LjrIjKAxOmh0QDZBMFI+vjbwnf5axv\n"
    "efstvcz4rjwR1fVzNr+HoWep5zFJokDYlLAAewqAcdyQcUDicOZbF7cIIgbYykSF\n"
    "/OmgkxdIsUGukhbdKQJBAPfYVUks8XSUyl8wt5cv56INPe4U//XZcY4Z+6Gq87BZ\n"
    "GSz+TH9hMyRmVnKJjHniP0WU3t+UtYGBKsK9LSwfrM0CQQDHZZk//88Z21sqcAD+\n"
    "3cFGWexbBOr1ZNePNGtWXaCp4n3tnQAchUj3Cf0q8uGpImXYHSldASTiBKxOERT/\n"
    "fqkbAkEAjAbysIQu6yIBcGSS5V1QblMy8Sd2Mc2nhZSSgZWXVsQQIEaQq8sb3O3g\n"
    "25dxAY/dFY/1l7ZqEgALS7kcI3jF5QJBAKGb4eqyLavaUviBUP1AxE59wYg/4yND\n"
    "OUbTCJA2UGqArOnyDs4O5QV8rhmqQ2WvAHZ5pDXCIJ+jg/e99pPhl7MCQFrL7TqS\n"
    "Fp+hYaEdudrNukiOfdHsRz8dS6bs1KkGmm0XuYhVmQ+V5fBsKrG39sKwBvBnQuxN\n"
    "FDsVUbyuBQE9y50=\n"
    "-----END PRIVATE KEY-----\n";
const std::string kCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIB9jCCAV+gAwIBAgIUU6BkQRn/unuqqIZWHwAhRswOtrUwDQYJKoZIhvcNAQEL\n"
    "BQAwDDEKMAgGA1UEAwwBdDAgFw0yNjExMjExMzI4MzVaGA8yMTI2MTAyODEzMjgz\n"
    "NVowDDEKMAgGA1UEAwwBdDCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAwQuH\n"
    "A8itI6petGWWvl/eQPdQ0UN5MgFLG0T4IMr6apgRAmoqRsxeYqft46QpJ2p1s1XB\n"
    "5MfoOXB5e6a7umepvWG59F+Rc+ePHetv3jgvX4X00FAyuzLvpc4MngdEzpjeyYMp\n"
    "SViNLe1y333Gg8uZLPHZbbbs3SKNHAUnn9BQjp8CAwEAAaNTMFEwHQYDVR0OBBYE\n"
    "FCpY4uNDD2ZMzBxbYAuDo0OWi7qwMB8GA1UdIwQYMBaAFCpY4uNDD2ZMzBxbYAuD\n"
    "o0OWi7qwMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEAI/ha4c8b\n"
    "A/AArcEEf/DQeruSdqZGHrscu7/HlofC6G4DViVdwD+57ymnPQZB1SVtNqHByV/g\n"
    "mbWi/qMTmHkiQu+MucF3gRTJl2gEJ1xGcQw9Xr4Sklk0Er12g+M7ossHvkMxGCSo\n"
    "XKtkjoMewpg76AurcLZOZpjp5IoEniWzt0w=\n"
    "-----END CERTIFICATE-----\n";

BOOST_AUTO_TEST_CASE(vonages_messages_are_signed_with_the_applications_key_where_there_is_one) {
  Channel channel = channel_with(kVonage, "https://gw.example.com/h");
  set(channel, "private_key_pem", kPrivateKey);
  const Step step = plan(channel, Operation::send, a_message("+447700900001", "x"));
  const std::string header(
      connector::find(std::get<Call>(step).headers, "authorization").value_or(""));
  BOOST_TEST_REQUIRE(header.starts_with("Bearer "));
  const std::string token = header.substr(7);
  const auto dot = token.rfind('.');
  const std::string text = token.substr(0, dot);
  BOOST_TEST(sdk::is_signed_by_certificate(kCertificate, sdk::RsaDigest::sha256, text,
                                           *sdk::from_base64url(token.substr(dot + 1))));
  const auto first = text.find('.');
  BOOST_TEST(*sdk::from_base64url(text.substr(0, first)) == R"({"alg":"RS256","typ":"JWT"})");
  const auto claims =
      sdk::json::Document::parse(*sdk::from_base64url(text.substr(first + 1))).value();
  BOOST_TEST(claims.root()["application_id"].text_or("") == "aaaaaaaa");
  BOOST_TEST(claims.root()["iat"].integer().value_or(0) == kNow / 1000);
  BOOST_TEST(claims.root()["exp"].integer().value_or(0) > kNow / 1000);
  BOOST_TEST(claims.root()["jti"].text_or("").size() == 32u);
}

BOOST_AUTO_TEST_CASE(credentials_never_follow_a_redirect) {
  Event input;
  input.attachments.push_back(
      {.kind = "image", .media_id = "https://api.twilio.com/2010-04-01/Accounts/AC1/x"});
  const Step first = plan(twilio(), Operation::fetch_media, input);
  BOOST_TEST(connector::find(std::get<Call>(first).headers, "authorization").has_value());
  for (const char* target :
       {"https://mms.example.com/1", "https://api.twilio.com/other", "/same"}) {
    const Step second = plan(twilio(), Operation::fetch_media, input,
                             {{.status = 307, .headers = {{"location", target}}}});
    BOOST_TEST(std::get<Call>(second).headers.empty(), target);
  }
}

BOOST_AUTO_TEST_CASE(credentials_go_to_the_providers_own_hosts_only) {
  for (const char* url :
       {"https://twilio.com.evil.example/x", "https://evil.example/api.twilio.com",
        "https://api.twilio.com@evil.example/x", "https://eviltwilio.com/x"}) {
    Event input;
    input.attachments.push_back({.kind = "image", .media_id = url});
    const Step step = plan(twilio(), Operation::fetch_media, input);
    BOOST_TEST(std::get<Call>(step).headers.empty(), url);
  }
  for (const char* url : {"http://api.twilio.com/x", "file:///etc/passwd", "https://", "https:///x",
                          "https://api.twilio.com/a b"}) {
    Event input;
    input.attachments.push_back({.kind = "image", .media_id = url});
    BOOST_TEST(std::holds_alternative<Fail>(plan(twilio(), Operation::fetch_media, input)), url);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sms_receiving)

BOOST_AUTO_TEST_CASE(a_message_listed_after_an_outage_has_the_key_of_its_delivery) {
  Channel channel = twilio();
  channel.state = {{"poll.seen", "1795160000000"}, {"poll.listed", "1795160000000"}};
  const std::string listed =
      R"({"messages":[{"sid":"SM0f1e2d3c4b5a69788796a5b4c3d2e1f0","direction":"inbound",)"
      R"("from":"+14155550100","to":"+14155550199","body":"STOP","num_media":"0",)"
      R"("date_sent":"Fri, 20 Nov 2026 08:59:00 +0000"}],"next_page_uri":null})";
  const Step step = plan(channel, Operation::poll, {}, {{.status = 200, .body = listed}});
  const Done& done = std::get<Done>(step);
  const auto delivered = sms_connector().receive(
      channel, twilio_post("", "/hooks/sms/ch_9",
                           "MessageSid=SM0f1e2d3c4b5a69788796a5b4c3d2e1f0&From=%2B14155550100&"
                           "To=%2B14155550199&Body=STOP"));
  BOOST_TEST_REQUIRE(done.events.size() == 2u);
  BOOST_TEST_REQUIRE(delivered.value().events.size() == 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    BOOST_TEST(done.events[i].key == delivered.value().events[i].key);
    // The gateway makes the time a part of the key.
    BOOST_TEST(done.events[i].sent_ms == delivered.value().events[i].sent_ms);
  }
  // 2026-11-20T08:59:00Z, beside the key.
  BOOST_TEST(connector::find(done.events[0].extra, "order_ms").value_or("") == "1795165140000");
}

BOOST_AUTO_TEST_CASE(a_state_and_a_message_have_keys_of_their_own) {
  const auto key_of = [](const std::string& body) {
    return sms_connector()
        .receive(twilio(), twilio_post("", "/hooks/sms/ch_9", body))
        .value()
        .events[0]
        .key;
  };
  const std::string sent = key_of("MessageSid=SM1&MessageStatus=sent&To=%2B14155550100");
  const std::string delivered = key_of("MessageSid=SM1&MessageStatus=delivered&To=%2B14155550100");
  const std::string again =
      key_of("MessageSid=SM1&MessageStatus=sent&To=%2B14155550100&RawDlrDoneDate=2611200900");
  BOOST_TEST(sent != delivered);
  BOOST_TEST(sent == again);
}

// A second report without the code has the key of the first, so it cannot take the reason away.
BOOST_AUTO_TEST_CASE(a_failure_reported_again_without_its_code_is_the_same_event) {
  const auto event_of = [](const std::string& body) {
    return sms_connector()
        .receive(twilio(), twilio_post("", "/hooks/sms/ch_9", body))
        .value()
        .events[0];
  };
  const Event first = event_of("MessageSid=SM1&MessageStatus=failed&To=%2B1415&ErrorCode=30005");
  const Event second = event_of("MessageSid=SM1&MessageStatus=failed&To=%2B1415");
  BOOST_TEST(first.key == second.key);
  BOOST_TEST(first.code == "30005");
  // The text of a failure is what the agent is shown.
  BOOST_TEST(first.text == "the handset is unknown");
}

BOOST_AUTO_TEST_CASE(the_channels_own_opt_out_words_count) {
  Channel channel = twilio();
  const Request arret = twilio_post("", "/h", "MessageSid=SM1&From=%2B33612345678&Body=Arret");
  BOOST_TEST(sms_connector().receive(channel, arret).value().events.size() == 1u);
  set(channel, "opt_out_keywords", "ARRET,STOPP");
  const auto events = sms_connector().receive(channel, arret).value().events;
  BOOST_TEST_REQUIRE(events.size() == 2u);
  BOOST_TEST(events[1].state == "blocked");
}

// Ten is what MMS has; more would be somebody's experiment.
BOOST_AUTO_TEST_CASE(media_beyond_ten_are_left_out_and_gaps_do_not_stop_the_rest) {
  std::string body = "MessageSid=MM1&From=%2B14155550100&NumMedia=99";
  for (int i = 0; i < 99; i += 3) {
    body +=
        "&MediaUrl" + std::to_string(i) + "=https%3A%2F%2Fapi.twilio.com%2F" + std::to_string(i);
  }
  const auto events = sms_connector().receive(twilio(), twilio_post("", "/h", body)).value().events;
  BOOST_TEST(events[0].attachments.size() == 4u);  // 0, 3, 6, 9
}

BOOST_AUTO_TEST_SUITE_END()
