#include "gateway/auth/visitor_tokens.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"

namespace {

using gateway::Secret;
using gateway::Uuid;
using gateway::auth::VisitorClaims;
using gateway::auth::VisitorTokens;
using gateway::domain::BusinessId;
using gateway::domain::EmbedId;

constexpr std::int64_t kNowMs = 1'795'000'000'000;
constexpr std::int64_t kNow = kNowMs / 1000;
constexpr std::int64_t kDay = 24 * 3600;
const std::string kKey(32, 'k');
const std::string kOldKey(32, 'o');
const std::string kBusiness = "0198b2c3-0000-7000-8000-000000000002";
const std::string kWidget = "0198b2c3-0000-7000-8000-000000000003";
const std::string kWebchat = "67d3a0b0c0d0e0f0a0b0c0d0";
const std::string kVisitor = "5f0f8b0e-3c53-4d5a-9d53-0d3f4c1f2a11";

VisitorTokens tokens() {
  return VisitorTokens({{"k2", Secret(kKey)}, {"k1", Secret(kOldKey)}}, "k2");
}
VisitorClaims claims(const std::string& embed = kWidget) {
  return {*BusinessId::parse(kBusiness), *EmbedId::parse(embed), *Uuid::parse(kVisitor), kNow,
          kNow + 30 * kDay};
}
std::string signed_with(const std::string& key, const std::string& json) {
  const auto payload = sdk::base64url(json);
  return payload + "." + sdk::base64url(sdk::hmac_sha256(key, payload));
}
// The claims with one member replaced, left out (empty) or added.
std::string json_with(const std::string& name, const std::string& value) {
  std::vector<std::pair<std::string, std::string>> members = {{"v", "1"},
                                                              {"k", "\"k2\""},
                                                              {"b", "\"" + kBusiness + "\""},
                                                              {"w", "\"" + kWidget + "\""},
                                                              {"s", "\"" + kVisitor + "\""},
                                                              {"iat", std::to_string(kNow)},
                                                              {"exp", std::to_string(kNow + 3600)}};
  std::string json = "{";
  bool replaced = false;
  for (const auto& [key, text] : members) {
    const bool is_it = key == name;
    replaced = replaced || is_it;
    if (is_it && value.empty()) continue;
    json += (json.size() > 1 ? "," : "") + ("\"" + key + "\":") + (is_it ? value : text);
  }
  if (!replaced && !name.empty()) json += ",\"" + name + "\":" + value;
  return json + "}";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(visitor_tokens)

BOOST_AUTO_TEST_CASE(what_is_signed_is_read_again_for_both_kinds_of_embeds) {
  for (const auto& embed : {kWidget, kWebchat}) {
    const auto token = tokens().sign(claims(embed));
    const auto read = tokens().verify(token, kNowMs);
    BOOST_TEST_REQUIRE(read.has_value());
    BOOST_TEST((*read == claims(embed)));
    BOOST_TEST(token.size() < VisitorTokens::kMaxTokenBytes);
  }
}

// design: base64url(JSON) "." base64url(HMAC-SHA256), members v k b w s iat exp.
BOOST_AUTO_TEST_CASE(a_token_has_the_documented_form) {
  const auto token = tokens().sign(claims());
  const auto dot = token.find('.');
  BOOST_TEST(sdk::from_base64url(token.substr(0, dot)).value() ==
             R"({"v":1,"k":"k2","b":")" + kBusiness + R"(","w":")" + kWidget + R"(","s":")" +
                 kVisitor + R"(","iat":1795000000,"exp":1797592000})");
  BOOST_TEST(token.substr(dot + 1) == sdk::base64url(sdk::hmac_sha256(kKey, token.substr(0, dot))));
}

BOOST_AUTO_TEST_CASE(a_token_of_the_key_before_holds_and_one_of_no_key_does_not) {
  auto json = json_with("k", "\"k1\"");
  BOOST_TEST(tokens().verify(signed_with(kOldKey, json), kNowMs).has_value());
  BOOST_TEST(!tokens().verify(signed_with(std::string(32, 'x'), json), kNowMs).has_value());
  // The name of one key under the signature of the other.
  BOOST_TEST(!tokens().verify(signed_with(kKey, json), kNowMs).has_value());
}

BOOST_AUTO_TEST_CASE(every_changed_character_is_noticed) {
  const auto token = tokens().sign(claims());
  for (std::size_t i = 0; i < token.size(); ++i) {
    auto changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    BOOST_TEST(!tokens().verify(changed, kNowMs).has_value(), i);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_token_is_refused) {
  const auto token = tokens().sign(claims());
  for (const std::string& text : std::vector<std::string>{
           "", ".", "..", "x", token + ".", "." + token, token + "=", token.substr(0, 40),
           token.substr(0, token.find('.') + 1), std::string(100'000, 'A')}) {
    const auto read = tokens().verify(text, kNowMs);
    BOOST_TEST_REQUIRE(!read.has_value(), text.substr(0, 60));
    BOOST_TEST((read.error().code == gateway::Errc::unauthorized));
  }
}

BOOST_AUTO_TEST_CASE(only_our_own_set_of_claims_is_taken) {
  BOOST_TEST(tokens().verify(signed_with(kKey, json_with("", "")), kNowMs).has_value());
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"v", "2"},
      {"v", ""},
      {"k", ""},
      {"b", "\"x\""},
      {"w", "\"" + kWebchat + "0\""},
      {"s", "null"},
      {"iat", "1.5"},
      {"iat", std::to_string(kNow + 120)},        // not yet
      {"exp", std::to_string(kNow)},              // no longer
      {"exp", std::to_string(kNow + 31 * kDay)},  // longer than any of ours
      {"more", "1"},
      {"iat", "-1"}};
  for (const auto& [name, value] : wrong) {
    BOOST_TEST(!tokens().verify(signed_with(kKey, json_with(name, value)), kNowMs).has_value(),
               name << " " << value);
  }
  for (const std::string json : {"", "null", "[]", "{}", "{", "1"}) {
    BOOST_TEST(!tokens().verify(signed_with(kKey, json), kNowMs).has_value(), json);
  }
}

BOOST_AUTO_TEST_CASE(a_token_holds_for_thirty_days_and_not_a_second_longer) {
  const auto token = tokens().sign(claims());
  BOOST_TEST(tokens().verify(token, kNowMs + 30 * kDay * 1000 - 1).has_value());
  const auto late = tokens().verify(token, kNowMs + 30 * kDay * 1000);
  BOOST_TEST_REQUIRE(!late.has_value());
  BOOST_TEST(late.error().message == "The visitor token has expired; begin a new session");
}

BOOST_AUTO_TEST_CASE(the_header_is_read_in_either_case_and_nothing_else_is) {
  const auto token = tokens().sign(claims());
  BOOST_TEST(tokens().verify_header("Bearer " + token, kNowMs).has_value());
  BOOST_TEST(tokens().verify_header("bearer " + token, kNowMs).has_value());
  BOOST_TEST(!tokens().verify_header(token, kNowMs).has_value());
  BOOST_TEST(!tokens().verify_header("Basic " + token, kNowMs).has_value());
  BOOST_TEST(!tokens().verify_header("", kNowMs).has_value());
}

BOOST_AUTO_TEST_CASE(a_webchats_id_is_24_hex_digits_and_a_widgets_a_uuid) {
  BOOST_TEST(EmbedId::parse(kWebchat)->is_webchat());
  BOOST_TEST(!EmbedId::parse(kWidget)->is_webchat());
  BOOST_TEST(EmbedId::parse("67D3A0B0C0D0E0F0A0B0C0D0")->text() == kWebchat);
  for (const std::string& text :
       std::vector<std::string>{"", kWebchat + "0", "67d3", kWidget + "0", std::string(24, 'g')}) {
    BOOST_TEST(!EmbedId::parse(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
