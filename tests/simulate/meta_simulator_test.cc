// What Meta promises and demands, by its documents (Graph v26.0, read 2026-11-20):
// https://developers.facebook.com/documentation/business-messaging/whatsapp,
// https://developers.facebook.com/documentation/instagram-platform,
// https://developers.facebook.com/docs/graph-api/webhooks/getting-started.
#include "gateway/simulate/meta_simulator.h"

#include <boost/test/unit_test.hpp>
#include <set>

#include "connectors/sdk/crypto.h"
#include "tests/simulate/callback.h"

using namespace gateway::simulate;
using namespace std::chrono_literals;
using test_support::Callback;
using test_support::HttpClient;
using test_support::Json;
using test_support::Received;

namespace {

const std::string kNumber = "7794189252778687";
const std::string kToken = "EAATESTTOKEN";
const std::string kAccount = "17841400000000001";
const std::string kIgToken = "IGAATESTTOKEN";
const std::string kApp(kMetaAppId);
const std::string kSecret(kMetaAppSecret);

struct Fixture {
  static MetaOptions options() {
    MetaOptions chosen;
    chosen.time_scale = 0.001;
    return chosen;
  }
  Callback hook;
  MetaSimulator meta{options()};
  std::optional<HttpClient> facebook, instagram, files;

  Fixture() {
    BOOST_REQUIRE(meta.start());
    facebook.emplace(meta.port("graph.facebook.com"));
    instagram.emplace(meta.port("graph.instagram.com"));
    files.emplace(meta.port("lookaside.fbsbx.com"));
  }
  ~Fixture() { meta.stop(); }

  static HttpClient::Headers headers(const std::string& token) {
    return {{"Authorization", "Bearer " + token}, {"Content-Type", "application/json"}};
  }
  HttpClient::Answer whatsapp(const std::string& method, const std::string& path,
                              const std::string& json = {}) {
    return facebook->call(method, "/v26.0/" + path, headers(kToken), json);
  }
  HttpClient::Answer send(const std::string& members) {
    return whatsapp("POST", kNumber + "/messages", R"({"messaging_product":"whatsapp",)" + members);
  }
  HttpClient::Answer insta(const std::string& method, const std::string& path,
                           const std::string& json = {}) {
    return instagram->call(method, "/v26.0/" + path, headers(kIgToken), json);
  }
  HttpClient::Answer form(const std::string& path, const sdk::Form& fields) {
    return facebook->call("POST", "/v26.0/" + path,
                          {{"Content-Type", "application/x-www-form-urlencoded"}},
                          sdk::encode_form(fields));
  }
  HttpClient::Answer subscribe(const std::string& object, const std::string& fields,
                               const std::string& url = {}) {
    return form(kApp + "/subscriptions", {{"object", object},
                                          {"callback_url", url.empty() ? hook.url() : url},
                                          {"verify_token", "v3r ify"},
                                          {"fields", fields},
                                          {"access_token", kApp + "|" + kSecret}});
  }
  // An own webhook for the number, by override.
  void connect_number() {
    meta.add_number({.id = kNumber, .token = kToken});
    BOOST_REQUIRE(whatsapp("POST", "9" + kNumber + "/subscribed_apps").status == 200);
    BOOST_REQUIRE(whatsapp("POST", kNumber,
                           R"({"webhook_configuration":{"override_callback_uri":")" + hook.url() +
                               R"(","verify_token":"v"}})")
                      .status == 200);
  }
  void connect_instagram() {
    meta.add_instagram({.user_id = kAccount, .token = kIgToken});
    BOOST_REQUIRE(subscribe("instagram",
                            "messages,message_reactions,messaging_seen,messaging_postbacks,"
                            "messaging_referral,message_edit")
                      .status == 200);
    BOOST_REQUIRE(insta("POST", kAccount + "/subscribed_apps?subscribed_fields=messages,"
                                           "message_reactions,messaging_seen,messaging_postbacks,"
                                           "messaging_referral,message_edit")
                      .status == 200);
  }
};

int code_of(const HttpClient::Answer& answer) {
  return static_cast<int>(Json(answer.body)["error"]["code"].integer().value_or(0));
}
int subcode_of(const HttpClient::Answer& answer) {
  return static_cast<int>(Json(answer.body)["error"]["error_subcode"].integer().value_or(0));
}

std::string signature(const std::string& body) {
  return "sha256=" + sdk::hex(sdk::hmac_sha256(kSecret, body));
}

sdk::json::Value value_of(const Json& body, std::size_t entry = 0, std::size_t change = 0) {
  return body["entry"].at(entry)["changes"].at(change)["value"];
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(meta_simulator, Fixture)

// The worked examples of the webhook reference: these bytes, this secret, this digest. Delivered
// raw, the simulator must sign them so.
BOOST_AUTO_TEST_CASE(the_references_worked_examples_are_signed_as_documented) {
  const std::string whatsapp_body =
      R"({"object":"whatsapp_business_account","entry":[{"id":"215589313241560883","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001111","phone_number_id":"7794189252778687"},"messages":[{"from":"15552223333","id":"wamid.TEST=","timestamp":"1763600000","type":"text","text":{"body":"Caf\u00e9 \ud83d\ude00 <ok>"}}]},"field":"messages"}]}]})";
  const std::string instagram_body =
      R"({"object":"instagram","entry":[{"time":1763600000123,"id":"17841400000000001","messaging":[{"sender":{"id":"1234567890123456"},"recipient":{"id":"17841400000000001"},"timestamp":1763599999456,"message":{"mid":"mid.TEST","text":"Ol\u00e1 \ud83d\udc4b https:\/\/ex.test\/a"}}]}]})";
  BOOST_TEST(whatsapp_body.size() == 377u);
  BOOST_TEST(instagram_body.size() == 277u);
  connect_number();
  BOOST_TEST(
      facebook->call("POST", "/_simulate/meta/raw?id=" + kNumber, {}, whatsapp_body).status == 200);
  auto seen = hook.posts(1);
  BOOST_REQUIRE(seen.size() == 1u);
  BOOST_TEST(seen[0].body == whatsapp_body);
  BOOST_TEST(seen[0].header("x-hub-signature-256") ==
             "sha256=c8f6379024947c5d32b158f25ffee164ddd2d0ba21c10715dbc60254b110e13b");
  BOOST_TEST(seen[0].header("x-hub-signature") == "sha1=145634803a8fac7dab157663f036fadd7441ddea");
  connect_instagram();
  BOOST_TEST(
      facebook->call("POST", "/_simulate/meta/raw?id=" + kAccount, {}, instagram_body).status ==
      200);
  seen = hook.posts(2);
  BOOST_REQUIRE(seen.size() == 2u);
  BOOST_TEST(seen[1].header("x-hub-signature-256") ==
             "sha256=e652299c7af2a216941d65e557d7bb63eca24ea46e0c4ac61bd0cefe98c729b9");
}

BOOST_AUTO_TEST_CASE(a_subscription_is_made_after_the_challenge_came_back) {
  const auto answer = subscribe("whatsapp_business_account", "messages,smb_message_echoes");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(Json(answer.body)["success"].boolean().value());
  const auto gets = hook.gets();
  BOOST_REQUIRE(gets.size() == 1u);
  const auto query = sdk::parse_form(gets[0].target.substr(gets[0].target.find('?') + 1));
  BOOST_TEST(sdk::find(query, "hub.mode").value() == "subscribe");
  BOOST_TEST(sdk::find(query, "hub.verify_token").value() == "v3r ify");
  BOOST_TEST(!sdk::find(query, "hub.challenge").value().empty());

  const auto list = facebook->call(
      "GET", "/v26.0/" + kApp + "/subscriptions?access_token=" + kApp + "%7C" + kSecret);
  const Json data(list.body);
  BOOST_TEST(data["data"].at(0)["object"].text_or("") == "whatsapp_business_account");
  BOOST_TEST(data["data"].at(0)["callback_url"].text_or("") == hook.url());
  BOOST_TEST(data["data"].at(0)["fields"].size() == 2u);
  BOOST_TEST(meta.subscription("whatsapp_business_account")->verify_token == "v3r ify");
}

BOOST_AUTO_TEST_CASE(a_callback_that_fails_its_challenge_is_error_2200) {
  const auto refused = [&](const char* what) {
    const auto answer = subscribe("whatsapp_business_account", "messages");
    BOOST_TEST(answer.status == 400, what);
    BOOST_TEST(code_of(answer) == 2200, what);
    BOOST_TEST(!meta.subscription("whatsapp_business_account").has_value());
    return std::string(Json(answer.body)["error"]["message"].text_or(""));
  };
  hook.set_handler([](const Received&) { return test_support::HttpAnswer{.status = 404}; });
  BOOST_TEST(refused("404") ==
             "(#2200) Callback verification failed with the following errors: HTTP Status Code = "
             "404; HTTP Message = Not Found");
  hook.set_handler([](const Received&) { return test_support::HttpAnswer{.body = "\"123\""}; });
  refused("quoted challenge");
  hook.set_handler([](const Received& request) {
    const auto query = sdk::parse_form(request.target.substr(request.target.find('?') + 1));
    return test_support::HttpAnswer{.body = std::string(sdk::find(query, "hub.challenge").value()) +
                                            "\n"};
  });
  refused("newline behind the challenge");
  const auto nobody =
      subscribe("whatsapp_business_account", "messages",
                "http://127.0.0.1:" + std::to_string(test_support::closed_port()) + "/hook");
  BOOST_TEST(code_of(nobody) == 2200);
  // Outside this machine the platform's own rules hold: https, and a name.
  for (const char* url : {"http://gw.example.com/hook", "https://192.0.2.7/hook",
                          "https://gw.example.com:8443/hook", "ftp://gw.example.com"}) {
    BOOST_TEST(code_of(subscribe("whatsapp_business_account", "messages", url)) == 2200, url);
  }
}

BOOST_AUTO_TEST_CASE(unknown_fields_objects_and_app_secrets_are_refused) {
  BOOST_TEST(code_of(subscribe("whatsapp_business_account", "messages,msgs")) == 100);
  BOOST_TEST(code_of(subscribe("twitter", "messages")) == 100);
  const auto wrong = form(kApp + "/subscriptions", {{"object", "instagram"},
                                                    {"callback_url", hook.url()},
                                                    {"verify_token", "v"},
                                                    {"access_token", kApp + "|wrong"}});
  BOOST_TEST(wrong.status == 401);
  BOOST_TEST(code_of(wrong) == 190);
  meta.add_number({.id = kNumber, .token = kToken});
  BOOST_TEST(code_of(whatsapp("GET", kApp + "/subscriptions")) == 15);  // not the app's token
  BOOST_TEST(hook.gets().empty());
}

BOOST_AUTO_TEST_CASE(tokens_are_known_belong_to_their_account_and_can_be_revoked) {
  meta.add_number({.id = kNumber, .token = kToken});
  meta.add_number({.id = "111", .token = "EAAOTHERTOKEN"});
  const auto number = whatsapp("GET", kNumber + "?fields=display_phone_number,verified_name");
  BOOST_TEST(number.status == 200);
  BOOST_TEST(Json(number.body)["id"].text_or("") == kNumber);
  BOOST_TEST(!Json(number.body)["quality_rating"].exists());
  const auto foreign = whatsapp("GET", "111");
  BOOST_TEST(foreign.status == 400);
  BOOST_TEST(code_of(foreign) == 100);
  BOOST_TEST(subcode_of(foreign) == 33);
  BOOST_TEST(facebook->call("GET", "/v26.0/" + kNumber).status == 401);
  BOOST_TEST(code_of(facebook->call("GET", "/v26.0/" + kNumber, headers("short"))) == 190);
  // A token of one product is none on the other's host.
  BOOST_TEST(code_of(instagram->call("GET", "/v26.0/me", headers(kToken))) == 190);
  meta.revoke(kToken);
  const auto revoked = whatsapp("GET", kNumber);
  BOOST_TEST(revoked.status == 401);
  BOOST_TEST(code_of(revoked) == 190);
  BOOST_TEST(code_of(facebook->call("GET", "/v99.0/" + kNumber, headers(kToken))) == 2500);
  BOOST_TEST(code_of(facebook->call("GET", "/v12.0/" + kNumber, headers(kToken))) == 2635);
}

// appsecret_proof of the reference: key 0123456789abcdef0123456789abcdef, token EAATESTTOKEN.
BOOST_AUTO_TEST_CASE(the_proof_of_the_app_secret_is_checked) {
  meta.add_app("77", kSecret, true);
  meta.add_number({.id = kNumber, .token = kToken, .app_id = "77"});
  BOOST_TEST(code_of(whatsapp("GET", kNumber)) == 100);
  BOOST_TEST(code_of(whatsapp("GET", kNumber + "?appsecret_proof=00")) == 100);
  BOOST_TEST(whatsapp("GET", kNumber +
                                 "?appsecret_proof="
                                 "99cbac345910084e738e780a0d5a02f2421ea86e53d6f64eff41e367a76944c6")
                 .status == 200);
}

BOOST_AUTO_TEST_CASE(an_unknown_token_makes_the_account_it_asks_for) {
  BOOST_TEST(whatsapp("GET", kNumber).status == 200);
  BOOST_TEST(meta.number(kNumber).has_value());
  const auto me = insta("GET", "me?fields=user_id,username");
  BOOST_TEST(me.status == 200);
  const std::string user_id(Json(me.body)["user_id"].text_or(""));
  BOOST_TEST(user_id.size() == 17u);
  BOOST_TEST(Json(me.body)["id"].text_or("") != user_id);
  BOOST_TEST(insta("GET", user_id).status == 200);
}

// Number before account before app; template and account fields always go to the app.
BOOST_AUTO_TEST_CASE(overrides_have_precedence_for_messages_alone) {
  meta.add_number({.id = kNumber, .token = kToken});
  BOOST_TEST(meta.webhook_of(kNumber).empty());
  BOOST_TEST(
      subscribe("whatsapp_business_account", "messages,account_update", hook.url("/app")).status ==
      200);
  BOOST_TEST(meta.webhook_of(kNumber).empty());  // the account has not been connected to the app
  BOOST_TEST(whatsapp("POST", "9" + kNumber + "/subscribed_apps").status == 200);
  BOOST_TEST(meta.webhook_of(kNumber) == hook.url("/app"));
  BOOST_TEST(
      whatsapp("POST", "9" + kNumber + "/subscribed_apps",
               R"({"override_callback_uri":")" + hook.url("/waba") + R"(","verify_token":"v"})")
          .status == 200);
  BOOST_TEST(meta.webhook_of(kNumber) == hook.url("/waba"));
  BOOST_TEST(whatsapp("POST", kNumber,
                      R"({"webhook_configuration":{"override_callback_uri":")" +
                          hook.url("/number") + R"(","verify_token":"v"}})")
                 .status == 200);
  BOOST_TEST(meta.webhook_of(kNumber) == hook.url("/number"));
  const auto shown = whatsapp("GET", kNumber + "?fields=webhook_configuration");
  BOOST_TEST(Json(shown.body)["webhook_configuration"]["phone_number"].text_or("") ==
             hook.url("/number"));
  BOOST_TEST(
      meta.act(R"({"field":"account_update","value":{"event":"DISABLED_UPDATE"}})").has_value());
  BOOST_TEST(hook.posts(1).at(0).target == "/app");
  meta.whatsapp_says(kNumber, "ana", "hola");
  BOOST_TEST(meta.wait_idle(20s));
  BOOST_TEST(hook.posts(2).at(1).target == "/number");
  BOOST_TEST(whatsapp("POST", kNumber, R"({"webhook_configuration":{"override_callback_uri":""}})")
                 .status == 200);
  BOOST_TEST(meta.webhook_of(kNumber) == hook.url("/waba"));
  BOOST_TEST(whatsapp("DELETE", "9" + kNumber + "/subscribed_apps").status == 200);
  BOOST_TEST(meta.webhook_of(kNumber).empty());
  meta.whatsapp_says(kNumber, "ana", "nobody hears this");
  BOOST_TEST(meta.delivery_stats().unwanted == 1);
}

BOOST_AUTO_TEST_CASE(a_delivery_is_ascii_json_with_escaped_slashes) {
  connect_number();
  const std::string wamid = meta.whatsapp_says(kNumber, "yulia", "Привет 🌸 https://a.example/");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("content-type") == "application/json");
  BOOST_TEST(seen.header("user-agent") == "facebookexternalua");
  BOOST_TEST(seen.header("x-hub-signature-256") == signature(seen.body));
  BOOST_TEST(std::all_of(seen.body.begin(), seen.body.end(),
                         [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
  BOOST_TEST(seen.body.find(R"(\u041f)") != std::string::npos);
  BOOST_TEST(seen.body.find(R"(\ud83c\udf38 https:\/\/a.example\/)") != std::string::npos);
  const Json body(seen.body);
  const auto value = value_of(body);
  BOOST_TEST(body["object"].text_or("") == "whatsapp_business_account");
  BOOST_TEST(body["entry"].at(0)["id"].text_or("") == "9" + kNumber);
  BOOST_TEST(value["metadata"]["phone_number_id"].text_or("") == kNumber);
  BOOST_TEST(value["messages"].at(0)["id"].text_or("") == wamid);
  BOOST_TEST(value["messages"].at(0)["timestamp"].is_string());
  BOOST_TEST(value["messages"].at(0)["text"]["body"].text_or("") == "Привет 🌸 https://a.example/");
  BOOST_TEST(value["contacts"].at(0)["profile"]["name"].text_or("") == "Юлия Смирнова");
  BOOST_TEST(value["contacts"].at(0)["wa_id"].text_or("") ==
             value["messages"].at(0)["from"].text_or("x"));
}

BOOST_AUTO_TEST_CASE(every_kind_of_whatsapp_message_has_its_documented_shape) {
  connect_number();
  const std::vector<std::tuple<std::string, std::string, std::string>> wishes{
      {R"("image":"Look")", "image", R"({"mime_type":"image/jpeg")"},
      {R"("video":true)", "video", "video/mp4"},
      {R"("voice":true)", "audio", R"("voice":true)"},
      {R"("document":"a.pdf")", "document", R"("filename":"a.pdf")"},
      {R"("sticker":true)", "sticker", R"("animated":false)"},
      {R"("location":"Café")", "location", "latitude"},
      {R"("contacts":true)", "contacts", "formatted_name"},
      {R"("reaction":"❤","message_id":"wamid.X=")", "reaction", "wamid.X="},
      {R"("reaction":"","message_id":"wamid.X=")", "reaction", "wamid.X="},
      {R"("edit":"fixed","message_id":"wamid.X=")", "edit", "original_message_id"},
      {R"("revoke":true,"message_id":"wamid.X=")", "revoke", "original_message_id"},
      {R"("button":"yes")", "button", "payload"},
      {R"("button_reply":"b1")", "interactive", "button_reply"},
      {R"("list_reply":"l1")", "interactive", "list_reply"},
      {R"("order":true)", "order", "product_items"},
      {R"("system":"changed")", "system", "user_changed_number"},
      {R"("content":{"type":"holo","holo":{"n":9007199254740993}})", "holo", "9007199254740993"}};
  std::set<std::string> ids;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    const auto& [wish, type, part] = wishes[i];
    BOOST_TEST(meta.act("{" + wish + "}").has_value(), wish);
    const auto seen = hook.posts(i + 1);
    BOOST_REQUIRE(seen.size() == i + 1);
    const Json body(seen[i].body);
    const auto message = value_of(body)["messages"].at(0);
    BOOST_TEST(message["type"].text_or("") == type);
    BOOST_TEST(message[type].exists(), wish);
    BOOST_TEST(message.dump().find(part) != std::string::npos, wish);
    BOOST_TEST(ids.emplace(message["id"].text_or("")).second);
  }
  // Removing a reaction leaves the emoji out; a customer without a phone has only a user id.
  const Json removed(hook.posts(9).at(8).body);
  BOOST_TEST(!value_of(removed)["messages"].at(0)["reaction"]["emoji"].exists());
  BOOST_TEST(meta.act(R"({"from":"ahmed","text":"x","without_phone":true})").has_value());
  const Json phoneless(hook.posts(wishes.size() + 1).back().body);
  BOOST_TEST(!value_of(phoneless)["messages"].at(0)["from"].exists());
  BOOST_TEST(value_of(phoneless)["contacts"].at(0)["user_id"].text_or("").rfind("US.", 0) == 0u);
  BOOST_TEST(meta.act(R"({"unsupported":true})").has_value());
  const Json unsupported(hook.posts(wishes.size() + 2).back().body);
  BOOST_TEST(value_of(unsupported)["messages"].at(0)["errors"].at(0)["code"].integer().value() ==
             131051);
  BOOST_TEST(meta.act(R"({"echo":true,"text":"from the phone"})").has_value());
  const Json echo(hook.posts(wishes.size() + 3).back().body);
  BOOST_TEST(echo["entry"].at(0)["changes"].at(0)["field"].text_or("") == "smb_message_echoes");
  BOOST_TEST(value_of(echo)["message_echoes"].at(0)["text"]["body"].text_or("") ==
             "from the phone");
}

BOOST_AUTO_TEST_CASE(a_batch_is_one_body_over_accounts_and_numbers) {
  connect_number();
  meta.add_number({.id = "222", .token = kToken, .waba_id = "9" + kNumber});
  meta.add_number({.id = "333", .token = kToken, .waba_id = "9333"});
  BOOST_TEST(whatsapp("POST", "9333/subscribed_apps").status == 200);
  for (const char* id : {"222", "333"}) {
    BOOST_TEST(whatsapp("POST", id,
                        R"({"webhook_configuration":{"override_callback_uri":")" + hook.url() +
                            R"(","verify_token":"v"}})")
                   .status == 200);
  }
  BOOST_TEST(meta.act(R"({"batch":[{"number":"7794189252778687","from":"ana","text":"1"},)"
                      R"({"number":"7794189252778687","from":"tom","text":"2"},)"
                      R"({"number":"222","from":"ana","text":"3"},)"
                      R"({"number":"333","from":"ana","text":"4"}]})")
                 .has_value());
  BOOST_TEST(meta.wait_idle(20s));
  const auto seen = hook.posts(1);
  BOOST_REQUIRE(seen.size() == 1u);
  const Json body(seen[0].body);
  BOOST_TEST(body["entry"].size() == 2u);
  BOOST_TEST(body["entry"].at(0)["changes"].size() == 2u);
  BOOST_TEST(value_of(body)["messages"].size() == 2u);
  BOOST_TEST(value_of(body)["contacts"].size() == 2u);
  BOOST_TEST(value_of(body, 1)["metadata"]["phone_number_id"].text_or("") == "333");
}

BOOST_AUTO_TEST_CASE(a_message_is_taken_then_sent_delivered_and_read) {
  connect_number();
  meta.whatsapp_says(kNumber, "ana", "hola");
  BOOST_TEST(meta.wait_idle(20s));
  const std::string ana = contact_of("ana").phone;
  const auto answer =
      send(R"("recipient_type":"individual","to":"+)" + ana +
           R"(","type":"text","text":{"preview_url":false,"body":"Hi"},)"
           R"("context":{"message_id":"wamid.A="},"biz_opaque_callback_data":"msg:1"})");
  BOOST_TEST(answer.status == 200);
  const Json taken(answer.body);
  const std::string wamid(taken["messages"].at(0)["id"].text_or(""));
  BOOST_TEST(wamid.rfind("wamid.", 0) == 0u);
  BOOST_TEST(taken["contacts"].at(0)["wa_id"].text_or("") == ana);
  BOOST_TEST(taken["contacts"].at(0)["input"].text_or("") == "+" + ana);
  const auto sent = meta.sent(kNumber, ana);
  BOOST_REQUIRE(sent.size() == 1u);
  BOOST_TEST(sent[0].text == "Hi");
  BOOST_TEST(sent[0].id == wamid);
  BOOST_TEST(sent[0].reply_to == "wamid.A=");
  std::set<std::string> states;
  const auto seen = hook.posts(4);
  BOOST_REQUIRE(seen.size() == 4u);
  for (std::size_t i = 1; i < 4; ++i) {
    const Json body(seen[i].body);
    const auto status = value_of(body)["statuses"].at(0);
    BOOST_TEST(status["id"].text_or("") == wamid);
    BOOST_TEST(status["recipient_id"].text_or("") == ana);
    BOOST_TEST(status["biz_opaque_callback_data"].text_or("") == "msg:1");
    states.emplace(status["status"].text_or(""));
  }
  BOOST_TEST((states == std::set<std::string>{"sent", "delivered", "read"}));
}

// 131047: more than 24 hours since the customer wrote; 131026: undeliverable. Both come later, by
// webhook, for a message that was taken.
BOOST_AUTO_TEST_CASE(failures_come_by_webhook) {
  connect_number();
  BOOST_TEST(send(R"("to":"14155550177","text":{"body":"cold call"}})").status == 200);
  const auto first = hook.posts(1);
  BOOST_REQUIRE(first.size() == 1u);
  const Json cold(first[0].body);
  BOOST_TEST(value_of(cold)["statuses"].at(0)["status"].text_or("") == "failed");
  BOOST_TEST(value_of(cold)["statuses"].at(0)["errors"].at(0)["code"].integer().value() == 131047);
  BOOST_TEST(meta.wait_idle(20s));
  meta.make_undeliverable(kNumber, "14155550177");
  BOOST_TEST(send(R"("to":"14155550177","type":"template","template":{"name":"hello_world",)"
                  R"("language":{"code":"en_US"}}})")
                 .status == 200);
  const Json gone(hook.posts(2).at(1).body);
  BOOST_TEST(value_of(gone)["statuses"].at(0)["errors"].at(0)["code"].integer().value() == 131026);
}

BOOST_AUTO_TEST_CASE(wrong_messages_are_refused_as_documented) {
  connect_number();
  const std::string long_text(4097, 'x');
  const std::vector<std::pair<std::string, int>> wrong{
      {R"("text":{"body":"x"}})", 100},
      {R"("to":"not a number","text":{"body":"x"}})", 131009},
      {R"("to":"14155550100","text":{"body":""}})", 100},
      {R"("to":"14155550100","text":{"body":")" + long_text + R"("}})", 100},
      {R"("to":"14155550100","type":"image","image":{"caption":"x"}})", 131009},
      {R"("to":"14155550100","type":"image","image":{"id":"1"}})", 100},
      {R"("to":"14155550100","type":"image","image":{"link":"file:///etc/passwd"}})", 131009},
      {R"("to":"14155550100","type":"audio","audio":{"link":"https://a.example/a","caption":"x"}})",
       131009},
      {R"("to":"14155550100","type":"location","location":{"latitude":1}})", 100},
      {R"("to":"14155550100","type":"reaction","reaction":{"message_id":"wamid.X="}})", 100},
      {R"("to":"14155550100","type":"holo","holo":{}})", 100},
      {R"("to":"14155550100","type":"template","template":{"name":"missing_one",)"
       R"("language":{"code":"de"}}})",
       132001},
      {R"("to":"14155550100","type":"interactive","interactive":{"type":"button",)"
       R"("body":{"text":"?"},"action":{"buttons":[]}}})",
       131009},
      {R"("to":"14155550100","type":"interactive","interactive":{"type":"button",)"
       R"("body":{"text":"?"},"action":{"buttons":[{"type":"reply","reply":{"id":"1",)"
       R"("title":"a title that is too long"}}]}}})",
       131009}};
  for (const auto& [members, code] : wrong) {
    const auto answer = send(members);
    BOOST_TEST(answer.status >= 400, members);
    BOOST_TEST(code_of(answer) == code, members);
  }
  BOOST_TEST(code_of(whatsapp("POST", kNumber + "/messages", R"({"to":"1","type":"text"})")) ==
             100);
  BOOST_TEST(meta.sent().empty());
  meta.add_number({.id = "444", .token = kToken, .registered = false});
  BOOST_TEST(code_of(whatsapp("POST", "444/messages",
                              R"({"messaging_product":"whatsapp","to":"14155550100",)"
                              R"("text":{"body":"x"}})")) == 133010);
  BOOST_TEST(whatsapp("POST", "444/register", R"({"messaging_product":"whatsapp","pin":"123456"})")
                 .status == 200);
  BOOST_TEST(meta.number("444")->registered);
}

BOOST_AUTO_TEST_CASE(reading_a_message_needs_a_message_of_the_customer) {
  connect_number();
  const std::string wamid = meta.whatsapp_says(kNumber, "ana", "hola");
  BOOST_TEST(send(R"("status":"read","message_id":")" + wamid + R"("})").status == 200);
  BOOST_TEST(meta.number(kNumber)->messages.at(wamid).read);
  BOOST_TEST(
      send(R"("status":"read","message_id":")" + wamid + R"(","typing_indicator":{"type":"text"}})")
          .status == 200);
  BOOST_TEST(code_of(send(R"("status":"read","message_id":"wamid.unknown"})")) == 100);
}

// A URL lasts five minutes and is given to the token's owner; webhooks carry the digest in base64,
// the media node in hex.
BOOST_AUTO_TEST_CASE(media_is_downloaded_with_the_token) {
  connect_number();
  BOOST_TEST(meta.act(R"({"image":"Look"})").has_value());
  const Json body(hook.posts(1).at(0).body);
  const auto image = value_of(body)["messages"].at(0)["image"];
  const std::string id(image["id"].text_or(""));
  const auto node = whatsapp("GET", id + "?phone_number_id=" + kNumber);
  BOOST_TEST(node.status == 200);
  const Json media(node.body);
  const std::string url(media["url"].text_or(""));
  const std::string host = "https://lookaside.fbsbx.com";
  BOOST_REQUIRE(url.rfind(host, 0) == 0u);
  const auto file = files->call("GET", url.substr(host.size()), headers(kToken));
  BOOST_TEST(file.status == 200);
  BOOST_TEST(file.header("content-type") == "image/jpeg");
  BOOST_TEST(static_cast<std::int64_t>(file.body.size()) == media["file_size"].integer().value());
  BOOST_TEST(sdk::hex(sdk::sha256(file.body)) == media["sha256"].text_or(""));
  BOOST_TEST(sdk::base64(sdk::sha256(file.body)) == image["sha256"].text_or(""));
  BOOST_TEST(files->call("GET", url.substr(host.size())).status == 401);
  BOOST_TEST(code_of(whatsapp("GET", id + "?phone_number_id=1")) == 100);
  BOOST_TEST(files->call("GET", "/whatsapp_business/attachments/?mid=1").status == 404);
}

BOOST_AUTO_TEST_CASE(media_is_uploaded_and_sent_by_id) {
  connect_number();
  meta.whatsapp_says(kNumber, "ana", "hola");
  BOOST_TEST(meta.wait_idle(20s));
  const auto upload = [&](const std::string& type, const std::string& bytes) {
    const std::string multipart =
        "--b\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: " +
        type + "\r\n\r\n" + bytes + "\r\n--b--\r\n";
    return facebook->call("POST", "/v26.0/" + kNumber + "/media",
                          {{"Authorization", "Bearer " + kToken},
                           {"Content-Type", "multipart/form-data; boundary=b"}},
                          multipart);
  };
  const auto made = upload("image/png", sample_file("image/png", 500));
  BOOST_TEST(made.status == 200);
  const std::string id(Json(made.body)["id"].text_or(""));
  const auto answer = send(R"("to":"14155550100","type":"image","image":{"id":")" + id + R"("}})");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(meta.sent().back().kind == "image");
  BOOST_TEST(code_of(upload("application/x-msdownload", "MZ")) == 100);
  BOOST_TEST(code_of(upload("image/png", "")) == 131053);
  BOOST_TEST(code_of(upload("image/png", std::string((5u << 20) + 1, 'x'))) == 131053);
}

BOOST_AUTO_TEST_CASE(another_answer_than_200_is_retried) {
  connect_number();
  int seen = 0;
  hook.set_handler([&](const Received&) {
    ++seen;
    return test_support::HttpAnswer{.status = seen == 1 ? 500 : seen == 2 ? 204 : 200};
  });
  meta.whatsapp_says(kNumber, "ana", "again");
  BOOST_TEST(meta.wait_idle(20s));
  const auto posts = hook.posts(3);
  BOOST_REQUIRE(posts.size() == 3u);
  BOOST_TEST(posts[0].body == posts[2].body);
  BOOST_TEST(meta.delivery_stats().acknowledged == 1);
  BOOST_TEST(meta.deliveries().back().attempt == 3);
}

BOOST_AUTO_TEST_CASE(deliveries_go_wrong_on_demand) {
  connect_number();
  const auto body_of = [&](std::size_t at) { return hook.posts(at + 1).at(at); };
  hook.set_handler([](const Received& request) {
    const bool good = request.header("x-hub-signature-256") == signature(request.body);
    return test_support::HttpAnswer{.status = good ? 200 : 401};
  });
  std::size_t at = 0;
  for (const char* kind : {"wrong_signature", "no_signature", "altered_body"}) {
    BOOST_TEST(
        facebook
            ->call("POST", "/_simulate/meta/faults", {}, std::string("{\"kind\":\"") + kind + "\"}")
            .status == 200);
    meta.whatsapp_says(kNumber, "ana", kind);
    BOOST_TEST(meta.wait_idle(20s));
    const Received bad = body_of(at);
    BOOST_TEST(bad.header("x-hub-signature-256") != signature(bad.body), kind);
    const Received good = body_of(at + 1);
    BOOST_TEST(good.header("x-hub-signature-256") == signature(good.body), kind);
    at += 2;
  }
  meta.inject(DeliveryFault{DeliveryFault::Kind::duplicate, 1, 3});
  meta.whatsapp_says(kNumber, "ana", "thrice");
  BOOST_TEST(meta.wait_idle(20s));
  BOOST_TEST(hook.posts(at + 3).size() == at + 3);
  BOOST_TEST(body_of(at).body == body_of(at + 2).body);
  at += 3;
  meta.inject(DeliveryFault{DeliveryFault::Kind::drop, 1, 2});
  meta.whatsapp_says(kNumber, "ana", "lost");
  meta.inject(DeliveryFault{DeliveryFault::Kind::reorder, 12, 2});
  std::vector<std::string> order;
  for (int i = 0; i < 12; ++i) order.push_back(meta.whatsapp_says(kNumber, "ana", "line"));
  BOOST_TEST(meta.wait_idle(20s));
  BOOST_TEST(hook.posts(at + 12).size() == at + 12);
  std::vector<std::string> came;
  for (std::size_t i = 0; i < 12; ++i) {
    const Json body(body_of(at + i).body);
    came.emplace_back(value_of(body)["messages"].at(0)["id"].text_or(""));
  }
  BOOST_TEST((came != order));
  BOOST_TEST((std::set<std::string>(came.begin(), came.end()) ==
              std::set<std::string>(order.begin(), order.end())));
}

// The platform names no Retry-After: the minutes are in a usage header.
BOOST_AUTO_TEST_CASE(calls_go_wrong_on_demand) {
  connect_number();
  meta.whatsapp_says(kNumber, "ana", "hola");
  BOOST_TEST(meta.wait_idle(20s));
  const std::string text = R"("to":"14155550100","text":{"body":"Hi"}})";
  CallFault fault;
  fault.kind = CallFault::Kind::too_many_requests;
  fault.method = "/messages";
  fault.retry_after = 120;
  meta.inject(fault);
  BOOST_TEST(whatsapp("GET", kNumber).status == 200);
  const auto limited = send(text);
  BOOST_TEST(limited.status == 429);
  BOOST_TEST(code_of(limited) == 130429);
  BOOST_TEST(limited.header("retry-after").empty());
  const Json usage(limited.header("x-business-use-case-usage"));
  BOOST_TEST(usage[kNumber].at(0)["estimated_time_to_regain_access"].integer().value() == 2);
  fault.kind = CallFault::Kind::server_error;
  meta.inject(fault);
  BOOST_TEST(send(text).status == 500);
  fault.kind = CallFault::Kind::refuse;
  fault.status = 400;
  fault.code = 131031;
  fault.description = "Account has been locked";
  fault.account = kNumber;
  meta.inject(fault);
  BOOST_TEST(code_of(send(text)) == 131031);
  BOOST_TEST(meta.sent().empty());
  fault.kind = CallFault::Kind::reset_after_body;
  meta.inject(fault);
  HttpClient fresh(meta.port("graph.facebook.com"));
  BOOST_CHECK_THROW(fresh.call("POST", "/v26.0/" + kNumber + "/messages", headers(kToken),
                               R"({"messaging_product":"whatsapp",)" + text),
                    HttpClient::Error);
  BOOST_TEST(meta.sent().size() == 1u);
  // Status before answer: while a slow answer waits, its statuses are delivered.
  fault.kind = CallFault::Kind::slow;
  fault.delay = 2'000ms;
  meta.inject(fault);
  const auto begin = std::chrono::steady_clock::now();
  const std::size_t before = hook.posts(4).size();
  const std::string body = R"({"messaging_product":"whatsapp",)" + text;
  facebook->send("POST /v26.0/" + kNumber +
                 "/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + kToken +
                 "\r\nContent-Type: application/json\r\nContent-Length: " +
                 std::to_string(body.size()) + "\r\n\r\n" + body);
  BOOST_TEST(hook.posts(before + 3).size() == before + 3);
  BOOST_TEST((std::chrono::steady_clock::now() - begin < 2'000ms));
  BOOST_TEST(facebook->read_answer().status == 200);
}

BOOST_AUTO_TEST_CASE(secrets_and_tokens_stay_out_of_the_log_of_calls) {
  connect_number();
  subscribe("whatsapp_business_account", "messages");
  const auto calls = facebook->call("GET", "/_simulate/meta/calls").body;
  BOOST_TEST(calls.find("/subscriptions") != std::string::npos);
  for (const std::string& secret : {kToken, kSecret, std::string("v3r ify")}) {
    BOOST_TEST(calls.find(secret) == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(an_instagram_message_comes_in_milliseconds_under_its_account) {
  connect_instagram();
  const std::string mid = meta.instagram_says(kAccount, "ana", "¡Hola!");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("x-hub-signature-256") == signature(seen.body));
  BOOST_TEST(seen.header("facebook-api-version") == "v26.0");
  BOOST_TEST(seen.body.find(R"({"object":"instagram","entry":[{"time":)") == 0u);
  const Json body(seen.body);
  const auto item = body["entry"].at(0)["messaging"].at(0);
  BOOST_TEST(body["entry"].at(0)["id"].text_or("") == kAccount);
  BOOST_TEST(item["recipient"]["id"].text_or("") == kAccount);
  BOOST_TEST(item["sender"]["id"].text_or("") == contact_of("ana").instagram_id);
  BOOST_TEST(item["timestamp"].integer().value() > 1'700'000'000'000);
  BOOST_TEST(item["message"]["mid"].text_or("") == mid);
  BOOST_TEST(item["message"]["text"].text_or("") == "¡Hola!");
  const std::vector<std::pair<std::string, std::string>> wishes{
      {R"("images":3)", R"("type":"image")"},
      {R"("share":true)", "ig_post"},
      {R"("story_mention":true)", "story_mention"},
      {R"("text":"x","story_reply":true)", R"("story")"},
      {R"("reaction":"❤","message_id":"m")", R"("action":"react")"},
      {R"("reaction":"","message_id":"m")", R"("action":"unreact")"},
      {R"("revoke":true,"message_id":"m")", R"("is_deleted":true)"},
      {R"("edit":"new","message_id":"m")", R"("num_edit":1)"},
      {R"("seen":true,"message_id":"m")", R"("read":)"},
      {R"("postback":"START")", R"("postback":)"},
      {R"("referral":"promo")", R"("referral":)"},
      {R"("unsupported":true)", R"("is_unsupported":true)"},
      {R"("text":"y","echo":true)", R"("is_echo":true)"},
      {R"("text":"z","standby":true)", R"("standby":)"}};
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    BOOST_TEST(meta.act(R"({"account":")" + kAccount + R"(",)" + wishes[i].first + "}").has_value(),
               wishes[i].first);
    BOOST_TEST(hook.posts(i + 2).at(i + 1).body.find(wishes[i].second) != std::string::npos,
               wishes[i].first);
  }
}

BOOST_AUTO_TEST_CASE(an_instagram_answer_is_echoed_and_read) {
  connect_instagram();
  const std::string ana = contact_of("ana").instagram_id;
  meta.instagram_says(kAccount, "ana", "hola");
  BOOST_TEST(meta.wait_idle(20s));
  const auto answer = insta("POST", "me/messages",
                            R"({"recipient":{"id":")" + ana +
                                R"("},"message":{"text":"Hi"},"messaging_type":"RESPONSE"})");
  BOOST_TEST(answer.status == 200);
  const std::string mid(Json(answer.body)["message_id"].text_or(""));
  BOOST_TEST(Json(answer.body)["recipient_id"].text_or("") == ana);
  const auto seen = hook.posts(3);
  BOOST_REQUIRE(seen.size() == 3u);
  // Deliveries run beside each other.
  const bool in_order = seen[1].body.find("is_echo") != std::string::npos;
  const Json echo(seen[in_order ? 1 : 2].body), read(seen[in_order ? 2 : 1].body);
  const auto item = [](const Json& body) { return body["entry"].at(0)["messaging"].at(0); };
  BOOST_TEST(item(echo)["message"]["mid"].text_or("") == mid);
  BOOST_TEST(item(echo)["message"]["is_echo"].boolean().value());
  BOOST_TEST(item(echo)["sender"]["id"].text_or("") == kAccount);
  BOOST_TEST(item(read)["read"]["mid"].text_or("") == mid);
  BOOST_TEST(meta.sent(kAccount, ana).size() == 1u);
  BOOST_TEST(insta("GET", ana + "?fields=name,username").body.find("\"Ana") != std::string::npos);
  const auto stranger = insta("GET", "1234567890123499?fields=name");
  BOOST_TEST(code_of(stranger) == 9010);
}

BOOST_AUTO_TEST_CASE(wrong_instagram_messages_are_refused_as_documented) {
  connect_instagram();
  const std::string ana = contact_of("ana").instagram_id;
  meta.instagram_says(kAccount, "ana", "hola");
  BOOST_TEST(meta.wait_idle(20s));
  const auto refuse = [&](const std::string& members) {
    return insta("POST", "me/messages", R"({"recipient":{"id":")" + ana + R"("},)" + members + "}");
  };
  // 1000 bytes of UTF-8, not characters.
  std::string accents;
  for (int i = 0; i < 501; ++i) accents += "é";
  BOOST_TEST(code_of(refuse(R"("message":{"text":")" + accents + R"("})")) == 100);
  BOOST_TEST(code_of(refuse(R"("message":{"text":"x","attachment":{"type":"image","payload":)"
                            R"({"url":"https://a.example/a.jpg"}}})")) == 100);
  BOOST_TEST(
      code_of(refuse(R"("message":{"attachment":{"type":"image","payload":{"url":"x"}}})")) == 100);
  BOOST_TEST(code_of(refuse(R"("message":{})")) == 100);
  const auto stranger =
      insta("POST", "me/messages", R"({"recipient":{"id":"999"},"message":{"text":"x"}})");
  BOOST_TEST(code_of(stranger) == 100);
  BOOST_TEST(subcode_of(stranger) == 2534014);
  // Somebody an echo made known, who never wrote: outside of the window.
  BOOST_TEST(meta.act(R"({"account":"17841400000000001","from":"tom","text":"x","echo":true})")
                 .has_value());
  const auto closed = insta(
      "POST", "me/messages",
      R"({"recipient":{"id":")" + contact_of("tom").instagram_id + R"("},"message":{"text":"x"}})");
  BOOST_TEST(code_of(closed) == 10);
  BOOST_TEST(subcode_of(closed) == 2534022);
  BOOST_TEST(meta.sent().empty());
  BOOST_TEST(refuse(R"("sender_action":"typing_on")").status == 200);
  BOOST_TEST(code_of(refuse(R"("sender_action":"react","payload":{"message_id":"m"})")) == 100);
}

// developers.facebook.com/docs/instagram-platform/private-replies (read 2026-11-21): one message to
// a comment, within 7 days.
BOOST_AUTO_TEST_CASE(a_comment_is_a_change_and_is_answered_in_private_once) {
  meta.add_instagram({.user_id = kAccount, .token = kIgToken});
  BOOST_REQUIRE(subscribe("instagram", "comments,messages,messaging_seen").status == 200);
  BOOST_REQUIRE(
      insta("POST", kAccount + "/subscribed_apps?subscribed_fields=comments,messages").status ==
      200);
  const auto comment = [&](const std::string& further) {
    const auto made = meta.act(R"({"account":")" + kAccount +
                               R"(","from":"ana","comment":"¿precio?")" + further + "}");
    BOOST_REQUIRE(made.has_value());
    return std::string(Json(*made)["ids"].at(0).text_or(""));
  };
  const auto answer = [&](const std::string& id) {
    return insta("POST", "me/messages",
                 R"({"recipient":{"comment_id":")" + id + R"("},"message":{"text":"20"}})");
  };
  const std::string id = comment("");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("x-hub-signature-256") == signature(seen.body));
  const Json body(seen.body);
  BOOST_TEST(body["entry"].at(0)["changes"].at(0)["field"].text_or("") == "comments");
  BOOST_TEST(value_of(body)["id"].text_or("") == id);
  BOOST_TEST(value_of(body)["from"]["id"].text_or("") == contact_of("ana").instagram_id);
  BOOST_TEST(value_of(body)["text"].text_or("") == "¿precio?");

  const auto taken = answer(id);
  BOOST_TEST(taken.status == 200);
  BOOST_TEST(Json(taken.body)["recipient_id"].text_or("") == contact_of("ana").instagram_id);
  const Json echo(hook.posts(2).at(1).body);
  BOOST_TEST(echo["entry"].at(0)["messaging"].at(0)["message"]["mid"].text_or("") ==
             Json(taken.body)["message_id"].text_or("x"));
  BOOST_TEST(code_of(answer(id)) == 10900);
  BOOST_TEST(code_of(answer("17000000000000000")) == 100);
  BOOST_TEST(code_of(answer(comment(R"(,"timestamp":1763600000000)"))) == 10901);
  BOOST_TEST(meta.sent(kAccount).size() == 1u);
}

// Of a page the account is on graph.facebook.com; the other host does not know it.
BOOST_AUTO_TEST_CASE(an_account_behind_a_page_lives_on_the_other_host) {
  meta.add_instagram({.user_id = kAccount, .token = "EAAPAGETOKEN", .page_id = "1020304050"});
  BOOST_TEST(subscribe("instagram", "messages").status == 200);
  const auto page = facebook->call("GET", "/v26.0/1020304050?fields=instagram_business_account",
                                   headers("EAAPAGETOKEN"));
  BOOST_TEST(Json(page.body)["instagram_business_account"]["id"].text_or("") == kAccount);
  BOOST_TEST(facebook
                 ->call("POST", "/v26.0/1020304050/subscribed_apps?subscribed_fields=messages",
                        headers("EAAPAGETOKEN"))
                 .status == 200);
  BOOST_TEST(meta.webhook_of(kAccount) == hook.url());
  BOOST_TEST(code_of(instagram->call("GET", "/v26.0/me", headers("EAAPAGETOKEN"))) == 190);
}

BOOST_AUTO_TEST_CASE(what_a_developer_does_by_hand_asks_for_the_challenge_too) {
  const auto reply = meta.subscribe_by_hand("instagram", hook.url(), "by hand", {"messages"});
  BOOST_TEST(reply.status == 200);
  BOOST_TEST(hook.gets().size() == 1u);
  const auto refused =
      facebook->call("POST", "/_simulate/meta/dashboard", {},
                     R"({"object":"instagram","callback_url":"http://127.0.0.1:)" +
                         std::to_string(test_support::closed_port()) + R"(/","verify_token":"v"})");
  BOOST_TEST(code_of(refused) == 2200);
}

BOOST_AUTO_TEST_CASE(people_answer_when_they_are_to) {
  MetaOptions chosen = options();
  chosen.replies = true;
  MetaSimulator lively(chosen);
  BOOST_REQUIRE(lively.start());
  BOOST_TEST(
      lively.subscribe_by_hand("whatsapp_business_account", hook.url(), "v", {"messages"}).status ==
      200);
  lively.add_number({.id = kNumber, .token = kToken});
  HttpClient api(lively.port("graph.facebook.com"));
  BOOST_TEST(api.call("POST", "/v26.0/9" + kNumber + "/subscribed_apps", headers(kToken)).status ==
             200);
  lively.whatsapp_says(kNumber, "ana", "hola");
  BOOST_TEST(lively.wait_idle(20s));
  BOOST_TEST(api.call("POST", "/v26.0/" + kNumber + "/messages", headers(kToken),
                      R"({"messaging_product":"whatsapp","to":"14155550100","text":{"body":"x"}})")
                 .status == 200);
  BOOST_TEST(lively.wait_idle(20s));
  const auto seen = hook.posts(5);
  BOOST_REQUIRE(seen.size() == 5u);
  BOOST_TEST(std::any_of(seen.begin(), seen.end(), [](const Received& request) {
    return request.body.find("Muchas gracias") != std::string::npos;
  }));
  lively.stop();
}

BOOST_AUTO_TEST_SUITE_END()
