// WhatsApp through the whole gateway: a number is connected, its deliveries become conversations,
// the agents' answers leave by the Cloud API.
//
// Expected payloads and rules:
// https://developers.facebook.com/documentation/business-messaging/whatsapp (read 2026-11-21).
#include <boost/test/unit_test.hpp>
#include <ctime>
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

const std::string kSharedPath = "/api/v1/webhooks/whatsapp";

struct Number {
  std::string id = fresh_digits("77941892527");
  std::string token = "EAA" + fresh_digits("token") + "e2e0123456789";
  std::string verify_token = fresh_digits("handshake-");

  std::string config(const std::string& app_secret = {}) const {
    gateway::simulate::Members members{{"phone_number_id", json_text(id)},
                                       {"access_token", json_text(token)},
                                       {"verify_token", json_text(verify_token)},
                                       {"waba_id", json_text("9" + id)}};
    if (!app_secret.empty()) members.emplace_back("app_secret", json_text(app_secret));
    return object(members);
  }
};

HttpClient::Headers signed_by(const std::string& secret, const std::string& body) {
  return {{"X-Hub-Signature-256", "sha256=" + sdk::hex(sdk::hmac_sha256(secret, body))}};
}

// One entry of a delivery: a text by Ana.
std::string entry(const Number& number, const std::string& wamid, const std::string& text,
                  const std::string& time = "1763600000") {
  return R"({"id":"9)" + number.id + R"(","changes":[{"field":"messages","value":{)" +
         R"("messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001111",)" +
         R"("phone_number_id":")" + number.id + R"("},"contacts":[{"profile":{"name":"Ana"},)" +
         R"("wa_id":"14155550100"}],"messages":[{"from":"14155550100","id":")" + wamid +
         R"(","timestamp":")" + time + R"(","type":"text","text":{"body":)" + json_text(text) +
         "}}]}}]}";
}

std::string delivery(const std::string& entries) {
  return R"({"object":"whatsapp_business_account","entry":[)" + entries + "]}";
}

// A number that is connected.
struct Shop {
  Gateway& gateway = Gateway::instance();
  gateway::simulate::MetaSimulator& meta = ChatPlatforms::instance().meta;
  Tenant tenant = Tenant::make();
  Number number;
  Connection channel;

  Shop() {
    meta.add_number({.id = number.id, .token = number.token});
    channel = Connection::make(tenant, "whatsapp", number.config());
  }
  ~Shop() { meta.clear_faults(); }

  Desk desk(std::size_t messages = 1) const {
    return {channel, channel.conversation_with(messages)};
  }
  // Ana writes, and an agent sees it.
  Desk talk() {
    BOOST_REQUIRE(!meta.whatsapp_says(number.id, "ana", "Hola").empty());
    return desk();
  }
  std::string act(const std::string& members) {
    const auto made = meta.act(R"({"number":")" + number.id + "\"," + members + "}");
    BOOST_REQUIRE_MESSAGE(made.has_value(), members);
    const auto document = sdk::json::Document::parse(*made);
    return std::string(document->root()["ids"].at(0).text_or(""));
  }
  std::vector<Sent> sent() const { return meta.sent(number.id); }
  void fault(CallFault::Kind kind, int count = 1) {
    // No usage header's minutes: 130429 alone.
    fault_of_sends(meta, number.id, {.kind = kind, .count = count, .retry_after = 0});
  }
  // The calls of this number whose body holds these words.
  std::size_t asked(const std::string& words) const { return calls_with(meta, number.id, words); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(whatsapp)

// ---- registration

BOOST_AUTO_TEST_CASE(a_number_is_registered_by_itself_where_the_token_may) {
  Shop shop;
  const std::string url =
      "http://127.0.0.1:" + std::to_string(shop.gateway.port()) + shop.channel.path;
  BOOST_TEST(shop.meta.webhook_of(shop.number.id) == url);
  BOOST_TEST(shop.meta.number(shop.number.id)->override_url == url);
  BOOST_TEST(shop.channel.last_error().empty());
  const Answer shown = shop.channel.shown();
  const auto setup = shown.json()["config"]["_meta_setup_instructions"];
  BOOST_TEST(setup["callback_url"].text_or("") == url);
  BOOST_TEST(shown.body.find(shop.number.token) == std::string::npos);

  BOOST_TEST(shop.gateway.call("DELETE", "/api/v1/channels/" + shop.channel.id, shop.tenant.token)
                 .status == 200);
  BOOST_TEST(eventually([&] { return shop.meta.number(shop.number.id)->override_url.empty(); }));
}

BOOST_AUTO_TEST_CASE(where_the_token_may_not_a_person_is_told_what_to_enter) {
  Gateway& gateway = Gateway::instance();
  auto& meta = ChatPlatforms::instance().meta;
  const Tenant tenant = Tenant::make();
  const Number number;
  // It may send, and not manage: whatsapp_business_management is missing.
  meta.add_number({.id = number.id, .token = number.token, .manages = false});
  const Answer created = Connection::create(tenant, "whatsapp", number.config());
  BOOST_REQUIRE_MESSAGE(created.status == 201, created.body);
  const Connection channel = Connection::of(tenant, "whatsapp", created);
  BOOST_TEST(channel.comes_to("manual"));
  const auto setup = created.json()["config"]["_meta_setup_instructions"];
  const std::string url(setup["callback_url"].text_or(""));
  BOOST_TEST(url == "http://127.0.0.1:" + std::to_string(gateway.port()) + channel.path);
  BOOST_TEST(setup["verify_token"].text_or("") == number.verify_token);
  BOOST_TEST(channel.last_error().find("does not let the gateway set the callback URL") !=
             std::string::npos);

  // What the person then does by hand works.
  BOOST_TEST(
      meta.subscribe_by_hand("whatsapp_business_account", url, "wrong", {"messages"}).status ==
      400);
  BOOST_TEST(
      meta.subscribe_by_hand("whatsapp_business_account", url, number.verify_token, {"messages"})
          .status == 200);
  const std::string body = delivery(entry(number, "wamid.byhand", "Hola"));
  BOOST_TEST(channel.post(body, signed_by(kDeploymentSecret, body)) == 200);
  channel.conversation_with(1);
}

BOOST_AUTO_TEST_CASE(a_wrong_token_is_refused_in_the_platforms_words) {
  const Tenant tenant = Tenant::make();
  Number number;
  auto& meta = ChatPlatforms::instance().meta;
  meta.add_number({.id = number.id, .token = number.token});
  meta.revoke(number.token);
  const Answer refused = Connection::create(tenant, "whatsapp", number.config());
  BOOST_TEST(refused.status == 400);
  BOOST_TEST(refused.json()["detail"].text_or("").find("access token") != std::string_view::npos,
             refused.body);
  BOOST_TEST(refused.body.find(number.token) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_challenge_is_echoed_for_the_channels_verify_token_alone) {
  Shop shop;
  const auto ask = [&](const std::string& path, const std::string& token) {
    return Gateway::call(
        *std::make_unique<HttpClient>(shop.gateway.port()), "GET",
        path + "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=" + token);
  };
  for (const std::string& path : {shop.channel.path, kSharedPath}) {
    const Answer passed = ask(path, shop.number.verify_token);
    BOOST_TEST(passed.status == 200);
    BOOST_TEST(passed.body == "1158201444");
    const Answer refused = ask(path, "guess");
    BOOST_TEST(refused.status >= 400);
    BOOST_TEST(refused.body.find("1158201444") == std::string::npos);
  }
}

// ---- what comes in

BOOST_AUTO_TEST_CASE(a_delivery_becomes_a_conversation_with_its_contact) {
  Shop shop;
  const std::string wamid = shop.meta.whatsapp_says(shop.number.id, "ana", "Hola <b> & 😀\nñ");
  const Desk desk = shop.desk();
  const Answer shown = desk.shown();
  BOOST_TEST(shown.json()["channel_type"].text_or("") == "whatsapp");
  BOOST_TEST(shown.json()["customer"]["name"].text_or("") == contact_of("ana").name);
  BOOST_TEST(text_of(shown, 0, "content") == "Hola <b> & 😀\nñ");
  BOOST_TEST(text_of(shown, 0, "sender_type") == "customer");
  const auto metadata = shown.json()["messages"].at(0)["metadata"];
  BOOST_TEST(metadata["wa_id"].text_or("") == contact_of("ana").phone);
  BOOST_TEST(metadata["user_id"].text_or("") == contact_of("ana").bsuid);
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 1);
  // A reply names the message it answers.
  shop.act(R"("from":"ana","text":"again","reply_to":")" + wamid + "\"");
  const Answer both = desk.with(2);
  BOOST_TEST(text_of(both, 1, "reply_to") == text_of(both, 0, "id"));
}

BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) {
  Shop shop;
  Shop other;
  const std::string body = delivery(entry(shop.number, "wamid.forged", "Hola"));
  const std::string none = shop.channel.traces();
  const auto genuine = signed_by(kDeploymentSecret, body);
  std::string flipped = body;
  flipped[body.find("Hola")] ^= 1;
  std::string upper = genuine[0].second;
  std::transform(upper.begin() + 7, upper.end(), upper.begin() + 7,
                 [](char c) { return static_cast<char>(std::toupper(c)); });
  for (const std::string& where : {shop.channel.path, kSharedPath}) {
    BOOST_TEST(shop.channel.post(flipped, genuine, where) == 401);
    BOOST_TEST(shop.channel.post(body.substr(0, body.size() - 1), genuine, where) == 401);
    BOOST_TEST(shop.channel.post(body + "\n", genuine, where) == 401);
    BOOST_TEST(shop.channel.post(body, {}, where) == 401);
    BOOST_TEST(shop.channel.post(body, signed_by("another secret", body), where) == 401);
    BOOST_TEST(shop.channel.post(body, {{"X-Hub-Signature-256", "sha256="}}, where) == 401);
    BOOST_TEST(shop.channel.post(body, {{"X-Hub-Signature-256", genuine[0].second.substr(7)}},
                                 where) == 401);
    // The older signature alone, even a right one, is none.
    BOOST_TEST(shop.channel.post(body,
                                 {{"X-Hub-Signature",
                                   "sha1=" + sdk::hex(sdk::hmac_sha1(kDeploymentSecret, body))}},
                                 where) == 401);
    BOOST_TEST(shop.channel.post(
                   body, {{"X-Hub-Signature-256", "sha256=" + std::string(64, '0')}, genuine[0]},
                   where) == 401);
  }
  BOOST_TEST(shop.channel.traces() == none);
  BOOST_TEST(other.channel.traces() == none);
  BOOST_TEST(shop.channel.post(body, genuine) == 200);
  shop.channel.conversation_with(1);
}

BOOST_AUTO_TEST_CASE(a_delivery_signed_by_another_tenants_app_is_refused) {
  auto& meta = ChatPlatforms::instance().meta;
  meta.add_app("1000000000000001", "secret-of-the-first-app");
  meta.add_app("1000000000000002", "secret-of-the-other-app");
  const Tenant first = Tenant::make();
  const Tenant other = Tenant::make();
  const Number one;
  const Number two;
  meta.add_number({.id = one.id, .token = one.token, .app_id = "1000000000000001"});
  meta.add_number({.id = two.id, .token = two.token, .app_id = "1000000000000002"});
  const auto mine = Connection::make(first, "whatsapp", one.config("secret-of-the-first-app"));
  const auto theirs = Connection::make(other, "whatsapp", two.config("secret-of-the-other-app"));
  const std::string body = delivery(entry(one, "wamid.crossed", "for the first"));
  const std::string none = mine.traces();
  for (const std::string& where : {mine.path, theirs.path, kSharedPath}) {
    const int status = mine.post(body, signed_by("secret-of-the-other-app", body), where);
    // At the other's own address it is authentic, and about nobody there.
    BOOST_TEST(status == (where == theirs.path ? 200 : 401), where);
  }
  BOOST_TEST(mine.traces() == none);
  BOOST_TEST(theirs.rows("message") == "0");
  // Each app's own signature reaches its number, also by the address all share.
  BOOST_TEST(mine.post(body, signed_by("secret-of-the-first-app", body), kSharedPath) == 200);
  mine.conversation_with(1);
  BOOST_TEST(theirs.rows("message") == "0");
}

BOOST_AUTO_TEST_CASE(well_signed_nonsense_is_quarantined_and_answered_200) {
  Shop shop;
  int count = 0;
  for (const std::string& body :
       {std::string("no JSON at all"), std::string("[]"), std::string(R"({"entry":7})"),
        std::string(R"({"object":"page","entry":[]})"), std::string("\xff\xfe{")}) {
    BOOST_TEST(shop.channel.post(body, signed_by(kDeploymentSecret, body)) == 200, body);
    BOOST_TEST(shop.channel.rows("quarantine") == std::to_string(++count), body);
  }
  BOOST_TEST(shop.channel.rows("message") == "0");
  // What comes behind is understood.
  shop.talk();
}

BOOST_AUTO_TEST_CASE(one_post_for_several_numbers_reaches_their_channels) {
  Shop shop;
  Shop other;
  const Number stranger;
  const std::string body =
      delivery(entry(shop.number, "wamid.a1", "for the shop", "1763600001") + "," +
               entry(other.number, "wamid.b1", "for the other") + "," +
               entry(stranger, "wamid.c1", "for nobody") + "," +
               entry(shop.number, "wamid.a2", "again for the shop", "1763600002"));
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(shop.channel.post(body, signed_by(kDeploymentSecret, body), kSharedPath) == 200);
  }
  const Answer mine = shop.desk(2).shown();
  BOOST_TEST(text_of(mine, 0, "content") == "for the shop");
  BOOST_TEST(text_of(mine, 1, "content") == "again for the shop");
  BOOST_TEST(text_of(other.desk(1).shown(), 0, "content") == "for the other");
  BOOST_TEST(shop.channel.rows("message") == "2");
  BOOST_TEST(other.channel.rows("message") == "1");
}

BOOST_AUTO_TEST_CASE(duplicates_and_wrong_signatures_end_in_one_row_each) {
  Shop shop;
  shop.meta.inject(DeliveryFault{DeliveryFault::Kind::duplicate, 5, 4});
  shop.meta.inject(DeliveryFault{DeliveryFault::Kind::wrong_secret, 2, 2});
  shop.meta.inject(DeliveryFault{DeliveryFault::Kind::altered_body, 2, 2});
  for (int i = 0; i < 5; ++i) {
    shop.meta.whatsapp_says(shop.number.id, "tom", "line " + std::to_string(i));
  }
  BOOST_REQUIRE(shop.meta.wait_idle(60s));
  const Answer shown = shop.desk(5).shown();
  for (std::size_t i = 0; i < 5; ++i) {
    std::size_t found = 0;
    for (std::size_t j = 0; j < 5; ++j) {
      found += text_of(shown, j, "content") == "line " + std::to_string(i) ? 1u : 0u;
    }
    BOOST_TEST(found == 1u);
  }
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 5);
}

BOOST_AUTO_TEST_CASE(edits_revokes_and_reactions_change_their_message) {
  Shop shop;
  const std::string wamid = shop.meta.whatsapp_says(shop.number.id, "ana", "Hola");
  const Desk desk = shop.desk();
  shop.act(R"("from":"ana","edit":"Hola a todos","message_id":")" + wamid + "\"");
  BOOST_TEST(eventually([&] { return text_of(desk.shown(), 0, "content") == "Hola a todos"; }));
  BOOST_TEST(!text_of(desk.shown(), 0, "edited_at").empty());
  shop.act(R"("from":"ana","reaction":"❤","message_id":")" + wamid + "\"");
  BOOST_TEST(eventually([&] { return desk.shown().body.find("❤") != std::string::npos; }));
  shop.act(R"("from":"ana","reaction":"","message_id":")" + wamid + "\"");
  BOOST_TEST(eventually([&] { return desk.shown().body.find("❤") == std::string::npos; }));
  shop.act(R"("from":"ana","revoke":true,"message_id":")" + wamid + "\"");
  BOOST_TEST(eventually([&] { return !text_of(desk.shown(), 0, "deleted_at").empty(); }));
  desk.with(1);
}

BOOST_AUTO_TEST_CASE(what_the_phone_app_sends_is_a_message_of_ours) {
  Shop shop;
  // Echoes of the phone app are a field of their own, which goes where the messages go.
  const Desk desk = shop.talk();
  shop.act(R"("from":"ana","echo":true,"text":"Buenos días, desde el móvil")");
  const Answer shown = desk.with(2);
  BOOST_TEST(text_of(shown, 1, "content") == "Buenos días, desde el móvil");
  BOOST_TEST(text_of(shown, 1, "sender_type") == "agent");
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 1);
  BOOST_TEST(shop.sent().empty());
}

BOOST_AUTO_TEST_CASE(files_are_fetched_and_read_at_their_signed_address) {
  Shop shop;
  shop.act(R"("from":"ana","image":"el jarrón")");
  const Desk desk = shop.desk();
  BOOST_TEST((desk.file_of(0) == sample_file("image/jpeg", 48'000)));
  const Answer shown = desk.shown();
  BOOST_TEST(text_of(shown, 0, "content") == "el jarrón");
  const auto file = shown.json()["messages"].at(0)["attachments"].at(0);
  BOOST_TEST(file["type"].text_or("") == "image");
  BOOST_TEST(file["content_type"].text_or("") == "image/jpeg");
  BOOST_TEST(file["size"].integer().value_or(0) == 48'000);
  // The token that fetches it is shown to nobody.
  BOOST_TEST(shown.body.find(shop.number.token) == std::string::npos);
  BOOST_TEST(shown.body.find("lookaside") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_person_who_shows_no_number_is_one_contact_and_can_be_answered) {
  Shop shop;
  shop.act(R"("from":"ana","without_phone":true,"text":"who am I?")");
  Desk desk = shop.desk();
  const std::string message = desk.answer("Hello!");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_REQUIRE(shop.sent().size() == 1u);
  BOOST_TEST(shop.sent()[0].to == contact_of("ana").bsuid);
}

// ---- what goes out

BOOST_AUTO_TEST_CASE(an_answer_leaves_by_the_cloud_api_and_its_statuses_come_back) {
  Shop shop;
  const std::string wamid = shop.meta.whatsapp_says(shop.number.id, "ana", "Hola");
  Desk desk = shop.desk();
  const std::string question = text_of(desk.shown(), 0, "id");
  const std::string message =
      desk.send(object({{"content", json_text("¡Hola, Ana! <b>no tags</b> & 😀")},
                        {"reply_to", json_text(question)}}));
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_REQUIRE(shop.sent().size() == 1u);
  const Sent sent = shop.sent()[0];
  BOOST_TEST(sent.to == contact_of("ana").phone);
  BOOST_TEST(sent.kind == "text");
  BOOST_TEST(sent.text == "¡Hola, Ana! <b>no tags</b> & 😀");
  BOOST_TEST(sent.reply_to == wamid);
  const auto body = sdk::json::Document::parse(sent.body);
  BOOST_TEST(body->root()["messaging_product"].text_or("") == "whatsapp");
  BOOST_TEST(body->root()["recipient_type"].text_or("") == "individual");
  BOOST_TEST(body->root()["biz_opaque_callback_data"].text_or("") == message);
  // A reaction to what we sent.
  shop.act(R"("from":"ana","reaction":"👍","message_id":")" + sent.id + "\"");
  BOOST_TEST(eventually([&] { return desk.shown().body.find("👍") != std::string::npos; }));
  desk.with(2);
}

// A text has at most 4096 characters.
BOOST_AUTO_TEST_CASE(long_texts_leave_in_pieces_and_in_order) {
  Shop shop;
  Desk desk = shop.talk();
  std::string astral;
  for (int i = 0; i < 3'000; ++i) astral += "😀";  // 6000 UTF-16 units
  const std::string message = desk.answer(astral);
  BOOST_TEST(desk.becomes(message, "read"));
  const auto sent = shop.sent();
  BOOST_REQUIRE(sent.size() == 2u);
  BOOST_TEST(sdk::utf16_length(sent[0].text) <= 4096u);
  BOOST_TEST((sent[0].text + sent[1].text == astral));
  desk.with(2);
}

BOOST_AUTO_TEST_CASE(files_leave_by_address_with_the_text_as_their_caption) {
  Shop shop;
  Desk desk = shop.talk();
  const std::string message =
      desk.send(R"({"content":"el jarrón","attachments":[{"url":"https://files.example.com/)"
                R"(vase.jpg","type":"image"},{"url":"https://files.example.com/invoice.pdf",)"
                R"("type":"file","name":"invoice.pdf"}]})");
  BOOST_TEST(desk.becomes(message, "read"));
  const auto sent = shop.sent();
  BOOST_REQUIRE(sent.size() == 2u);
  const auto image = sdk::json::Document::parse(sent[0].body);
  BOOST_TEST(sent[0].kind == "image");
  BOOST_TEST(image->root()["image"]["link"].text_or("") == "https://files.example.com/vase.jpg");
  BOOST_TEST(image->root()["image"]["caption"].text_or("") == "el jarrón");
  const auto file = sdk::json::Document::parse(sent[1].body);
  BOOST_TEST(file->root()["document"]["filename"].text_or("") == "invoice.pdf");
}

// More than 24 hours after the customer's last message only templates are taken.
BOOST_AUTO_TEST_CASE(behind_the_window_a_text_is_refused_with_the_reason_and_a_template_leaves) {
  Shop shop;
  const std::string body = delivery(entry(shop.number, "wamid.old", "Hola", "1763600000"));
  BOOST_TEST(shop.channel.post(body, signed_by(kDeploymentSecret, body)) == 200);
  Desk desk = shop.desk();
  const std::string refused = desk.answer("too late");
  BOOST_TEST(desk.becomes(refused, "failed"));
  BOOST_TEST(desk.error_of(refused).find("24 hours") != std::string::npos);
  BOOST_TEST(desk.error_of(refused).find("template") != std::string::npos);
  BOOST_TEST(shop.sent().empty());
  const std::string message = desk.send(
      R"({"content":"Your order is on its way","metadata":{"template":{"name":"order_shipped",)"
      R"("language":"en_US","components":[{"type":"body","parameters":[{"type":"text",)"
      R"("text":"77"}]}]}}})");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_REQUIRE(shop.sent().size() == 1u);
  const auto sent = sdk::json::Document::parse(shop.sent()[0].body);
  BOOST_TEST(sent->root()["type"].text_or("") == "template");
  BOOST_TEST(sent->root()["template"]["language"]["code"].text_or("") == "en_US");
  BOOST_TEST(sent->root()["template"]["components"].at(0)["parameters"].at(0)["text"].text_or("") ==
             "77");
  // The conversation may be written to, so it is not marked as unreachable.
  BOOST_TEST(desk.shown().json()["unreachable_reason"].is_null());
}

// Meta takes the call, and tells by a status that nobody will get the message.
BOOST_AUTO_TEST_CASE(a_failed_status_fails_the_message_with_its_reason) {
  Shop shop;
  Desk desk = shop.talk();
  shop.meta.make_undeliverable(shop.number.id, contact_of("ana").phone);
  const std::string message = desk.answer("anybody there?");
  BOOST_TEST(desk.becomes(message, "failed"));
  BOOST_TEST(desk.error_of(message).find("ndeliverable") != std::string::npos,
             desk.error_of(message));
}

BOOST_AUTO_TEST_CASE(typing_and_reading_are_passed_on) {
  Shop shop;
  const std::string wamid = shop.meta.whatsapp_says(shop.number.id, "ana", "Hola");
  Desk desk = shop.desk();
  desk.typing();
  BOOST_TEST(eventually([&] { return shop.asked("typing_indicator") == 1u; }));
  desk.read();
  BOOST_TEST(eventually([&] { return shop.asked(R"("status":"read")") == 2u; }));
  BOOST_TEST(shop.meta.number(shop.number.id)->messages.at(wamid).read);
  BOOST_TEST(shop.sent().empty());
  BOOST_TEST(desk.shown().json()["unread_count"].integer().value() == 0);
}

// ---- trouble on the way out

// The statuses carry our own id, and so find a message whose wamid is not known yet.
BOOST_AUTO_TEST_CASE(statuses_that_overtake_the_answer_are_not_lost_nor_taken_back) {
  Shop shop;
  Desk desk = shop.talk();
  CallFault slow;
  slow.kind = CallFault::Kind::slow;
  slow.method = "/messages";
  slow.account = shop.number.id;
  slow.delay = 3s;
  shop.meta.inject(slow);
  const std::string message = desk.answer("slow");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_TEST(eventually([&] { return shop.asked("\"slow\"") == 1u; }));
  BOOST_TEST(desk.becomes(desk.answer("next"), "read"));
  BOOST_TEST(desk.status_of(message) == "read");
  BOOST_TEST(shop.sent().size() == 2u);
  desk.with(3);
}

BOOST_AUTO_TEST_CASE(statuses_in_any_order_end_in_the_furthest) {
  Shop shop;
  Desk desk = shop.talk();
  std::vector<std::string> messages;
  for (int i = 0; i < 4; ++i) {
    shop.meta.inject(DeliveryFault{DeliveryFault::Kind::reorder, 3, 2});
    messages.push_back(desk.answer("m" + std::to_string(i)));
    BOOST_TEST(desk.becomes(messages.back(), "read"));
    BOOST_REQUIRE(shop.meta.wait_idle(60s));
  }
  for (const std::string& message : messages) BOOST_TEST(desk.status_of(message) == "read");
}

BOOST_AUTO_TEST_CASE(too_many_requests_is_waited_for) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::too_many_requests);
  const std::string message = desk.answer("patience");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_TEST(shop.sent().size() == 1u);
}

// 131000 with 500: Meta's own trouble, refused, so nothing was done.
BOOST_AUTO_TEST_CASE(trouble_of_metas_is_tried_three_times_and_no_more) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::server_error, 2);
  BOOST_TEST(desk.becomes(desk.answer("at the third try"), "read"));
  BOOST_TEST(shop.sent().size() == 1u);
  shop.fault(CallFault::Kind::server_error, 100);
  const std::string message = desk.answer("never");
  BOOST_TEST(desk.becomes(message, "failed"));
  BOOST_TEST(desk.error_of(message).find("Something went wrong") != std::string::npos,
             desk.error_of(message));
  BOOST_TEST(shop.asked("\"never\"") == 3u);
  BOOST_TEST(shop.sent().size() == 1u);
}

// Meta's front end says nothing about the message; it may have passed.
BOOST_AUTO_TEST_CASE(a_bad_gateway_is_uncertain_and_not_repeated) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::bad_gateway);
  const std::string message = desk.answer("did it?");
  BOOST_TEST(desk.becomes(message, "uncertain"));
  BOOST_TEST(desk.becomes(desk.answer("next"), "read"));
  BOOST_TEST(shop.sent().size() == 1u);
}

// The answer is lost, the statuses come: they settle it.
BOOST_AUTO_TEST_CASE(a_reset_behind_the_request_is_settled_by_the_statuses) {
  Shop shop;
  Desk desk = shop.talk();
  shop.fault(CallFault::Kind::reset_after_body);
  const std::string message = desk.answer("did it arrive?");
  BOOST_TEST(desk.becomes(message, "read"));
  BOOST_TEST(desk.becomes(desk.answer("next"), "read"));
  BOOST_TEST(shop.sent().size() == 2u);
  desk.with(3);
}

BOOST_AUTO_TEST_CASE(an_expired_token_is_a_problem_of_the_channel_and_the_message_waits) {
  Shop shop;
  Desk desk = shop.talk();
  shop.meta.revoke(shop.number.token);
  const std::string message = desk.answer("later");
  BOOST_TEST(eventually([&] { return !shop.channel.last_error().empty(); }));
  BOOST_TEST(shop.channel.last_error().find("access token") != std::string::npos,
             shop.channel.last_error());
  BOOST_TEST(shop.channel.state() == "failed");
  BOOST_TEST(shop.channel.last_error().find(shop.number.token) == std::string::npos);
  BOOST_TEST(desk.becomes(message, "queued"));
  // A new token, and what waited leaves.
  Number fresh = shop.number;
  fresh.token = "EAA" + fresh_digits("token") + "renewed0123456789";
  shop.meta.add_number({.id = fresh.id, .token = fresh.token});
  const Answer changed = shop.gateway.call("PATCH", "/api/v1/channels/" + shop.channel.id,
                                           shop.tenant.token, object({{"config", fresh.config()}}));
  BOOST_TEST(changed.status == 200, changed.body);
  BOOST_TEST(shop.channel.comes_to("active"));
  // The number of before was forgotten with its window; only that it left matters.
  BOOST_TEST(eventually([&] { return shop.sent().size() == 1u; }, 60s));
}

BOOST_AUTO_TEST_SUITE_END()
