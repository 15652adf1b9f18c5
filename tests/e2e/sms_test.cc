// Text messages through Twilio, Vonage, Telnyx, Plivo, Sinch and Bird: registered, received,
// answered, and looked after. What providers send and expect is from twilio.com/docs/messaging and
// docs/usage/webhooks, developer.vonage.com/messages, developers.telnyx.com/docs/messaging,
// docs.plivo.com/messaging, developers.sinch.com/docs/sms, docs.bird.com/api (read 2026-11-20).
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/multipart.h"
#include "gateway/simulate/people.h"
#include "gateway/simulate/sample_file.h"
#include "gateway/simulate/sms_protocol.h"
#include "gateway/simulate/world.h"
#include "tests/e2e/platforms_mail.h"

using namespace e2e;
using gateway::simulate::CallFault;
using gateway::simulate::contact_of;
using gateway::simulate::DeliveryFault;
using gateway::simulate::json_text;
using gateway::simulate::object;
using gateway::simulate::twilio_signature;

namespace {

constexpr int kCheck = 3;
constexpr int kPoll = 4;

gateway::simulate::SmsSimulator& sms() { return MailPlatforms::instance().sms(); }

// Numbers nobody has used yet: 555 0100 to 555 0199 are kept free for stories, in each area.
std::string fresh_number() {
  static int count = 0;
  ++count;
  return "+1" + std::to_string(212 + count / 100) + "55501" +
         std::to_string(100 + count % 100).substr(1);
}

std::string phone_of(const char* who) { return "+" + contact_of(who).phone; }

struct TwilioLine : Line {
  std::string number = fresh_number();
  std::string sid = "AC" + sdk::hex(sdk::sha256(number)).substr(0, 32);
  std::string token = sdk::hex(sdk::sha256("token" + number)).substr(0, 32);

  std::string config() const {
    return object({{"provider", json_text("twilio")},
                   {"account_sid", json_text(sid)},
                   {"auth_token", json_text(token)},
                   {"from", json_text(number)}});
  }
  void add() { sms().add_twilio({.sid = sid, .auth_token = token, .number = number}); }
  void connect_number() {
    add();
    connect("sms", config());
  }
  std::string say(const char* who, std::string_view text) { return sms().say(number, who, text); }
  sdk::Form incoming(const std::string& message_sid, const std::string& text) const {
    return {{"MessageSid", message_sid},
            {"AccountSid", sid},
            {"From", "+14155550100"},
            {"To", number},
            {"Body", text},
            {"SmsStatus", "received"},
            {"NumMedia", "0"}};
  }
  HttpClient::Answer post_signed(const sdk::Form& form, const std::string& signature,
                                 HttpClient::Headers further = {}) const {
    further.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    if (!signature.empty()) further.emplace_back("X-Twilio-Signature", signature);
    return post(further, sdk::encode_form(form));
  }
  // What the account's owner could do with Twilio's own API.
  void call_twilio(const std::string& resource, const sdk::Form& form) const {
    HttpClient client(sms().port("api.twilio.com"));
    const HttpClient::Headers headers{{"Authorization", "Basic " + sdk::base64(sid + ":" + token)},
                                      {"Content-Type", "application/x-www-form-urlencoded"}};
    const std::string base = "/2010-04-01/Accounts/" + sid;
    const auto found = client.call("GET", base + "/IncomingPhoneNumbers.json", headers);
    const auto document = sdk::json::Document::parse(found.body);
    const std::string number_sid(
        document->root()["incoming_phone_numbers"].at(0)["sid"].text_or(""));
    BOOST_REQUIRE(
        client.call("POST", base + resource + number_sid + ".json", headers, sdk::encode_form(form))
            .status == 200);
  }
  ~TwilioLine() { sms().clear_faults(); }
};

void fault(DeliveryFault::Kind kind, int count = 1) {
  DeliveryFault wish;
  wish.kind = kind;
  wish.count = count;
  sms().inject(wish);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sms_twilio, TwilioLine)

BOOST_AUTO_TEST_CASE(connecting_sets_the_numbers_webhook_and_its_persistence) {
  connect_number();
  // webhooks-connection-overrides: three attempts on connect, read and 5xx.
  BOOST_TEST(sms().webhook_of(number) == url() + "#rc=3&rp=ct,rt,5xx");
}

BOOST_AUTO_TEST_CASE(a_number_typed_as_people_type_it_is_found_in_e164) {
  add();
  std::string typed =
      "(" + number.substr(2, 3) + ") " + number.substr(5, 3) + "-" + number.substr(8);
  connect("sms", object({{"provider", json_text("twilio")},
                         {"account_sid", json_text(sid)},
                         {"auth_token", json_text(token)},
                         {"region", json_text("US")},
                         {"from", json_text(typed)}}));
  BOOST_TEST(sms().webhook_of(number).starts_with(url()));
}

BOOST_AUTO_TEST_CASE(a_wrong_token_is_refused_in_twilios_words) {
  add();
  token[0] = token[0] == '0' ? '1' : '0';
  const Answer refused = Gateway::instance().call("POST", "/api/v1/channels/", tenant.token,
                                                  "{\"type\":\"sms\",\"config\":" + config() + "}");
  BOOST_TEST(refused.status == 400);
  BOOST_TEST(refused.json()["detail"].text_or("").find("Authenticate") != std::string_view::npos,
             refused.body);
  BOOST_TEST(refused.body.find(token) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_sick_twilio_leaves_the_channel_pending_until_it_is_well) {
  add();
  CallFault sick;
  sick.kind = CallFault::Kind::server_error;
  sick.count = 1'000;
  sick.account = sid;
  sms().inject(sick);
  connect("sms", config(), "pending");
  BOOST_TEST(sms().webhook_of(number).empty());
  sms().clear_faults();
  BOOST_TEST(eventually([&] { return registration() == "active"; }, 120s));
  BOOST_TEST(sms().webhook_of(number).starts_with(url()));
}

BOOST_AUTO_TEST_CASE(a_webhook_that_was_lost_is_set_again) {
  connect_number();
  call_twilio("/IncomingPhoneNumbers/", {{"SmsUrl", ""}, {"SmsFallbackUrl", ""}});
  BOOST_TEST(sms().webhook_of(number).empty());
  run_job(kCheck);
  BOOST_TEST(sms().wait_webhook(number, 60s));
  BOOST_TEST(sms().webhook_of(number).starts_with(url()));
  say("ana", "still there?");
  BOOST_TEST(has_messages(1));
}

BOOST_AUTO_TEST_CASE(a_signed_delivery_is_a_conversation_with_the_number) {
  connect_number();
  const std::string sid_of_message = say("ana", "Héllo & 50% off? 👍");
  BOOST_REQUIRE(sms().wait_idle(30s));
  const Answer shown = talk();
  BOOST_REQUIRE(shown.status == 200);
  BOOST_TEST(shown.json()["channel_type"].text_or("") == "sms");
  BOOST_TEST(shown.json()["customer"]["external_id"].text_or("") == phone_of("ana"));
  const auto message = shown.json()["messages"].at(0);
  BOOST_TEST(message["content"].text_or("") == "Héllo & 50% off? 👍");
  BOOST_TEST(message["sender_type"].text_or("") == "customer");
  BOOST_TEST(message["metadata"]["to"].text_or("") == number);
  // Anything but an empty TwiML would be sent to the customer or raise an alert.
  BOOST_TEST(sms().sent(number).empty());
  for (const auto& alert : sms().alerts()) BOOST_TEST(!alert.url.starts_with(url()));
  BOOST_TEST(rows("raw_event") == 1);
}

// 153 septets a part, 67 units where one character is not of the alphabet (3GPP TS 23.038).
BOOST_AUTO_TEST_CASE(parts_are_counted_as_the_network_counts_them) {
  connect_number();
  say("ana", std::string(161, 'a'));
  BOOST_REQUIRE(has_messages(1));
  say("ana", "ж" + std::string(70, 'a'));
  BOOST_REQUIRE(has_messages(2));
  say("ana", "short");
  BOOST_REQUIRE(has_messages(3));
  const Answer shown = talk();
  for (const auto message : shown.json()["messages"].elements()) {
    BOOST_TEST(message["metadata"]["segments"].text_or("") ==
               (message["content"].text_or("") == "short" ? "1" : "2"));
  }
}

BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  connect_number();
  const sdk::Form form = incoming("SM" + std::string(32, '1'), "forged");
  const std::string right = twilio_signature(token, url(), form);
  const std::string elsewhere = "http://evil.example" + path;
  const auto status = [&](const std::string& signature, HttpClient::Headers further = {}) {
    return post_signed(form, signature, std::move(further)).status;
  };
  BOOST_TEST(status("") == 401);
  BOOST_TEST(status(twilio_signature("another token", url(), form)) == 401);
  BOOST_TEST(status(twilio_signature(token, url() + "?x", form)) == 401);
  BOOST_TEST(status(right, {{"X-Twilio-Signature", right}}) == 401);
  sdk::Form other = form;
  other[4].second = "forged too";
  BOOST_TEST(post_signed(other, right).status == 401);
  // Who forges signs the address he claims to have called; ours is the configured one.
  const std::string theirs = twilio_signature(token, elsewhere, form);
  BOOST_TEST(status(theirs) == 401);
  BOOST_TEST(status(theirs, {{"X-Forwarded-Host", "evil.example"}}) == 401);
  BOOST_TEST(status(theirs, {{"Forwarded", "host=evil.example;proto=http"}}) == 401);
  BOOST_TEST(status(theirs, {{"X-Original-URL", elsewhere}}) == 401);
  BOOST_TEST(has_no_rows());
}

BOOST_AUTO_TEST_CASE(the_host_a_client_names_proves_nothing_and_disturbs_nothing) {
  connect_number();
  const sdk::Form form = incoming("SM" + std::string(32, '2'), "by another name");
  const auto send = [&](const std::string& signature) {
    HttpClient client(Gateway::instance().port());
    const std::string body = sdk::encode_form(form);
    client.send("POST " + path +
                " HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: " +
                signature + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                body);
    return client.read_answer().status;
  };
  BOOST_TEST(send(twilio_signature(token, "http://evil.example" + path, form)) == 401);
  BOOST_TEST(has_no_rows());
  BOOST_TEST(send(twilio_signature(token, url(), form)) == 200);
  BOOST_TEST(has_messages(1));
}

BOOST_AUTO_TEST_CASE(another_tenants_token_opens_nothing) {
  connect_number();
  TwilioLine other;
  other.connect_number();
  const sdk::Form form = incoming("SM" + std::string(32, '3'), "not yours");
  BOOST_TEST(post_signed(form, twilio_signature(other.token, url(), form)).status == 401);
  // A delivery for the one, posted to the other.
  BOOST_TEST(other.post_signed(form, twilio_signature(token, url(), form)).status == 401);
  BOOST_TEST(has_no_rows());
  BOOST_TEST(other.has_no_rows());
}

BOOST_AUTO_TEST_CASE(signed_nonsense_is_quarantined_and_acknowledged) {
  connect_number();
  const sdk::Form form{{"AccountSid", sid}, {"Nonsense", "1"}};
  const auto answer = post_signed(form, twilio_signature(token, url(), form));
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(rows("quarantine") == 1);
  BOOST_TEST(rows("message") == 0);
  say("ana", "and life goes on");
  BOOST_TEST(has_messages(1));
}

BOOST_AUTO_TEST_CASE(copies_of_a_delivery_are_one_message) {
  connect_number();
  const sdk::Form form = incoming("SM" + std::string(32, '4'), "only once");
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(post_signed(form, twilio_signature(token, url(), form)).status == 200);
  }
  // The fallback's delivery says why the first one failed and means the same message.
  sdk::Form fallback = form;
  fallback.emplace_back("ErrorCode", "11200");
  BOOST_TEST(post_signed(fallback, twilio_signature(token, url(), fallback)).status == 200);
  const Answer shown = talk();
  BOOST_TEST(shown.json()["messages"].size() == 1u);
  BOOST_TEST(shown.json()["unread_count"].integer().value_or(-1) == 1);
}

BOOST_AUTO_TEST_CASE(a_delivery_while_the_gateway_is_away_comes_by_a_retry) {
  connect_number();
  fault(DeliveryFault::Kind::wrong_secret);
  say("ana", "again, please");
  BOOST_REQUIRE(sms().wait_idle(30s));
  // 401 is no reason for Twilio to repeat, but the fallback is.
  BOOST_TEST(has_messages(1));
}

BOOST_AUTO_TEST_CASE(pictures_are_fetched_with_the_accounts_credentials_and_readable_by_address) {
  connect_number();
  BOOST_REQUIRE(sms().act("{\"number\":" + json_text(number) +
                          ",\"from\":\"tom\",\"text\":\"look\",\"media\":[\"image/jpeg\","
                          "\"text/x-vcard\"]}"));
  BOOST_REQUIRE(has_messages(1));
  BOOST_TEST(eventually(
      [&] {
        const Answer shown = talk();
        const auto files = shown.json()["messages"].at(0)["attachments"];
        return files.at(0)["state"].text_or("") == "ready" &&
               files.at(1)["state"].text_or("") == "ready";
      },
      60s));
  const Answer shown = talk();
  const auto files = shown.json()["messages"].at(0)["attachments"];
  BOOST_REQUIRE(files.size() == 2u);
  BOOST_TEST(files.at(0)["type"].text_or("") == "image");
  BOOST_TEST(files.at(0)["content_type"].text_or("") == "image/jpeg");
  const auto picture = fetch_file(files.at(0)["url"].text_or(""));
  BOOST_TEST(picture.status == 200);
  BOOST_TEST(picture.header("content-type") == "image/jpeg");
  BOOST_TEST(picture.body.starts_with("\xFF\xD8\xFF"));
  BOOST_TEST(static_cast<std::int64_t>(picture.body.size()) ==
             files.at(0)["size"].integer().value_or(-1));
  std::string forged(files.at(0)["url"].text_or(""));
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  BOOST_TEST(fetch_file(forged).status == 404);
}

BOOST_AUTO_TEST_CASE(an_answer_leaves_by_the_number_and_its_reports_move_it_on) {
  connect_number();
  say("ana", "open?");
  BOOST_REQUIRE(has_messages(1));
  const std::string message = answer("Yes, “until” 8 👍");
  BOOST_TEST(becomes(message, "delivered"));
  const auto sent = sms().sent(number, phone_of("ana"));
  BOOST_REQUIRE(sent.size() == 1u);
  BOOST_TEST(sent[0].text == "Yes, “until” 8 👍");
  BOOST_TEST(sent[0].body.find("StatusCallback") != std::string::npos);
  BOOST_TEST(talk().json()["messages"].size() == 2u);
}

// 1600 characters are what one message takes (message-resource, error 21617).
BOOST_AUTO_TEST_CASE(a_text_that_is_too_long_for_one_message_leaves_in_two) {
  connect_number();
  say("ana", "tell me everything");
  BOOST_REQUIRE(has_messages(1));
  std::string text;
  for (int i = 0; i < 300; ++i) text += "word" + std::to_string(1'000 + i) + " ";
  text.pop_back();
  const std::string message = answer(text);
  BOOST_TEST(becomes(message, "delivered"));
  const auto sent = sms().sent(number);
  BOOST_REQUIRE(sent.size() == 2u);
  for (const auto& piece : sent) BOOST_TEST(piece.text.size() <= 1600u);
  std::string joined = sent[0].text + sent[1].text;
  std::erase(joined, ' ');
  std::erase(text, ' ');
  BOOST_TEST(joined == text);
}

// 30005: unknown destination handset (docs/api/errors/30005).
BOOST_AUTO_TEST_CASE(a_failure_is_shown_with_the_providers_reason) {
  connect_number();
  say("yulia", "hi");
  BOOST_REQUIRE(has_messages(1));
  sms().make_unreachable(phone_of("yulia"), 30005);
  const std::string message = answer("anybody there?");
  BOOST_TEST(becomes(message, "failed"));
  BOOST_TEST(fact(message, "error") == "the handset is unknown");
  sms().reset();
}

BOOST_AUTO_TEST_CASE(an_unsure_send_is_settled_by_its_report) {
  connect_number();
  say("ana", "hi");
  BOOST_REQUIRE(has_messages(1));
  CallFault cut;
  cut.kind = CallFault::Kind::reset_after_body;
  cut.method = "Messages";
  cut.account = sid;
  sms().inject(cut);
  const std::string message = answer("did it arrive?");
  // The report repeats the key of the send in its query.
  BOOST_TEST(becomes(message, "delivered"));
  BOOST_TEST(sms().sent(number).size() == 1u);
}

BOOST_AUTO_TEST_CASE(stop_makes_the_contact_unreachable_and_start_undoes_it) {
  connect_number();
  say("marie", "hi");
  BOOST_REQUIRE(has_messages(1));
  say("marie", "STOP");
  BOOST_REQUIRE(has_messages(2));
  BOOST_TEST(
      eventually([&] { return talk().json()["unreachable_reason"].text_or("") == "blocked"; }));
  // 21610: attempt to send to an unsubscribed recipient.
  const std::string refused = answer("one more offer");
  BOOST_TEST(becomes(refused, "failed"));
  BOOST_TEST(fact(refused, "error").find("unsubscribed") != std::string::npos,
             fact(refused, "error"));
  BOOST_TEST(sms().sent(number).empty());
  say("marie", "START");
  BOOST_TEST(eventually([&] { return talk().json()["unreachable_reason"].is_null(); }));
  BOOST_TEST(becomes(answer("welcome back"), "delivered"));
}

// Deliveries are given up after their attempts, and the list of messages has them still.
BOOST_AUTO_TEST_CASE(what_was_missed_while_nobody_was_there_is_read_from_the_list_once) {
  connect_number();
  run_job(kPoll);
  fault(DeliveryFault::Kind::drop);
  const std::string lost = say("ana", "lost on its way");
  const std::time_t said = std::time(nullptr);
  // Twilio's list tells whole seconds.
  BOOST_REQUIRE(eventually([&] { return std::time(nullptr) > said; }));
  say("ana", "came by itself");
  BOOST_REQUIRE(has_messages(1));
  const auto an_hour_ago = std::to_string((static_cast<std::int64_t>(said) - 3'600) * 1'000);
  const auto look = [&] {
    set_state({{"poll.seen", an_hour_ago}, {"poll.listed", an_hour_ago}});
    run_job(kPoll);
  };
  look();
  BOOST_REQUIRE(has_messages(2, 60s));
  const Answer shown = talk();
  const auto first = shown.json()["messages"].at(0);
  BOOST_TEST(first["content"].text_or("") == "lost on its way");
  BOOST_TEST(first["metadata"]["recovered"].text_or("") == "1");
  BOOST_TEST(shown.json()["messages"].at(1)["content"].text_or("") == "came by itself");
  BOOST_TEST(shown.json()["messages"].at(1)["metadata"]["recovered"].text_or("").empty());
  // Its delivery comes after all, and the list is read again: still one.
  const sdk::Form form = incoming(lost, "lost on its way");
  BOOST_TEST(post_signed(form, twilio_signature(token, url(), form)).status == 200);
  const auto lists = [&] {
    int count = 0;
    for (const auto& call : sms().calls()) {
      count += call.account == sid && call.method == "GET" &&
               call.path.find("/Messages.json") != std::string::npos;
    }
    return count;
  };
  const int before = lists();
  look();
  BOOST_TEST(eventually([&] { return lists() > before; }, 60s));
  say("ana", "that is all");
  BOOST_TEST(has_messages(3));
}

BOOST_AUTO_TEST_CASE(removing_the_channel_takes_the_webhook_off_the_number) {
  connect_number();
  BOOST_TEST(Gateway::instance().call("DELETE", "/api/v1/channels/" + id, tenant.token).status ==
             200);
  BOOST_TEST(eventually([&] { return sms().webhook_of(number).empty(); }, 60s));
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

struct VonageLine : Line {
  std::string number = fresh_number();
  std::string digits = number.substr(1);
  std::string api_key = sdk::hex(sdk::sha256(number)).substr(0, 8);
  std::string application =
      "aaaaaaaa-bbbb-4ccc-8ddd-" + sdk::hex(sdk::sha256(number)).substr(0, 12);
  std::string secret = "signature-secret-" + digits;

  VonageLine() {
    sms().add_vonage({.api_key = api_key,
                      .api_secret = "Secret-of-" + digits,
                      .signature_secret = secret,
                      .application_id = application,
                      .number = digits});
    connect("sms", object({{"provider", json_text("vonage")},
                           {"api_key", json_text(api_key)},
                           {"api_secret", json_text("Secret-of-" + digits)},
                           {"signature_secret", json_text(secret)},
                           {"application_id", json_text(application)},
                           {"from", json_text(number)}}));
  }
  ~VonageLine() { sms().clear_faults(); }
};

struct TelnyxLine : Line {
  std::string number = fresh_number();
  std::string key = "KEY" + sdk::hex(sdk::sha256(number)).substr(0, 32);
  std::string profile = "40017f8a-0000-4000-8000-" + sdk::hex(sdk::sha256(number)).substr(0, 12);

  TelnyxLine() {
    sms().add_telnyx({.api_key = key, .profile_id = profile, .number = number});
    connect("sms", object({{"provider", json_text("telnyx")},
                           {"telnyx_api_key", json_text(key)},
                           {"telnyx_public_key", json_text(sms().telnyx_public_key())},
                           {"messaging_profile_id", json_text(profile)},
                           {"from", json_text(number)}}));
  }
  ~TelnyxLine() { sms().clear_faults(); }
};

struct PlivoLine : Line {
  std::string number = fresh_number();
  std::string auth_id = "MA" + sdk::hex(sdk::sha256(number)).substr(0, 18);
  std::string token = sdk::hex(sdk::sha256("plivo" + number)).substr(0, 40);

  PlivoLine() {
    sms().add_plivo({.auth_id = auth_id, .auth_token = token, .number = number});
    connect("sms", object({{"provider", json_text("plivo")},
                           {"plivo_auth_id", json_text(auth_id)},
                           {"plivo_auth_token", json_text(token)},
                           {"from", json_text(number)}}));
  }
  ~PlivoLine() { sms().clear_faults(); }
};

struct SinchLine : Line {
  std::string number = fresh_number();
  std::string plan = sdk::hex(sdk::sha256(number)).substr(0, 32);
  std::string token = sdk::hex(sdk::sha256("sinch" + number)).substr(0, 32);
  std::string secret = "sinch-secret-" + number.substr(1);

  explicit SinchLine(const gateway::simulate::Members& proof) {
    gateway::simulate::Members config{{"provider", json_text("sinch")},
                                      {"sinch_plan_id", json_text(plan)},
                                      {"sinch_token", json_text(token)},
                                      {"from", json_text(number)}};
    config.insert(config.end(), proof.begin(), proof.end());
    const bool is_signed = !proof.empty() && proof[0].first == "webhook_secret";
    if (is_signed) config.back().second = json_text(secret);
    sms().add_sinch({.plan_id = plan,
                     .token = token,
                     .number = number,
                     .webhook_secret = is_signed ? secret : std::string()});
    // What a person enters in Sinch's dashboard: what the answer tells, once, with the password
    // they chose where there is one.
    const Answer created = connect("sms", object(config), "manual");
    std::string callback(
        created.json()["registration"]["instructions"]["callback_url"].text_or(""));
    if (!proof.empty() && !is_signed) {
      callback.insert(callback.find("://") + 3, "hook:p%40ss-word@");
    }
    const auto entered = sms().set_sinch_callback(plan, callback);
    BOOST_REQUIRE_MESSAGE(entered.has_value(), callback);
  }
  SinchLine() : SinchLine(gateway::simulate::Members{{"webhook_secret", "\"\""}}) {}
  ~SinchLine() { sms().clear_faults(); }
};

struct SinchLineWithPassword : SinchLine {
  SinchLineWithPassword()
      : SinchLine(gateway::simulate::Members{{"basic_user", json_text("hook")},
                                             {"basic_pass", json_text("p@ss-word")}}) {}
};

struct SinchLineWithKey : SinchLine {
  SinchLineWithKey() : SinchLine(gateway::simulate::Members{}) {}
};

struct BirdLine : Line {
  std::string number = fresh_number();
  std::string key = "bird-" + sdk::hex(sdk::sha256(number)).substr(0, 32);
  std::string tail = sdk::hex(sdk::sha256(number)).substr(0, 12);
  std::string organization = "50000000-0000-4000-8001-" + tail;
  std::string workspace = "50000000-0000-4000-8002-" + tail;
  std::string channel = "50000000-0000-4000-8003-" + tail;

  BirdLine() {
    sms().add_bird({.access_key = key,
                    .organization_id = organization,
                    .workspace_id = workspace,
                    .channel_id = channel,
                    .number = number});
    connect("sms", object({{"provider", json_text("bird")},
                           {"bird_access_key", json_text(key)},
                           {"organization_id", json_text(organization)},
                           {"workspace_id", json_text(workspace)},
                           {"channel_id", json_text(channel)}}));
  }
  ~BirdLine() { sms().clear_faults(); }
};

// What all providers have in common, whoever carries it.
// `number` is what a delivery names as its addressee, `account` the number as the provider has it.
void receives_and_answers(Line& line, const std::string& number, const std::string& account) {
  BOOST_TEST(sms().webhook_of(account).find(line.path) != std::string::npos);
  sms().say(account, "li", "你好");
  BOOST_REQUIRE(line.has_messages(1));
  const Answer shown = line.talk();
  // Vonage writes numbers without their plus.
  BOOST_TEST(shown.json()["customer"]["external_id"].text_or("") == phone_of("li"));
  BOOST_TEST(shown.json()["messages"].at(0)["content"].text_or("") == "你好");
  BOOST_TEST(shown.json()["messages"].at(0)["metadata"]["to"].text_or("") == number);
  const std::string message = line.answer("您好！");
  BOOST_TEST(line.becomes(message, "delivered"));
  BOOST_TEST(sms().sent(account).back().text == "您好！");
}

// `sender` is whose deliveries they are at the provider.
void refuses_forgeries(Line& line, const std::string& account, const std::string& sender) {
  for (const auto kind : {DeliveryFault::Kind::wrong_secret, DeliveryFault::Kind::no_secret,
                          DeliveryFault::Kind::altered_body}) {
    fault(kind, 100);
    sms().say(account, "li", "forged");
    // 503: without its token a delivery of Vonage's cannot be told from one of a wrong setting.
    BOOST_TEST(eventually([&] {
      for (const auto& one : sms().deliveries()) {
        if (one.account == sender && (one.status == 401 || one.status == 503)) return true;
      }
      return false;
    }));
    BOOST_TEST(line.has_no_rows());
    // Forgets what would be tried again, together with the faults.
    sms().reset();
  }
}

void copies_are_one(Line& line, const std::string& account) {
  fault(DeliveryFault::Kind::duplicate);
  sms().say(account, "ana", "only once");
  BOOST_REQUIRE(sms().wait_idle(30s));
  BOOST_TEST(line.has_messages(1));
  BOOST_TEST(line.talk().json()["unread_count"].integer().value_or(-1) == 1);
}

// A file an agent uploads; its attachments as a message of theirs names them.
std::string uploaded(const Line& line, const std::string& bytes) {
  const auto form =
      sdk::encode_multipart(std::vector<sdk::FormPart>{{"file", "vase.png", "image/png", bytes}});
  HttpClient client(Gateway::instance().port());
  const auto answer = client.call(
      "POST", "/api/v1/conversations/" + only_conversation(line.tenant) + "/upload",
      {{"Authorization", "Bearer " + line.tenant.token}, {"Content-Type", form.content_type}},
      form.body);
  BOOST_REQUIRE_MESSAGE(answer.status == 201, answer.body);
  const auto document = sdk::json::Document::parse(answer.body);
  return document->root()["attachments"].dump();
}

// What a provider that is given the address of a file finds there, without credentials. Providers
// are given https; in this test nothing but http stands behind the address.
HttpClient::Answer fetch_as_provider(std::string_view url) {
  constexpr std::string_view kHttps = "https://";
  BOOST_REQUIRE_MESSAGE(url.starts_with(kHttps), url);
  return fetch_file("http://" + std::string(url.substr(kHttps.size())));
}

// `address_in` finds the file's address in what the provider was given.
void sends_a_picture(Line& line, const std::string& account,
                     const std::function<std::string(sdk::json::Value)>& address_in) {
  sms().say(account, "ana", "what does it look like?");
  BOOST_REQUIRE(line.has_messages(1));
  const std::string picture = gateway::simulate::sample_file("image/png", 20'000);
  const std::string message = line.answer("blue", ",\"attachments\":" + uploaded(line, picture));
  BOOST_TEST(line.becomes(message, "delivered"));
  const auto sent = sms().sent(account);
  BOOST_REQUIRE(sent.size() == 1u);
  BOOST_TEST(sent[0].kind == "media");
  BOOST_TEST(sent[0].text == "blue");
  const auto given = sdk::json::Document::parse(sent[0].body);
  std::string address = address_in(given->root());
  const auto file = fetch_as_provider(address);
  BOOST_TEST(file.status == 200);
  BOOST_TEST(file.header("content-type") == "image/png");
  BOOST_TEST((file.body == picture));
  address.back() = address.back() == 'A' ? 'B' : 'A';
  BOOST_TEST(fetch_as_provider(address).status == 404);
}

void shows_a_failure(Line& line, const std::string& account) {
  sms().say(account, "priya", "hi");
  BOOST_REQUIRE(line.has_messages(1));
  sms().make_unreachable(phone_of("priya"));
  const std::string message = line.answer("are you there?");
  BOOST_TEST(line.becomes(message, "failed"));
  BOOST_TEST(!line.fact(message, "error").empty());
  sms().reset();
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sms_vonage, VonageLine)

BOOST_AUTO_TEST_CASE(messages_come_and_answers_leave_with_their_reports) {
  receives_and_answers(*this, number, digits);
}
BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  refuses_forgeries(*this, digits, api_key);
}
BOOST_AUTO_TEST_CASE(a_failure_is_shown_with_the_providers_reason) {
  shows_a_failure(*this, digits);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(sms_telnyx, TelnyxLine)

BOOST_AUTO_TEST_CASE(messages_come_and_answers_leave_with_their_reports) {
  receives_and_answers(*this, number, number);
}
BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  refuses_forgeries(*this, number, number);
}
BOOST_AUTO_TEST_CASE(a_failure_is_shown_with_the_providers_reason) {
  shows_a_failure(*this, number);
}
BOOST_AUTO_TEST_CASE(a_picture_leaves_by_an_address_the_provider_can_fetch) {
  sends_a_picture(*this, number, [](sdk::json::Value given) {
    return std::string(given["media_urls"].at(0).text_or(""));
  });
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

// The address a provider was given in a JSON array of links.
std::string first_link(sdk::json::Value given) {
  return std::string(given["media_urls"].at(0).text_or(""));
}

// A picture of a customer's is fetched and shown at an address of ours; `type` is what the delivery
// lets it be taken for.
void fetches_a_picture(Line& line, const std::string& account) {
  BOOST_REQUIRE(sms().act(object({{"number", json_text(account)},
                                  {"from", json_text("tom")},
                                  {"text", json_text("look")},
                                  {"media", json_text("image/jpeg")}})));
  BOOST_REQUIRE(line.has_messages(1));
  const auto state = [&] {
    const Answer shown = line.talk();
    return std::string(shown.json()["messages"].at(0)["attachments"].at(0)["state"].text_or(""));
  };
  BOOST_TEST(eventually([&] { return state() == "ready"; }, 60s), state());
  const Answer shown = line.talk();
  const auto message = shown.json()["messages"].at(0);
  BOOST_TEST(message["content"].text_or("") == "look");
  BOOST_TEST(message["attachments"].at(0)["type"].text_or("") == "image");
  BOOST_TEST(message["attachments"].at(0)["content_type"].text_or("") == "image/jpeg");
  const auto file = fetch_file(message["attachments"].at(0)["url"].text_or(""));
  BOOST_TEST(file.header("content-type") == "image/jpeg");
  BOOST_TEST((file.body == gateway::simulate::sample_file("image/jpeg", 30'000)));
}

void stop_blocks_and_start_undoes(Line& line, const std::string& account) {
  sms().say(account, "marie", "hi");
  BOOST_REQUIRE(line.has_messages(1));
  const auto reason = [&] {
    return std::string(line.talk().json()["unreachable_reason"].text_or(""));
  };
  sms().say(account, "marie", "STOP");
  BOOST_TEST(eventually([&] { return reason() == "blocked"; }), reason());
  BOOST_TEST(line.becomes(line.answer("one more offer"), "failed"));
  sms().say(account, "marie", "START");
  BOOST_TEST(eventually([&] { return reason().empty(); }), reason());
  BOOST_TEST(line.becomes(line.answer("welcome back"), "delivered"));
}

// A limit is waited for; trouble before the provider took it ends in one message.
void waits_for_the_limit(Line& line, const std::string& account, const std::string& sender) {
  sms().say(account, "ana", "hi");
  BOOST_REQUIRE(line.has_messages(1));
  sms().inject(CallFault{.kind = CallFault::Kind::too_many_requests, .account = sender});
  BOOST_TEST(line.becomes(line.answer("patience"), "delivered", 120s));
  BOOST_TEST(sms().sent(account).size() == 1u);
}

// The report names the key of a send whose answer never came.
void settles_an_unsure_send(Line& line, const std::string& account, const std::string& sender) {
  sms().say(account, "ana", "hi");
  BOOST_REQUIRE(line.has_messages(1));
  sms().inject(CallFault{.kind = CallFault::Kind::reset_after_body, .account = sender});
  BOOST_TEST(line.becomes(line.answer("did it arrive?"), "delivered"));
  BOOST_TEST(sms().sent(account).size() == 1u);
}

void lets_go_of_the_number(Line& line, const std::string& account) {
  BOOST_TEST(
      Gateway::instance().call("DELETE", "/api/v1/channels/" + line.id, line.tenant.token).status ==
      200);
  BOOST_TEST(eventually([&] { return sms().webhook_of(account).empty(); }, 60s));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sms_twilio_mms, TwilioLine)

BOOST_AUTO_TEST_CASE(a_picture_leaves_by_an_address_the_provider_can_fetch) {
  connect_number();
  sends_a_picture(*this, number, [](sdk::json::Value given) {
    return std::string(given["MediaUrl"].text_or(""));
  });
}

// Twilio has MMS in the USA, Canada and Australia; to Spain the link goes in the text.
BOOST_AUTO_TEST_CASE(where_there_is_no_mms_the_address_is_in_the_text) {
  connect_number();
  BOOST_REQUIRE(sms().act(object({{"number", json_text(number)},
                                  {"from", json_text("+34612345678")},
                                  {"text", json_text("hola")}})));
  BOOST_REQUIRE(has_messages(1));
  const std::string picture = gateway::simulate::sample_file("image/png", 3'000);
  const std::string message = answer("blue", ",\"attachments\":" + uploaded(*this, picture));
  BOOST_TEST(becomes(message, "delivered"));
  const auto sent = sms().sent(number);
  BOOST_REQUIRE(sent.size() == 1u);
  BOOST_TEST(sent[0].kind == "text");
  BOOST_REQUIRE(sent[0].text.starts_with("blue\nhttps://"));
  BOOST_TEST((fetch_as_provider(sent[0].text.substr(5)).body == picture));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(sms_plivo, PlivoLine)

BOOST_AUTO_TEST_CASE(messages_come_and_answers_leave_with_their_reports) {
  receives_and_answers(*this, number, number);
  // The answer to a delivery is empty XML, or its <Message> would have been sent.
  BOOST_TEST(sms().sent(number).size() == 1u);
}
BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  refuses_forgeries(*this, number, auth_id);
}
BOOST_AUTO_TEST_CASE(copies_of_a_delivery_are_one_message) { copies_are_one(*this, number); }
BOOST_AUTO_TEST_CASE(a_failure_is_shown_with_the_providers_reason) {
  shows_a_failure(*this, number);
}
BOOST_AUTO_TEST_CASE(stop_makes_the_contact_unreachable_and_start_undoes_it) {
  stop_blocks_and_start_undoes(*this, number);
}
// Plivo names no type of a file, and its link no ending: what it is shows when it has come.
BOOST_AUTO_TEST_CASE(pictures_are_fetched_and_shown) { fetches_a_picture(*this, number); }
BOOST_AUTO_TEST_CASE(a_picture_leaves_by_an_address_the_provider_can_fetch) {
  sends_a_picture(*this, number, first_link);
}
BOOST_AUTO_TEST_CASE(too_many_requests_is_waited_for) {
  waits_for_the_limit(*this, number, auth_id);
}
BOOST_AUTO_TEST_CASE(an_unsure_send_is_settled_by_its_report) {
  settles_an_unsure_send(*this, number, auth_id);
}
BOOST_AUTO_TEST_CASE(removing_the_channel_takes_the_webhook_off_the_number) {
  lets_go_of_the_number(*this, number);
}

BOOST_AUTO_TEST_SUITE_END()

// The signature of version 2 covers the address alone, which therefore holds a key.
BOOST_AUTO_TEST_SUITE(sms_plivo_v2)

BOOST_AUTO_TEST_CASE(an_account_that_signs_the_address_alone_is_accepted_at_the_secret_address) {
  Line line;
  const std::string number = fresh_number();
  const std::string auth_id = "MA" + sdk::hex(sdk::sha256(number)).substr(0, 18);
  sms().add_plivo(
      {.auth_id = auth_id, .auth_token = "token-of-" + number, .number = number, .v3 = false});
  line.connect("sms", object({{"provider", json_text("plivo")},
                              {"plivo_auth_id", json_text(auth_id)},
                              {"plivo_auth_token", json_text("token-of-" + number)},
                              {"from", json_text(number)}}));
  fault(DeliveryFault::Kind::wrong_secret, 100);
  sms().say(number, "ana", "forged");
  BOOST_TEST(eventually([&] {
    for (const auto& one : sms().deliveries()) {
      if (one.account == auth_id && one.status == 401) return true;
    }
    return false;
  }));
  BOOST_TEST(line.has_no_rows());
  sms().reset();
  sms().say(number, "ana", "hi");
  BOOST_TEST(line.has_messages(1));
  // The same signature at the address without the key.
  const std::string nonce = "05429567804466091622";
  BOOST_TEST(line.post({{"Content-Type", "application/x-www-form-urlencoded"},
                        {"X-Plivo-Signature-V2", gateway::simulate::plivo_signature_v2(
                                                     "token-of-" + number, line.url(), nonce)},
                        {"X-Plivo-Signature-V2-Nonce", nonce}},
                       "MessageUUID=1&From=14155550100&To=1&Text=x&Type=sms")
                 .status == 401);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(sms_sinch, SinchLine)

BOOST_AUTO_TEST_CASE(messages_come_and_answers_leave_with_their_reports) {
  receives_and_answers(*this, number, number);
}
BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  refuses_forgeries(*this, number, plan);
}
BOOST_AUTO_TEST_CASE(copies_of_a_delivery_are_one_message) { copies_are_one(*this, number); }
BOOST_AUTO_TEST_CASE(a_failure_is_shown_with_the_providers_reason) {
  shows_a_failure(*this, number);
}
BOOST_AUTO_TEST_CASE(stop_makes_the_contact_unreachable_and_start_undoes_it) {
  stop_blocks_and_start_undoes(*this, number);
}
BOOST_AUTO_TEST_CASE(pictures_are_fetched_and_shown) { fetches_a_picture(*this, number); }
BOOST_AUTO_TEST_CASE(a_picture_leaves_by_an_address_the_provider_can_fetch) {
  sends_a_picture(*this, number, [](sdk::json::Value given) {
    return std::string(given["body"]["url"].text_or(""));
  });
}
BOOST_AUTO_TEST_CASE(too_many_requests_is_waited_for) { waits_for_the_limit(*this, number, plan); }
BOOST_AUTO_TEST_CASE(an_unsure_send_is_settled_by_its_report) {
  settles_an_unsure_send(*this, number, plan);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(sms_sinch_password, SinchLineWithPassword)

BOOST_AUTO_TEST_CASE(messages_come_and_answers_leave_with_their_reports) {
  receives_and_answers(*this, number, number);
}

BOOST_AUTO_TEST_CASE(a_wrong_password_and_none_are_refused) {
  for (const auto kind : {DeliveryFault::Kind::wrong_secret, DeliveryFault::Kind::no_secret}) {
    fault(kind, 100);
    sms().say(number, "li", "forged");
    BOOST_TEST(sms().wait_idle(30s));
    BOOST_TEST(has_no_rows());
    sms().reset();
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(sms_sinch_key, SinchLineWithKey)

BOOST_AUTO_TEST_CASE(messages_come_and_answers_leave_with_their_reports) {
  receives_and_answers(*this, number, number);
}

BOOST_AUTO_TEST_CASE(another_address_and_the_one_without_the_key_are_refused) {
  for (const auto kind : {DeliveryFault::Kind::wrong_secret, DeliveryFault::Kind::no_secret}) {
    fault(kind, 100);
    sms().say(number, "li", "forged");
    BOOST_TEST(sms().wait_idle(30s));
    BOOST_TEST(has_no_rows());
    sms().reset();
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(sms_bird, BirdLine)

// A message of Bird's names the channel and not the number it came to.
BOOST_AUTO_TEST_CASE(messages_come_and_answers_leave_with_their_reports) {
  receives_and_answers(*this, "", number);
}
BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  refuses_forgeries(*this, number, channel);
}
BOOST_AUTO_TEST_CASE(copies_of_a_delivery_are_one_message) { copies_are_one(*this, number); }
BOOST_AUTO_TEST_CASE(a_failure_is_shown_with_the_providers_reason) {
  shows_a_failure(*this, number);
}
BOOST_AUTO_TEST_CASE(stop_makes_the_contact_unreachable_and_start_undoes_it) {
  stop_blocks_and_start_undoes(*this, number);
}
BOOST_AUTO_TEST_CASE(pictures_are_fetched_with_the_access_key_and_shown) {
  fetches_a_picture(*this, number);
}
BOOST_AUTO_TEST_CASE(too_many_requests_is_waited_for) {
  waits_for_the_limit(*this, number, workspace);
}
BOOST_AUTO_TEST_CASE(an_unsure_send_is_settled_by_its_report) {
  settles_an_unsure_send(*this, number, workspace);
}
BOOST_AUTO_TEST_CASE(removing_the_channel_ends_its_subscriptions) {
  lets_go_of_the_number(*this, number);
}

BOOST_AUTO_TEST_SUITE_END()
