// X through the whole gateway: an account is connected by either webhook API or by polling, its
// direct messages and mentions become conversations, the agents' answers leave by API v2.
//
// Expected payloads and rules: https://docs.x.com, x-api/webhooks, x-api/activity,
// x-api/account-activity, x-api/direct-messages (read 2026-11-20).
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <optional>
#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/sample_file.h"
#include "tests/e2e/platforms_chat.h"

using namespace e2e;
using gateway::simulate::CallFault;
using gateway::simulate::contact_of;
using gateway::simulate::DeliveryFault;
using gateway::simulate::json_text;
using gateway::simulate::object;
using gateway::simulate::sample_file;
using gateway::simulate::Sent;

namespace {

// An app of its own, because an app may be allowed one webhook only, and its account.
struct Account {
  std::string id = fresh_digits("17300000000000");
  std::string key = fresh_digits("ck_e2e");
  std::string secret = "cs_" + fresh_digits("secret") + "_0123456789";
  std::string token = id + "-token";
  std::string token_secret = "ts+secret/=1";

  void make() const {
    auto& x = ChatPlatforms::instance().x;
    x.add_app({.consumer_key = key,
               .consumer_secret = secret,
               .bearer = "AAAA" + key,
               .id = fresh_digits("2982")});
    x.add_user({.id = id,
                .consumer_key = key,
                .access_token = token,
                .access_token_secret = token_secret,
                .oauth2_token = "oauth2-" + id});
  }
  std::string config(const std::string& ingest = "xaa") const {
    return object({{"api_key", json_text(key)},
                   {"api_secret", json_text(secret)},
                   {"access_token", json_text(token)},
                   {"access_token_secret", json_text(token_secret)},
                   {"ingest", json_text(ingest)}});
  }
};

std::string mac(const std::string& secret, const std::string& bytes) {
  return "sha256=" + sdk::base64(sdk::hmac_sha256(secret, bytes));
}

HttpClient::Headers signed_by(const std::string& secret, const std::string& body) {
  return {{"x-twitter-webhooks-signature", mac(secret, body)}};
}

// A direct message from Ana, as the Activity API tells it.
std::string received(const Account& account, const std::string& id, const std::string& text) {
  const std::string ana = contact_of("ana").x_id;
  return R"({"data":{"event_uuid":"7)" + id + R"(","filter":{"user_id":")" + account.id +
         R"("},"event_type":"dm.received","payload":{"direct_message_events":[{"type":)" +
         R"("message_create","id":")" + id + R"(","created_timestamp":"1763600000000",)" +
         R"("message_create":{"target":{"recipient_id":")" + account.id + R"("},"sender_id":")" +
         ana + R"(","message_data":{"text":)" + json_text(text) +
         R"(,"entities":{"hashtags":[],"symbols":[],"user_mentions":[],"urls":[]}}}}],"users":{}}}})";
}

struct Shop {
  Gateway& gateway = Gateway::instance();
  gateway::simulate::XSimulator& x = ChatPlatforms::instance().x;
  Tenant tenant = Tenant::make();
  Account account;
  Connection channel;

  explicit Shop(const std::string& ingest = "xaa") {
    account.make();
    channel = Connection::make(tenant, "x", account.config(ingest));
  }
  ~Shop() { x.clear_faults(); }

  Desk desk(std::size_t messages = 1) const {
    return {channel, channel.conversation_with(messages)};
  }
  Desk talk() {
    BOOST_REQUIRE(!x.say(account.id, "ana", "Hola").empty());
    return desk();
  }
  std::string act(const std::string& members) {
    const auto made = x.act(R"({"user":")" + account.id + "\"," + members + "}");
    BOOST_REQUIRE_MESSAGE(made.has_value(), members);
    const auto document = sdk::json::Document::parse(*made);
    return std::string(document->root()["ids"].at(0).text_or(""));
  }
  std::vector<Sent> sent() const { return x.sent(account.id); }
  // The simulated contacts read direct messages at once; X tells it where it has been asked to.
  static bool leaves(const Desk& desk, const std::string& message,
                     std::chrono::milliseconds patience = 60s) {
    return eventually(
        [&] {
          const std::string status = desk.status_of(message);
          return status == "sent" || status == "read";
        },
        patience);
  }
  void fault(CallFault::Kind kind, int count = 1) {
    fault_of_sends(x, account.id, {.kind = kind, .count = count, .retry_after = 2, .delay = 3s});
  }
  std::size_t asked(const std::string& words) const { return calls_with(x, account.id, words); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(x)

// ---- registration

BOOST_AUTO_TEST_CASE(a_webhook_and_its_subscriptions_are_made) {
  Shop shop;
  const std::string url =
      "http://127.0.0.1:" + std::to_string(shop.gateway.port()) + shop.channel.path;
  const auto hooks = shop.x.webhooks();
  BOOST_TEST(std::count_if(hooks.begin(), hooks.end(),
                           [&](const auto& hook) { return hook.url == url && hook.valid; }) == 1);
  // What does not fit into one run is made by the next, which follows at once.
  for (const char* kind : {"dm.received", "dm.sent", "chat.received", "post.mention.create",
                           "dm.read", "dm.indicate_typing", "chat.sent"}) {
    BOOST_TEST(
        eventually([&] { return shop.x.subscriptions(shop.account.id).count(kind) == 1u; }, 10s),
        kind);
  }
  BOOST_TEST(eventually([&] { return shop.channel.last_error().empty(); }, 10s),
             shop.channel.last_error());
  const Answer shown = shop.channel.shown();
  BOOST_TEST(shown.body.find(shop.account.secret) == std::string::npos);
  BOOST_TEST(shown.body.find(shop.account.token) == std::string::npos);
  BOOST_TEST(shop.gateway.call("DELETE", "/api/v1/channels/" + shop.channel.id, shop.tenant.token)
                 .status == 200);
  BOOST_TEST(eventually([&] {
    const auto left = shop.x.webhooks();
    return std::none_of(left.begin(), left.end(),
                        [&](const auto& hook) { return hook.url == url; });
  }));
}

// The documented fields alone are not enough for X; the channel says what else it needs.
BOOST_AUTO_TEST_CASE(without_what_x_needs_the_channel_is_manual_and_names_it) {
  const Account account;
  account.make();
  const Tenant tenant = Tenant::make();
  const Connection channel = Connection::make(
      tenant, "x",
      object({{"api_key", json_text(account.key)}, {"access_token", json_text(account.token)}}),
      "manual");
  const Answer shown = channel.shown();
  const auto instructions = shown.json()["registration"]["instructions"];
  BOOST_TEST(instructions["api_secret"].text_or("").find("API secret") != std::string_view::npos,
             shown.body);
  BOOST_TEST(shown.body.find("access_token_secret") != std::string::npos, shown.body);
  // With them it becomes active.
  const Answer changed =
      Gateway::instance().call("PATCH", "/api/v1/channels/" + channel.id, tenant.token,
                               object({{"config", account.config()}}));
  BOOST_TEST(changed.status == 200, changed.body);
  BOOST_TEST(channel.comes_to("active"));
  ChatPlatforms::instance().x.say(account.id, "ana", "Hola");
  channel.conversation_with(1);
}

BOOST_AUTO_TEST_CASE(a_wrong_token_is_refused_in_words_that_help) {
  const Account account;
  account.make();
  Account wrong = account;
  wrong.token_secret = "guess";
  const Answer refused = Connection::create(Tenant::make(), "x", wrong.config());
  BOOST_TEST(refused.status == 400, refused.body);
  BOOST_TEST(refused.body.find(account.secret) == std::string::npos);
}

// The answer is the token's MAC under the app's API secret; a token that could be a delivery gets
// none.
BOOST_AUTO_TEST_CASE(the_challenge_is_answered_and_signs_no_delivery) {
  Shop shop;
  HttpClient client(shop.gateway.port());
  const auto ask = [&](const std::string& query) {
    return Gateway::call(client, "GET", shop.channel.path + query);
  };
  const Answer passed = ask("?crc_token=NjQ4ZmYyYzAtMTFl-crc.4242");
  BOOST_TEST(passed.status == 200);
  BOOST_TEST(passed.json()["response_token"].text_or("") ==
             mac(shop.account.secret, "NjQ4ZmYyYzAtMTFl-crc.4242"));
  BOOST_TEST(ask("").status >= 400);
  const std::string body = received(shop.account, "1990000000000000001", "forged");
  BOOST_TEST(ask("?crc_token=" + sdk::url_encode(body)).status >= 400);
}

// ---- what comes in

BOOST_AUTO_TEST_CASE(a_delivery_becomes_a_conversation_with_its_contact) {
  Shop shop;
  shop.x.say(shop.account.id, "ana", "Tom & Ana want 2 < 3 items 😀");
  const Answer shown = shop.desk().shown();
  BOOST_TEST(shown.json()["channel_type"].text_or("") == "x");
  BOOST_TEST(shown.json()["customer"]["name"].text_or("") == contact_of("ana").name);
  // X escapes for HTML; the text is what was written.
  BOOST_TEST(text_of(shown, 0, "content") == "Tom & Ana want 2 < 3 items 😀");
  BOOST_TEST(text_of(shown, 0, "sender_type") == "customer");
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 1);
}

BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  Shop shop;
  Shop other;
  const std::string body = received(shop.account, "1990000000000000002", "Hola");
  const std::string none = shop.channel.traces();
  const auto genuine = signed_by(shop.account.secret, body);
  std::string flipped = body;
  flipped[body.find("Hola")] ^= 1;
  for (const std::string& where : {shop.channel.path, std::string("/api/v1/webhooks/x")}) {
    BOOST_TEST(shop.channel.post(flipped, genuine, where) == 401);
    BOOST_TEST(shop.channel.post(body.substr(0, body.size() - 1), genuine, where) == 401);
    BOOST_TEST(shop.channel.post(body, {}, where) == 401);
    BOOST_TEST(shop.channel.post(body, signed_by("another secret", body), where) == 401);
    // Another tenant's app.
    BOOST_TEST(shop.channel.post(body, signed_by(other.account.secret, body), where) == 401);
    // Hex instead of base64.
    BOOST_TEST(
        shop.channel.post(body,
                          {{"x-twitter-webhooks-signature",
                            "sha256=" + sdk::hex(sdk::hmac_sha256(shop.account.secret, body))}},
                          where) == 401);
    BOOST_TEST(shop.channel.post(body, {genuine[0], genuine[0]}, where) == 401);
  }
  BOOST_TEST(shop.channel.traces() == none);
  BOOST_TEST(shop.channel.post(body, genuine) == 200);
  BOOST_TEST(shop.channel.post(body, genuine) == 200);
  const Answer shown = shop.desk().shown();
  BOOST_TEST(text_of(shown, 0, "content") == "Hola");
  BOOST_TEST(shop.channel.rows("message") == "1");
}

BOOST_AUTO_TEST_CASE(well_signed_nonsense_is_quarantined_and_answered_200) {
  Shop shop;
  int count = 0;
  for (const std::string& body : {std::string("no JSON at all"), std::string("[]")}) {
    BOOST_TEST(shop.channel.post(body, signed_by(shop.account.secret, body)) == 200, body);
    BOOST_TEST(shop.channel.rows("quarantine") == std::to_string(++count), body);
  }
  BOOST_TEST(shop.channel.rows("message") == "0");
  shop.talk();
}

// A second channel of an app shares the first one's webhook; every delivery names its account.
BOOST_AUTO_TEST_CASE(two_accounts_of_an_app_share_a_webhook_and_keep_their_messages_apart) {
  Shop shop;
  Account second;
  second.key = shop.account.key;
  second.secret = shop.account.secret;
  shop.x.add_user({.id = second.id,
                   .consumer_key = second.key,
                   .access_token = second.token,
                   .access_token_secret = second.token_secret});
  const Connection other = Connection::make(Tenant::make(), "x", second.config());
  BOOST_TEST(shop.x.wait_subscribed(second.id, 60s));
  shop.x.say(shop.account.id, "ana", "for the first");
  shop.x.say(second.id, "ana", "for the second");
  BOOST_TEST(text_of(shop.desk().shown(), 0, "content") == "for the first");
  const Desk desk(other, other.conversation_with(1));
  BOOST_TEST(text_of(desk.shown(), 0, "content") == "for the second");
}

// The older API repeats what was not answered with 200, and sends several events at once.
BOOST_AUTO_TEST_CASE(the_older_api_works_and_duplicates_end_in_one_row) {
  Shop shop("aaa");
  BOOST_TEST(shop.x.subscriptions(shop.account.id).count("aaa") == 1u);
  shop.x.inject(DeliveryFault{DeliveryFault::Kind::duplicate, 3, 4});
  shop.x.inject(DeliveryFault{DeliveryFault::Kind::wrong_secret, 2, 2});
  shop.act(R"("batch":[{"user":")" + shop.account.id + R"(","from":"ana","text":"one"},{"user":")" +
           shop.account.id + R"(","from":"ana","text":"two"},{"user":")" + shop.account.id +
           R"(","from":"tom","text":"three"}])");
  BOOST_REQUIRE(shop.x.wait_idle(60s));
  BOOST_TEST(eventually([&] { return shop.channel.rows("message") == "3"; }));
  BOOST_TEST(shop.channel.conversations().size() == 2u);
  BOOST_TEST(shop.channel.rows("message") == "3");
}

BOOST_AUTO_TEST_CASE(what_the_owner_writes_in_x_is_a_message_of_ours) {
  Shop shop;
  const Desk desk = shop.talk();
  shop.act(R"("from":"ana","echo":"desde el móvil")");
  const Answer shown = desk.with(2);
  BOOST_TEST(text_of(shown, 1, "content") == "desde el móvil");
  BOOST_TEST(text_of(shown, 1, "sender_type") == "agent");
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 1);
}

BOOST_AUTO_TEST_CASE(an_encrypted_message_is_a_placeholder_that_cannot_be_answered) {
  Shop shop;
  shop.act(R"("from":"ana","chat":true)");
  Desk desk = shop.desk();
  const Answer shown = desk.shown();
  BOOST_TEST(text_of(shown, 0, "kind") == "unsupported");
  BOOST_TEST(shown.json()["messages"].at(0)["metadata"]["unsupported"].text_or("") == "encrypted");
  const std::string message = desk.answer("can you read this?");
  BOOST_TEST(desk.becomes(message, "failed"));
  BOOST_TEST(desk.error_of(message).find("ncrypted") != std::string::npos, desk.error_of(message));
  BOOST_TEST(shop.sent().empty());
}

BOOST_AUTO_TEST_CASE(files_are_fetched_with_the_accounts_credentials) {
  Shop shop;
  shop.act(R"("from":"ana","image":"el jarrón")");
  const Desk desk = shop.desk();
  BOOST_TEST((desk.file_of(0) == sample_file("image/jpeg", 40'000)));
  // The link to the message's own file is not part of what was said.
  BOOST_TEST(text_of(desk.shown(), 0, "content") == "el jarrón");
}

// Without a webhook direct messages are asked for.
BOOST_AUTO_TEST_CASE(what_nobody_delivers_is_looked_up) {
  Account account;
  account.make();
  const Connection channel =
      Connection::make(Tenant::make(), "x",
                       object({{"api_key", json_text(account.key)},
                               {"access_token", json_text("oauth2-" + account.id)},
                               {"ingest", json_text("poll")}}));
  auto& x = ChatPlatforms::instance().x;
  x.say(account.id, "ana", "is anybody there?");
  x.say(account.id, "ana", "hello?");
  std::string found;
  BOOST_REQUIRE(eventually(
      [&] {
        const auto all = channel.conversations();
        if (all.size() == 1) found = all.front();
        return !found.empty() && channel.rows("message") == "2";
      },
      90s));
  const Desk desk(channel, found);
  const Answer shown = desk.shown();
  BOOST_TEST(text_of(shown, 0, "content") == "is anybody there?");
  BOOST_TEST(text_of(shown, 1, "content") == "hello?");
  BOOST_TEST(shown.json()["customer"]["name"].text_or("") == contact_of("ana").name);
}

// What is refused or finds nobody is repeated by the older API and looked up where nobody delivers;
// the Activity API repeats nothing and is made up for by lookups and replays after an outage.
BOOST_AUTO_TEST_CASE(what_was_written_during_an_outage_arrives_once_and_in_order) {
  Shop pushed("aaa");
  Shop polled("poll");
  Gateway& gateway = pushed.gateway;
  BOOST_REQUIRE(gateway.stop().has_value());
  const std::vector<std::string> texts{"one", "two", "three"};
  for (const std::string& text : texts) {
    for (const Shop* shop : {&pushed, &polled}) {
      BOOST_REQUIRE(!shop->x.say(shop->account.id, "ana", text).empty());
    }
  }
  gateway.start();
  for (const Shop* shop : {&pushed, &polled}) {
    BOOST_TEST(eventually([&] { return shop->channel.rows("message") == "3"; }, 120s));
    const Answer shown = shop->desk(3).shown();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      BOOST_TEST(text_of(shown, i, "content") == texts[i]);
    }
  }
  BOOST_REQUIRE(pushed.x.wait_idle(60s));
  BOOST_TEST(pushed.channel.rows("message") == "3");
  BOOST_TEST(polled.channel.rows("message") == "3");
}

// ---- what goes out

BOOST_AUTO_TEST_CASE(an_answer_leaves_by_api_v2_and_its_echo_makes_no_second_message) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::slow);  // the echo overtakes the answer
  const std::string message = desk.answer("¡Hola, Ana! <b> & 😀");
  BOOST_TEST(shop.leaves(desk, message));
  BOOST_REQUIRE(shop.sent().size() == 1u);
  const Sent sent = shop.sent()[0];
  BOOST_TEST(sent.to == contact_of("ana").x_id);
  BOOST_TEST(sent.text == "¡Hola, Ana! <b> & 😀");
  BOOST_REQUIRE(shop.x.wait_idle(60s));
  const Answer shown = desk.with(2);
  BOOST_TEST(text_of(shown, 1, "id") == message);
  BOOST_TEST(shop.channel.conversations().size() == 1u);
  // The contact reads it: with everything before.
  shop.act(R"("from":"ana","read":")" + sent.id + "\"");
  BOOST_TEST(desk.becomes(message, "read"));
}

BOOST_AUTO_TEST_CASE(the_older_api_tells_what_was_read) {
  Shop shop("aaa");
  Desk desk = shop.talk();
  const std::string first = desk.answer("first");
  const std::string second = desk.answer("second");
  BOOST_TEST(desk.becomes(second, "read"));
  BOOST_TEST(desk.becomes(first, "read"));
  BOOST_TEST(shop.sent().size() == 2u);
}

BOOST_AUTO_TEST_CASE(long_texts_leave_in_pieces_and_files_are_uploaded) {
  Shop shop;
  Desk desk = shop.talk();
  const std::string text = std::string(10'000, 'a') + std::string(500, 'b');
  const std::string message = desk.send(object(
      {{"content", json_text(text)},
       {"attachments", R"([{"url":"https://files.example.com/vase.jpg","type":"image"}])"}}));
  BOOST_TEST(shop.leaves(desk, message));
  BOOST_REQUIRE(shop.sent().size() == 2u);
  BOOST_TEST(shop.sent()[0].kind == "text");
  BOOST_TEST(shop.sent()[1].kind == "media");
  BOOST_TEST((shop.sent()[0].text + shop.sent()[1].text == text));
  BOOST_REQUIRE(shop.x.wait_idle(60s));
  desk.with(2);
}

// A public conversation is answered in public, to the post.
BOOST_AUTO_TEST_CASE(a_mention_is_answered_by_a_reply_to_the_post) {
  Shop shop;
  const std::string post = shop.act(R"("from":"ana","mention":"where is my vase?")");
  Desk desk = shop.desk();
  BOOST_TEST(text_of(desk.shown(), 0, "content").find("where is my vase?") != std::string::npos);
  const std::string message = desk.answer("On its way!");
  BOOST_TEST(shop.leaves(desk, message));
  BOOST_REQUIRE(shop.sent().size() == 1u);
  BOOST_TEST(shop.sent()[0].kind == "post");
  BOOST_TEST(shop.sent()[0].reply_to == post);
}

// The API has neither typing nor read marks.
BOOST_AUTO_TEST_CASE(typing_and_reading_call_nobody) {
  Shop shop;
  Desk desk = shop.talk();
  BOOST_REQUIRE(shop.x.wait_idle(30s));
  desk.typing();
  desk.read();
  BOOST_TEST(desk.shown().json()["unread_count"].integer().value() == 0);
  BOOST_TEST(shop.leaves(desk, desk.answer("Hola")));
  BOOST_TEST(shop.sent().size() == 1u);
  const auto calls = shop.x.calls();
  BOOST_TEST(std::none_of(calls.begin(), calls.end(), [&](const auto& call) {
    return call.account == shop.account.id && (call.path.find("typing") != std::string::npos ||
                                               call.path.find("read") != std::string::npos);
  }));
}

// ---- trouble on the way out

BOOST_AUTO_TEST_CASE(too_many_requests_is_waited_for) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::too_many_requests);
  const auto begin = std::chrono::steady_clock::now();
  BOOST_TEST(shop.leaves(desk, desk.answer("patience")));
  BOOST_TEST((std::chrono::steady_clock::now() - begin >= 1s));
  BOOST_TEST(shop.sent().size() == 1u);
}

// X has no idempotency key: what may have been done is not repeated.
BOOST_AUTO_TEST_CASE(a_servers_error_or_a_reset_is_uncertain_and_never_repeated) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::server_error);
  const std::string refused = desk.answer("once at most");
  BOOST_TEST(desk.becomes(refused, "uncertain"));
  BOOST_TEST(shop.sent().empty());
  shop.fault(CallFault::Kind::reset_after_body);
  const std::string cut = desk.answer("did it arrive?");
  BOOST_TEST(desk.becomes(cut, "uncertain"));
  BOOST_TEST(shop.leaves(desk, desk.answer("next")));
  BOOST_TEST(shop.sent().size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_person_who_takes_no_messages_is_unreachable) {
  Shop shop;
  BOOST_REQUIRE(!shop.x.say(shop.account.id, "noa", "Hola").empty());
  Desk desk = shop.desk();
  shop.x.close_messages(contact_of("noa").x_id);
  const std::string message = desk.answer("hello?");
  BOOST_TEST(desk.becomes(message, "failed"));
  BOOST_TEST(!desk.error_of(message).empty());
  BOOST_TEST(shop.sent().empty());
}

BOOST_AUTO_TEST_CASE(a_revoked_token_is_a_problem_of_the_channel_and_the_message_waits) {
  Shop shop;
  Desk desk = shop.talk();
  shop.x.revoke(shop.account.id);
  const std::string message = desk.answer("later");
  BOOST_TEST(eventually([&] { return shop.channel.state() == "failed"; }));
  BOOST_TEST(!shop.channel.last_error().empty());
  BOOST_TEST(shop.channel.last_error().find(shop.account.token) == std::string::npos);
  BOOST_TEST(desk.becomes(message, "queued"));
  // A new token, and what waited leaves.
  Account fresh = shop.account;
  fresh.token += "-renewed";
  shop.x.add_user({.id = fresh.id,
                   .consumer_key = fresh.key,
                   .access_token = fresh.token,
                   .access_token_secret = fresh.token_secret});
  const Answer changed = shop.gateway.call("PATCH", "/api/v1/channels/" + shop.channel.id,
                                           shop.tenant.token, object({{"config", fresh.config()}}));
  BOOST_TEST(changed.status == 200, changed.body);
  BOOST_TEST(shop.channel.comes_to("active"));
  BOOST_TEST(shop.leaves(desk, message));
}

BOOST_AUTO_TEST_SUITE_END()
