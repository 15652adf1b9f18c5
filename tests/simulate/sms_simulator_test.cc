// What the providers of text messages promise and demand, by their documents:
// twilio.com/docs/messaging, developer.vonage.com/messages, developers.telnyx.com/docs/messaging,
// docs.plivo.com/messaging, developers.sinch.com/docs/sms, docs.bird.com/api/channels-api and
// notifications-api (read 2026-11-20).
#include "gateway/simulate/sms_simulator.h"

#include <boost/test/unit_test.hpp>
#include <set>

#include "connectors/sdk/crypto.h"
#include "gateway/simulate/sms_protocol.h"
#include "tests/simulate/callback.h"

using namespace gateway::simulate;
using namespace std::chrono_literals;
using test_support::Callback;
using test_support::HttpAnswer;
using test_support::HttpClient;
using test_support::Json;
using test_support::Received;

namespace {

const std::string kSid = "AC00112233445566778899aabbccddeeff";
const std::string kToken = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
const std::string kNumber = "+14155550199";
const std::string kAna = "+" + contact_of("ana").phone;
const std::string kBase = "/2010-04-01/Accounts/" + kSid;

struct Fixture {
  static SmsOptions options() {
    SmsOptions chosen;
    chosen.time_scale = 0.001;
    return chosen;
  }
  Callback hook;
  SmsSimulator sms{options()};
  std::optional<HttpClient> twilio, vonage, telnyx, plivo, sinch, bird;

  Fixture() {
    BOOST_REQUIRE(sms.start());
    twilio.emplace(sms.port("api.twilio.com"));
    vonage.emplace(sms.port("api.nexmo.com"));
    telnyx.emplace(sms.port("api.telnyx.com"));
    plivo.emplace(sms.port("api.plivo.com"));
    sinch.emplace(sms.port("sms.api.sinch.com"));
    bird.emplace(sms.port("api.bird.com"));
  }
  ~Fixture() { sms.stop(); }

  static HttpClient::Headers basic(const std::string& user, const std::string& secret) {
    return {{"Authorization", "Basic " + sdk::base64(user + ":" + secret)},
            {"Content-Type", "application/x-www-form-urlencoded"}};
  }
  HttpClient::Answer call(const std::string& method, const std::string& path,
                          const sdk::Form& fields = {}) {
    return twilio->call(method, path, basic(kSid, kToken), sdk::encode_form(fields));
  }
  void connect_twilio(const std::string& url = {}) {
    sms.add_twilio({.sid = kSid, .auth_token = kToken, .number = kNumber});
    const auto found = call("GET", kBase + "/IncomingPhoneNumbers.json?PhoneNumber=%2B14155550199");
    const std::string sid(Json(found.body)["incoming_phone_numbers"].at(0)["sid"].text_or(""));
    BOOST_REQUIRE(call("POST", kBase + "/IncomingPhoneNumbers/" + sid + ".json",
                       {{"SmsUrl", url.empty() ? hook.url() : url}, {"SmsMethod", "POST"}})
                      .status == 200);
  }
  HttpClient::Answer send(sdk::Form fields) {
    return call("POST", kBase + "/Messages.json", std::move(fields));
  }
};

int code_of(const HttpClient::Answer& answer) {
  return static_cast<int>(Json(answer.body)["code"].integer().value_or(0));
}

bool is_signed(const Callback& hook, const Received& request, const std::string& path = "/hook") {
  return request.header("x-twilio-signature") ==
         twilio_signature(kToken, hook.url(path), sdk::parse_form(request.body));
}

std::string field(const Received& request, const std::string& name) {
  const auto form = sdk::parse_form(request.body);
  return std::string(sdk::find(form, name).value_or("(absent)"));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sms_simulator, Fixture)

BOOST_AUTO_TEST_CASE(twilio_asks_who_calls) {
  sms.add_twilio(
      {.sid = kSid, .auth_token = kToken, .number = kNumber, .api_key = "SK11", .api_secret = "s"});
  BOOST_TEST(call("GET", kBase + ".json").status == 200);
  BOOST_TEST(twilio->call("GET", kBase + ".json", basic("SK11", "s")).status == 200);
  for (const auto& headers :
       {basic(kSid, "wrong"), basic("SK11", "wrong"), basic("SK12", "s"), HttpClient::Headers{}}) {
    const auto refused = twilio->call("GET", kBase + ".json", headers);
    BOOST_TEST(refused.status == 401);
    BOOST_TEST(code_of(refused) == 20003);
  }
  // An unknown account with a token of the right form is made; its number is the one it asks for.
  const std::string fresh = "AC" + std::string(32, '7');
  const std::string path = "/2010-04-01/Accounts/" + fresh;
  const auto numbers =
      twilio->call("GET", path + "/IncomingPhoneNumbers.json?PhoneNumber=%2B14155550123",
                   basic(fresh, std::string(32, '1')));
  BOOST_TEST(Json(numbers.body)["incoming_phone_numbers"].size() == 1u);
  BOOST_TEST(twilio->call("GET", path + ".json", basic(fresh, std::string(32, '2'))).status == 401);
}

BOOST_AUTO_TEST_CASE(twilio_delivers_a_signed_form) {
  connect_twilio();
  BOOST_TEST(sms.webhook_of(kNumber) == hook.url());
  const std::string id = sms.say(kNumber, "ana", "Héllo & 50% off? 👍 ");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(is_signed(hook, seen));
  BOOST_TEST(seen.header("content-type") == "application/x-www-form-urlencoded; charset=UTF-8");
  BOOST_TEST(!seen.header("i-twilio-idempotency-token").empty());
  BOOST_TEST(field(seen, "Body") == "Héllo & 50% off? 👍 ");
  for (const char* name : {"MessageSid", "SmsSid", "SmsMessageSid"}) {
    BOOST_TEST(field(seen, name) == id);
  }
  BOOST_TEST(field(seen, "From") == kAna);
  BOOST_TEST(field(seen, "To") == kNumber);
  BOOST_TEST(field(seen, "AccountSid") == kSid);
  BOOST_TEST(field(seen, "SmsStatus") == "received");
  BOOST_TEST(field(seen, "NumMedia") == "0");
  BOOST_TEST(field(seen, "OptOutType") == "(absent)");
}

// A picture's URL redirects to storage, where nobody is asked for credentials.
BOOST_AUTO_TEST_CASE(twilio_media_is_behind_a_redirect) {
  connect_twilio();
  BOOST_TEST(sms.act(R"({"from":"tom","media":["image/jpeg","text/x-vcard"]})").has_value());
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(field(seen, "NumMedia") == "2");
  BOOST_TEST(field(seen, "MessageSid").substr(0, 2) == "MM");
  BOOST_TEST(field(seen, "MediaContentType1") == "text/x-vcard");
  const std::string url = field(seen, "MediaUrl0");
  const std::string host = "https://api.twilio.com";
  BOOST_REQUIRE(url.rfind(host, 0) == 0u);
  BOOST_TEST(twilio->call("GET", url.substr(host.size())).status == 401);
  const auto redirect = call("GET", url.substr(host.size()));
  BOOST_TEST(redirect.status == 307);
  const std::string storage = "https://mms.twiliocdn.com";
  BOOST_REQUIRE(redirect.header("location").rfind(storage, 0) == 0u);
  const auto file = twilio->call("GET", redirect.header("location").substr(storage.size()));
  BOOST_TEST(file.status == 200);
  BOOST_TEST(file.header("content-type") == "image/jpeg");
  BOOST_TEST(file.body.rfind("\xFF\xD8\xFF", 0) == 0u);
}

BOOST_AUTO_TEST_CASE(a_messaging_service_wins_unless_it_defers_to_the_number) {
  sms.add_twilio({.sid = kSid, .auth_token = kToken, .number = kNumber, .service_sid = "MG1"});
  const auto numbers = call("GET", "/v1/Services/MG1/PhoneNumbers");
  const std::string sid(Json(numbers.body)["phone_numbers"].at(0)["sid"].text_or(""));
  BOOST_TEST(call("POST", kBase + "/IncomingPhoneNumbers/" + sid + ".json",
                  {{"SmsUrl", hook.url("/number")}})
                 .status == 200);
  BOOST_TEST(sms.webhook_of(kNumber).empty());
  BOOST_TEST(
      call("POST", "/v1/Services/MG1", {{"InboundRequestUrl", hook.url("/service")}}).status ==
      200);
  BOOST_TEST(sms.webhook_of(kNumber) == hook.url("/service"));
  BOOST_TEST(call("POST", "/v1/Services/MG1", {{"UseInboundWebhookOnNumber", "true"}}).status ==
             200);
  BOOST_TEST(sms.webhook_of(kNumber) == hook.url("/number"));
  BOOST_TEST(
      call("POST", kBase + "/IncomingPhoneNumbers/" + sid + ".json", {{"SmsApplicationSid", "AP1"}})
          .status == 200);
  BOOST_TEST(sms.webhook_of(kNumber).empty());
  BOOST_TEST(code_of(call("GET", "/v1/Services/MG2")) == 20404);
}

BOOST_AUTO_TEST_CASE(a_message_is_queued_then_sent_and_delivered) {
  connect_twilio();
  const auto answer = send({{"To", kAna},
                            {"From", kNumber},
                            {"Body", "Hi “there”"},
                            {"StatusCallback", hook.url("/status")}});
  BOOST_TEST(answer.status == 201);
  const Json message(answer.body);
  const std::string sid(message["sid"].text_or(""));
  BOOST_TEST(sid.size() == 34u);
  BOOST_TEST(message["status"].text_or("") == "queued");
  BOOST_TEST(message["num_segments"].text_or("") == "1");
  BOOST_TEST(sms.sent(kNumber, kAna).at(0).text == "Hi “there”");
  const auto seen = hook.posts(2);
  BOOST_REQUIRE(seen.size() == 2u);
  std::set<std::string> states;
  for (const Received& request : seen) {
    BOOST_TEST(is_signed(hook, request, "/status"));
    BOOST_TEST(field(request, "MessageSid") == sid);
    states.insert(field(request, "MessageStatus"));
  }
  BOOST_TEST((states == std::set<std::string>{"sent", "delivered"}));
  const auto list = call("GET", kBase + "/Messages.json?To=" + sdk::url_encode(kAna));
  BOOST_TEST(Json(list.body)["messages"].at(0)["sid"].text_or("") == sid);
  BOOST_TEST(Json(list.body)["messages"].at(0)["status"].text_or("") == "delivered");
}

BOOST_AUTO_TEST_CASE(twilio_refuses_with_its_codes) {
  connect_twilio();
  const std::vector<std::pair<sdk::Form, int>> wrong{
      {{{"From", kNumber}, {"Body", "x"}}, 21604},
      {{{"To", "4155550100"}, {"From", kNumber}, {"Body", "x"}}, 21211},
      {{{"To", kAna}, {"Body", "x"}}, 21603},
      {{{"To", kAna}, {"From", "+14155550000"}, {"Body", "x"}}, 21606},
      {{{"To", kAna}, {"From", kNumber}}, 21602},
      {{{"To", kAna}, {"From", kNumber}, {"Body", std::string(1601, 'x')}}, 21617},
      {{{"To", kAna}, {"From", kNumber}, {"MediaUrl", "file:///x"}}, 21620},
      {{{"To", kAna}, {"From", kNumber}, {"Body", "x"}, {"StatusCallback", "x"}}, 21609},
      {{{"To", kAna}, {"MessagingServiceSid", "MG9"}, {"Body", "x"}}, 21701}};
  for (const auto& [fields, code] : wrong) {
    const auto answer = send(fields);
    BOOST_TEST(answer.status == 400);
    BOOST_TEST(code_of(answer) == code);
  }
  BOOST_TEST(sms.sent().empty());
}

// STOP blocks the pair and is forwarded all the same; 21610 until START.
BOOST_AUTO_TEST_CASE(opting_out_blocks_answers) {
  connect_twilio();
  sms.say(kNumber, "ana", "stop");
  BOOST_TEST(field(hook.posts(1).at(0), "Body") == "stop");
  BOOST_TEST(sms.is_opted_out(kNumber, kAna));
  BOOST_TEST(code_of(send({{"To", kAna}, {"From", kNumber}, {"Body", "x"}})) == 21610);
  sms.say(kNumber, "ana", "START");
  BOOST_TEST(send({{"To", kAna}, {"From", kNumber}, {"Body", "x"}}).status == 201);
}

BOOST_AUTO_TEST_CASE(an_unreachable_phone_fails_by_status) {
  connect_twilio();
  sms.make_unreachable(kAna, 30005);
  BOOST_TEST(
      send(
          {{"To", kAna}, {"From", kNumber}, {"Body", "x"}, {"StatusCallback", hook.url("/status")}})
          .status == 201);
  const auto seen = hook.posts(2);
  BOOST_REQUIRE(seen.size() == 2u);
  const Received& failed = field(seen[0], "MessageStatus") == "sent" ? seen[1] : seen[0];
  BOOST_TEST(field(failed, "MessageStatus") == "undelivered");
  BOOST_TEST(field(failed, "ErrorCode") == "30005");
}

// One retry where no connection was made, none on an answer; then the fallback URL, told why.
BOOST_AUTO_TEST_CASE(twilio_retries_and_falls_back_as_documented) {
  connect_twilio();
  hook.set_handler([](const Received&) { return HttpAnswer{.status = 500}; });
  sms.say(kNumber, "ana", "once");
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(sms.deliveries().size() == 1u);
  BOOST_TEST(sms.alerts().at(0).code == 11200);

  const auto numbers = call("GET", kBase + "/IncomingPhoneNumbers.json");
  const std::string sid(Json(numbers.body)["incoming_phone_numbers"].at(0)["sid"].text_or(""));
  const std::string number = kBase + "/IncomingPhoneNumbers/" + sid + ".json";
  BOOST_TEST(call("POST", number, {{"SmsUrl", hook.url() + "#rc=2&rp=5xx"}}).status == 200);
  sms.say(kNumber, "ana", "thrice");
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(sms.deliveries().size() == 4u);
  for (const Received& request : hook.posts(4)) {
    BOOST_TEST(request.target == "/hook");
    BOOST_TEST(is_signed(hook, request));
  }

  const std::string nobody =
      "http://127.0.0.1:" + std::to_string(test_support::closed_port()) + "/hook";
  hook.set_handler({});
  BOOST_TEST(call("POST", number, {{"SmsUrl", nobody}, {"SmsFallbackUrl", hook.url("/fallback")}})
                 .status == 200);
  sms.say(kNumber, "ana", "fallback");
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(sms.deliveries().size() == 7u);
  const auto seen = hook.posts(5).at(4);
  BOOST_TEST(seen.target == "/fallback");
  BOOST_TEST(is_signed(hook, seen, "/fallback"));
  BOOST_TEST(field(seen, "ErrorCode") == "11205");
  BOOST_TEST(field(seen, "ErrorUrl") == nobody);
  BOOST_TEST(sms.delivery_stats().acknowledged == 1);
}

// The answer to a webhook is an instruction: anything but empty TwiML reaches the customer or is an
// alert.
BOOST_AUTO_TEST_CASE(what_a_webhook_answers_is_sent_to_the_customer) {
  connect_twilio();
  const auto answer_with = [&](const std::string& type, const std::string& body) {
    hook.set_handler([type, body](const Received&) {
      return HttpAnswer{.headers = {{"Content-Type", type}}, .body = body};
    });
    sms.say(kNumber, "ana", "hi");
    BOOST_TEST(sms.wait_idle(20s));
  };
  answer_with("text/xml", R"(<?xml version="1.0" encoding="UTF-8"?><Response/>)");
  BOOST_TEST(sms.sent().empty());
  BOOST_TEST(sms.alerts().empty());
  answer_with("text/plain", "ok");
  BOOST_TEST(sms.sent(kNumber, kAna).at(0).text == "ok");
  answer_with("text/xml", "<Response><Message>hello</Message></Response>");
  BOOST_TEST(sms.sent().at(1).text == "hello");
  answer_with("application/json", "{}");
  BOOST_TEST(sms.alerts().at(0).code == 12300);
}

BOOST_AUTO_TEST_CASE(sms_goes_wrong_on_demand) {
  connect_twilio();
  CallFault fault;
  fault.kind = CallFault::Kind::too_many_requests;
  fault.method = "Messages";
  sms.inject(fault);
  const auto limited = send({{"To", kAna}, {"From", kNumber}, {"Body", "x"}});
  BOOST_TEST(limited.status == 429);
  BOOST_TEST(code_of(limited) == 20429);
  fault.kind = CallFault::Kind::refuse;
  fault.status = 400;
  fault.code = 30034;
  sms.inject(fault);
  BOOST_TEST(code_of(send({{"To", kAna}, {"From", kNumber}, {"Body", "x"}})) == 30034);
  for (const char* kind : {"wrong_signature", "no_signature", "altered_body"}) {
    BOOST_TEST(
        twilio
            ->call("POST", "/_simulate/sms/faults", {}, std::string("{\"kind\":\"") + kind + "\"}")
            .status == 200);
    sms.say(kNumber, "ana", kind);
    BOOST_TEST(sms.wait_idle(20s));
    BOOST_TEST(!is_signed(hook, hook.posts(1).back()), kind);
  }
}

BOOST_AUTO_TEST_CASE(vonage_delivers_messages_signed_by_a_token) {
  sms.add_vonage({.api_key = "abcd1234",
                  .api_secret = "secret",
                  .signature_secret = "vsecret0123456789",
                  .application_id = "app-1",
                  .number = "14155550188"});
  const auto put = [&](const std::string& json) {
    auto headers = basic("abcd1234", "secret");
    headers[1].second = "application/json";
    return vonage->call("PUT", "/v2/applications/app-1", headers, json);
  };
  BOOST_TEST(vonage->call("GET", "/v2/applications/app-1", basic("abcd1234", "no")).status == 401);
  BOOST_TEST(put("{}").status == 422);
  BOOST_TEST(
      put(R"({"name":"gw","capabilities":{"messages":{"webhooks":{"inbound_url":{"address":")" +
          hook.url() + R"("},"status_url":{"address":")" + hook.url("/status") + R"("}}}}})")
          .status == 200);
  BOOST_TEST(sms.webhook_of("14155550188").empty());  // the number is not linked
  const std::string link = "country=US&msisdn=14155550188&app_id=app-1";
  BOOST_TEST(vonage->call("POST", "/number/update", basic("abcd1234", "secret"), link).status ==
             200);
  BOOST_TEST(sms.webhook_of("14155550188") == hook.url());
  const std::string id = sms.say("14155550188", "ana", "Hola 👋");
  const auto seen = hook.posts(1).at(0);
  const std::string token = seen.header("authorization").substr(7);
  const std::string claims =
      sdk::from_base64url(token.substr(token.find('.') + 1, token.rfind('.') - token.find('.') - 1))
          .value();
  BOOST_TEST(Json(claims)["payload_hash"].text_or("") == sdk::hex(sdk::sha256(seen.body)));
  BOOST_TEST(token == vonage_jwt("vsecret0123456789", "abcd1234", Json(claims)["jti"].text_or(""),
                                 Json(claims)["iat"].integer().value(), seen.body));
  const Json body(seen.body);
  BOOST_TEST(body["message_uuid"].text_or("") == id);
  BOOST_TEST(body["from"].text_or("") == kAna.substr(1));
  BOOST_TEST(body["text"].text_or("") == "Hola 👋");

  const auto send_json = [&](const std::string& json) {
    auto headers = basic("abcd1234", "secret");
    headers[1].second = "application/json";
    return vonage->call("POST", "/v1/messages", headers, json);
  };
  const auto taken = send_json(R"({"channel":"sms","message_type":"text","to":"14155550100",)"
                               R"("from":"14155550188","text":"Hi","client_ref":"m1"})");
  BOOST_TEST(taken.status == 202);
  const auto states = hook.posts(3);
  BOOST_REQUIRE(states.size() == 3u);
  for (std::size_t i = 1; i < 3; ++i) {
    BOOST_TEST(states[i].target == "/status");
    BOOST_TEST(Json(states[i].body)["message_uuid"].text_or("") ==
               Json(taken.body)["message_uuid"].text_or("x"));
    BOOST_TEST(Json(states[i].body)["client_ref"].text_or("") == "m1");
  }
  BOOST_TEST(send_json(R"({"channel":"sms","message_type":"text","to":"+14155550100",)"
                       R"("from":"14155550188","text":"Hi"})")
                 .status == 422);
  BOOST_TEST(send_json(R"({"channel":"sms","message_type":"text","to":"14155550100",)"
                       R"("from":"1","text":"Hi"})")
                 .status == 422);
}

BOOST_AUTO_TEST_CASE(vonage_takes_a_token_of_the_application) {
  const KeyPair key = KeyPair::rsa();
  sms.add_vonage({.api_key = "abcd1234",
                  .api_secret = "secret",
                  .signature_secret = "s",
                  .application_id = "app-1",
                  .number = "14155550188",
                  .public_key_pem = key.public_key_pem()});
  const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  const auto with = [&](const KeyPair& signer, std::int64_t iat) {
    const std::string text = sdk::base64url(R"({"alg":"RS256","typ":"JWT"})") + "." +
                             sdk::base64url(R"({"application_id":"app-1","jti":"j1","iat":)" +
                                            std::to_string(iat) + "}");
    return vonage->call(
        "POST", "/v1/messages",
        {{"Authorization", "Bearer " + text + "." + sdk::base64url(signer.sign(text))},
         {"Content-Type", "application/json"}},
        R"({"channel":"sms","message_type":"text","to":"14155550100",)"
        R"("from":"14155550188","text":"Hi"})");
  };
  BOOST_TEST(with(key, now).status == 202);
  BOOST_TEST(with(key, now - 3'600).status == 401);
  BOOST_TEST(with(KeyPair::rsa(), now).status == 401);
}

// Parts of a long text are not joined, each signed for itself; errors of sending are HTTP 200.
BOOST_AUTO_TEST_CASE(vonages_sms_api_sends_parts_and_answers_200_on_errors) {
  sms.add_vonage({.api_key = "abcd1234",
                  .api_secret = "secret",
                  .signature_secret = "vsecret0123456789",
                  .application_id = "app-1",
                  .number = "14155550188",
                  .sms_api = true,
                  .sig_method = "md5hash"});
  BOOST_TEST(vonage
                 ->call("POST", "/account/settings", basic("abcd1234", "secret"),
                        "moCallBackUrl=" + sdk::url_encode(hook.url()))
                 .status == 200);
  sms.say("14155550188", "ana", std::string(200, 'x'));
  const auto seen = hook.posts(2);
  BOOST_REQUIRE(seen.size() == 2u);
  std::set<std::string> parts;
  for (const Received& request : seen) {
    const auto form = sdk::parse_form(request.body);
    BOOST_TEST(field(request, "concat") == "true");
    BOOST_TEST(field(request, "concat-total") == "2");
    parts.insert(field(request, "concat-part"));
    BOOST_TEST(field(request, "sig") == vonage_sig("vsecret0123456789", "md5hash", form));
  }
  BOOST_TEST((parts == std::set<std::string>{"1", "2"}));
  BOOST_TEST(field(seen[0], "concat-ref") == field(seen[1], "concat-ref"));
  const auto send_form = [&](const std::string& fields) {
    return vonage->call("POST", "/sms/json",
                        {{"Content-Type", "application/x-www-form-urlencoded"}},
                        "api_key=abcd1234&" + fields);
  };
  const auto wrong = send_form("api_secret=wrong&to=14155550100&from=14155550188&text=x");
  BOOST_TEST(wrong.status == 200);
  BOOST_TEST(Json(wrong.body)["messages"].at(0)["status"].text_or("") == "4");
  const auto garbled =
      send_form("api_secret=secret&to=14155550100&from=14155550188&text=%F0%9F%91%8D");
  BOOST_TEST(Json(garbled.body)["messages"].at(0)["status"].text_or("") == "0");
  BOOST_TEST(sms.sent().at(0).text == "?");  // without type=unicode
}

BOOST_AUTO_TEST_CASE(telnyx_registers_delivers_and_fails_over) {
  sms.add_telnyx({.api_key = "KEY1", .profile_id = "prof-1", .number = "+14155550177"});
  const HttpClient::Headers bearer{{"Authorization", "Bearer KEY1"},
                                   {"Content-Type", "application/json"}};
  const auto patch = [&](const std::string& json) {
    return telnyx->call("PATCH", "/v2/messaging_profiles/prof-1", bearer, json);
  };
  const auto refused =
      telnyx->call("GET", "/v2/messaging_profiles/prof-1", {{"Authorization", "Bearer KEY2"}});
  BOOST_TEST(refused.status == 401);
  BOOST_TEST(Json(refused.body)["errors"].at(0)["code"].text_or("") == "10009");
  BOOST_TEST(patch(R"({"webhook_url":"not a url"})").status == 422);
  BOOST_TEST(patch(R"({"webhook_url":")" + hook.url() + R"(","webhook_failover_url":")" +
                   hook.url("/failover") + R"(","webhook_api_version":"2"})")
                 .status == 200);
  const std::string id = sms.say("+14155550177", "ana", "hola");
  const auto seen = hook.posts(1).at(0);
  const std::string key = sdk::from_base64(sms.telnyx_public_key()).value();
  const auto signed_well = [&](const Received& request) {
    return sdk::is_signed_ed25519(
        key, request.header("telnyx-timestamp") + "|" + request.body,
        sdk::from_base64(request.header("telnyx-signature-ed25519")).value_or(""));
  };
  BOOST_TEST(signed_well(seen));
  const Json body(seen.body);
  BOOST_TEST(body["data"]["event_type"].text_or("") == "message.received");
  BOOST_TEST(body["data"]["payload"]["id"].text_or("") == id);
  BOOST_TEST(body["data"]["payload"]["from"]["phone_number"].text_or("") == kAna);
  BOOST_TEST(body["meta"]["attempt"].integer().value() == 1);
  BOOST_TEST(sms.wait_idle(20s));
  hook.set_handler([](const Received& request) {
    return HttpAnswer{.status = request.target == "/failover" ? 200 : 503};
  });
  sms.say("+14155550177", "ana", "again");
  BOOST_TEST(sms.wait_idle(20s));
  const auto posts = hook.posts(5);
  BOOST_REQUIRE(posts.size() == 5u);
  BOOST_TEST(posts[3].target == "/hook");
  BOOST_TEST(posts[4].target == "/failover");
  for (const Received& request : posts) BOOST_TEST(signed_well(request));
}

BOOST_AUTO_TEST_CASE(telnyx_sends_and_tells_the_state) {
  sms.add_telnyx({.api_key = "KEY1", .profile_id = "prof-1", .number = "+14155550177"});
  const HttpClient::Headers bearer{{"Authorization", "Bearer KEY1"},
                                   {"Content-Type", "application/json"}};
  const auto send_json = [&](const std::string& json) {
    return telnyx->call("POST", "/v2/messages", bearer, json);
  };
  const auto taken = send_json(R"({"from":"+14155550177","to":"+14155550100","text":"Hi",)"
                               R"("webhook_url":")" +
                               hook.url("/own") + R"("})");
  BOOST_TEST(taken.status == 200);
  const std::string id(Json(taken.body)["data"]["id"].text_or(""));
  const auto seen = hook.posts(2);
  BOOST_REQUIRE(seen.size() == 2u);
  std::set<std::string> kinds;
  for (const Received& request : seen) {
    BOOST_TEST(request.target == "/own");
    const Json body(request.body);
    kinds.emplace(body["data"]["event_type"].text_or(""));
    BOOST_TEST(body["data"]["payload"]["id"].text_or("") == id);
  }
  BOOST_TEST((kinds == std::set<std::string>{"message.sent", "message.finalized"}));
  BOOST_TEST(send_json(R"({"from":"+14155550177","to":"4155550100","text":"Hi"})").status == 422);
  BOOST_TEST(send_json(R"({"from":"+1","to":"+14155550100","text":"Hi"})").status == 422);
  BOOST_TEST(send_json(R"({"from":"+14155550177","to":"+14155550100"})").status == 422);
  sms.say("+14155550177", "ana", "STOP");
  const auto blocked = send_json(R"({"from":"+14155550177","to":"+14155550100","text":"Hi"})");
  BOOST_TEST(Json(blocked.body)["errors"].at(0)["code"].text_or("") == "40300");
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

const std::string kPlivoId = "MA0123456789ABCDEFGH";
const std::string kPlivoToken = "PLV_auth_token_1234567890";
const std::string kPlivoNumber = "+14155550196";
const std::string kPlivoBase = "/v1/Account/" + kPlivoId;
const std::string kPlan = "plan0123456789abcdef";
const std::string kSinchNumber = "+14155550195";
const std::string kBatches = "/xms/v1/" + kPlan + "/batches";
const std::string kWorkspaces = "/organizations/org-1/workspaces/ws-1";
const std::string kSubscriptions = kWorkspaces + "/webhook-subscriptions";
const std::string kBirdNumber = "+14155550194";

struct PlivoFixture : Fixture {
  void add(bool v3 = true) {
    sms.add_plivo(
        {.auth_id = kPlivoId, .auth_token = kPlivoToken, .number = kPlivoNumber, .v3 = v3});
  }
  HttpClient::Answer ask(const std::string& method, const std::string& path,
                         const std::string& json = {}, const std::string& token = kPlivoToken) {
    return plivo->call(method, kPlivoBase + path,
                       {{"Authorization", "Basic " + sdk::base64(kPlivoId + ":" + token)},
                        {"Content-Type", "application/json"}},
                       json);
  }
  // An application of the account, linked to the number; its id.
  std::string link(const std::string& url, const std::string& method = "POST") {
    const auto made = ask(
        "POST", "/Application/",
        R"({"app_name":"gw_1","message_url":")" + url + R"(","message_method":")" + method + "\"}");
    BOOST_REQUIRE(made.status == 201);
    const std::string id(Json(made.body)["app_id"].text_or(""));
    BOOST_REQUIRE(ask("POST", "/Number/14155550196/", R"({"app_id":")" + id + "\"}").status == 202);
    return id;
  }
  HttpClient::Answer send_json(const std::string& further) {
    return ask("POST", "/Message/", R"({"src":"14155550196","dst":"14155550100")" + further + "}");
  }
};

bool is_signed_v3(const Callback& hook, const Received& request, const std::string& path) {
  return request.header("x-plivo-signature-v3") ==
         plivo_signature_v3(kPlivoToken, hook.url(path), sdk::parse_form(request.body),
                            request.header("x-plivo-signature-v3-nonce"));
}

struct SinchFixture : Fixture {
  void add(const std::string& secret = "sinchSecret01") {
    sms.add_sinch({.plan_id = kPlan,
                   .token = "sinch-token",
                   .number = kSinchNumber,
                   .webhook_secret = secret});
  }
  HttpClient::Answer ask(const std::string& method, const std::string& path,
                         const std::string& json = {}, const std::string& token = "sinch-token") {
    return sinch->call(method, path,
                       {{"Authorization", "Bearer " + token}, {"Content-Type", "application/json"}},
                       json);
  }
  HttpClient::Answer send_json(const std::string& further) {
    return ask("POST", kBatches, R"({"from":"14155550195","to":["14155550100"])" + further + "}");
  }
};

bool is_signed_hmac(const Received& request) {
  return request.header("x-sinch-webhook-signature") ==
         sinch_signature("sinchSecret01", request.body,
                         request.header("x-sinch-webhook-signature-nonce"),
                         request.header("x-sinch-webhook-signature-timestamp"));
}

struct BirdFixture : Fixture {
  void add() {
    sms.add_bird({.access_key = "bird-key",
                  .organization_id = "org-1",
                  .workspace_id = "ws-1",
                  .channel_id = "ch-1",
                  .number = kBirdNumber});
  }
  HttpClient::Answer ask(const std::string& method, const std::string& path,
                         const std::string& json = {}, const std::string& key = "bird-key") {
    return bird->call(method, path,
                      {{"Authorization", "AccessKey " + key}, {"Content-Type", "application/json"}},
                      json);
  }
  static std::string wish(const std::string& event, const std::string& url,
                          const std::string& channel = "ch-1") {
    return R"({"service":"channels","event":")" + event + R"(","url":")" + url +
           R"(","signingKey":"birdSigningKey01","eventFilters":[{"key":"channelId","value":")" +
           channel + "\"}]}";
  }
  std::string subscribe(const std::string& event, const std::string& url,
                        const std::string& channel = "ch-1") {
    const auto made = ask("POST", kSubscriptions, wish(event, url, channel));
    BOOST_REQUIRE_MESSAGE(made.status == 201, made.body);
    return std::string(Json(made.body)["id"].text_or(""));
  }
  HttpClient::Answer send_json(const std::string& body, const std::string& to = kAna) {
    return ask("POST", "/workspaces/ws-1/channels/ch-1/messages",
               R"({"receiver":{"contacts":[{"identifierValue":")" + to + R"("}]},"body":)" + body +
                   R"(,"reference":"m1"})");
  }
};

bool is_signed_by_bird(const Callback& hook, const Received& request, const std::string& path) {
  return request.header("messagebird-signature") ==
         bird_signature("birdSigningKey01", request.header("messagebird-request-timestamp"),
                        hook.url(path), request.body);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sms_simulator_plivo, PlivoFixture)

BOOST_AUTO_TEST_CASE(the_account_and_its_token_are_asked_for) {
  add();
  BOOST_TEST(Json(ask("GET", "/").body)["auth_id"].text_or("") == kPlivoId);
  BOOST_TEST(ask("GET", "/", {}, "wrong").status == 401);
  BOOST_TEST(plivo->call("GET", kPlivoBase + "/").status == 401);
  BOOST_TEST(ask("GET", "/Number/14155550000/").status == 404);
  BOOST_TEST(ask("GET", "/Nothing/").status == 404);
}

BOOST_AUTO_TEST_CASE(an_application_is_linked_to_the_number_and_removed) {
  add();
  BOOST_TEST(Json(ask("GET", "/Number/14155550196/").body)["application"].is_null());
  for (const char* wrong : {R"({"message_url":"http://127.0.0.1/x"})",
                            R"({"app_name":"a b","message_url":"http://127.0.0.1/x"})",
                            R"({"app_name":"a","message_url":"no url"})",
                            R"({"app_name":"a","message_method":"PUT"})"}) {
    const auto refused = ask("POST", "/Application/", wrong);
    BOOST_TEST(refused.status == 400, wrong);
    BOOST_TEST(!Json(refused.body)["error"]["error"].text_or("").empty(), refused.body);
  }
  const std::string id = link(hook.url());
  BOOST_TEST(sms.webhook_of(kPlivoNumber) == hook.url());
  BOOST_TEST(Json(ask("GET", "/Number/14155550196/").body)["application"].text_or("") ==
             kPlivoBase + "/Application/" + id + "/");
  const std::string changed = R"({"message_url":")" + hook.url("/other") + "\"}";
  BOOST_TEST(ask("POST", "/Application/" + id + "/", changed).status == 202);
  const auto shown = ask("GET", "/Application/" + id + "/");
  BOOST_TEST(Json(shown.body)["message_url"].text_or("") == hook.url("/other"));
  BOOST_TEST(Json(shown.body)["message_method"].text_or("") == "POST");
  BOOST_TEST(ask("POST", "/Number/14155550196/", R"({"app_id":"1"})").status == 400);
  BOOST_TEST(ask("DELETE", "/Application/" + id + "/").status == 204);
  BOOST_TEST(ask("GET", "/Application/" + id + "/").status == 404);
  BOOST_TEST(sms.webhook_of(kPlivoNumber).empty());
}

BOOST_AUTO_TEST_CASE(messages_come_as_signed_forms) {
  add();
  link(hook.url());
  const std::string id = sms.say(kPlivoNumber, "ana", "Héllo & 50% 👍");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(is_signed_v3(hook, seen, "/hook"));
  BOOST_TEST(
      seen.header("x-plivo-signature-v2") ==
      plivo_signature_v2(kPlivoToken, hook.url(), seen.header("x-plivo-signature-v2-nonce")));
  BOOST_TEST(field(seen, "MessageUUID") == id);
  BOOST_TEST(field(seen, "From") == kAna.substr(1));
  BOOST_TEST(field(seen, "To") == kPlivoNumber.substr(1));
  BOOST_TEST(field(seen, "Text") == "Héllo & 50% 👍");
  BOOST_TEST(field(seen, "Type") == "sms");
  sms.say(kPlivoNumber, "ana", "STOP");
  BOOST_TEST(field(hook.posts(2).at(1), "MessageIntent") == "optout");
}

BOOST_AUTO_TEST_CASE(an_account_without_version_3_signs_the_address_alone) {
  add(false);
  link(hook.url());
  sms.say(kPlivoNumber, "ana", "hi");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("x-plivo-signature-v3").empty());
  BOOST_TEST(!seen.header("x-plivo-signature-v2").empty());
}

BOOST_AUTO_TEST_CASE(an_application_may_be_called_by_get) {
  add();
  link(hook.url("/hook?a=1"), "GET");
  sms.say(kPlivoNumber, "ana", "Hi there");
  BOOST_TEST(sms.wait_idle(20s));
  const auto seen = hook.gets().at(0);
  const std::string query = seen.target.substr(seen.target.find('?') + 1);
  const auto form = sdk::parse_form(query);
  BOOST_TEST(sdk::find(form, "a").value_or("") == "1");
  BOOST_TEST(sdk::find(form, "Text").value_or("") == "Hi there");
  BOOST_TEST(seen.header("x-plivo-signature-v3") ==
             plivo_signature_v3(kPlivoToken, hook.url("/hook?" + query), {},
                                seen.header("x-plivo-signature-v3-nonce")));
}

BOOST_AUTO_TEST_CASE(pictures_come_by_link) {
  add();
  link(hook.url());
  BOOST_TEST(
      sms.act(R"({"from":"tom","text":"look","media":["image/jpeg","image/png"]})").has_value());
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(field(seen, "Type") == "mms");
  BOOST_TEST(field(seen, "Body") == "look");
  BOOST_TEST(field(seen, "MediaCount") == "2");
  const std::string host = "https://media.plivo.com";
  const std::string url = field(seen, "Media1");
  BOOST_REQUIRE(url.starts_with(host));
  const auto file = plivo->call("GET", url.substr(host.size()));
  BOOST_TEST(file.status == 200);
  BOOST_TEST(file.header("content-type") == "image/png");
}

BOOST_AUTO_TEST_CASE(a_message_is_reported_queued_sent_and_delivered) {
  add();
  const auto taken = send_json(R"(,"text":"Hi","url":")" + hook.url("/status?key=1") + "\"");
  BOOST_TEST(taken.status == 202);
  const std::string id(Json(taken.body)["message_uuid"].at(0).text_or(""));
  std::map<std::string, std::string> states;
  for (const Received& request : hook.posts(3)) {
    BOOST_TEST(is_signed_v3(hook, request, "/status?key=1"));
    BOOST_TEST(field(request, "MessageUUID") == id);
    states[field(request, "Sequence")] = field(request, "Status");
  }
  BOOST_TEST((states == std::map<std::string, std::string>{
                            {"1", "queued"}, {"2", "sent"}, {"3", "delivered"}}));
  BOOST_TEST(sms.sent(kPlivoNumber, kAna).at(0).text == "Hi");
}

BOOST_AUTO_TEST_CASE(each_part_of_a_long_text_is_reported_and_names_the_first) {
  add();
  const auto taken = send_json(R"(,"text":")" + std::string(161, 'x') + R"(","url":")" +
                               hook.url("/status") + "\"");
  const std::string id(Json(taken.body)["message_uuid"].at(0).text_or(""));
  std::set<std::string> parts;
  for (const Received& request : hook.posts(6)) {
    BOOST_TEST(field(request, "ParentMessageUUID") == id);
    parts.insert(field(request, "PartInfo"));
  }
  BOOST_TEST((parts == std::set<std::string>{"1 of 2", "2 of 2"}));
}

// Error codes 70 and 200: docs.plivo.com messaging/troubleshooting/error-codes.
BOOST_AUTO_TEST_CASE(a_lost_phone_and_a_stop_are_told_by_report) {
  add();
  const auto last_code = [&](std::size_t posts) {
    send_json(R"(,"text":"Hi","url":")" + hook.url("/status") + "\"");
    std::string code;
    for (const Received& request : hook.posts(posts)) {
      if (field(request, "ErrorCode") != "(absent)") code = field(request, "ErrorCode");
    }
    return code;
  };
  sms.make_unreachable(kAna);
  BOOST_TEST(last_code(3) == "70");
  sms.say(kPlivoNumber, "ana", "STOP");
  BOOST_TEST(last_code(5) == "200");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_sent_is_400) {
  add();
  for (const char* wrong :
       {"", R"(,"text":"")", R"(,"text":"x","type":"fax")", R"(,"text":"x","url":"x")",
        R"(,"text":"x","method":"PUT")", R"(,"text":"x","media_urls":["https://a.example/1.jpg"])",
        R"(,"type":"mms","media_urls":["file:///x"])"}) {
    const auto refused = send_json(wrong);
    BOOST_TEST(refused.status == 400, wrong);
    BOOST_TEST(!Json(refused.body)["error"].text_or("").empty(), refused.body);
  }
  for (const char* wrong : {R"({"src":"14155550000","dst":"14155550100","text":"x"})",
                            R"({"src":"14155550196","dst":"12","text":"x"})",
                            R"({"src":"14155550196","dst":"14155550196","text":"x"})"}) {
    BOOST_TEST(ask("POST", "/Message/", wrong).status == 400, wrong);
  }
  BOOST_TEST(sms.sent().empty());
}

// '<' separates numbers (docs.plivo.com messaging/api/message).
BOOST_AUTO_TEST_CASE(one_call_may_send_to_several) {
  add();
  const auto taken = ask("POST", "/Message/",
                         R"({"src":"14155550196","dst":"14155550100<14155550101","text":"x"})");
  BOOST_TEST(taken.status == 202);
  BOOST_TEST(Json(taken.body)["message_uuid"].size() == 2u);
  BOOST_TEST(sms.sent(kPlivoNumber, "+14155550101").size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_picture_is_sent_by_its_link) {
  add();
  BOOST_TEST(send_json(R"(,"type":"mms","media_urls":["https://a.example/1.jpg"])").status == 202);
  BOOST_TEST(sms.sent().at(0).kind == "media");
  BOOST_TEST(sms.sent().at(0).body.find("https://a.example/1.jpg") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_delivery_is_repeated_three_times_unless_the_answer_is_200) {
  add();
  link(hook.url());
  hook.set_handler([](const Received&) { return HttpAnswer{.status = 204}; });
  sms.say(kPlivoNumber, "ana", "again");
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(sms.deliveries().size() == 4u);
  hook.set_handler([](const Received&) {
    return HttpAnswer{.headers = {{"Content-Type", "application/xml"}},
                      .body = "<Response><Message>hello</Message></Response>"};
  });
  sms.say(kPlivoNumber, "ana", "once");
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(sms.deliveries().size() == 5u);
  BOOST_TEST(sms.sent(kPlivoNumber, kAna).at(0).text == "hello");
}

BOOST_AUTO_TEST_CASE(things_go_wrong_on_demand) {
  add();
  link(hook.url());
  CallFault fault;
  fault.kind = CallFault::Kind::too_many_requests;
  fault.account = kPlivoId;
  sms.inject(fault);
  BOOST_TEST(send_json(R"(,"text":"x")").status == 429);
  fault.kind = CallFault::Kind::server_error;
  sms.inject(fault);
  BOOST_TEST(send_json(R"(,"text":"x")").status == 500);
  BOOST_TEST(sms.sent().empty());
  for (const auto kind : {DeliveryFault::Kind::wrong_secret, DeliveryFault::Kind::no_secret,
                          DeliveryFault::Kind::altered_body}) {
    DeliveryFault spoilt;
    spoilt.kind = kind;
    sms.inject(spoilt);
    sms.say(kPlivoNumber, "ana", "forged");
    BOOST_TEST(sms.wait_idle(20s));
    BOOST_TEST(!is_signed_v3(hook, hook.posts(1).back(), "/hook"));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(sms_simulator_sinch, SinchFixture)

BOOST_AUTO_TEST_CASE(the_token_and_the_plan_are_asked_for) {
  add();
  BOOST_TEST(ask("GET", kBatches, {}, "wrong").status == 401);
  BOOST_TEST(sinch->call("GET", kBatches).status == 401);
  BOOST_TEST(ask("GET", "/xms/v1/another/batches").status == 404);
  const Json list(ask("GET", kBatches + "?page_size=1").body);
  BOOST_TEST(list["count"].integer().value() == 0);
  BOOST_TEST(list["page_size"].integer().value() == 1);
}

BOOST_AUTO_TEST_CASE(the_dashboard_takes_a_callback_url) {
  add();
  BOOST_TEST(!sms.set_sinch_callback("another", hook.url()).has_value());
  BOOST_TEST(!sms.set_sinch_callback(kPlan, "no url").has_value());
  BOOST_TEST(sinch
                 ->call("POST", "/_simulate/sms/sinch/callback", {},
                        R"({"plan_id":")" + kPlan + R"(","callback_url":")" + hook.url() + "\"}")
                 .status == 200);
  BOOST_TEST(sms.webhook_of(kSinchNumber) == hook.url());
}

BOOST_AUTO_TEST_CASE(messages_come_signed) {
  add();
  BOOST_TEST(sms.set_sinch_callback(kPlan, hook.url()).has_value());
  const std::string id = sms.say(kSinchNumber, "ana", "Hola 👋");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(is_signed_hmac(seen));
  const Json body(seen.body);
  BOOST_TEST(body["type"].text_or("") == "mo_text");
  BOOST_TEST(body["id"].text_or("") == id);
  BOOST_TEST(body["from"].text_or("") == kAna.substr(1));
  BOOST_TEST(body["to"].text_or("") == kSinchNumber.substr(1));
  BOOST_TEST(body["body"].text_or("") == "Hola 👋");
}

BOOST_AUTO_TEST_CASE(a_user_and_password_in_the_callback_url_are_sent) {
  add("");
  std::string url = hook.url();
  url.insert(url.find("://") + 3, "hook:p%40ss@");
  BOOST_TEST(sms.set_sinch_callback(kPlan, url).has_value());
  sms.say(kSinchNumber, "ana", "hi");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("authorization") == "Basic " + sdk::base64("hook:p@ss"));
  BOOST_TEST(seen.header("x-sinch-webhook-signature").empty());
  DeliveryFault spoilt;
  spoilt.kind = DeliveryFault::Kind::wrong_secret;
  sms.inject(spoilt);
  sms.say(kSinchNumber, "ana", "forged");
  BOOST_TEST(hook.posts(2).at(1).header("authorization") != seen.header("authorization"));
}

// Without a signature and a password the secret is in the path.
BOOST_AUTO_TEST_CASE(an_unsigned_callback_that_is_forged_misses_the_address) {
  add("");
  BOOST_TEST(sms.set_sinch_callback(kPlan, hook.url("/hook/secret")).has_value());
  std::vector<std::string> targets;
  for (const auto kind : {DeliveryFault::Kind::wrong_secret, DeliveryFault::Kind::no_secret}) {
    DeliveryFault spoilt;
    spoilt.kind = kind;
    sms.inject(spoilt);
    sms.say(kSinchNumber, "ana", "forged");
    BOOST_TEST(sms.wait_idle(20s));
    targets.push_back(hook.posts(1).back().target);
  }
  BOOST_TEST(targets[0] == "/hook/another");
  BOOST_TEST(targets[1] == "/hook");
  sms.say(kSinchNumber, "ana", "right");
  BOOST_TEST(hook.posts(3).at(2).target == "/hook/secret");
}

BOOST_AUTO_TEST_CASE(pictures_come_by_link) {
  add();
  BOOST_TEST(sms.set_sinch_callback(kPlan, hook.url()).has_value());
  BOOST_TEST(sms.act(R"({"from":"tom","text":"look","media":"image/jpeg"})").has_value());
  const Json body(hook.posts(1).at(0).body);
  BOOST_TEST(body["type"].text_or("") == "mo_media");
  BOOST_TEST(body["body"]["message"].text_or("") == "look");
  const auto media = body["body"]["media"].at(0);
  BOOST_TEST(media["status"].text_or("") == "Uploaded");
  const std::string host = "https://us.sms.api.sinch.com";
  const std::string url(media["url"].text_or(""));
  BOOST_REQUIRE(url.starts_with(host));
  BOOST_TEST(sinch->call("GET", url.substr(host.size())).header("content-type") == "image/jpeg");
}

BOOST_AUTO_TEST_CASE(a_batch_is_reported_by_recipient) {
  add();
  const auto taken =
      send_json(R"(,"body":"Hi","delivery_report":"per_recipient","client_reference":"m1",)"
                R"("callback_url":")" +
                hook.url("/own") + "\"");
  BOOST_TEST(taken.status == 201);
  const std::string id(Json(taken.body)["id"].text_or(""));
  BOOST_TEST(id.size() == 26u);
  std::set<std::string> states;
  for (const Received& request : hook.posts(2)) {
    BOOST_TEST(request.target == "/own");
    BOOST_TEST(is_signed_hmac(request));
    const Json body(request.body);
    BOOST_TEST(body["type"].text_or("") == "recipient_delivery_report_sms");
    BOOST_TEST(body["batch_id"].text_or("") == id);
    BOOST_TEST(body["recipient"].text_or("") == "14155550100");
    BOOST_TEST(body["client_reference"].text_or("") == "m1");
    states.emplace(body["status"].text_or(""));
  }
  BOOST_TEST((states == std::set<std::string>{"Dispatched", "Delivered"}));
  BOOST_TEST(Json(ask("GET", kBatches + "/" + id).body)["id"].text_or("") == id);
  BOOST_TEST(Json(ask("GET", kBatches).body)["count"].integer().value() == 1);
}

BOOST_AUTO_TEST_CASE(other_reports_are_told_once_or_never) {
  add();
  BOOST_TEST(sms.set_sinch_callback(kPlan, hook.url()).has_value());
  const auto types = [&](const std::string& report) {
    BOOST_TEST(send_json(R"(,"body":"Hi","delivery_report":")" + report + "\"").status == 201);
    BOOST_TEST(sms.wait_idle(20s));
    std::string out;
    for (const Received& request : hook.posts(0)) {
      const Json body(request.body);
      out = std::string(body["type"].text_or("")) + " " +
            std::string(body["statuses"].at(0)["status"].text_or(body["status"].text_or("")));
    }
    return out;
  };
  BOOST_TEST(types("none").empty());
  BOOST_TEST(types("per_recipient_final") == "recipient_delivery_report_sms Delivered");
  BOOST_TEST(hook.posts(0).size() == 1u);
  BOOST_TEST(types("summary") == "delivery_report_sms Delivered");
  BOOST_TEST(hook.posts(0).size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_lost_phone_and_a_stop_are_told_by_report) {
  add();
  BOOST_TEST(sms.set_sinch_callback(kPlan, hook.url()).has_value());
  const auto last_state = [&] {
    send_json(R"(,"body":"Hi","delivery_report":"per_recipient_final")");
    BOOST_TEST(sms.wait_idle(20s));
    return std::string(Json(hook.posts(1).back().body)["status"].text_or(""));
  };
  sms.make_unreachable(kAna);
  BOOST_TEST(last_state() == "Rejected");
  sms.say(kSinchNumber, "ana", "STOP");
  // The word's own delivery first, or it may be the last.
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(last_state() == "Deleted");
}

// 400 and 403 come with a code and a text (developers.sinch.com
// docs/sms/api-reference/status-codes).
BOOST_AUTO_TEST_CASE(what_cannot_be_sent_is_refused_with_a_code) {
  add();
  for (const char* wrong :
       {"", R"(,"body":"")", R"(,"body":"x","type":"mt_fax")", R"(,"body":"x","callback_url":"x")",
        R"(,"body":"x","delivery_report":"always")", R"(,"type":"mt_media","body":{"url":"x"})"}) {
    const auto refused = send_json(wrong);
    BOOST_TEST(refused.status == 400, wrong);
    BOOST_TEST(Json(refused.body)["code"].text_or("").starts_with("syntax_"), refused.body);
  }
  BOOST_TEST(ask("POST", kBatches, R"({"from":"14155550195","to":["x"],"body":"x"})").status ==
             400);
  const auto stranger =
      ask("POST", kBatches, R"({"from":"14155550000","to":["14155550100"],"body":"x"})");
  BOOST_TEST(stranger.status == 403);
  BOOST_TEST(Json(stranger.body)["code"].text_or("") == "forbidden_by_rule");
  BOOST_TEST(sms.sent().empty());
}

BOOST_AUTO_TEST_CASE(a_picture_is_sent_by_its_link) {
  add();
  BOOST_TEST(
      send_json(R"(,"type":"mt_media","body":{"url":"https://a.example/1.jpg","message":"look"})")
          .status == 201);
  BOOST_TEST(sms.sent().at(0).kind == "media");
  BOOST_TEST(sms.sent().at(0).text == "look");
}

// 16 attempts by 81,920 seconds after the first, none after a 4xx (developers.sinch.com
// docs/sms/api-reference/sms/tag/Webhooks).
BOOST_AUTO_TEST_CASE(a_callback_is_repeated_after_5xx_and_429_only) {
  add();
  BOOST_TEST(sms.set_sinch_callback(kPlan, hook.url()).has_value());
  int status = 404;
  int answered = 0;
  hook.set_handler(
      [&](const Received&) { return HttpAnswer{.status = ++answered == 4 ? 200 : status}; });
  sms.say(kSinchNumber, "ana", "lost");
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(answered == 1);
  status = 503;
  sms.say(kSinchNumber, "ana", "kept");
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(answered == 4);
}

BOOST_AUTO_TEST_CASE(things_go_wrong_on_demand) {
  add();
  BOOST_TEST(sms.set_sinch_callback(kPlan, hook.url()).has_value());
  CallFault fault;
  fault.kind = CallFault::Kind::too_many_requests;
  fault.account = kPlan;
  sms.inject(fault);
  BOOST_TEST(send_json(R"(,"body":"x")").status == 429);
  fault.kind = CallFault::Kind::server_error;
  sms.inject(fault);
  BOOST_TEST(send_json(R"(,"body":"x")").status == 500);
  BOOST_TEST(sms.sent().empty());
  for (const auto kind : {DeliveryFault::Kind::wrong_secret, DeliveryFault::Kind::no_secret,
                          DeliveryFault::Kind::altered_body}) {
    DeliveryFault spoilt;
    spoilt.kind = kind;
    sms.inject(spoilt);
    sms.say(kSinchNumber, "ana", "forged");
    BOOST_TEST(sms.wait_idle(20s));
    BOOST_TEST(!is_signed_hmac(hook.posts(1).back()));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(sms_simulator_bird, BirdFixture)

BOOST_AUTO_TEST_CASE(the_access_key_and_the_workspace_are_asked_for) {
  add();
  BOOST_TEST(ask("GET", kSubscriptions, {}, "wrong").status == 401);
  BOOST_TEST(bird->call("GET", kSubscriptions).status == 401);
  BOOST_TEST(ask("GET", "/organizations/org-1/workspaces/ws-2/webhook-subscriptions").status ==
             404);
  BOOST_TEST(ask("GET", "/organizations/org-2/workspaces/ws-1/webhook-subscriptions").status ==
             404);
  BOOST_TEST(Json(ask("GET", kSubscriptions).body)["results"].size() == 0u);
}

BOOST_AUTO_TEST_CASE(subscriptions_are_made_changed_listed_and_removed) {
  add();
  const std::string id = subscribe("sms.inbound", hook.url());
  BOOST_TEST(sms.webhook_of(kBirdNumber) == hook.url());
  const auto list = ask("GET", kSubscriptions + "?limit=100");
  BOOST_TEST(Json(list.body)["results"].at(0)["id"].text_or("") == id);
  BOOST_TEST(Json(list.body)["results"].at(0)["status"].text_or("") == "active");
  BOOST_TEST(list.body.find("birdSigningKey01") == std::string::npos);
  BOOST_TEST(
      ask("PATCH", kSubscriptions + "/" + id, wish("sms.inbound", hook.url("/new"))).status == 200);
  BOOST_TEST(sms.webhook_of(kBirdNumber) == hook.url("/new"));
  BOOST_TEST(ask("DELETE", kSubscriptions + "/" + id).status == 204);
  BOOST_TEST(ask("DELETE", kSubscriptions + "/" + id).status == 404);
  BOOST_TEST(sms.webhook_of(kBirdNumber).empty());
}

// docs.bird.com notifications-api/api-reference/webhooks: at most five with the same filters.
BOOST_AUTO_TEST_CASE(a_sixth_subscription_with_the_same_filters_is_refused) {
  add();
  for (int i = 0; i < 5; ++i) subscribe("sms.inbound", hook.url("/" + std::to_string(i)));
  BOOST_TEST(ask("POST", kSubscriptions, wish("sms.inbound", hook.url("/6"))).status == 422);
  subscribe("sms.outbound", hook.url());
  subscribe("sms.inbound", hook.url(), "ch-2");
  BOOST_TEST(ask("POST", kSubscriptions, wish("sms.inbound", "no url", "ch-3")).status == 422);
  BOOST_TEST(ask("POST", kSubscriptions, wish("fax.inbound", hook.url(), "ch-3")).status == 422);
}

BOOST_AUTO_TEST_CASE(messages_come_signed_to_the_subscriptions_of_their_channel) {
  add();
  subscribe("sms.inbound", hook.url("/mine"));
  subscribe("sms.inbound", hook.url("/another"), "ch-2");
  subscribe("sms.outbound", hook.url("/out"));
  const std::string id = sms.say(kBirdNumber, "ana", "Hola 👋");
  BOOST_TEST(sms.wait_idle(20s));
  const auto seen = hook.posts(1);
  BOOST_REQUIRE(seen.size() == 1u);
  BOOST_TEST(seen[0].target == "/mine");
  BOOST_TEST(is_signed_by_bird(hook, seen[0], "/mine"));
  const Json body(seen[0].body);
  BOOST_TEST(body["event"].text_or("") == "sms.inbound");
  BOOST_TEST(body["payload"]["id"].text_or("") == id);
  BOOST_TEST(body["payload"]["direction"].text_or("") == "incoming");
  BOOST_TEST(body["payload"]["body"]["text"]["text"].text_or("") == "Hola 👋");
  BOOST_TEST(body["payload"]["sender"]["contact"]["identifierValue"].text_or("") == kAna);
}

BOOST_AUTO_TEST_CASE(files_come_by_link_and_need_the_access_key) {
  add();
  subscribe("sms.inbound", hook.url());
  BOOST_TEST(sms.act(R"({"from":"tom","text":"look","media":"image/jpeg"})").has_value());
  const Json picture(hook.posts(1).at(0).body);
  const auto image = picture["payload"]["body"]["image"];
  BOOST_TEST(image["text"].text_or("") == "look");
  const std::string host = "https://media.api.bird.com";
  const std::string url(image["images"].at(0)["mediaUrl"].text_or(""));
  BOOST_REQUIRE(url.starts_with(host));
  BOOST_TEST(bird->call("GET", url.substr(host.size())).status == 401);
  BOOST_TEST(ask("GET", url.substr(host.size())).header("content-type") == "image/jpeg");
  BOOST_TEST(sms.act(R"({"from":"tom","media":"application/pdf"})").has_value());
  const Json file(hook.posts(2).at(1).body);
  BOOST_TEST(file["payload"]["body"]["file"]["files"].at(0)["contentType"].text_or("") ==
             "application/pdf");
}

BOOST_AUTO_TEST_CASE(a_message_is_accepted_then_reported) {
  add();
  subscribe("sms.outbound", hook.url("/out"));
  const auto taken = send_json(R"({"type":"text","text":{"text":"Hi"}})");
  BOOST_TEST(taken.status == 202);
  BOOST_TEST(Json(taken.body)["status"].text_or("") == "accepted");
  const std::string id(Json(taken.body)["id"].text_or(""));
  std::set<std::string> states;
  for (const Received& request : hook.posts(2)) {
    BOOST_TEST(is_signed_by_bird(hook, request, "/out"));
    const Json body(request.body);
    BOOST_TEST(body["payload"]["id"].text_or("") == id);
    BOOST_TEST(body["payload"]["reference"].text_or("") == "m1");
    states.emplace(body["payload"]["status"].text_or(""));
  }
  BOOST_TEST((states == std::set<std::string>{"sent", "delivered"}));
  BOOST_TEST(ask("GET", "/workspaces/ws-1/channels/ch-1/messages/" + id).status == 200);
}

BOOST_AUTO_TEST_CASE(a_lost_phone_and_a_stop_are_told_by_report) {
  add();
  subscribe("sms.outbound", hook.url());
  sms.make_unreachable(kAna);
  send_json(R"({"type":"text","text":{"text":"Hi"}})");
  const auto seen = hook.posts(2);
  BOOST_REQUIRE(seen.size() == 2u);
  std::string why;
  for (const Received& request : seen) {
    const Json body(request.body);
    if (body["payload"]["status"].text_or("") != "delivery_failed") continue;
    why = body["payload"]["failure"]["description"].text_or("");
  }
  BOOST_TEST(why == "unknown subscriber");
  sms.say(kBirdNumber, "ana", "STOP");
  send_json(R"({"type":"text","text":{"text":"Hi"}})");
  BOOST_TEST(Json(hook.posts(3).at(2).body)["payload"]["status"].text_or("") == "rejected");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_sent_is_422) {
  add();
  for (const char* wrong :
       {"{}", R"({"type":"text","text":{"text":""}})", R"({"type":"fax","fax":{}})",
        R"({"type":"image","image":{"images":[]}})",
        R"({"type":"image","image":{"images":[{"mediaUrl":"x"}]}})"}) {
    const auto refused = send_json(wrong);
    BOOST_TEST(refused.status == 422, wrong);
    BOOST_TEST(Json(refused.body)["code"].text_or("") == "InvalidPayload");
  }
  BOOST_TEST(send_json(R"({"type":"text","text":{"text":"x"}})", "4155550100").status == 422);
  BOOST_TEST(ask("POST", "/workspaces/ws-1/channels/ch-9/messages", "{}").status == 404);
  BOOST_TEST(sms.sent().empty());
  BOOST_TEST(
      send_json(R"({"type":"image","image":{"images":[{"mediaUrl":"https://a.example/1.jpg"}]}})")
          .status == 202);
}

BOOST_AUTO_TEST_CASE(a_delivery_is_repeated_until_it_is_taken) {
  add();
  subscribe("sms.inbound", hook.url());
  int answered = 0;
  hook.set_handler(
      [&](const Received&) { return HttpAnswer{.status = ++answered < 4 ? 401 : 202}; });
  sms.say(kBirdNumber, "ana", "again");
  BOOST_TEST(sms.wait_idle(20s));
  BOOST_TEST(answered == 4);
}

BOOST_AUTO_TEST_CASE(things_go_wrong_on_demand) {
  add();
  subscribe("sms.inbound", hook.url());
  CallFault fault;
  fault.kind = CallFault::Kind::too_many_requests;
  fault.account = "ws-1";
  sms.inject(fault);
  BOOST_TEST(send_json(R"({"type":"text","text":{"text":"x"}})").status == 429);
  fault.kind = CallFault::Kind::server_error;
  sms.inject(fault);
  BOOST_TEST(send_json(R"({"type":"text","text":{"text":"x"}})").status == 500);
  BOOST_TEST(sms.sent().empty());
  for (const auto kind : {DeliveryFault::Kind::wrong_secret, DeliveryFault::Kind::no_secret,
                          DeliveryFault::Kind::altered_body}) {
    DeliveryFault spoilt;
    spoilt.kind = kind;
    sms.inject(spoilt);
    sms.say(kBirdNumber, "ana", "forged");
    BOOST_TEST(sms.wait_idle(20s));
    BOOST_TEST(!is_signed_by_bird(hook, hook.posts(1).back(), "/hook"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
