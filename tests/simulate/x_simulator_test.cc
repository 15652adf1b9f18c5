// What X promises and demands, by its documents: docs.x.com x-api/webhooks, x-api/activity,
// x-api/account-activity, x-api/direct-messages, fundamentals/authentication (snapshot of
// 2026-08-22).
#include "gateway/simulate/x_simulator.h"

#include <boost/test/unit_test.hpp>
#include <ctime>
#include <set>

#include "connectors/sdk/crypto.h"
#include "gateway/simulate/oauth1.h"
#include "tests/simulate/callback.h"

using namespace gateway::simulate;
using namespace std::chrono_literals;
using test_support::Callback;
using test_support::HttpAnswer;
using test_support::HttpClient;
using test_support::Json;
using test_support::Received;

namespace {

const std::string kUser = "1730000000000000001";
const std::string kKey = "ck_6f1d2b9a";
const std::string kSecret = "cs_8Qm2rV7tK1pLw3Zy";
const std::string kBearer = "AAAAbearer";
const std::string kAna = contact_of("ana").x_id;

// Answers the CRC as a gateway does.
HttpAnswer well(const Received& request) {
  if (request.method != "GET") return {};
  const auto query = sdk::parse_form(request.target.substr(request.target.find('?') + 1));
  const std::string token(sdk::find(query, "crc_token").value_or(""));
  return {.headers = {{"Content-Type", "application/json"}},
          .body = "{\"response_token\":\"sha256=" + sdk::base64(sdk::hmac_sha256(kSecret, token)) +
                  "\"}"};
}

struct Fixture {
  static XOptions options() {
    XOptions chosen;
    chosen.time_scale = 0.001;
    return chosen;
  }
  Callback hook{well};
  XSimulator x{options()};
  std::optional<HttpClient> api, ton;
  int nonces = 0;

  Fixture() {
    BOOST_REQUIRE(x.start());
    x.add_app({.consumer_key = kKey, .consumer_secret = kSecret, .bearer = kBearer});
    x.add_user({.id = kUser,
                .consumer_key = kKey,
                .access_token = kUser + "-tokAbCd",
                .access_token_secret = "ts+secret/=1",
                .oauth2_token = "oauth2-token",
                .refresh_token = "refresh-1"});
    api.emplace(x.port("api.x.com"));
    ton.emplace(x.port("ton.twitter.com"));
  }
  ~Fixture() { x.stop(); }

  std::string oauth(const std::string& method, const std::string& url, const std::string& query,
                    std::int64_t skew_s = 0, const std::string& nonce = {}) {
    sdk::Form fields{{"oauth_consumer_key", kKey},
                     {"oauth_nonce", nonce.empty() ? "n" + std::to_string(++nonces) : nonce},
                     {"oauth_signature_method", "HMAC-SHA1"},
                     {"oauth_timestamp", std::to_string(std::time(nullptr) + skew_s)},
                     {"oauth_token", kUser + "-tokAbCd"},
                     {"oauth_version", "1.0"}};
    sdk::Form all = fields;
    for (auto& field : sdk::parse_form(query)) all.push_back(field);
    fields.emplace_back("oauth_signature",
                        oauth1_signature(method, url, all, kSecret, "ts+secret/=1"));
    std::string out = "OAuth ";
    for (const auto& [name, value] : fields) {
      out += (out.size() > 6 ? ", " : "") + name + "=\"" + sdk::url_encode(value) + "\"";
    }
    return out;
  }
  HttpClient::Answer user(const std::string& method, const std::string& path,
                          const std::string& json = {}, const std::string& query = {}) {
    return api->call(method, path + (query.empty() ? "" : "?" + query),
                     {{"Authorization", oauth(method, "https://api.x.com" + path, query)},
                      {"Content-Type", "application/json"}},
                     json);
  }
  HttpClient::Answer app(const std::string& method, const std::string& path,
                         const std::string& json = {}) {
    return api->call(method, path,
                     {{"Authorization", "Bearer " + kBearer}, {"Content-Type", "application/json"}},
                     json);
  }
  std::string add_webhook() {
    const auto answer = app("POST", "/2/webhooks", "{\"url\":\"" + hook.url() + "\"}");
    BOOST_REQUIRE(answer.status == 200);
    return std::string(Json(answer.body)["data"]["id"].text_or(""));
  }
  std::string subscribe_activity() {
    const std::string id = add_webhook();
    for (const char* type : {"dm.received", "dm.sent", "dm.read", "dm.indicate_typing",
                             "post.mention.create", "chat.received", "oauth.revoke"}) {
      BOOST_REQUIRE(
          user("POST", "/2/activity/subscriptions",
               R"({"event_type":")" + std::string(type) + R"(","filter":{)" +
                   (std::string(type) == "oauth.revoke" ? "" : R"("user_id":")" + kUser + "\"") +
                   R"(},"tag":"gw","webhook_id":")" + id + R"("})")
              .status == 201);
    }
    return id;
  }
  std::string subscribe_account() {
    const std::string id = add_webhook();
    BOOST_REQUIRE(
        user("POST", "/2/account_activity/webhooks/" + id + "/subscriptions/all", "{}").status ==
        200);
    return id;
  }
};

std::string proof(const std::string& body) {
  return "sha256=" + sdk::base64(sdk::hmac_sha256(kSecret, body));
}

bool mentions(const HttpClient::Answer& answer, const std::string& reason) {
  return answer.body.find(reason) != std::string::npos;
}

}  // namespace

// The worked examples of the reference, and the one of the X documentation.
BOOST_AUTO_TEST_CASE(oauth1_signatures_are_the_documented_ones) {
  const sdk::Form ours{{"oauth_consumer_key", kKey},
                       {"oauth_nonce", "n0nceA1b2C3d4E5f6"},
                       {"oauth_signature_method", "HMAC-SHA1"},
                       {"oauth_timestamp", "1795132800"},
                       {"oauth_token", "1730000000000000001-tokAbCd"},
                       {"oauth_version", "1.0"}};
  BOOST_TEST(oauth1_signature(
                 "POST", "https://api.x.com/2/dm_conversations/with/1600000000000000007/messages",
                 ours, kSecret, "ts+secret/=1") == "zrlKbej4coCdfw9HjJhqlRcVKlQ=");
  sdk::Form query = ours;
  query.insert(query.end(), {{"dm_event.fields", "id,text,created_at"},
                             {"event_types", "MessageCreate"},
                             {"max_results", "5"}});
  BOOST_TEST(oauth1_signature("GET", "https://api.x.com/2/dm_events", query, kSecret,
                              "ts+secret/=1") == "QQD27sllhavI9SEyKw6SCw8b3zA=");
  const sdk::Form documented{{"include_entities", "true"},
                             {"oauth_consumer_key", "xvz1evFS4wEEPTGEFPHBog"},
                             {"oauth_nonce", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg"},
                             {"oauth_signature_method", "HMAC-SHA1"},
                             {"oauth_timestamp", "1318622958"},
                             {"oauth_token", "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"},
                             {"oauth_version", "1.0"},
                             {"status", "Hello Ladies + Gentlemen, a signed OAuth request!"}};
  BOOST_TEST(oauth1_signature("POST", "https://api.x.com/1.1/statuses/update.json", documented,
                              "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
                              "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE") ==
             "Ls93hJiZbQ3akF3HF3x1Bz8/zU4=");
  BOOST_TEST(!parse_oauth1("Bearer x").has_value());
  BOOST_TEST(!parse_oauth1("OAuth oauth_nonce=\"a\", oauth_nonce=\"b\"").has_value());
  BOOST_TEST(!parse_oauth1("OAuth oauth_nonce=a").has_value());
}

BOOST_FIXTURE_TEST_SUITE(x_simulator, Fixture)

// The reference's vectors of the CRC and of the signature of a body.
BOOST_AUTO_TEST_CASE(the_references_vectors_hold) {
  BOOST_TEST("sha256=" + sdk::base64(sdk::hmac_sha256(kSecret, "NjQ4ZmYyYzAtMTFl-crc.4242")) ==
             "sha256=qadfkPOHOx+T0wI7i13ilDMlkq16hsh1L15dQ9azGD8=");
  BOOST_TEST(proof(R"({"for_user_id":"1730000000000000001","direct_message_events":[]})") ==
             "sha256=R736WJmXgx7L6sXcak7r5Uq6p+Prw5rXjvjmzsdwZvU=");
}

BOOST_AUTO_TEST_CASE(a_webhook_is_added_after_its_crc) {
  BOOST_TEST(!mentions(app("GET", "/2/webhooks"), "\"data\""));
  const std::string id = add_webhook();
  BOOST_TEST(hook.gets().size() == 1u);
  const auto list = app("GET", "/2/webhooks");
  BOOST_TEST(Json(list.body)["data"].at(0)["id"].text_or("") == id);
  BOOST_TEST(Json(list.body)["data"].at(0)["valid"].boolean().value());
  BOOST_TEST(Json(list.body)["meta"]["result_count"].integer().value() == 1);
  BOOST_TEST(mentions(app("POST", "/2/webhooks", "{\"url\":\"" + hook.url() + "\"}"),
                      "DuplicateUrlFailed"));
  BOOST_TEST(mentions(app("POST", "/2/webhooks", "{\"url\":\"" + hook.url("/2") + "\"}"),
                      "WebhookLimitExceeded"));
  BOOST_TEST(user("GET", "/2/webhooks").status == 403);
  BOOST_TEST(mentions(app("PUT", "/2/webhooks/1"), "WebhookIdInvalid"));
  BOOST_TEST(mentions(app("PUT", "/2/webhooks/" + id), "\"valid\":true"));
  BOOST_TEST(mentions(app("DELETE", "/2/webhooks/" + id), "\"deleted\":true"));
  BOOST_TEST(x.webhooks().empty());
}

BOOST_AUTO_TEST_CASE(a_failed_crc_is_told_with_its_reason) {
  const auto add = [&](const std::string& url) {
    return app("POST", "/2/webhooks", "{\"url\":\"" + url + "\"}");
  };
  for (const HttpAnswer& answer : {HttpAnswer{.body = "{}"}, HttpAnswer{.status = 500},
                                   HttpAnswer{.status = 301, .headers = {{"Location", "/"}}},
                                   HttpAnswer{.body = "{\"response_token\":\"sha256=AAAA\"}"}}) {
    hook.set_handler([answer](const Received&) { return answer; });
    const auto refused = add(hook.url());
    BOOST_TEST(refused.status == 400);
    BOOST_TEST(mentions(refused, "CrcValidationFailed"));
  }
  for (const char* url :
       {"", "http://gw.example.com/x", "https://gw.example.com:8443/x", "https://192.0.2.1/x"}) {
    BOOST_TEST(mentions(add(url), "UrlValidationFailed"), url);
  }
  BOOST_TEST(mentions(add("http://127.0.0.1/" + std::string(200, 'x')), "UrlValidationFailed"));
  BOOST_TEST(x.webhooks().empty());
}

// A wrong token makes a webhook invalid at once, trouble that may pass does not; an invalid one
// gets nothing, without a word.
BOOST_AUTO_TEST_CASE(an_invalid_webhook_gets_no_events) {
  subscribe_activity();
  const auto check = [&] {
    const std::size_t before = hook.gets().size();
    x.check_webhooks();
    for (int i = 0; i < 2'000 && hook.gets().size() == before; ++i) {
      std::this_thread::sleep_for(1ms);
    }
  };
  hook.set_handler([](const Received&) { return HttpAnswer{.status = 503}; });
  check();
  BOOST_TEST(x.webhooks().at(0).valid);
  hook.set_handler([](const Received&) { return HttpAnswer{.body = "{}"}; });
  check();
  for (int i = 0; i < 2'000 && x.webhooks().at(0).valid; ++i) std::this_thread::sleep_for(1ms);
  BOOST_TEST(!x.webhooks().at(0).valid);
  x.say(kUser, "ana", "lost");
  BOOST_TEST(x.delivery_stats().unwanted == 1);
  hook.set_handler(well);
  BOOST_TEST(mentions(app("PUT", "/2/webhooks/" + x.webhooks().at(0).id), "\"valid\":true"));
  x.say(kUser, "ana", "heard");
  BOOST_TEST(hook.posts(1).size() == 1u);
}

BOOST_AUTO_TEST_CASE(requests_are_signed_fresh_and_used_once) {
  const auto call = [&](const std::string& authorization) {
    return api->call("GET", "/2/users/me", {{"Authorization", authorization}}).status;
  };
  const std::string url = "https://api.x.com/2/users/me";
  BOOST_TEST(call(oauth("GET", url, "")) == 200);
  BOOST_TEST(call(oauth("POST", url, "")) == 401);
  BOOST_TEST(call(oauth("GET", "https://api.twitter.com/2/users/me", "")) == 401);
  BOOST_TEST(call(oauth("GET", url, "", -3'600)) == 401);
  const std::string once = oauth("GET", url, "", 0, "the-same");
  BOOST_TEST(call(once) == 200);
  BOOST_TEST(call(once) == 401);
  BOOST_TEST(call("Bearer oauth2-token") == 200);
  BOOST_TEST(call("Bearer nonsense") == 401);
  BOOST_TEST(call("Bearer " + kBearer) == 403);
  // A query is signed.
  BOOST_TEST(user("GET", "/2/dm_events", {}, "max_results=5&dm_event.fields=id%2Ctext").status ==
             200);
  const auto unsigned_query =
      api->call("GET", "/2/dm_events?max_results=5",
                {{"Authorization", oauth("GET", "https://api.x.com/2/dm_events", "")}});
  BOOST_TEST(unsigned_query.status == 401);
}

BOOST_AUTO_TEST_CASE(tokens_are_given_for_the_apps_key_and_rotate_for_users) {
  const HttpClient::Headers basic{
      {"Authorization", "Basic " + sdk::base64(kKey + ":" + kSecret)},
      {"Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"}};
  const auto token = api->call("POST", "/oauth2/token", basic, "grant_type=client_credentials");
  BOOST_TEST(Json(token.body)["access_token"].text_or("") == kBearer);
  BOOST_TEST(api->call("POST", "/oauth2/token", {{"Authorization", "Basic " + sdk::base64("a:b")}},
                       "grant_type=client_credentials")
                 .status == 403);
  const std::string refresh = "grant_type=refresh_token&refresh_token=refresh-1";
  const HttpClient::Headers form{{"Content-Type", "application/x-www-form-urlencoded"}};
  const auto fresh = api->call("POST", "/2/oauth2/token", form, refresh);
  BOOST_TEST(fresh.status == 200);
  BOOST_TEST(Json(fresh.body)["expires_in"].integer().value() == 7200);
  BOOST_TEST(api->call("POST", "/2/oauth2/token", form, refresh).status == 400);
  BOOST_TEST(api->call("GET", "/2/users/me", {{"Authorization", "Bearer oauth2-token"}}).status ==
             401);
}

BOOST_AUTO_TEST_CASE(the_activity_api_tells_each_event_in_its_envelope) {
  subscribe_activity();
  BOOST_TEST(x.subscriptions(kUser).count("dm.received") == 1u);
  const std::string id = x.say(kUser, "ana", "Tom & Ana want 2 < 3 items");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("x-twitter-webhooks-signature") == proof(seen.body));
  const Json body(seen.body);
  BOOST_TEST(body["data"]["event_type"].text_or("") == "dm.received");
  BOOST_TEST(body["data"]["filter"]["user_id"].text_or("") == kUser);
  BOOST_TEST(body["data"]["tag"].text_or("") == "gw");
  BOOST_TEST(body["data"]["event_uuid"].is_string());
  const auto payload = body["data"]["payload"];
  const auto message = payload["direct_message_events"].at(0);
  BOOST_TEST(message["id"].text_or("") == id);
  BOOST_TEST(message["created_timestamp"].is_string());
  BOOST_TEST(message["message_create"]["sender_id"].text_or("") == kAna);
  BOOST_TEST(message["message_create"]["message_data"]["text"].text_or("") ==
             "Tom &amp; Ana want 2 &lt; 3 items");
  BOOST_TEST(payload["users"][kAna]["data"]["username"].text_or("") == "ana_l");
  std::size_t at = 1;
  const std::vector<std::pair<std::string, std::string>> wishes{
      {R"({"typing":true})", "dm.indicate_typing"},
      {R"({"read":"1860000000000000404"})", "dm.read"},
      {R"({"echo":"from the client"})", "dm.sent"},
      {R"({"mention":"hello"})", "post.mention.create"},
      {R"({"chat":true})", "chat.received"},
      {R"({"revoked":true})", "oauth.revoke"}};
  for (const auto& [wish, type] : wishes) {
    BOOST_TEST(x.act(wish).has_value(), wish);
    const auto posts = hook.posts(++at);
    BOOST_REQUIRE(posts.size() == at);
    BOOST_TEST(Json(posts.back().body)["data"]["event_type"].text_or("") == type);
    if (type != "post.mention.create") continue;
    // The payload is the post itself, the people it names are beside it.
    const Json told(posts.back().body);
    BOOST_TEST(told["data"]["payload"]["author_id"].text_or("") == kAna);
    BOOST_TEST(told["data"]["payload"]["text"].text_or("").ends_with(" hello"));
    BOOST_TEST(told["data"]["includes"]["users"].at(0)["id"].text_or("") == kAna);
  }
  BOOST_TEST(user("GET", "/2/users/me").status == 401);  // revoked
}

BOOST_AUTO_TEST_CASE(private_events_need_the_monitored_users_token) {
  const std::string id = add_webhook();
  const std::string wish = R"({"event_type":"dm.received","filter":{"user_id":")" + kUser +
                           R"("},"webhook_id":")" + id + R"("})";
  BOOST_TEST(app("POST", "/2/activity/subscriptions", wish).status == 403);
  const auto made = user("POST", "/2/activity/subscriptions", wish);
  BOOST_TEST(made.status == 201);
  const std::string subscription(
      Json(made.body)["data"]["subscription"]["subscription_id"].text_or(""));
  BOOST_TEST(
      mentions(user("POST", "/2/activity/subscriptions", wish), "DuplicateSubscriptionFailed"));
  BOOST_TEST(user("POST", "/2/activity/subscriptions",
                  R"({"event_type":"MessageCreate","filter":{"user_id":")" + kUser + R"("}})")
                 .status == 400);
  BOOST_TEST(app("DELETE", "/2/activity/subscriptions/" + subscription).status == 200);
  BOOST_TEST(x.subscriptions(kUser).empty());
}

BOOST_AUTO_TEST_CASE(the_account_activity_api_batches_and_retries_thrice) {
  const std::string id = subscribe_account();
  BOOST_TEST(
      user("POST", "/2/account_activity/webhooks/" + id + "/subscriptions/all", "{}").status ==
      409);
  BOOST_TEST(mentions(app("GET", "/2/account_activity/webhooks/" + id + "/subscriptions/all/list"),
                      kUser));
  BOOST_TEST(x.act(R"({"batch":[{"from":"ana","text":"1"},{"from":"tom","text":"2"},)"
                   R"({"typing":true}]})")
                 .has_value());
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("x-twitter-webhooks-signature") == proof(seen.body));
  const Json body(seen.body);
  BOOST_TEST(body["for_user_id"].text_or("") == kUser);
  BOOST_TEST(body["direct_message_events"].size() == 2u);
  BOOST_TEST(body["direct_message_indicate_typing_events"].size() == 1u);
  BOOST_TEST(body["users"][kAna]["screen_name"].text_or("") == "ana_l");
  BOOST_TEST(x.wait_idle(20s));
  hook.set_handler([](const Received&) { return HttpAnswer{.status = 500}; });
  x.say(kUser, "ana", "in vain");
  BOOST_TEST(x.wait_idle(20s));
  BOOST_TEST(hook.posts(5).size() == 5u);
  BOOST_TEST(x.delivery_stats().expired == 1);
  BOOST_TEST(mentions(
      app("DELETE", "/2/account_activity/webhooks/" + id + "/subscriptions/" + kUser + "/all"),
      "\"subscribed\":false"));
}

// Links are shortened and their indices count code points; the number of media is a number beyond
// 2^53, its text has all digits.
BOOST_AUTO_TEST_CASE(media_and_links_are_written_as_the_platform_writes_them) {
  subscribe_account();
  BOOST_TEST(x.act(R"({"text":"👩🏽‍💻 see https://example.com/a?b=1 ok","image":true})")
                 .has_value());
  const Json body(hook.posts(1).at(0).body);
  const auto data = body["direct_message_events"].at(0)["message_create"]["message_data"];
  const std::string text(data["text"].text_or(""));
  BOOST_TEST(text.find("example.com") == std::string::npos);
  const auto link = data["entities"]["urls"].at(0);
  BOOST_TEST(link["expanded_url"].text_or("") == "https://example.com/a?b=1");
  BOOST_TEST(link["indices"].at(0).integer().value() == 9);  // 4 code points of the emoji, " see "
  const auto media = data["attachment"]["media"];
  BOOST_TEST(media["id"].digits().value() == media["id_str"].text_or(""));
  BOOST_TEST(media["indices"].at(1).integer().value() ==
             data["entities"]["urls"].at(1)["indices"].at(1).integer().value());
  const std::string url(media["media_url_https"].text_or(""));
  const std::string host = "https://ton.twitter.com";
  BOOST_REQUIRE(url.rfind(host, 0) == 0u);
  const std::string path = url.substr(host.size());
  const auto file = ton->call("GET", path, {{"Authorization", oauth("GET", url, "")}});
  BOOST_TEST(file.status == 200);
  BOOST_TEST(file.body.rfind("\xFF\xD8\xFF", 0) == 0u);
  BOOST_TEST(ton->call("GET", path).status == 401);
  BOOST_TEST(ton->call("GET", path, {{"Authorization", "Bearer oauth2-token"}}).status == 401);
  const std::string message(body["direct_message_events"].at(0)["id"].text_or(""));
  BOOST_TEST(api->call("GET",
                       "/2/dm_conversations/media/" + message + "/" +
                           std::string(media["id_str"].text_or("")) + "/x.jpg",
                       {{"Authorization", "Bearer oauth2-token"}})
                 .body == file.body);
}

BOOST_AUTO_TEST_CASE(a_message_is_created_echoed_and_read) {
  subscribe_activity();
  x.say(kUser, "ana", "hola");
  BOOST_TEST(x.wait_idle(20s));
  const auto answer =
      user("POST", "/2/dm_conversations/with/" + kAna + "/messages", R"({"text":"Hi"})");
  BOOST_TEST(answer.status == 201);
  BOOST_TEST(answer.header("x-rate-limit-limit") == "15");
  BOOST_TEST(answer.header("x-rate-limit-remaining") == "14");
  const Json made(answer.body);
  const std::string id(made["data"]["dm_event_id"].text_or(""));
  const std::string conversation(made["data"]["dm_conversation_id"].text_or(""));
  BOOST_TEST(conversation == kAna + "-" + kUser);
  BOOST_TEST(x.sent(kUser, kAna).at(0).text == "Hi");
  const auto seen = hook.posts(3);
  BOOST_REQUIRE(seen.size() == 3u);
  bool echoed = false, read = false;
  for (std::size_t i = 1; i < 3; ++i) {
    const Json body(seen[i].body);
    const auto payload = body["data"]["payload"];
    if (body["data"]["event_type"].text_or("") == "dm.sent") {
      echoed = payload["direct_message_events"].at(0)["id"].text_or("") == id &&
               payload["direct_message_events"].at(0)["message_create"]["source_app_id"].text_or(
                   "") == "29820954";
    } else {
      read =
          payload["direct_message_mark_read_events"].at(0)["last_read_event_id"].text_or("") == id;
    }
  }
  BOOST_TEST(echoed);
  BOOST_TEST(read);
  BOOST_TEST(
      user("POST", "/2/dm_conversations/" + conversation + "/messages", R"({"text":"2"})").status ==
      201);
  const auto list = user("GET", "/2/dm_events", {}, "max_results=2");
  const Json events(list.body);
  BOOST_TEST(events["data"].at(0)["text"].text_or("") == "2");
  BOOST_TEST(events["data"].at(1)["id"].text_or("") == id);
  const std::string next(events["meta"]["next_token"].text_or(""));
  const auto rest = user("GET", "/2/dm_events", {}, "max_results=2&pagination_token=" + next);
  BOOST_TEST(Json(rest.body)["data"].at(0)["text"].text_or("") == "hola");
}

BOOST_AUTO_TEST_CASE(wrong_messages_are_refused) {
  const std::string path = "/2/dm_conversations/with/" + kAna + "/messages";
  BOOST_TEST(app("POST", path, R"({"text":"x"})").status == 403);
  for (const std::string& body :
       {std::string("{}"), std::string(R"({"text":""})"), std::string(R"({"text":"x","y":1})"),
        std::string(R"({"attachments":[{"media_id":"1"}]})"),
        R"({"text":")" + std::string(10'001, 'x') + R"("})"}) {
    BOOST_TEST(user("POST", path, body).status == 400);
  }
  x.close_messages(kAna);
  const auto closed = user("POST", path, R"({"text":"x"})");
  BOOST_TEST(closed.status == 403);
  BOOST_TEST(Json(closed.body)["errors"].at(0)["code"].integer().value() == 349);
  BOOST_TEST(user("POST", "/2/dm_conversations/with/abc/messages", R"({"text":"x"})").status ==
             400);
  BOOST_TEST(user("POST", "/2/dm_conversations/" + kUser + "-" + kAna + "/messages",
                  R"({"text":"x"})")
                 .status == 403);  // the smaller id comes first
  BOOST_TEST(x.sent().empty());
}

BOOST_AUTO_TEST_CASE(media_is_uploaded_in_segments_and_sent) {
  const std::string bytes(1'000, 'v');
  const auto begun = user("POST", "/2/media/upload/initialize",
                          R"({"media_type":"video/mp4","media_category":"dm_video",)"
                          R"("total_bytes":1000})");
  BOOST_TEST(begun.status == 200);
  const std::string id(Json(begun.body)["data"]["id"].text_or(""));
  const auto append = [&](int segment, const std::string& part) {
    const std::string path = "/2/media/upload/" + id + "/append";
    const std::string multipart =
        "--b\r\nContent-Disposition: form-data; name=\"segment_index\"\r\n\r\n" +
        std::to_string(segment) +
        "\r\n--b\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a\"\r\n\r\n" + part +
        "\r\n--b--\r\n";
    return api
        ->call("POST", path,
               {{"Authorization", oauth("POST", "https://api.x.com" + path, "")},
                {"Content-Type", "multipart/form-data; boundary=b"}},
               multipart)
        .status;
  };
  BOOST_TEST(append(0, bytes.substr(0, 600)) == 200);
  const std::string finalize = "/2/media/upload/" + id + "/finalize";
  BOOST_TEST(user("POST", finalize).status == 400);
  BOOST_TEST(append(1, bytes.substr(600)) == 200);
  BOOST_TEST(append(2, "more") == 400);
  BOOST_TEST(mentions(user("POST", finalize), "in_progress"));
  BOOST_TEST(
      mentions(user("GET", "/2/media/upload", {}, "command=STATUS&media_id=" + id), "succeeded"));
  const auto sent = user("POST", "/2/dm_conversations/with/" + kAna + "/messages",
                         R"({"attachments":[{"media_id":")" + id + R"("}]})");
  BOOST_TEST(sent.status == 201);
  BOOST_TEST(x.sent().at(0).kind == "media");
  BOOST_TEST(user("POST", "/2/media/upload/initialize",
                  R"({"media_type":"image/png","media_category":"dm_image","total_bytes":6000000})")
                 .status == 400);
}

// Only who was mentioned may answer in public.
BOOST_AUTO_TEST_CASE(mentions_are_answered_in_public) {
  subscribe_activity();
  const auto made = x.act(R"({"from":"ana","mention":"where is my parcel?"})");
  const Json answer{*made};
  const std::string id(answer["ids"].at(0).text_or(""));
  const auto reply = [&](const std::string& target) {
    return user("POST", "/2/tweets",
                R"({"text":"On its way","reply":{"in_reply_to_tweet_id":")" + target + R"("}})");
  };
  BOOST_TEST(reply(id).status == 201);
  BOOST_TEST(x.sent().at(0).reply_to == id);
  BOOST_TEST(reply("1").status == 403);
}

// The bounds of the window scale with the platform's waiting: 31 minutes are 1.86 s here.
BOOST_AUTO_TEST_CASE(what_was_missed_is_replayed) {
  const std::string id = subscribe_activity();
  x.say(kUser, "ana", "missed");
  const std::string body = hook.posts(1).at(0).body;
  const auto minute = [](std::int64_t seconds) {
    const std::time_t time = static_cast<std::time_t>(std::time(nullptr) + seconds);
    std::tm utc{};
    gmtime_r(&time, &utc);
    char text[16];
    std::strftime(text, sizeof text, "%Y%m%d%H%M", &utc);
    return std::string(text);
  };
  const auto ask = [&](const std::string& from, const std::string& to) {
    return app("POST", "/2/webhooks/replay",
               R"({"webhook_id":")" + id + R"(","from_date":")" + from + R"(","to_date":")" + to +
                   R"("})");
  };
  BOOST_TEST(ask("nonsense", minute(0)).status == 400);
  BOOST_TEST(ask(minute(-90'000), minute(0)).status == 400);
  BOOST_TEST(ask(minute(300), minute(300)).status == 400);
  // Begins in the minute before, which lies behind the bound.
  HttpClient::Answer answer;
  for (int i = 0; i < 400; ++i) {
    answer = ask(minute(-60), minute(0));
    if (answer.status == 200) break;
    std::this_thread::sleep_for(10ms);
  }
  BOOST_REQUIRE(answer.status == 200);
  const std::string job(Json(answer.body)["data"]["job_id"].text_or(""));
  const auto seen = hook.posts(3);
  BOOST_REQUIRE(seen.size() == 3u);
  const bool first = seen[1].body == body;
  BOOST_TEST((first || seen[2].body == body));
  const Json status(seen[first ? 2 : 1].body);
  BOOST_TEST(status["replay_job_status"]["job_state"].text_or("") == "Complete");
  BOOST_TEST(status["replay_job_status"]["job_id"].text_or("") == job);
}

BOOST_AUTO_TEST_CASE(x_goes_wrong_on_demand) {
  subscribe_activity();
  const std::string path = "/2/dm_conversations/with/" + kAna + "/messages";
  CallFault fault;
  fault.kind = CallFault::Kind::too_many_requests;
  fault.method = "/messages";
  fault.retry_after = 30;
  x.inject(fault);
  const auto limited = user("POST", path, R"({"text":"x"})");
  BOOST_TEST(limited.status == 429);
  BOOST_TEST(limited.header("x-rate-limit-remaining") == "0");
  BOOST_TEST(std::stoll(limited.header("x-rate-limit-reset")) >= std::time(nullptr) + 25);
  fault.kind = CallFault::Kind::refuse;
  fault.status = 402;
  x.inject(fault);
  BOOST_TEST(user("POST", path, R"({"text":"x"})").status == 402);
  for (const char* kind : {"wrong_signature", "no_signature", "altered_body"}) {
    BOOST_TEST(
        api->call("POST", "/_simulate/x/faults", {}, std::string("{\"kind\":\"") + kind + "\"}")
            .status == 200);
    x.say(kUser, "ana", kind);
    BOOST_TEST(x.wait_idle(20s));
    const auto seen = hook.posts(1).back();
    BOOST_TEST(seen.header("x-twitter-webhooks-signature") != proof(seen.body), kind);
  }
  XOptions strict = options();
  strict.enforces_limits = true;
  XSimulator limited_x(strict);
  BOOST_REQUIRE(limited_x.start());
  limited_x.add_app({.consumer_key = kKey, .consumer_secret = kSecret, .bearer = kBearer});
  limited_x.add_user({.id = kUser, .consumer_key = kKey, .oauth2_token = "t"});
  HttpClient client(limited_x.port("api.x.com"));
  int statuses[2] = {0, 0};
  for (int i = 0; i < 16; ++i) {
    statuses[i / 15] =
        client
            .call("POST", path,
                  {{"Authorization", "Bearer t"}, {"Content-Type", "application/json"}},
                  R"({"text":"x"})")
            .status;
  }
  BOOST_TEST(statuses[0] == 201);
  BOOST_TEST(statuses[1] == 429);
  limited_x.stop();
}

BOOST_AUTO_TEST_SUITE_END()
