// What fixtures and transcripts cannot say of X: published vectors of its signatures, what must not
// be accepted, and bounds that hold whatever X answers.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>
#include <string>
#include <vector>

#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/x/content.h"
#include "connectors/x/ids.h"
#include "connectors/x/oauth.h"
#include "gateway/plugins/connector.h"

extern "C" const gwc_connector* gwc_connector_x(void);

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

const std::string kMe = "1730000000000000001";
const std::string kNadia = "1600000000000000007";
const std::string kThread = kNadia + "-" + kMe;

gateway::plugins::Connector x_connector() {
  const gwc_connector* table = gwc_connector_x();
  return {*table, gateway::plugins::ConfigSchema::parse(table->config_schema).value(), "linked"};
}

Channel a_channel() {
  return {.config = {{"api_key", "ck_6f1d2b9a"},
                     {"api_secret", "cs_8Qm2rV7tK1pLw3Zy"},
                     {"access_token", "1730000000000000001-tokAbCd"},
                     {"access_token_secret", "ts+secret/=1"},
                     {"bearer_token", "AAAAbearer"}},
          .state = {{"account", kMe}, {"since_ms", "1795100000000"}},
          .webhook_url = "https://gw.example.com/api/v1/webhooks/x/1",
          .secret = std::string(64, 'a'),
          .now_ms = 1795165300000};
}

void set(Pairs& pairs, const std::string& name, const std::string& value) {
  std::erase_if(pairs, [&](const auto& one) { return one.first == name; });
  if (!value.empty()) pairs.emplace_back(name, value);
}

// The signed body of https://docs.x.com/x-api/webhooks/quickstart's scheme, computed with openssl.
const std::string kBody = R"({"for_user_id":"1730000000000000001","direct_message_events":[]})";
const std::string kSignature = "sha256=R736WJmXgx7L6sXcak7r5Uq6p+Prw5rXjvjmzsdwZvU=";

Request a_delivery(std::string body = kBody, const std::string& signature = kSignature) {
  return {.method = "POST",
          .target = "/api/v1/webhooks/x/1",
          .query = {},
          .headers = {{"x-twitter-webhooks-signature", signature}},
          .body = std::move(body)};
}

Request a_challenge(const std::string& query) {
  return {.method = "GET",
          .target = "/api/v1/webhooks/x/1?" + query,
          .query = query,
          .headers = {},
          .body = {}};
}

bool accepts(const Channel& channel, const Request& request) {
  return x_connector().verify(channel, request) == Verdict::accept;
}

std::vector<Event> events_of(const Channel& channel, const std::string& body) {
  return x_connector().receive(channel, a_delivery(body)).value().events;
}

Step plan(const Channel& channel, Operation operation, const Event& input,
          const std::vector<Response>& so_far) {
  return x_connector().plan(channel, operation, input, so_far);
}

std::string header(const Call& call, std::string_view name) {
  return std::string(connector::find(call.headers, name).value_or(""));
}

std::string oauth_parameter(const Call& call, const std::string& name) {
  const std::string all = header(call, "authorization");
  const auto from = all.find(name + "=\"");
  if (from == std::string::npos) return {};
  const auto begin = from + name.size() + 2;
  return sdk::percent_decode(all.substr(begin, all.find('"', begin) - begin)).value_or("");
}

Event a_text(std::string text = "Hi") {
  Event event{.kind = EventKind::message};
  event.thread = kThread;
  event.contact = kNadia;
  event.key = "0193a000-0000-7000-8000-00000000000a";
  event.text = std::move(text);
  return event;
}

const x::OAuth1 kOAuth{.consumer_key = "ck_6f1d2b9a",
                       .consumer_secret = "cs_8Qm2rV7tK1pLw3Zy",
                       .token = "1730000000000000001-tokAbCd",
                       .token_secret = "ts+secret/=1",
                       .nonce = "n0nceA1b2C3d4E5f6",
                       .timestamp_s = 1795132800};

}  // namespace

BOOST_AUTO_TEST_SUITE(x)

// ---- OAuth 1.0a

// The example of
// https://docs.x.com/fundamentals/authentication/oauth-1-0a/creating-a-signature (2026-11-20).
const OAuth1 kPublished{.consumer_key = "xvz1evFS4wEEPTGEFPHBog",
                        .consumer_secret = "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
                        .token = "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
                        .token_secret = "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
                        .nonce = "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
                        .timestamp_s = 1318622958};
const sdk::Form kPublishedForm{{"status", "Hello Ladies + Gentlemen, a signed OAuth request!"}};
constexpr const char* kPublishedUrl =
    "https://api.x.com/1.1/statuses/update.json?include_entities=true";

BOOST_AUTO_TEST_CASE(signs_the_published_example) {
  BOOST_TEST(
      x::oauth1_base("POST", kPublishedUrl, kPublished, kPublishedForm) ==
      "POST&https%3A%2F%2Fapi.x.com%2F1.1%2Fstatuses%2Fupdate.json&include_entities%3Dtrue%26"
      "oauth_consumer_key%3Dxvz1evFS4wEEPTGEFPHBog%26oauth_nonce%3DkYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTg"
      "mZeNu2VS4cg%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1318622958%26"
      "oauth_token%3D370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb%26oauth_version%3D1.0%26"
      "status%3DHello%2520Ladies%2520%252B%2520Gentlemen%252C%2520a%2520signed%2520OAuth%2520"
      "request%2521");
  BOOST_TEST(x::oauth1_signature("POST", kPublishedUrl, kPublished, kPublishedForm) ==
             "Ls93hJiZbQ3akF3HF3x1Bz8/zU4=");
}

BOOST_AUTO_TEST_CASE(json_bodies_are_not_signed_and_secrets_are_encoded_into_the_key) {
  const std::string url = "https://api.x.com/2/dm_conversations/with/1600000000000000007/messages";
  BOOST_TEST(x::oauth1_base("POST", url, kOAuth) ==
             "POST&https%3A%2F%2Fapi.x.com%2F2%2Fdm_conversations%2Fwith%2F1600000000000000007%2F"
             "messages&oauth_consumer_key%3Dck_6f1d2b9a%26oauth_nonce%3Dn0nceA1b2C3d4E5f6%26"
             "oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1795132800%26oauth_token%3D"
             "1730000000000000001-tokAbCd%26oauth_version%3D1.0");
  BOOST_TEST(x::oauth1_signature("POST", url, kOAuth) == "zrlKbej4coCdfw9HjJhqlRcVKlQ=");
}

BOOST_AUTO_TEST_CASE(the_query_is_signed_with_its_commas) {
  BOOST_TEST(x::oauth1_signature("GET",
                                 "https://api.x.com/2/dm_events?dm_event.fields=id,text,created_at"
                                 "&event_types=MessageCreate&max_results=5",
                                 kOAuth) == "QQD27sllhavI9SEyKw6SCw8b3zA=");
}

BOOST_AUTO_TEST_CASE(another_verb_host_or_secret_gives_another_signature) {
  const std::string right = "Ls93hJiZbQ3akF3HF3x1Bz8/zU4=";
  BOOST_TEST(x::oauth1_signature("GET", kPublishedUrl, kPublished, kPublishedForm) != right);
  BOOST_TEST(x::oauth1_signature(
                 "POST", "https://api.twitter.com/1.1/statuses/update.json?include_entities=true",
                 kPublished, kPublishedForm) != right);
  x::OAuth1 other = kPublished;
  other.token_secret.clear();
  BOOST_TEST(x::oauth1_signature("POST", kPublishedUrl, other, kPublishedForm) != right);
}

// RFC 5849 section 3.4.1.2: scheme and host in lower case, no default port; a fragment is no part.
BOOST_AUTO_TEST_CASE(the_base_url_is_normalized) {
  const std::string plain = x::oauth1_base("GET", "https://api.x.com/2/a?b=c", kOAuth);
  BOOST_TEST(x::oauth1_base("GET", "HTTPS://API.X.com:443/2/a?b=c#d", kOAuth) == plain);
  BOOST_TEST(x::oauth1_base("GET", "https://api.x.com:8443/2/a?b=c", kOAuth) != plain);
}

BOOST_AUTO_TEST_CASE(parameters_are_sorted_by_encoded_name_then_value_and_plus_is_a_plus) {
  const std::string base = x::oauth1_base("GET", "https://a.example/?b=2&a=%C3%A9&b=1&c=+", kOAuth);
  const std::string parameters = base.substr(base.rfind('&') + 1);
  BOOST_TEST(parameters.starts_with("a%3D%25C3%25A9%26b%3D1%26b%3D2%26c%3D%252B%26oauth_"));
  BOOST_TEST(std::count(base.begin(), base.end(), '&') == 2);
}

BOOST_AUTO_TEST_CASE(calls_carry_a_signature_of_themselves) {
  const auto call = std::get<Call>(plan(a_channel(), Operation::send, a_text(), {}));
  BOOST_TEST(oauth_parameter(call, "oauth_timestamp") == "1795165300");
  BOOST_TEST(oauth_parameter(call, "oauth_nonce").size() == 32u);
  x::OAuth1 same = kOAuth;
  same.nonce = oauth_parameter(call, "oauth_nonce");
  same.timestamp_s = 1795165300;
  BOOST_TEST(oauth_parameter(call, "oauth_signature") ==
             x::oauth1_signature(call.method, call.url, same));
}

BOOST_AUTO_TEST_CASE(no_two_calls_have_the_same_nonce) {
  std::set<std::string> nonces;
  std::size_t calls = 0;
  const auto note = [&](const Step& step) {
    nonces.insert(oauth_parameter(std::get<Call>(step), "oauth_nonce"));
    ++calls;
  };
  Channel channel = a_channel();
  note(plan(channel, Operation::send, a_text(), {}));
  Event other = a_text();
  other.key = "0193a000-0000-7000-8000-00000000000b";
  note(plan(channel, Operation::send, other, {}));
  // The same text in two pieces: equal bodies, one step later.
  const Event two = a_text(std::string(20'000, 'x'));
  note(plan(channel, Operation::send, two, {}));
  note(plan(channel, Operation::send, two,
            {{.status = 201, .body = R"({"data":{"dm_event_id":"1"}})"}}));
  channel.now_ms += 1;
  note(plan(channel, Operation::send, a_text(), {}));
  channel.secret = std::string(64, 'b');
  note(plan(channel, Operation::send, a_text(), {}));
  // `two` has the first message's key, so its first call is that message's.
  BOOST_TEST(nonces.size() + 1 == calls);
}

// ---- bearer tokens

// The example of https://docs.x.com/fundamentals/authentication/oauth-2-0/application-only
// (2026-11-20).
BOOST_AUTO_TEST_CASE(asks_for_the_app_token_with_the_published_credentials) {
  Channel channel = a_channel();
  set(channel.config, "api_key", "xvz1evFS4wEEPTGEFPHBog");
  set(channel.config, "api_secret", "L8qq9PZyRg6ieKGEKhZolGC0vJWLw8iEJ88DRdyOg");
  set(channel.config, "bearer_token", "");
  const auto call = std::get<Call>(plan(channel, Operation::check, {}, {}));
  BOOST_TEST(call.method == "POST");
  BOOST_TEST(call.url == "https://api.x.com/oauth2/token");
  BOOST_TEST(call.body == "grant_type=client_credentials");
  BOOST_TEST(header(call, "authorization") ==
             "Basic eHZ6MWV2RlM0d0VFUFRHRUZQSEJvZzpMOHFxOVBaeVJnNmllS0dFS2hab2xHQzB2SldMdzhpRUo4OE"
             "RSZHlPZw==");
}

BOOST_AUTO_TEST_CASE(a_token_that_is_no_header_text_is_not_used) {
  Channel channel = a_channel();
  set(channel.config, "bearer_token", "");
  const std::vector<Response> answers{
      {.status = 200, .body = R"({"token_type":"bearer","access_token":"a\nb: c"})"}};
  BOOST_TEST((std::get<Fail>(plan(channel, Operation::check, {}, answers)).code == Failure::retry));
}

BOOST_AUTO_TEST_CASE(only_polls_renew_the_users_token) {
  Channel channel = a_channel();
  channel.config = {{"api_key", "ck_6f1d2b9a"},          {"api_secret", "cs_8Qm2rV7tK1pLw3Zy"},
                    {"access_token", "configuredToken"}, {"bearer_token", "AAAAbearer"},
                    {"client_id", "clientIdFixture"},    {"refresh_token", "refreshToken"}};
  channel.state.emplace_back("dm_polled_ms", "0");
  for (const Operation operation :
       {Operation::register_webhook, Operation::check, Operation::send}) {
    const auto call = std::get<Call>(plan(channel, operation, a_text(), {}));
    BOOST_TEST(call.url.find("oauth2/token") == std::string::npos, call.url);
  }
  BOOST_TEST(std::get<Call>(plan(channel, Operation::poll, {}, {})).url ==
             "https://api.x.com/2/oauth2/token");
}

// ---- webhook

BOOST_AUTO_TEST_CASE(answers_the_challenge_with_the_apps_secret) {
  const Request challenge = a_challenge("crc_token=NjQ4ZmYyYzAtMTFl-crc.4242");
  BOOST_TEST(accepts(a_channel(), challenge));
  const auto received = x_connector().receive(a_channel(), challenge);
  BOOST_TEST(received.value().reply.value().body ==
             R"({"response_token":"sha256=qadfkPOHOx+T0wI7i13ilDMlkq16hsh1L15dQ9azGD8="})");
}

BOOST_AUTO_TEST_CASE(the_challenge_is_decoded_before_it_is_hashed) {
  const auto answer = [](const std::string& query) {
    return x_connector().receive(a_channel(), a_challenge(query)).value().reply.value().body;
  };
  BOOST_TEST(answer("crc_token=NjQ4ZmYyYzAtMTFl%2Dcrc%2E4242&nonce=x") ==
             answer("nonce=y&crc_token=NjQ4ZmYyYzAtMTFl-crc.4242"));
}

BOOST_AUTO_TEST_CASE(the_challenge_is_answered_with_the_new_secret_during_rotation) {
  Channel channel = a_channel();
  set(channel.config, "api_secret_previous", "cs_before");
  const Request challenge = a_challenge("crc_token=NjQ4ZmYyYzAtMTFl-crc.4242");
  BOOST_TEST(x_connector().receive(channel, challenge).value().reply.value().body ==
             R"({"response_token":"sha256=qadfkPOHOx+T0wI7i13ilDMlkq16hsh1L15dQ9azGD8="})");
}

BOOST_AUTO_TEST_CASE(without_a_secret_or_a_token_no_challenge_is_answered) {
  Channel channel = a_channel();
  for (const char* query : {"", "crc_token=", "crc=1", "nonce=crc_token"}) {
    BOOST_TEST(!accepts(channel, a_challenge(query)), query);
  }
  set(channel.config, "api_secret", "");
  BOOST_TEST(!accepts(channel, a_challenge("crc_token=NjQ4ZmYyYzAtMTFl-crc.4242")));
}

// A challenge is answered with the MAC that would sign the same bytes as a delivery: whoever could
// choose them could write deliveries.
BOOST_AUTO_TEST_CASE(a_challenge_cannot_be_used_to_sign_a_delivery) {
  for (const std::string& body : {kBody, " \n" + kBody, std::string("{}"), std::string("x{")}) {
    BOOST_TEST(!accepts(a_channel(), a_challenge("crc_token=" + sdk::url_encode(body))), body);
  }
  BOOST_TEST(!accepts(a_channel(), a_challenge("crc_token=" + std::string(5000, 'a'))));
}

BOOST_AUTO_TEST_CASE(accepts_the_signed_delivery_and_nothing_near_it) {
  BOOST_TEST(accepts(a_channel(), a_delivery()));
  const std::string mac = kSignature.substr(7);
  for (const std::string& wrong :
       {std::string(), mac, "sha1=" + mac, "SHA256=" + mac, std::string("sha256="),
        "sha256=" + mac + "=", "sha256=" + mac.substr(0, mac.size() - 1), "sha256= " + mac,
        kSignature + "\n",
        // Another spelling of the same 32 bytes.
        "sha256=" + mac.substr(0, mac.size() - 2) + "V=",
        "sha256=" + sdk::hex(*sdk::from_base64(mac))}) {
    BOOST_TEST(!accepts(a_channel(), a_delivery(kBody, wrong)), wrong);
  }
  BOOST_TEST(!accepts(a_channel(), a_delivery(kBody + "\n")));
  Request put = a_delivery();
  put.method = "PUT";
  BOOST_TEST(!accepts(a_channel(), put));
}

BOOST_AUTO_TEST_CASE(refuses_two_signatures_and_none) {
  Request twice = a_delivery();
  twice.headers.push_back(twice.headers[0]);
  BOOST_TEST(!accepts(a_channel(), twice));
  Request none = a_delivery();
  none.headers.clear();
  BOOST_TEST(!accepts(a_channel(), none));
}

// "The key never is the bearer token or a user secret"
// (https://docs.x.com/x-api/webhooks/quickstart, 2026-11-20).
BOOST_AUTO_TEST_CASE(refuses_what_another_key_signed) {
  for (const char* key : {"cs_8Qm2rV7tK1pLw3Zz", "AAAAbearer", "ts+secret/=1", ""}) {
    const std::string signature = "sha256=" + sdk::base64(sdk::hmac_sha256(key, kBody));
    BOOST_TEST(!accepts(a_channel(), a_delivery(kBody, signature)), key);
  }
  Channel empty = a_channel();
  set(empty.config, "api_secret", "");
  BOOST_TEST(
      !accepts(empty, a_delivery(kBody, "sha256=" + sdk::base64(sdk::hmac_sha256("", kBody)))));
}

BOOST_AUTO_TEST_CASE(the_previous_secret_counts_while_it_is_configured) {
  const std::string signature = "sha256=" + sdk::base64(sdk::hmac_sha256("cs_before", kBody));
  Channel channel = a_channel();
  BOOST_TEST(!accepts(channel, a_delivery(kBody, signature)));
  set(channel.config, "api_secret_previous", "cs_before");
  BOOST_TEST(accepts(channel, a_delivery(kBody, signature)));
  BOOST_TEST(accepts(channel, a_delivery()));
}

BOOST_AUTO_TEST_CASE(a_delivery_names_its_accounts_in_every_envelope) {
  const auto accounts = [](const std::string& body) {
    return x_connector().accounts(a_delivery(body));
  };
  BOOST_TEST(accounts(kBody) == std::vector<std::string>{kMe}, boost::test_tools::per_element());
  BOOST_TEST(accounts(R"({"data":{"event_type":"dm.received","filter":{"user_id":"5"}}})") ==
                 std::vector<std::string>{"5"},
             boost::test_tools::per_element());
  BOOST_TEST(accounts(R"({"data":{"event_type":"oauth.revoke","payload":{"user_id":"6"}}})") ==
                 std::vector<std::string>{"6"},
             boost::test_tools::per_element());
  BOOST_TEST(accounts(R"({"user_event":{"revoke":{"source":{"user_id":"7"}}}})") ==
                 std::vector<std::string>{"7"},
             boost::test_tools::per_element());
  // The user in another kind's payload is somebody else.
  BOOST_TEST(accounts(R"({"data":{"event_type":"x","payload":{"user_id":"8"}}})").empty());
  BOOST_TEST(accounts("[1]").empty());
  BOOST_TEST(accounts("").empty());
}

// ---- events

BOOST_AUTO_TEST_CASE(the_webhooks_event_and_the_lookups_are_the_same_event) {
  const std::string hook =
      R"({"for_user_id":"1730000000000000001","direct_message_events":[{"type":"message_create",)"
      R"("id":"1989253608289349689","created_timestamp":"1763109993418","message_create":{)"
      R"("target":{"recipient_id":"1730000000000000001"},"sender_id":"1600000000000000007",)"
      R"("message_data":{"text":"a &amp; b"}}}]})";
  const std::string looked_up =
      R"({"data":[{"id":"1989253608289349689","event_type":"MessageCreate","text":"a &amp; b",)"
      R"("sender_id":"1600000000000000007","created_at":"2025-11-14T08:46:33.000Z",)"
      R"("dm_conversation_id":"1600000000000000007-1730000000000000001"}],"meta":{}})";
  Channel channel = a_channel();
  channel.state = {{"account", kMe}, {"since_ms", "1000"}};
  const Event pushed = events_of(channel, hook).at(0);
  const auto polled =
      std::get<Done>(plan(channel, Operation::poll, {}, {{.status = 200, .body = looked_up}}));
  BOOST_TEST_REQUIRE(polled.events.size() == 1u);
  BOOST_TEST(polled.events[0].key == pushed.key);
  BOOST_TEST(polled.events[0].message == pushed.message);
  BOOST_TEST(polled.events[0].thread == pushed.thread);
  BOOST_TEST(polled.events[0].contact == pushed.contact);
  BOOST_TEST(polled.events[0].text == pushed.text);
  // Part of the event's identity: milliseconds in one, seconds in the other.
  BOOST_TEST(polled.events[0].sent_ms == pushed.sent_ms);
}

BOOST_AUTO_TEST_CASE(which_account_is_ours_is_known_by_setting_state_or_token) {
  const std::string sent =
      R"({"for_user_id":"1730000000000000001","direct_message_events":[{"id":"1","message_create":)"
      R"({"target":{"recipient_id":"5"},"sender_id":"1730000000000000001","message_data":{}}}]})";
  Channel by_token = a_channel();
  by_token.state.clear();
  Channel by_setting = by_token;
  set(by_setting.config, "user_id", kMe);
  set(by_setting.config, "access_token", "opaque");
  Channel unknown = by_setting;
  set(unknown.config, "user_id", "");
  for (const Channel& channel : {a_channel(), by_token, by_setting, unknown}) {
    const auto events = events_of(channel, sent);
    BOOST_TEST_REQUIRE(events.size() == 1u);
    BOOST_TEST((events[0].kind == EventKind::echo));
    BOOST_TEST(events[0].account.empty());
  }
  Channel another = a_channel();
  set(another.state, "account", "1730000000000000002");
  BOOST_TEST(events_of(another, sent).at(0).account == kMe);
}

BOOST_AUTO_TEST_CASE(mentions_are_left_alone_where_they_are_not_wanted) {
  Channel channel = a_channel();
  set(channel.config, "mentions", "false");
  const std::string mention =
      R"({"for_user_id":"1730000000000000001","tweet_create_events":[{"id_str":"9",)"
      R"("text":"@acmecare","user":{"id_str":"5"}}]})";
  BOOST_TEST((events_of(a_channel(), mention).at(0).kind == EventKind::message));
  BOOST_TEST((events_of(channel, mention).at(0).kind == EventKind::unknown));
}

BOOST_AUTO_TEST_CASE(a_delivery_has_at_most_a_thousand_events) {
  std::string body = R"({"for_user_id":"1730000000000000001","follow_events":[)";
  for (int i = 0; i < 3000; ++i) body += (i > 0 ? "," : "") + std::to_string(i);
  BOOST_TEST(events_of(a_channel(), body + "]}").size() == 1000u);
}

// ---- text

BOOST_AUTO_TEST_CASE(indices_count_code_points) {
  using x::readable;
  // Two links that read alike: only the one at the indices is meant.
  const std::string text = "\xF0\x9F\x99\x82\xC3\xA9 t t";
  BOOST_TEST(readable(text, {{5, 6, "t", "X"}}) == "\xF0\x9F\x99\x82\xC3\xA9 t X");
  BOOST_TEST(readable(text, {{3, 4, "t", "X"}}) == "\xF0\x9F\x99\x82\xC3\xA9 X t");
}

BOOST_AUTO_TEST_CASE(replacements_that_do_not_fit_change_nothing) {
  using x::readable;
  BOOST_TEST(readable("abc", {{1, 2, "z", "X"}}) == "abc");
  BOOST_TEST(readable("abc", {{90, 99, "z", "X"}}) == "abc");
  BOOST_TEST(readable("abc", {{1, 2, "", "X"}}) == "abc");
  BOOST_TEST(readable("abc", {{0, 2, "ab", "X"}, {1, 3, "bc", "Y"}}) == "Xc");
  BOOST_TEST(readable("", {{0, 0, "", ""}}).empty());
}

BOOST_AUTO_TEST_CASE(escapes_are_undone_once) {
  using x::readable;
  BOOST_TEST(readable("&amp;amp; &lt;b&gt; &quot; &", {}) == "&amp; <b> &quot; &");
  // What takes a link's place is not escaped by X.
  BOOST_TEST(readable("u", {{0, 1, "u", "https://e.example/?a&amp;b"}}) ==
             "https://e.example/?a&amp;b");
}

// ---- ids and times

BOOST_AUTO_TEST_CASE(conversations_are_ordered_by_number) {
  BOOST_TEST(x::direct_thread("9007199254740993", "1730000000000000001") ==
             "9007199254740993-1730000000000000001");
  BOOST_TEST(x::direct_thread("1730000000000000001", "9007199254740993") ==
             "9007199254740993-1730000000000000001");
  BOOST_TEST(x::conversation_thread("1730000000000000001:9007199254740993") ==
             "9007199254740993-1730000000000000001");
}

BOOST_AUTO_TEST_CASE(threads_survive_the_way_there_and_back) {
  const auto direct = x::parse_thread(kThread).value();
  BOOST_TEST(x::direct_thread(direct.first, direct.second) == kThread);
  const auto post = x::parse_thread(x::post_thread("7", "5")).value();
  BOOST_TEST((post.kind == x::Thread::Kind::post));
  BOOST_TEST(post.first == "7");
  BOOST_TEST(post.second == "5");
  BOOST_TEST((x::parse_thread("g1900000000000000001")->kind == x::Thread::Kind::group));
}

BOOST_AUTO_TEST_CASE(threads_of_anything_else_are_refused) {
  for (const char* thread : {"",
                             "x",
                             "-",
                             "1-",
                             "-1",
                             "2-1",
                             "01-2",
                             "1-2-3",
                             "1:2",
                             "g",
                             "gg1",
                             "post:",
                             "post:1",
                             "post:1:",
                             "post::1",
                             "post:1:2:3",
                             "post:1:x",
                             "1-2\n",
                             "123456789012345678901",
                             "1/../2",
                             "1600000000000000007-1730000000000000001/x"}) {
    BOOST_TEST(!x::parse_thread(thread).has_value(), thread);
  }
}

// https://docs.x.com/fundamentals/x-ids: (id >> 22) + 1288834974657.
BOOST_AUTO_TEST_CASE(snowflakes_tell_their_time) {
  BOOST_TEST(x::snowflake_ms("1860000000000000505") == 1732293531785);
  BOOST_TEST(x::snowflake_ms("20") == 0);
  BOOST_TEST(x::snowflake_ms("x") == 0);
  const std::int64_t now_ms = 1795165300000;
  BOOST_TEST(x::event_ms("1860000000000000505", 0, now_ms) == 1732293531785);
  BOOST_TEST(x::event_ms("1860000000000000505", 1732293531000, now_ms) == 1732293531785);
  BOOST_TEST(x::event_ms("1860000000000000505", 1795165205000, now_ms) == 1795165205000);
  BOOST_TEST(x::event_ms("9223372036854775807", 0, now_ms) == 0);
}

BOOST_AUTO_TEST_CASE(times_are_read_in_every_form_x_writes) {
  BOOST_TEST(x::iso_ms("2026-11-20T09:00:12+00:00") == 1795165212000);
  BOOST_TEST(x::iso_ms("2026-11-20T09:00:12.345Z") == 1795165212345);
  BOOST_TEST(x::iso_ms("2026-11-20T10:30:12+01:30") == 1795165212000);
  BOOST_TEST(x::legacy_ms("Fri Nov 20 09:00:10 +0000 2026") == 1795165210000);
  BOOST_TEST(x::iso_of(1795165212345) == "2026-11-20T09:00:12Z");
  BOOST_TEST(x::minute_of(1795165212345) == "202611200900");
  for (const char* wrong :
       {"", "2026-11-20", "2026-13-20T09:00:12Z", "2026-11-31T09:00:12Z", "2026-11-20T24:00:12Z",
        "2026-11-20T09:00:12", "2026-11-20T09:00:12.Z", "2026-11-20T09:00:12+9",
        "aaaa-11-20T09:00:12Z", "1969-11-20T09:00:12Z"}) {
    BOOST_TEST(x::iso_ms(wrong) == 0, wrong);
  }
  for (const char* wrong : {"", "Fri Foo 20 09:00:10 +0000 2026", "Fri Nov 20 09:00:10 +0000 20266",
                            "Fri Nov 40 09:00:10 +0000 2026", "Fri Nov 20 09:00:10 0000  2026"}) {
    BOOST_TEST(x::legacy_ms(wrong) == 0, wrong);
  }
}

BOOST_AUTO_TEST_CASE(ids_are_whole_numbers_of_64_bits) {
  for (const char* id : {"0", "7", "18446744073709551615"}) BOOST_TEST(x::is_id(id), id);
  for (const char* id : {"", "00", "07", "-1", "1.0", "1e9", " 1", "184467440737095516150"}) {
    BOOST_TEST(!x::is_id(id), id);
  }
  BOOST_TEST(x::is_less("9", "10"));
  BOOST_TEST(!x::is_less("10", "9"));
  BOOST_TEST(x::sequence_of("9223372036854775807") == INT64_MAX);
  BOOST_TEST(x::sequence_of("9223372036854775808") == 0);
}

// ---- calls

BOOST_AUTO_TEST_CASE(waits_are_bounded_whatever_x_says) {
  const auto wait = [](const Pairs& headers) {
    const std::vector<Response> answers{{.status = 429, .headers = headers, .body = "{}"}};
    return std::get<Fail>(plan(a_channel(), Operation::send, a_text(), answers)).retry_after_ms;
  };
  BOOST_TEST(wait({{"x-rate-limit-reset", "1795165337"}}) == 37'000);
  BOOST_TEST(wait({{"x-rate-limit-reset", "1"}}) == 1'000);
  BOOST_TEST(wait({{"x-rate-limit-reset", "99999999999"}}) == 24 * 3'600'000);
  BOOST_TEST(wait({{"x-rate-limit-reset", "soon"}}) == 60'000);
  BOOST_TEST(wait({{"x-rate-limit-reset", "-5"}, {"retry-after", "9"}}) == 9'000);
  BOOST_TEST(wait({{"x-rate-limit-remaining", "0"},
                   {"x-rate-limit-reset", "1795165337"},
                   {"x-user-limit-24hour-remaining", "0"},
                   {"x-user-limit-24hour-reset", "1795165400"}}) == 100'000);
}

BOOST_AUTO_TEST_CASE(a_file_is_uploaded_in_segments_that_make_it_whole) {
  std::string bytes(9'000'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
  Event input = a_text("");
  input.attachments = {{.kind = "video", .url = "https://gw.example.com/v.mp4"}};
  std::vector<Response> answers{
      {.status = 200, .headers = {{"content-type", "video/mp4"}}, .body = bytes},
      {.status = 200, .body = R"({"data":{"id":"42"}})"}};
  std::string uploaded;
  for (int segment = 0;; ++segment) {
    const auto call = std::get<Call>(plan(a_channel(), Operation::send, input, answers));
    if (!call.url.ends_with("/append")) break;
    BOOST_TEST(call.url == "https://api.x.com/2/media/upload/42/append");
    const std::string type = header(call, "content-type");
    const std::string boundary = "--" + type.substr(type.find("boundary=") + 9);
    BOOST_TEST(call.body.starts_with(boundary + "\r\n"));
    BOOST_TEST(call.body.ends_with("\r\n" + boundary + "--\r\n"));
    BOOST_TEST(call.body.find("name=\"segment_index\"\r\n\r\n" + std::to_string(segment) +
                              "\r\n") != std::string::npos);
    const auto media = call.body.find("name=\"media\"");
    const auto begin = call.body.find("\r\n\r\n", media) + 4;
    const auto end = call.body.rfind("\r\n" + boundary);
    BOOST_TEST(call.body.find(boundary, begin) == end + 2);
    uploaded += call.body.substr(begin, end - begin);
    answers.push_back({.status = 204});
  }
  BOOST_TEST((uploaded == bytes));
  const auto call = std::get<Call>(plan(a_channel(), Operation::send, input, answers));
  BOOST_TEST(call.url == "https://api.x.com/2/media/upload/42/finalize");
}

BOOST_AUTO_TEST_CASE(x_is_not_sent_larger_files_than_it_takes) {
  Event input = a_text("");
  input.attachments = {{.kind = "image", .url = "https://gw.example.com/a"}};
  for (const auto& [type, bytes] : std::vector<std::pair<std::string, std::size_t>>{
           {"image/png", 5'000'001}, {"image/gif", 15'000'001}}) {
    std::vector<Response> answers{
        {.status = 200, .headers = {{"content-type", type}}, .body = std::string(bytes, 'x')}};
    BOOST_TEST((std::get<Fail>(plan(a_channel(), Operation::send, input, answers)).code ==
                Failure::permanent));
    answers[0].body.pop_back();
    BOOST_TEST(std::holds_alternative<Call>(plan(a_channel(), Operation::send, input, answers)));
  }
}

BOOST_AUTO_TEST_CASE(a_send_never_asks_for_more_than_32_answers) {
  Event input = a_text("");
  // Sizes are not told, so the segments show only as the files come.
  for (int i = 0; i < 6; ++i) {
    input.attachments.push_back({.kind = "video", .url = "https://gw.example.com/v"});
  }
  std::vector<Response> answers;
  for (;;) {
    const Step step = plan(a_channel(), Operation::send, input, answers);
    if (!std::holds_alternative<Call>(step)) break;
    BOOST_TEST_REQUIRE(answers.size() < 32u);
    if (std::get<Call>(step).url == "https://gw.example.com/v") {
      answers.push_back({.status = 200,
                         .headers = {{"content-type", "video/mp4"}},
                         .body = std::string(9 << 20, 'x')});
    } else {
      answers.push_back({.status = 200, .body = R"({"data":{"id":"42","dm_event_id":"43"}})"});
    }
  }
}

BOOST_AUTO_TEST_CASE(no_other_operation_asks_for_more_than_it_may) {
  // Lists that never end, a webhook that is never valid, a cursor that is never reached.
  const std::string endless =
      R"({"data":[{"id":"1985000000000000000","url":"https://gw.example.com/api/v1/webhooks/x/1",)"
      R"("valid":false,"created_at":"2026-11-20T09:00:00.000Z"}],)"
      R"("meta":{"next_token":"b26v89c19zqg8o3f"},"errors":[{"reason":"DuplicateUrlFailed"}]})";
  const std::string me = R"({"data":{"id":"1730000000000000001"}})";
  for (const std::string ingest : {"xaa", "aaa", "poll"}) {
    for (const auto& [operation, most] :
         std::vector<std::pair<Operation, std::size_t>>{{Operation::register_webhook, 8},
                                                        {Operation::check, 8},
                                                        {Operation::unregister_webhook, 8},
                                                        {Operation::poll, 32}}) {
      Channel channel = a_channel();
      set(channel.config, "ingest", ingest);
      set(channel.config, "bearer_token", "");
      std::vector<Response> answers;
      for (;;) {
        const Step step = plan(channel, operation, {}, answers);
        const auto* call = std::get_if<Call>(&step);
        if (call == nullptr) break;
        BOOST_TEST_REQUIRE(answers.size() < most);
        const bool is_token = call->url.ends_with("/token");
        const bool is_me = call->url.find("/users/me") != std::string::npos;
        answers.push_back({.status = 200,
                           .body = is_token ? R"({"token_type":"bearer","access_token":"t"})"
                                   : is_me  ? me
                                            : endless});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(ids_of_a_hostile_answer_stay_out_of_urls) {
  Event input = a_text("");
  input.attachments = {{.kind = "image", .url = "https://gw.example.com/a.png"}};
  const std::vector<Response> answers{
      {.status = 200, .headers = {{"content-type", "image/png"}}, .body = "x"},
      {.status = 200, .body = R"({"data":{"id":"1/../../2/users"}})"}};
  BOOST_TEST(
      (std::get<Fail>(plan(a_channel(), Operation::send, input, answers)).code == Failure::retry));
}

BOOST_AUTO_TEST_CASE(a_refusal_repeats_nothing_of_the_message) {
  Event input = a_text("cs_8Qm2rV7tK1pLw3Zy");
  input.attachments = {{.kind = "cs_8Qm2rV7tK1pLw3Zy", .url = "cs_8Qm2rV7tK1pLw3Zy"}};
  for (const char* thread : {"cs_8Qm2rV7tK1pLw3Zy", kThread.c_str(), "post:1:2", "12"}) {
    input.thread = thread;
    const auto why = std::get<Fail>(plan(a_channel(), Operation::send, input, {})).why;
    BOOST_TEST(why.find("cs_8Qm2rV7tK1pLw3Zy") == std::string::npos, why);
  }
}

BOOST_AUTO_TEST_CASE(the_bearer_token_is_sent_to_the_api_only) {
  Channel channel = a_channel();
  set(channel.config, "auth", "oauth2");
  for (const char* url :
       {"https://video.twimg.com/dm_video/1/a.mp4", "https://ton.twitter.com/1.1/a",
        "https://ton.twitter.com/1.1/ton/data/dm/1/2/3/4",
        "https://ton.twitter.com/1.1/ton/data/dm/1/../3"}) {
    Event input;
    input.attachments = {{.kind = "image", .media_id = url}};
    const auto call = std::get<Call>(plan(channel, Operation::fetch_media, input, {}));
    BOOST_TEST(call.url == url);
    BOOST_TEST(header(call, "authorization").empty(), url);
  }
}

BOOST_AUTO_TEST_SUITE_END()
