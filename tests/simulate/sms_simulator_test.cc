// What Twilio, Vonage and Telnyx promise and demand, by their documents: twilio.com/docs/messaging,
// developer.vonage.com/messages, developers.telnyx.com/docs/messaging (read 2026-11-20).
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
  std::optional<HttpClient> twilio, vonage, telnyx;

  Fixture() {
    BOOST_REQUIRE(sms.start());
    twilio.emplace(sms.port("api.twilio.com"));
    vonage.emplace(sms.port("api.nexmo.com"));
    telnyx.emplace(sms.port("api.telnyx.com"));
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
