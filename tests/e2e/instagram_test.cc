// Instagram through the whole gateway: an account is connected, a person enters the callback URL,
// deliveries become conversations, the agents' answers leave by the Instagram API.
//
// Expected payloads and rules: https://developers.facebook.com/docs/instagram-platform and
// https://developers.facebook.com/docs/messenger-platform/instagram (read 2026-11-21).
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
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

const std::string kSharedPath = "/api/v1/webhooks/instagram";
const std::vector<std::string> kFields = {
    "messages",       "message_reactions",  "messaging_postbacks",
    "messaging_seen", "messaging_referral", "message_edit",
    "comments",       "live_comments"};

struct Account {
  std::string id = fresh_digits("1784140000000");
  std::string token = "IGAA" + fresh_digits("token") + "e2e0123456789";
  std::string verify_token = fresh_digits("a-word-");

  std::string config(const std::string& app_secret = {}) const {
    gateway::simulate::Members members{{"access_token", json_text(token)},
                                       {"verify_token", json_text(verify_token)}};
    if (!app_secret.empty()) members.emplace_back("app_secret", json_text(app_secret));
    return object(members);
  }
};

HttpClient::Headers signed_by(const std::string& secret, const std::string& body) {
  return {{"X-Hub-Signature-256", "sha256=" + sdk::hex(sdk::hmac_sha256(secret, body))}};
}

std::string entry(const Account& account, const std::string& mid, const std::string& text,
                  const std::string& time = "1763600000000") {
  return R"({"time":)" + time + R"(,"id":")" + account.id +
         R"(","messaging":[{"sender":{"id":"1234567890123456"},"recipient":{"id":")" + account.id +
         R"("},"timestamp":)" + time + R"(,"message":{"mid":")" + mid + R"(","text":)" +
         json_text(text) + "}}]}";
}

std::string delivery(const std::string& entries) {
  return R"({"object":"instagram","entry":[)" + entries + "]}";
}

// An account that is connected, and whose app sends to it.
struct Shop {
  Gateway& gateway = Gateway::instance();
  gateway::simulate::MetaSimulator& meta = ChatPlatforms::instance().meta;
  Tenant tenant = Tenant::make();
  Account account;
  Connection channel;

  Shop() {
    meta.add_instagram({.user_id = account.id, .token = account.token});
    const Answer created = Connection::create(tenant, "instagram", account.config());
    BOOST_REQUIRE_MESSAGE(created.status == 201, created.body);
    channel = Connection::of(tenant, "instagram", created);
    BOOST_REQUIRE(channel.comes_to("manual"));
    // What a person enters in the App Dashboard: what the channel tells.
    const auto setup = created.json()["config"]["_meta_setup_instructions"];
    BOOST_TEST(setup["verify_token"].text_or("") == account.verify_token);
    const auto subscribed =
        meta.subscribe_by_hand("instagram", std::string(setup["callback_url"].text_or("")),
                               std::string(setup["verify_token"].text_or("")), kFields);
    BOOST_REQUIRE_MESSAGE(subscribed.status == 200, subscribed.body);
  }
  ~Shop() { meta.clear_faults(); }

  Desk desk(std::size_t messages = 1) const {
    return {channel, channel.conversation_with(messages)};
  }
  Desk talk() {
    BOOST_REQUIRE(!meta.instagram_says(account.id, "ana", "Hola").empty());
    return desk();
  }
  std::string act(const std::string& members) {
    const auto made = meta.act(R"({"account":")" + account.id + "\"," + members + "}");
    BOOST_REQUIRE_MESSAGE(made.has_value(), members);
    const auto document = sdk::json::Document::parse(*made);
    return std::string(document->root()["ids"].at(0).text_or(""));
  }
  std::vector<Sent> sent() const { return meta.sent(account.id); }
  void fault(CallFault::Kind kind, int count = 1, std::chrono::milliseconds delay = 3s) {
    fault_of_sends(meta, account.id,
                   {.kind = kind, .count = count, .retry_after = 0, .delay = delay});
  }
  std::size_t asked(const std::string& words) const { return calls_with(meta, account.id, words); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(instagram)

// ---- registration

BOOST_AUTO_TEST_CASE(an_account_is_subscribed_and_a_person_told_what_to_enter) {
  Shop shop;
  const auto account = shop.meta.instagram(shop.account.id);
  for (const std::string& field : kFields) {
    BOOST_TEST(account->subscribed_fields.count(field) == 1u, field);
  }
  const std::string url =
      "http://127.0.0.1:" + std::to_string(shop.gateway.port()) + shop.channel.path;
  BOOST_TEST(shop.meta.webhook_of(shop.account.id) == url);
  const Answer shown = shop.channel.shown();
  BOOST_TEST(shown.body.find(shop.account.token) == std::string::npos);
  // Whoever enters another word is refused by the gateway.
  BOOST_TEST(shop.meta.subscribe_by_hand("instagram", url, "guess", kFields).status == 400);
  shop.talk();
}

BOOST_AUTO_TEST_CASE(a_token_that_is_not_accepted_is_refused_in_the_platforms_words) {
  const Tenant tenant = Tenant::make();
  auto& meta = ChatPlatforms::instance().meta;
  const Account account;
  meta.add_instagram({.user_id = account.id, .token = account.token});
  meta.revoke(account.token);
  const Answer refused = Connection::create(tenant, "instagram", account.config());
  BOOST_TEST(refused.status == 400);
  BOOST_TEST(refused.json()["detail"].text_or("").find("access token") != std::string_view::npos,
             refused.body);
  BOOST_TEST(refused.body.find(account.token) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_challenge_is_echoed_for_the_channels_verify_token_alone) {
  Shop shop;
  HttpClient client(shop.gateway.port());
  const auto ask = [&](const std::string& path, const std::string& mode, const std::string& token) {
    return Gateway::call(
        client, "GET",
        path + "?hub.mode=" + mode + "&hub.challenge=1158201444&hub.verify_token=" + token);
  };
  for (const std::string& path : {shop.channel.path, kSharedPath}) {
    const Answer passed = ask(path, "subscribe", shop.account.verify_token);
    BOOST_TEST(passed.status == 200);
    BOOST_TEST(passed.body == "1158201444");
    BOOST_TEST(ask(path, "subscribe", "guess").status >= 400);
    BOOST_TEST(ask(path, "unsubscribe", shop.account.verify_token).status >= 400);
  }
}

// ---- what comes in

// No delivery carries a name; the profile has it.
BOOST_AUTO_TEST_CASE(a_delivery_becomes_a_conversation_and_its_contact_gets_a_name) {
  Shop shop;
  const std::string mid = shop.meta.instagram_says(shop.account.id, "ana", "Hola <b> & 😀");
  const Desk desk = shop.desk();
  const Answer shown = desk.shown();
  BOOST_TEST(shown.json()["channel_type"].text_or("") == "instagram");
  BOOST_TEST(text_of(shown, 0, "content") == "Hola <b> & 😀");
  BOOST_TEST(text_of(shown, 0, "sender_type") == "customer");
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 1);
  const auto name = [&] {
    const Answer now = desk.shown();
    return std::string(now.json()["customer"]["name"].text_or(""));
  };
  BOOST_TEST(eventually([&] { return name() == contact_of("ana").name; }), name());
  shop.act(R"("from":"ana","text":"again","reply_to":")" + mid + "\"");
  const Answer both = desk.with(2);
  BOOST_TEST(text_of(both, 1, "reply_to") == text_of(both, 0, "id"));
  // Once it is known nobody asks again.
  shop.act(R"("from":"ana","text":"and again")");
  desk.with(3);
  BOOST_TEST(name() == contact_of("ana").name);
  const auto calls = shop.meta.calls();
  const auto profiles = std::count_if(calls.begin(), calls.end(), [&](const auto& call) {
    return call.path.ends_with("/" + contact_of("ana").instagram_id) && call.method == "GET";
  });
  BOOST_TEST(profiles >= 1);
  BOOST_TEST(profiles <= 2);  // the second message may have come before the name was stored
}

BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  Shop shop;
  const std::string body = delivery(entry(shop.account, "mid.forged", "Hola"));
  const std::string none = shop.channel.traces();
  const auto genuine = signed_by(kDeploymentSecret, body);
  std::string flipped = body;
  flipped[body.find("Hola")] ^= 1;
  for (const std::string& where : {shop.channel.path, kSharedPath}) {
    BOOST_TEST(shop.channel.post(flipped, genuine, where) == 401);
    BOOST_TEST(shop.channel.post(body.substr(0, body.size() - 1), genuine, where) == 401);
    BOOST_TEST(shop.channel.post(body, {}, where) == 401);
    BOOST_TEST(shop.channel.post(body, signed_by("another secret", body), where) == 401);
    // The older signature alone, even a right one, is none.
    BOOST_TEST(shop.channel.post(body,
                                 {{"X-Hub-Signature",
                                   "sha1=" + sdk::hex(sdk::hmac_sha1(kDeploymentSecret, body))}},
                                 where) == 401);
  }
  BOOST_TEST(shop.channel.traces() == none);
  BOOST_TEST(shop.channel.post(body, genuine) == 200);
  shop.desk();
}

BOOST_AUTO_TEST_CASE(a_delivery_signed_by_another_tenants_app_is_refused) {
  auto& meta = ChatPlatforms::instance().meta;
  meta.add_app("1000000000000003", "secret-of-the-third-app");
  meta.add_app("1000000000000004", "secret-of-the-fourth-app");
  const Account one;
  const Account two;
  meta.add_instagram({.user_id = one.id, .token = one.token, .app_id = "1000000000000003"});
  meta.add_instagram({.user_id = two.id, .token = two.token, .app_id = "1000000000000004"});
  const auto mine = Connection::make(Tenant::make(), "instagram",
                                     one.config("secret-of-the-third-app"), "manual");
  const auto theirs = Connection::make(Tenant::make(), "instagram",
                                       two.config("secret-of-the-fourth-app"), "manual");
  const std::string body = delivery(entry(one, "mid.crossed", "for the third"));
  const std::string none = mine.traces();
  BOOST_TEST(mine.post(body, signed_by("secret-of-the-fourth-app", body)) == 401);
  BOOST_TEST(mine.post(body, signed_by("secret-of-the-fourth-app", body), kSharedPath) == 401);
  BOOST_TEST(mine.traces() == none);
  BOOST_TEST(mine.post(body, signed_by("secret-of-the-third-app", body), kSharedPath) == 200);
  mine.conversation_with(1);
  BOOST_TEST(theirs.rows("message") == "0");
}

BOOST_AUTO_TEST_CASE(well_signed_nonsense_is_quarantined_and_answered_200) {
  Shop shop;
  int count = 0;
  for (const std::string& body : {std::string("no JSON at all"), std::string("[]"),
                                  std::string(R"({"object":"page","entry":[]})")}) {
    BOOST_TEST(shop.channel.post(body, signed_by(kDeploymentSecret, body)) == 200, body);
    BOOST_TEST(shop.channel.rows("quarantine") == std::to_string(++count), body);
  }
  BOOST_TEST(shop.channel.rows("message") == "0");
  shop.talk();
}

// An app has one callback URL for all its accounts.
BOOST_AUTO_TEST_CASE(one_post_for_several_accounts_reaches_their_channels) {
  Shop shop;
  Shop other;
  const Account stranger;
  const std::string body = delivery(entry(shop.account, "mid.a1", "for the shop") + "," +
                                    entry(other.account, "mid.b1", "for the other") + "," +
                                    entry(stranger, "mid.c1", "for nobody"));
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(shop.channel.post(body, signed_by(kDeploymentSecret, body), kSharedPath) == 200);
  }
  BOOST_TEST(text_of(shop.desk().shown(), 0, "content") == "for the shop");
  BOOST_TEST(text_of(other.desk().shown(), 0, "content") == "for the other");
  BOOST_TEST(shop.channel.rows("message") == "1");
  BOOST_TEST(other.channel.rows("message") == "1");
}

BOOST_AUTO_TEST_CASE(duplicates_and_wrong_signatures_end_in_one_row_each) {
  Shop shop;
  shop.meta.inject(DeliveryFault{DeliveryFault::Kind::duplicate, 5, 4});
  shop.meta.inject(DeliveryFault{DeliveryFault::Kind::wrong_secret, 2, 2});
  shop.meta.inject(DeliveryFault{DeliveryFault::Kind::no_secret, 2, 2});
  for (int i = 0; i < 5; ++i) {
    shop.meta.instagram_says(shop.account.id, "tom", "line " + std::to_string(i));
  }
  BOOST_REQUIRE(shop.meta.wait_idle(60s));
  const Answer shown = shop.desk(5).shown();
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 5);
}

BOOST_AUTO_TEST_CASE(edits_reactions_and_unsending_change_their_message) {
  Shop shop;
  const std::string mid = shop.meta.instagram_says(shop.account.id, "ana", "Hola");
  const Desk desk = shop.desk();
  shop.act(R"("from":"ana","edit":"Hola a todos","message_id":")" + mid + "\"");
  BOOST_TEST(eventually([&] { return text_of(desk.shown(), 0, "content") == "Hola a todos"; }));
  shop.act(R"("from":"ana","reaction":"❤","message_id":")" + mid + "\"");
  BOOST_TEST(eventually([&] { return desk.shown().body.find("❤") != std::string::npos; }));
  shop.act(R"("from":"ana","reaction":"","message_id":")" + mid + "\"");
  BOOST_TEST(eventually([&] { return desk.shown().body.find("❤") == std::string::npos; }));
  shop.act(R"("from":"ana","revoke":true,"message_id":")" + mid + "\"");
  BOOST_TEST(eventually([&] { return !text_of(desk.shown(), 0, "deleted_at").empty(); }));
  desk.with(1);
}

BOOST_AUTO_TEST_CASE(what_the_phone_app_sends_is_a_message_of_ours) {
  Shop shop;
  const Desk desk = shop.talk();
  shop.act(R"("from":"ana","echo":true,"text":"desde el móvil")");
  const Answer shown = desk.with(2);
  BOOST_TEST(text_of(shown, 1, "content") == "desde el móvil");
  BOOST_TEST(text_of(shown, 1, "sender_type") == "agent");
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 1);
  BOOST_TEST(shop.sent().empty());
}

BOOST_AUTO_TEST_CASE(files_are_fetched_and_read_at_their_signed_address) {
  Shop shop;
  shop.act(R"("from":"ana","images":2)");
  const Desk desk = shop.desk();
  BOOST_TEST((desk.file_of(0) == sample_file("image/jpeg", 48'000)));
  const Answer shown = desk.shown();
  BOOST_TEST(shown.json()["messages"].at(0)["attachments"].size() == 2u);
  BOOST_TEST(shown.json()["messages"].at(0)["attachments"].at(0)["content_type"].text_or("") ==
             "image/jpeg");
}

BOOST_AUTO_TEST_CASE(a_tapped_button_is_shown_with_its_payload) {
  Shop shop;
  shop.act(R"("from":"ana","postback":"ORDER_STATUS")");
  const Answer shown = shop.desk().shown();
  BOOST_TEST(text_of(shown, 0, "kind") == "callback");
  BOOST_TEST(shown.json()["messages"].at(0)["metadata"]["payload"].text_or("") == "ORDER_STATUS");
}

// https://developers.facebook.com/docs/instagram-platform/private-replies: one message by the
// comment's id, within 7 days; the answer to it is a direct message.
BOOST_AUTO_TEST_CASE(a_comment_is_a_conversation_of_its_own_and_is_answered_in_private) {
  Shop shop;
  const std::string comment = shop.act(R"("from":"ana","comment":"¿precio? 😍")");
  Desk desk = shop.desk();
  const Answer shown = desk.shown();
  BOOST_TEST(text_of(shown, 0, "content") == "¿precio? 😍");
  BOOST_TEST(text_of(shown, 0, "sender_type") == "customer");
  const auto metadata = shown.json()["messages"].at(0)["metadata"];
  BOOST_TEST(metadata["comment"].text_or("") == "comments");
  BOOST_TEST(metadata["media_type"].text_or("") == "FEED");
  BOOST_TEST(shown.json()["customer"]["name"].text_or("") == contact_of("ana").handle);

  const std::string message = desk.answer("20 €, con envío");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_REQUIRE(shop.sent().size() == 1u);
  const auto body = sdk::json::Document::parse(shop.sent()[0].body);
  BOOST_TEST(body->root()["recipient"]["comment_id"].text_or("") == comment);
  BOOST_TEST(!body->root()["recipient"]["id"].exists());
  // The echo is of the direct messages and still the same message.
  BOOST_REQUIRE(shop.meta.wait_idle(60s));
  desk.with(2);
  BOOST_TEST(shop.channel.conversations().size() == 1u);

  const std::string again = desk.answer("¿algo más?");
  BOOST_TEST(desk.becomes(again, "failed"));
  BOOST_TEST(desk.error_of(again).find("already replied") != std::string::npos,
             desk.error_of(again));
  shop.act(R"("from":"ana","text":"Lo quiero")");
  BOOST_TEST(eventually([&] { return shop.channel.conversations().size() == 2u; }));
  desk.with(3);
}

BOOST_AUTO_TEST_CASE(an_answer_to_a_comment_that_takes_two_messages_fails_before_it_leaves) {
  Shop shop;
  shop.act(R"("from":"ana","comment":"¿precio?","live":true)");
  Desk desk = shop.desk();
  BOOST_TEST(desk.shown().json()["messages"].at(0)["metadata"]["comment"].text_or("") ==
             "live_comments");
  const std::string message = desk.answer(std::string(1'001, 'x'));
  BOOST_TEST(desk.becomes(message, "failed"));
  BOOST_TEST(desk.error_of(message).find("once") != std::string::npos, desk.error_of(message));
  BOOST_TEST(shop.sent().empty());
}

BOOST_AUTO_TEST_CASE(forged_comments_are_refused_and_copies_are_one) {
  Shop shop;
  const auto comment = [&](const std::string& id) {
    return delivery(R"({"id":")" + shop.account.id +
                    R"(","time":1763600000,"changes":[{"field":"comments","value":{"id":")" + id +
                    R"(","from":{"id":"1234567890123456","username":"zo.e"},"media":{"id":"18",)" +
                    R"("media_product_type":"REELS"},"text":"¿precio?"}}]})");
  };
  const std::string one = comment("17990000000000001");
  BOOST_TEST(shop.channel.post(one, signed_by("another secret", one)) == 401);
  BOOST_TEST(shop.channel.post(one, {}) == 401);
  BOOST_TEST(shop.channel.traces() == "0 0 0 0 0");
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(shop.channel.post(one, signed_by(kDeploymentSecret, one)) == 200);
  }
  shop.desk();
  // Another comment of the same person, another conversation.
  const std::string two = comment("17990000000000002");
  BOOST_TEST(shop.channel.post(two, signed_by(kDeploymentSecret, two)) == 200);
  BOOST_TEST(shop.channel.conversations().size() == 2u);
}

// Whoever mentions the account elsewhere says nothing to it: kept with its bytes, not shown.
BOOST_AUTO_TEST_CASE(a_mention_is_acknowledged_and_makes_no_conversation) {
  Shop shop;
  const std::string mention =
      delivery(R"({"id":")" + shop.account.id +
               R"(","time":1763600000,"changes":[{"field":"mentions","value":{"media_id":)"
               R"("17918195224117851","comment_id":"17894227972186120"}}]})");
  BOOST_TEST(shop.channel.post(mention, signed_by("another secret", mention)) == 401);
  BOOST_TEST(shop.channel.post(mention, signed_by(kDeploymentSecret, mention)) == 200);
  BOOST_TEST(shop.channel.rows("message") == "0");
  BOOST_TEST(shop.channel.rows("quarantine") == "0");
  BOOST_TEST(shop.channel.rows("raw_event") == "1");
}

BOOST_AUTO_TEST_CASE(a_mention_in_a_story_is_a_message_with_a_file) {
  Shop shop;
  shop.act(R"("from":"noa","story_mention":true)");
  const Answer shown = shop.desk().shown();
  const auto file = shown.json()["messages"].at(0)["attachments"].at(0);
  BOOST_TEST(!file["url"].text_or("").empty());
  BOOST_TEST(text_of(shown, 0, "sender_type") == "customer");
}

// ---- what goes out

BOOST_AUTO_TEST_CASE(an_answer_leaves_once_and_its_echo_and_read_mark_find_it) {
  Shop shop;
  const std::string mid = shop.meta.instagram_says(shop.account.id, "ana", "Hola");
  Desk desk = shop.desk();
  const std::string message =
      desk.send(object({{"content", json_text("¡Hola, Ana! <b> & 😀")},
                        {"reply_to", json_text(text_of(desk.shown(), 0, "id"))}}));
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_REQUIRE(shop.sent().size() == 1u);
  const Sent sent = shop.sent()[0];
  BOOST_TEST(sent.to == contact_of("ana").instagram_id);
  BOOST_TEST(sent.text == "¡Hola, Ana! <b> & 😀");
  BOOST_TEST(sent.reply_to == mid);
  const auto body = sdk::json::Document::parse(sent.body);
  BOOST_TEST(body->root()["messaging_type"].text_or("") == "RESPONSE");
  BOOST_REQUIRE(shop.meta.wait_idle(60s));
  desk.with(2);
  BOOST_TEST(shop.channel.conversations().size() == 1u);
}

// The echo comes while the answer to the call is still on its way.
BOOST_AUTO_TEST_CASE(an_echo_that_overtakes_the_answer_makes_no_second_message) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::slow);
  const std::string message = desk.answer("slow");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_REQUIRE(shop.meta.wait_idle(60s));
  BOOST_TEST(shop.sent().size() == 1u);
  const Answer shown = desk.with(2);
  BOOST_TEST(text_of(shown, 1, "id") == message);
  BOOST_TEST(text_of(shown, 1, "content") == "slow");
}

// A text has at most 1000 bytes of UTF-8, and no character is cut.
BOOST_AUTO_TEST_CASE(long_texts_leave_in_pieces_of_a_thousand_bytes) {
  Shop shop;
  Desk desk = shop.talk();
  std::string astral;
  for (int i = 0; i < 600; ++i) astral += "😀";  // 2400 bytes
  const std::string message = desk.answer(astral);
  BOOST_TEST(desk.becomes(message, "read"));
  std::string all;
  for (const Sent& piece : shop.sent()) {
    BOOST_TEST(piece.text.size() <= 1000u);
    BOOST_TEST(piece.text.size() % 4 == 0u);
    all += piece.text;
  }
  BOOST_TEST(shop.sent().size() == 3u);
  BOOST_TEST((all == astral));
  BOOST_REQUIRE(shop.meta.wait_idle(60s));
  desk.with(2);
}

BOOST_AUTO_TEST_CASE(files_and_text_are_messages_of_their_own) {
  Shop shop;
  Desk desk = shop.talk();
  const std::string message =
      desk.send(R"({"content":"el jarrón","attachments":[{"url":"https://files.example.com/)"
                R"(vase.jpg","type":"image"}]})");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_REQUIRE(shop.sent().size() == 2u);
  BOOST_TEST(shop.sent()[0].text == "el jarrón");
  const auto image = sdk::json::Document::parse(shop.sent()[1].body);
  BOOST_TEST(image->root()["message"]["attachment"]["payload"]["url"].text_or("") ==
             "https://files.example.com/vase.jpg");
  BOOST_REQUIRE(shop.meta.wait_idle(60s));
  desk.with(2);
}

// Within 24 hours anything; within 7 days a human agent; later nothing.
BOOST_AUTO_TEST_CASE(behind_the_window_an_answer_is_tagged_and_later_refused) {
  Shop shop;
  const auto ago = [](std::int64_t days) {
    return std::to_string((static_cast<std::int64_t>(std::time(nullptr)) - days * 86'400) * 1'000);
  };
  const std::string old = delivery(entry(shop.account, "mid.old", "Hola", ago(8)));
  BOOST_TEST(shop.channel.post(old, signed_by(kDeploymentSecret, old)) == 200);
  Desk desk = shop.desk();
  const std::string refused = desk.answer("too late");
  BOOST_TEST(desk.becomes(refused, "failed"));
  BOOST_TEST(desk.error_of(refused).find("7 days") != std::string::npos);
  const std::string late = delivery(entry(shop.account, "mid.late", "Hola?", ago(3)));
  BOOST_TEST(shop.channel.post(late, signed_by(kDeploymentSecret, late)) == 200);
  desk.with(3);
  const std::string message = desk.answer("by a human");
  BOOST_TEST(eventually([&] { return shop.asked("HUMAN_AGENT") == 1u; }));
  // The simulated platform has not seen these messages: nobody it could write to.
  BOOST_TEST(desk.becomes(message, "failed"));
}

BOOST_AUTO_TEST_CASE(typing_and_reading_are_passed_on) {
  Shop shop;
  Desk desk = shop.talk();
  desk.typing();
  BOOST_TEST(eventually([&] { return shop.asked("typing_on") == 1u; }));
  desk.read();
  BOOST_TEST(eventually([&] { return shop.asked("mark_seen") == 1u; }));
  BOOST_TEST(shop.sent().empty());
}

// ---- trouble on the way out

BOOST_AUTO_TEST_CASE(too_many_requests_is_waited_for) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::too_many_requests);
  const std::string message = desk.answer("patience");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_TEST(shop.sent().size() == 1u);
}

BOOST_AUTO_TEST_CASE(trouble_of_metas_is_tried_three_times_and_no_more) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::server_error, 2);
  BOOST_TEST(desk.becomes(desk.answer("at the third try"), "read"));
  shop.fault(CallFault::Kind::server_error, 100);
  const std::string message = desk.answer("never");
  BOOST_TEST(desk.becomes(message, "failed"));
  BOOST_TEST(desk.error_of(message).find("temporarily unavailable") != std::string::npos,
             desk.error_of(message));
  BOOST_TEST(shop.asked("\"never\"") == 3u);
  BOOST_TEST(shop.sent().size() == 1u);
}

// Instagram has no key that a repetition could be recognized by; the echo shows what arrived.
BOOST_AUTO_TEST_CASE(a_reset_behind_the_request_is_not_repeated) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::reset_after_body);
  const std::string message = desk.answer("did it arrive?");
  BOOST_TEST(eventually([&] {
    const std::string status = desk.status_of(message);
    return status == "uncertain" || status == "sent" || status == "read";
  }));
  BOOST_TEST(desk.becomes(desk.answer("next"), "read"));
  BOOST_TEST(shop.asked("did it arrive?") == 1u);
  BOOST_TEST(shop.sent().size() == 2u);
}

BOOST_AUTO_TEST_CASE(an_expired_token_is_a_problem_of_the_channel_and_the_message_waits) {
  Shop shop;
  Desk desk = shop.talk();
  shop.meta.revoke(shop.account.token);
  const std::string message = desk.answer("later");
  BOOST_TEST(eventually([&] { return shop.channel.state() == "failed"; }));
  BOOST_TEST(
      shop.channel.last_error().find("connect the Instagram account again") != std::string::npos,
      shop.channel.last_error());
  BOOST_TEST(desk.becomes(message, "queued"));
  Account fresh = shop.account;
  fresh.token = "IGAA" + fresh_digits("token") + "renewed0123456789";
  shop.meta.add_instagram({.user_id = fresh.id, .token = fresh.token});
  const Answer changed = shop.gateway.call("PATCH", "/api/v1/channels/" + shop.channel.id,
                                           shop.tenant.token, object({{"config", fresh.config()}}));
  BOOST_TEST(changed.status == 200, changed.body);
  BOOST_TEST(shop.channel.comes_to("manual"));
  BOOST_TEST(eventually([&] { return desk.status_of(message) != "queued"; }, 60s));
}

BOOST_AUTO_TEST_SUITE_END()
