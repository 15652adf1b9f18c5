// What fixtures and transcripts cannot say of WhatsApp: what must not be accepted, bounds, and ids
// that must survive the way there and back.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/whatsapp/people.h"
#include "connectors/whatsapp/verify.h"
#include "gateway/plugins/connector.h"

extern "C" const gwc_connector* gwc_connector_whatsapp(void);

namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Operation;
using connector::Request;
using connector::Response;
using connector::Verdict;

const std::string kAppSecret = "0123456789abcdef0123456789abcdef";
const std::string kPath = "/api/v1/webhooks/whatsapp/01939f6c-0000-7000-8000-000000000002";

gateway::plugins::Connector whatsapp_connector() {
  const gwc_connector* table = gwc_connector_whatsapp();
  return {*table, gateway::plugins::ConfigSchema::parse(table->config_schema).value(), "linked"};
}

Channel a_channel() {
  return {.config = {{"phone_number_id", "7794189252778687"},
                     {"access_token", "EAATESTTOKEN"},
                     {"verify_token", "verify-me-7f3a"},
                     {"app_secret", kAppSecret}},
          .state = {},
          .webhook_url = "https://gw.example.com" + kPath,
          .secret = std::string(64, 'a'),
          .now_ms = 1763600200000,
          .documents = {}};
}

Channel without_app_secret() {
  Channel channel = a_channel();
  channel.config.pop_back();
  return channel;
}

Request a_delivery(std::string body, const std::string& signature) {
  return {.method = "POST",
          .target = kPath,
          .query = {},
          .headers = {{"x-hub-signature-256", signature}},
          .body = std::move(body)};
}

Request a_handshake(const std::string& query, const std::string& path = kPath) {
  return {.method = "GET", .target = path + "?" + query, .query = query, .headers = {}, .body = {}};
}

std::string signature_of(const std::string& body, const std::string& secret = kAppSecret) {
  return "sha256=" + sdk::hex(sdk::hmac_sha256(secret, body));
}

bool accepts(const Channel& channel, const Request& request) {
  return whatsapp_connector().verify(channel, request) == Verdict::accept;
}

std::vector<Event> events_of(const std::string& body) {
  return whatsapp_connector().receive(a_channel(), a_delivery(body, "")).value().events;
}

// A delivery of `count` texts; where `with_user_id`, of as many people with both their ids.
std::string many_messages(int count, bool with_user_id) {
  std::string list;
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    list += (i > 0 ? "," : "") + std::string(R"({"from":"4477009)") + n + "\",";
    if (with_user_id) list += R"("from_user_id":"GB.U)" + n + "\",";
    list += R"("id":"wamid.)" + n + R"(","timestamp":"1763600000","type":"text",)" +
            R"("text":{"body":"m"}})";
  }
  return R"({"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages",)"
         R"("value":{"metadata":{"phone_number_id":"7794189252778687"},"messages":[)" +
         list + "]}}]}]}";
}

std::size_t count_of(const std::vector<Event>& events, EventKind kind) {
  return static_cast<std::size_t>(std::count_if(
      events.begin(), events.end(), [&](const Event& event) { return event.kind == kind; }));
}

// The example that was signed with openssl: as Meta sends it, with escaped letters.
const std::string kWireBody =
    R"({"object":"whatsapp_business_account","entry":[{"id":"215589313241560883","changes":)"
    R"([{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001111",)"
    R"("phone_number_id":"7794189252778687"},"messages":[{"from":"15552223333","id":"wamid.TEST=",)"
    R"("timestamp":"1763600000","type":"text","text":{"body":"Caf\u00e9 \ud83d\ude00 <ok>"}}]},)"
    R"("field":"messages"}]}]})";
const std::string kWireSignature =
    "sha256=c8f6379024947c5d32b158f25ffee164ddd2d0ba21c10715dbc60254b110e13b";

}  // namespace

BOOST_AUTO_TEST_SUITE(whatsapp)

BOOST_AUTO_TEST_CASE(accepts_the_bytes_that_were_signed) {
  BOOST_TEST(kWireBody.size() == 377u);
  BOOST_TEST(accepts(a_channel(), a_delivery(kWireBody, kWireSignature)));
  BOOST_TEST(events_of(kWireBody)[0].text == "Café 😀 <ok>");
}

BOOST_AUTO_TEST_CASE(refuses_the_digests_of_other_writings_of_the_same_json) {
  for (const char* digest :
       {"cb96c1b5e1e09f3739337000f15f0013168e20242004c86eecd329f83990a6b1",     // raw UTF-8
        "784adb0fafe56781660ea664a98873445e3d7e2351e4dd8d608f4014949bc492",     // \u00E9
        "103d5e811f91884488042a23591faa49bc32ffa8eaa71fd88f340bb8222a0685"}) {  // a line end
    BOOST_TEST(!accepts(a_channel(), a_delivery(kWireBody, std::string("sha256=") + digest)));
  }
  BOOST_TEST(!accepts(a_channel(), a_delivery(kWireBody + "\n", kWireSignature)));
}

BOOST_AUTO_TEST_CASE(refuses_the_right_digest_in_another_form) {
  const std::string digest = kWireSignature.substr(7);
  std::string upper = digest;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const std::string& signature :
       {digest, "SHA256=" + digest, "sha256=" + upper, "sha256= " + digest, kWireSignature + ",",
        std::string("sha1=145634803a8fac7dab157663f036fadd7441ddea"), std::string("sha256=")}) {
    BOOST_TEST(!accepts(a_channel(), a_delivery(kWireBody, signature)), signature);
  }
}

BOOST_AUTO_TEST_CASE(refuses_signatures_by_another_secret_or_by_its_bytes) {
  const std::string other = signature_of(kWireBody, "fedcba9876543210fedcba9876543210");
  BOOST_TEST(!accepts(a_channel(), a_delivery(kWireBody, other)));
  const std::string decoded = signature_of(kWireBody, sdk::from_hex(kAppSecret).value());
  BOOST_TEST(!accepts(a_channel(), a_delivery(kWireBody, decoded)));
}

BOOST_AUTO_TEST_CASE(refuses_a_signature_that_is_missing_or_twice_there) {
  Request none = a_delivery(kWireBody, kWireSignature);
  none.headers.clear();
  BOOST_TEST(!accepts(a_channel(), none));
  Request legacy = none;
  legacy.headers = {{"x-hub-signature", "sha1=145634803a8fac7dab157663f036fadd7441ddea"}};
  BOOST_TEST(!accepts(a_channel(), legacy));
  Request twice = a_delivery(kWireBody, kWireSignature);
  twice.headers.push_back(twice.headers[0]);
  BOOST_TEST(!accepts(a_channel(), twice));
}

BOOST_AUTO_TEST_CASE(refuses_other_methods_with_a_right_signature) {
  for (const char* method : {"PUT", "HEAD", "get", "OPTIONS", ""}) {
    Request request = a_delivery(kWireBody, kWireSignature);
    request.method = method;
    BOOST_TEST(!accepts(a_channel(), request), method);
  }
}

BOOST_AUTO_TEST_CASE(without_an_app_secret_only_the_url_with_the_key_is_accepted) {
  const Channel channel = without_app_secret();
  BOOST_TEST(!accepts(channel, a_delivery(kWireBody, kWireSignature)));
  BOOST_TEST(!accepts(channel, a_delivery(kWireBody, signature_of(kWireBody, ""))));
  Request keyed = a_delivery(kWireBody, "");
  keyed.target =
      whatsapp::callback_url(channel).substr(std::string("https://gw.example.com").size());
  BOOST_TEST(accepts(channel, keyed));
  Channel other = channel;
  other.secret = std::string(64, 'b');
  BOOST_TEST(!accepts(other, keyed));
  const std::string query =
      "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-me-7f3a";
  BOOST_TEST(accepts(channel, a_handshake(query, keyed.target)));
  BOOST_TEST(!accepts(channel, a_handshake(query)));
}

BOOST_AUTO_TEST_CASE(with_an_app_secret_the_url_with_the_key_replaces_no_signature) {
  Request keyed = a_delivery(kWireBody, "");
  keyed.target = connector::keyed_webhook_url(a_channel());
  BOOST_TEST(!accepts(a_channel(), keyed));
  BOOST_TEST(whatsapp::callback_url(a_channel()) == a_channel().webhook_url);
}

BOOST_AUTO_TEST_CASE(a_handshake_is_answered_with_its_challenge_and_nothing_else) {
  const Request request = a_handshake(
      "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify%2dme%2D7f3a");
  BOOST_TEST(accepts(a_channel(), request));
  const auto received = whatsapp_connector().receive(a_channel(), request).value();
  BOOST_TEST_REQUIRE(received.reply.has_value());
  BOOST_TEST(received.reply->status == 200);
  BOOST_TEST(received.reply->body == "1158201444");
  BOOST_TEST(received.events.empty());
}

BOOST_AUTO_TEST_CASE(handshakes_with_anything_wrong_are_refused) {
  const std::string token = "&hub.verify_token=verify-me-7f3a";
  for (const std::string& query : std::vector<std::string>{
           "hub.mode=subscribe&hub.challenge=1&hub.verify_token=verify-me-7f3b",
           "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
           "hub.mode=subscribe&hub.challenge=1", "hub.mode=unsubscribe&hub.challenge=1" + token,
           "hub.challenge=1" + token, "hub.mode=subscribe" + token,
           "hub.mode=subscribe&hub.challenge=" + token,
           "hub.mode=subscribe&hub.challenge=%3Cscript%3E" + token,
           "hub.mode=subscribe&hub.challenge=a%0Ab" + token,
           "hub.mode=subscribe&hub.challenge=" + std::string(257, '1') + token,
           "hub.mode=subscribe&hub.challenge=1&hub.challenge=2" + token,
           "hub.mode=subscribe&hub.challenge=1" + token + token,
           "hub_mode=subscribe&hub_challenge=1&hub_verify_token=verify-me-7f3a"}) {
    BOOST_TEST(!accepts(a_channel(), a_handshake(query)), query);
  }
  BOOST_TEST(accepts(a_channel(), a_handshake("hub.mode=subscribe&hub.challenge=" +
                                              std::string(256, '1') + token)));
}

BOOST_AUTO_TEST_CASE(a_channel_without_a_verify_token_answers_no_handshake) {
  Channel channel = a_channel();
  channel.config[2].second.clear();
  BOOST_TEST(
      !accepts(channel, a_handshake("hub.mode=subscribe&hub.challenge=1&hub.verify_token=")));
}

BOOST_AUTO_TEST_CASE(accounts_are_the_numbers_of_all_changes_once_each) {
  const std::string body =
      R"({"entry":[{"id":"10","changes":[{"value":{"metadata":{"phone_number_id":"1"}}},)"
      R"({"value":{"metadata":{"phone_number_id":2}}},{"value":{"metadata":{"phone_number_id":"1"}}}]},)"
      R"({"id":"20","changes":[{"field":"account_update","value":{"event":"X"}}]},7]})";
  const std::vector<std::string> wanted{"1", "2", "waba:20"};
  BOOST_TEST(whatsapp_connector().accounts(a_delivery(body, "")) == wanted,
             boost::test_tools::per_element());
  BOOST_TEST(whatsapp_connector().accounts(a_delivery("{\"entry\":[", "")).empty());
  // SHA-256 of "abc", FIPS 180-4 appendix.
  const auto handshake = whatsapp_connector().accounts(a_handshake("hub.verify_token=abc"));
  BOOST_TEST_REQUIRE(handshake.size() == 1u);
  BOOST_TEST(handshake[0] ==
             "verify:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

BOOST_AUTO_TEST_CASE(the_number_of_accounts_is_bounded) {
  std::string changes;
  for (int i = 0; i < 5000; ++i) {
    changes += (i > 0 ? "," : "") + std::string(R"({"value":{"metadata":{"phone_number_id":")") +
               std::to_string(i) + "\"}}}";
  }
  const auto found = whatsapp_connector().accounts(
      a_delivery(R"({"entry":[{"id":"1","changes":[)" + changes + "]}]}", ""));
  BOOST_TEST(found.size() == 100u);
}

BOOST_AUTO_TEST_CASE(a_thousand_messages_are_all_taken_before_any_thread_is_moved) {
  const auto events = events_of(many_messages(1000, true));
  BOOST_TEST(count_of(events, EventKind::message) == 1000u);
  BOOST_TEST(count_of(events, EventKind::thread_moved) == 0u);
  const auto few = events_of(many_messages(400, true));
  BOOST_TEST(count_of(few, EventKind::message) == 400u);
  BOOST_TEST(count_of(few, EventKind::thread_moved) == 400u);
}

BOOST_AUTO_TEST_CASE(what_is_too_much_for_one_delivery_is_kept_as_unknown) {
  const auto events = events_of(many_messages(1500, false));
  BOOST_TEST_REQUIRE(events.size() == 1000u);
  BOOST_TEST(count_of(events, EventKind::message) == 999u);
  BOOST_TEST((events.back().kind == EventKind::unknown));
  BOOST_TEST(connector::find(events.back().extra, "left_out").value_or("") == "501");
}

BOOST_AUTO_TEST_CASE(a_message_that_is_told_twice_in_one_delivery_is_one_event) {
  const std::string message =
      R"({"from":"1","id":"wamid.A","timestamp":"1","type":"text","text":{"body":"x"}})";
  const auto events =
      events_of(R"({"entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":)"
                R"({"phone_number_id":"7794189252778687"},"messages":[)" +
                message + "," + message + "]}}]}]}");
  BOOST_TEST(events.size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_same_id_at_another_number_is_another_event) {
  const auto with_number = [](const std::string& number) {
    return events_of(R"({"entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":)"
                     R"({"phone_number_id":")" +
                     number +
                     R"("},"messages":[{"from":"1","id":"wamid.A","type":"text"}]}}]}]})")[0];
  };
  BOOST_TEST(with_number("1").key != with_number("2").key);
  BOOST_TEST(with_number("1").account == "1");
  BOOST_TEST(with_number("7794189252778687").account == "");
}

BOOST_AUTO_TEST_CASE(a_delivery_in_any_order_of_members_has_the_same_keys) {
  const auto a = events_of(
      R"({"entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":)"
      R"({"phone_number_id":"1"},"statuses":[{"id":"w","status":"read","timestamp":"5"}]}}]}]})");
  const auto b = events_of(
      R"({"entry":[{"changes":[{"value":{"statuses":[{"timestamp":"5","status":"read","id":"w"}],)"
      R"("metadata":{"phone_number_id":"1"}},"field":"messages"}],"id":"1"}]})");
  BOOST_TEST_REQUIRE(a.size() == 1u);
  BOOST_TEST_REQUIRE(b.size() == 1u);
  BOOST_TEST(a[0].key == b[0].key);
}

BOOST_AUTO_TEST_CASE(threads_survive_the_way_there_and_back) {
  using whatsapp::parse_thread;
  BOOST_TEST(parse_thread("15552223333")->wa_id == "15552223333");
  BOOST_TEST(parse_thread("US.13491208655302741918")->user_id == "US.13491208655302741918");
  BOOST_TEST(parse_thread("US.ENT.118157992128868")->user_id == "US.ENT.118157992128868");
  const std::string group = "Y2FwaV9ncm91cDpmaWN0aW9uYWw=";
  BOOST_TEST(parse_thread(whatsapp::group_thread(group))->group == group);
}

BOOST_AUTO_TEST_CASE(threads_of_anything_else_are_refused) {
  for (const std::string& thread :
       {std::string(), std::string("+15552223333"), std::string("1555 222"), std::string("group:"),
        std::string("group:a b"), std::string("US.1\"}"), std::string("US/../1"),
        std::string("5512345678/t77"), std::string(33, '1'), std::string(201, 'x')}) {
    BOOST_TEST(!whatsapp::parse_thread(thread).has_value(), thread);
  }
}

BOOST_AUTO_TEST_CASE(ids_from_the_config_stay_inside_their_path_segment) {
  Channel channel = a_channel();
  channel.config = {{"phone_number_id", "1/../2?x#y"},
                    {"access_token", "EAA\r\nx-evil: 1"},
                    {"verify_token", "v"},
                    {"graph_version", "v1/../.."}};
  const auto step = whatsapp_connector().plan(
      channel, Operation::send, {.kind = EventKind::message, .thread = "15552223333", .text = "x"},
      {});
  const auto& call = std::get<Call>(step);
  BOOST_TEST(call.url == "https://graph.facebook.com/v1%2F..%2F../1%2F..%2F2%3Fx%23y/messages");
  BOOST_TEST(connector::find(call.headers, "authorization").value_or("") == "Bearer EAAx-evil:1");
}

BOOST_AUTO_TEST_CASE(what_was_begun_in_time_is_finished_after_the_window_closed) {
  Channel channel = a_channel();
  Event input{.kind = EventKind::message, .thread = "15552223333", .text = std::string(5000, 'x')};
  input.extra = {{"last.sent_ms", std::to_string(channel.now_ms - 1000)}};
  const std::vector<Response> first{{.status = 200, .body = R"({"messages":[{"id":"wamid.1"}]})"}};
  channel.now_ms += 25LL * 60 * 60 * 1000;
  const auto refused = whatsapp_connector().plan(channel, Operation::send, input, {});
  BOOST_TEST(std::get<Fail>(refused).platform_code == "131047");
  BOOST_TEST(std::get<Fail>(refused).why.find("template") != std::string::npos);
  const auto step = whatsapp_connector().plan(channel, Operation::send, input, first);
  BOOST_TEST(std::holds_alternative<Call>(step));
}

BOOST_AUTO_TEST_CASE(waits_are_bounded_whatever_the_headers_say) {
  const auto wait_for = [](connector::Pairs headers) {
    const std::vector<Response> answers{{.status = 400,
                                         .headers = std::move(headers),
                                         .body = R"({"error":{"message":"x","code":80007}})"}};
    const auto step = whatsapp_connector().plan(
        a_channel(), Operation::send, {.kind = EventKind::message, .thread = "1", .text = "x"},
        answers);
    return std::get<Fail>(step).retry_after_ms;
  };
  const std::string usage = "x-business-use-case-usage";
  BOOST_TEST(wait_for({}) == 300'000);
  BOOST_TEST(wait_for({{usage, R"({"1":[{"estimated_time_to_regain_access":7}]})"}}) == 420'000);
  BOOST_TEST(wait_for({{usage, R"({"1":[{"estimated_time_to_regain_access":99999999}]})"}}) ==
             3'600'000);
  BOOST_TEST(wait_for({{usage, R"({"1":[{"estimated_time_to_regain_access":-5}]})"}}) == 300'000);
  BOOST_TEST(wait_for({{usage, "garbage"}}) == 300'000);
  BOOST_TEST(wait_for({{"retry-after", "99999999999999999999"}}) == 3'600'000);
}

BOOST_AUTO_TEST_CASE(a_callback_url_beyond_200_characters_is_left_to_a_human) {
  Channel channel = a_channel();
  channel.webhook_url = "https://" + std::string(200, 'h') + ".example.com/h";
  const std::vector<Response> number{{.status = 200, .body = R"({"id":"7794189252778687"})"}};
  const auto step = whatsapp_connector().plan(channel, Operation::register_webhook, {}, number);
  const auto& done = std::get<Done>(step);
  BOOST_TEST(connector::find(done.results, "registration").value_or("") == "manual");
}

BOOST_AUTO_TEST_CASE(a_registration_by_hand_tells_what_to_enter_and_no_other_secret) {
  const std::vector<Response> answers{
      {.status = 200, .body = R"({"id":"7794189252778687"})"},
      {.status = 403, .body = R"({"error":{"message":"verify-me-7f3a EAATESTTOKEN","code":200}})"},
      {.status = 400, .body = R"({"error":{"message":"no","code":100}})"}};
  for (const Channel& channel : {a_channel(), without_app_secret()}) {
    const auto step = whatsapp_connector().plan(channel, Operation::register_webhook, {}, answers);
    const auto& results = std::get<Done>(step).results;
    const auto result = [&](std::string_view name) {
      return std::string(connector::find(results, name).value_or(""));
    };
    BOOST_TEST(result("instruction.callback_url") == whatsapp::callback_url(channel));
    BOOST_TEST(result("instruction.verify_token") == "verify-me-7f3a");
    BOOST_TEST(result("warning").find("verify-me-7f3a") == std::string::npos);
    BOOST_TEST(result("warning").find("EAATESTTOKEN") == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(the_key_of_a_send_comes_back_with_its_status) {
  const Event input{.kind = EventKind::message,
                    .thread = "15552223333",
                    .key = "01939f6c-1111-7000-8000-000000000009",
                    .text = "x"};
  const auto step = whatsapp_connector().plan(a_channel(), Operation::send, input, {});
  const auto sent = sdk::json::Document::parse(std::get<Call>(step).body);
  const std::string repeated(sent->root()["biz_opaque_callback_data"].text_or(""));
  const auto events = events_of(
      R"({"entry":[{"id":"1","changes":[{"field":"messages","value":{"statuses":[{"id":"w",)"
      R"("status":"sent","timestamp":"5","biz_opaque_callback_data":")" +
      repeated + "\"}]}}]}]}");
  BOOST_TEST(connector::find(events[0].extra, "message_key").value_or("") == input.key);
}

BOOST_AUTO_TEST_SUITE_END()
