#include "gateway/auth/jwt.h"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/sdk/crypto.h"

namespace {

using gateway::Secret;
using gateway::Uuid;
using gateway::auth::Claims;
using gateway::auth::Jwt;
using gateway::domain::BusinessId;
using gateway::domain::UserId;

constexpr std::int64_t kNowMs = 1'795'000'000'000;
constexpr std::int64_t kNow = kNowMs / 1000;
const std::string kKey(32, 'k');
const std::string kOldKey(32, 'o');
const std::string kUser = "0198b2c3-0000-7000-8000-000000000001";
const std::string kBusiness = "0198b2c3-0000-7000-8000-000000000002";
const std::string kJti = "0198b2c3-0000-7000-8000-000000000003";

Jwt jwt() { return Jwt({{"k2", Secret(kKey)}, {"k1", Secret(kOldKey)}}, "k2"); }

Claims claims() {
  return {*UserId::parse(kUser), *BusinessId::parse(kBusiness), 3, kNow, kNow + 3600,
          *Uuid::parse(kJti)};
}

std::string signed_with(const std::string& key, const std::string& header,
                        const std::string& payload) {
  const auto text = sdk::base64url(header) + "." + sdk::base64url(payload);
  return text + "." + sdk::base64url(sdk::hmac_sha256(key, text));
}

const std::string kHeader = R"({"alg":"HS256","typ":"JWT","kid":"k2"})";

std::string payload_with(const std::string& name, const std::string& value) {
  std::vector<std::pair<std::string, std::string>> members = {
      {"iss", "\"backchannel\""},       {"sub", "\"" + kUser + "\""},
      {"bid", "\"" + kBusiness + "\""}, {"ver", "3"},
      {"iat", std::to_string(kNow)},    {"exp", std::to_string(kNow + 3600)},
      {"jti", "\"" + kJti + "\""}};
  std::string json = "{";
  bool replaced = false;
  for (auto& [key, text] : members) {
    if (key == name) {
      replaced = true;
      if (value.empty()) continue;  // leaves the claim out
      text = value;
    }
    json += (json.size() > 1 ? "," : "") + ("\"" + key + "\":") + text;
  }
  if (!replaced && !name.empty()) json += ",\"" + name + "\":" + value;
  return json + "}";
}

const std::string kPayload = payload_with("", "");

std::string with_header(const std::string& header) { return signed_with(kKey, header, kPayload); }
std::string with_claim(const std::string& name, const std::string& value) {
  return signed_with(kKey, kHeader, payload_with(name, value));
}

// Every one of them must be refused.
std::vector<std::pair<std::string, std::string>> hostile_tokens() {
  const std::string good = signed_with(kKey, kHeader, kPayload);
  const auto head = good.substr(0, good.find('.'));
  const auto body = good.substr(head.size() + 1, good.rfind('.') - head.size() - 1);
  const auto tail = good.substr(good.rfind('.') + 1);
  const auto with_tail = [&](const std::string& end) { return head + "." + body + "." + end; };
  const auto standard = [](std::string text) {
    for (auto& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
    return text;
  };
  // The last character of 32 bytes in base64 carries two stray bits.
  std::string stray = tail;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  stray.back() = kAlphabet[(kAlphabet.find(stray.back()) & ~std::size_t{3}) + 1 +
                           (kAlphabet.find(stray.back()) & 3) % 3];
  if (stray == tail) stray.back() = kAlphabet[kAlphabet.find(tail.back()) ^ 1];

  std::vector<std::pair<std::string, std::string>> tokens = {
      // Algorithms.
      {"alg none, empty signature",
       sdk::base64url(R"({"alg":"none","typ":"JWT","kid":"k2"})") + "." + body + "."},
      {"alg none, signed", with_header(R"({"alg":"none","typ":"JWT","kid":"k2"})")},
      {"alg None", with_header(R"({"alg":"None","typ":"JWT","kid":"k2"})")},
      {"alg NONE", with_header(R"({"alg":"NONE","typ":"JWT","kid":"k2"})")},
      {"alg HS384", with_header(R"({"alg":"HS384","typ":"JWT","kid":"k2"})")},
      {"alg HS512", with_header(R"({"alg":"HS512","typ":"JWT","kid":"k2"})")},
      {"alg RS256", with_header(R"({"alg":"RS256","typ":"JWT","kid":"k2"})")},
      {"alg ES256", with_header(R"({"alg":"ES256","typ":"JWT","kid":"k2"})")},
      {"alg PS256", with_header(R"({"alg":"PS256","typ":"JWT","kid":"k2"})")},
      {"alg EdDSA", with_header(R"({"alg":"EdDSA","typ":"JWT","kid":"k2"})")},
      {"alg hs256", with_header(R"({"alg":"hs256","typ":"JWT","kid":"k2"})")},
      {"alg missing", with_header(R"({"typ":"JWT","kid":"k2"})")},
      {"alg null", with_header(R"({"alg":null,"typ":"JWT","kid":"k2"})")},
      {"alg a list", with_header(R"({"alg":["HS256"],"typ":"JWT","kid":"k2"})")},
      {"alg twice", with_header(R"({"alg":"HS256","alg":"none","typ":"JWT","kid":"k2"})")},
      // Keys.
      {"kid missing", with_header(R"({"alg":"HS256","typ":"JWT"})")},
      {"kid unknown", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k3"})")},
      {"kid empty", with_header(R"({"alg":"HS256","typ":"JWT","kid":""})")},
      {"kid of the other key", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k1"})")},
      {"kid a path", with_header(R"({"alg":"HS256","typ":"JWT","kid":"../../dev/null"})")},
      {"kid /dev/null, empty key",
       signed_with("", R"({"alg":"HS256","typ":"JWT","kid":"/dev/null"})", kPayload)},
      {"kid SQL", with_header(R"({"alg":"HS256","typ":"JWT","kid":"x' union select 'k"})")},
      {"kid with NUL", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k2\u0000"})")},
      {"kid a number", with_header(R"({"alg":"HS256","typ":"JWT","kid":2})")},
      {"kid of 10 kB",
       with_header(R"({"alg":"HS256","typ":"JWT","kid":")" + std::string(10'000, 'k') + "\"}")},
      {"jku", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k2","jku":"https://evil.test"})")},
      {"jwk", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k2","jwk":{"kty":"oct","k":"a"}})")},
      {"x5u", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k2","x5u":"https://evil.test"})")},
      {"x5c", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k2","x5c":["a"]})")},
      {"crit", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k2","crit":["exp"]})")},
      {"zip", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k2","zip":"DEF"})")},
      {"b64 false", with_header(R"({"alg":"HS256","typ":"JWT","kid":"k2","b64":false})")},
      {"typ missing", with_header(R"({"alg":"HS256","kid":"k2"})")},
      {"typ at+jwt", with_header(R"({"alg":"HS256","typ":"at+jwt","kid":"k2"})")},
      {"header in another order", with_header(R"({"typ":"JWT","alg":"HS256","kid":"k2"})")},
      {"header with blanks", with_header(R"({"alg": "HS256","typ":"JWT","kid":"k2"})")},
      {"header not JSON", with_header("HS256")},
      {"signed with an empty key", signed_with("", kHeader, kPayload)},
      {"signed with the old key", signed_with(kOldKey, kHeader, kPayload)},
      {"signed with the key in hex", signed_with(sdk::hex(kKey), kHeader, kPayload)},
      {"a public key as HMAC secret",
       signed_with("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n", kHeader,
                   kPayload)},
      // Form.
      {"nothing", ""},
      {"two dots", ".."},
      {"one segment", head},
      {"two segments", head + "." + body},
      {"four segments", good + "." + tail},
      {"five segments (JWE)", good + "." + tail + "." + tail},
      {"no signature", with_tail("")},
      {"half a signature", with_tail(tail.substr(0, 20))},
      {"a longer signature", with_tail(tail + "AA")},
      {"a changed signature", with_tail((tail.front() == 'A' ? "B" : "A") + tail.substr(1))},
      {"a padded signature", with_tail(tail + "=")},
      {"stray bits in the signature", with_tail(stray)},
      {"a line feed behind", good + "\n"},
      {"a blank before", " " + good},
      {"a blank inside the signature", with_tail(tail.substr(0, 10) + " " + tail.substr(10))},
      {"standard base64", with_tail("+/" + standard(tail).substr(2))},
      {"a NUL behind", good + std::string(1, '\0')},
      {"a padded header", head + "=." + body + "." + tail},
      {"a payload changed", head + "." + sdk::base64url(payload_with("ver", "4")) + "." + tail},
      {"payload not base64",
       [&] {
         const std::string text = head + ".!!!!";
         return text + "." + sdk::base64url(sdk::hmac_sha256(kKey, text));
       }()},
      {"payload with padding",
       [&] {
         const std::string text = head + "." + sdk::base64url("{}") + "=";
         return text + "." + sdk::base64url(sdk::hmac_sha256(kKey, text));
       }()},
      {"payload no object", signed_with(kKey, kHeader, "[]")},
      {"payload empty", signed_with(kKey, kHeader, "")},
      {"payload no JSON", signed_with(kKey, kHeader, "{")},
      {"more than 2 KiB", with_claim("note", "\"" + std::string(3000, 'x') + "\"")},
      // Claims.
      {"iss missing", with_claim("iss", "")},
      {"iss other", with_claim("iss", "\"somebody\"")},
      {"iss a list", with_claim("iss", "[\"backchannel\"]")},
      {"sub missing", with_claim("sub", "")},
      {"sub no UUID", with_claim("sub", "\"admin\"")},
      {"sub null", with_claim("sub", "null")},
      {"bid missing", with_claim("bid", "")},
      {"bid no UUID", with_claim("bid", "\"*\"")},
      {"bid a number", with_claim("bid", "7")},
      {"ver missing", with_claim("ver", "")},
      {"ver text", with_claim("ver", "\"3\"")},
      {"iat missing", with_claim("iat", "")},
      {"iat in the future", with_claim("iat", std::to_string(kNow + 120))},
      {"iat negative", with_claim("iat", "-1")},
      {"exp missing", with_claim("exp", "")},
      {"exp null", with_claim("exp", "null")},
      {"exp text", with_claim("exp", "\"" + std::to_string(kNow + 3600) + "\"")},
      {"exp a fraction", with_claim("exp", std::to_string(kNow + 3600) + ".5")},
      {"exp an exponent", with_claim("exp", "1e30")},
      {"exp 2^63", with_claim("exp", "9223372036854775808")},
      {"exp far away", with_claim("exp", std::to_string(kNow + 10LL * 366 * 24 * 3600))},
      {"exp before iat", with_claim("exp", std::to_string(kNow - 1))},
      {"exp twice", signed_with(kKey, kHeader,
                                kPayload.substr(0, kPayload.size() - 1) +
                                    ",\"exp\":" + std::to_string(kNow + 7200) + "}")},
      {"jti missing", with_claim("jti", "")},
      {"jti no UUID", with_claim("jti", "\"1\"")},
      {"nbf in the future", with_claim("nbf", std::to_string(kNow + 3600))},
      {"nbf in the past", with_claim("nbf", std::to_string(kNow - 3600))},
      {"aud", with_claim("aud", "\"backchannel\"")},
      {"role", with_claim("role", "\"owner\"")},
  };
  return tokens;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(jwt_suite)

BOOST_AUTO_TEST_CASE(what_was_signed_is_read_again) {
  const auto token = jwt().sign(claims());
  const auto read = jwt().verify(token, kNowMs);
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST((*read == claims()));
}

BOOST_AUTO_TEST_CASE(the_hostile_cases_start_from_a_token_that_is_good) {
  BOOST_TEST(jwt().verify(signed_with(kKey, kHeader, kPayload), kNowMs).has_value());
}

BOOST_AUTO_TEST_CASE(a_user_without_a_business_has_a_null_bid) {
  auto without = claims();
  without.business.reset();
  const auto read = jwt().verify(jwt().sign(without), kNowMs);
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST(!read->business.has_value());
}

BOOST_AUTO_TEST_CASE(the_header_is_hs256_and_jwt_first_as_the_documentation_shows_it) {
  BOOST_TEST(jwt().sign(claims()).starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCI"));
}

BOOST_AUTO_TEST_CASE(a_token_of_the_former_key_is_still_accepted) {
  const auto former = Jwt({{"k1", Secret(kOldKey)}}, "k1").sign(claims());
  BOOST_TEST(jwt().verify(former, kNowMs).has_value());
}

BOOST_AUTO_TEST_CASE(a_token_of_a_retired_key_is_refused) {
  const auto former = Jwt({{"k0", Secret(std::string(32, 'z'))}}, "k0").sign(claims());
  BOOST_TEST(!jwt().verify(former, kNowMs).has_value());
}

BOOST_AUTO_TEST_CASE(at_least_sixty_hostile_tokens_are_all_refused) {
  const auto tokens = hostile_tokens();
  BOOST_TEST(tokens.size() >= 60u);
  for (const auto& [name, token] : tokens) {
    BOOST_TEST_CONTEXT(name) {
      const auto read = jwt().verify(token, kNowMs);
      BOOST_TEST(!read.has_value());
      if (!read) BOOST_TEST((read.error().code == gateway::Errc::unauthorized));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_changed_byte_of_a_token_is_noticed) {
  const auto good = jwt().sign(claims());
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    BOOST_TEST(!jwt().verify(changed, kNowMs).has_value(), "byte " << i);
  }
}

BOOST_AUTO_TEST_CASE(a_token_ends_at_exp_with_a_minute_of_skew) {
  const auto token = jwt().sign(claims());
  BOOST_TEST(jwt().verify(token, (kNow + 3600 + 59) * 1000).has_value());
  const auto late = jwt().verify(token, (kNow + 3600 + 60) * 1000);
  BOOST_TEST_REQUIRE(!late.has_value());
  BOOST_TEST(late.error().message == "The access token has expired");
}

BOOST_AUTO_TEST_CASE(a_clock_a_minute_behind_the_issuer_is_tolerated) {
  const auto token = jwt().sign(claims());
  BOOST_TEST(jwt().verify(token, (kNow - 60) * 1000).has_value());
  BOOST_TEST(!jwt().verify(token, (kNow - 61) * 1000).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
