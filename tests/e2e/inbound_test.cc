// A delivery becomes a stored conversation: once, in order, and only where its secret is right.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "gateway/simulate/morning.h"
#include "tests/e2e/gateway.h"

using namespace e2e;
using gateway::simulate::find_person;

namespace {

constexpr std::int64_t kAna = 5512345678;

std::string count_of(const char* table, const Channel& channel) {
  return Gateway::instance().query("select count(*) from backchannel." + std::string(table) +
                                   " where channel_id = '" + channel.id + "'");
}

// Posts all bodies at once, each on a connection of its own; the statuses.
std::vector<int> deliver_together(const Channel& channel, const std::vector<std::string>& bodies) {
  std::vector<int> statuses(bodies.size());
  std::vector<std::thread> threads;
  const std::uint16_t port = Gateway::instance().port();
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        HttpClient client(port);
        statuses[i] =
            client.call("POST", channel.path, signed_with(channel.secret), bodies[i]).status;
      } catch (const HttpClient::Error&) {
        statuses[i] = -1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return statuses;
}

// Makes a channel one of the switchboard (tests/inbound/switchboard), whose account is the number
// of its bot, as if that platform had confirmed it.
std::string to_switchboard(const Channel& channel) {
  const std::string account = std::to_string(channel.bot_id);
  Gateway::instance().query(
      "with moved as (update backchannel.channel set type = 'switchboard', revision = revision + 1"
      " where id = '" +
      channel.id +
      "' returning tenant_id, id), named as (insert into backchannel.channel_account (tenant_id,"
      " channel_id, type, account) select tenant_id, id, 'switchboard', '" +
      account + "' from moved returning 1) select count(*) from named");
  return account;
}

Answer deliver_shared(const std::string& body, const std::string& secret) {
  HttpClient client(Gateway::instance().port());
  const auto answer =
      client.call("POST", "/api/v1/webhooks/switchboard",
                  {{"Content-Type", "application/json"},
                   {"X-Switchboard-Signature", sdk::hex(sdk::hmac_sha256(secret, body))}},
                  body);
  return {answer.status, answer.headers, answer.body, nullptr};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(inbound)

BOOST_AUTO_TEST_CASE(a_signed_update_is_a_conversation_before_it_is_acknowledged) {
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  const Answer delivered =
      deliver(channel, text_update(1, kAna, 11, "¡Hola! 👨‍👩‍👧", 1'763'600'000));
  BOOST_TEST(delivered.status == 200);
  BOOST_TEST(delivered.body == "");
  const Answer shown = conversation(tenant, only_conversation(tenant));
  BOOST_REQUIRE(shown.status == 200);
  BOOST_TEST(shown.json()["status"].text_or("") == "open");
  BOOST_TEST(shown.json()["channel_type"].text_or("") == "telegram");
  BOOST_TEST(shown.json()["channel_id"].text_or("") == channel.id);
  BOOST_TEST(shown.json()["business_id"].text_or("") == tenant.business);
  BOOST_TEST(shown.json()["customer"]["name"].text_or("") == "Ana");
  BOOST_REQUIRE(shown.json()["messages"].size() == 1u);
  const auto message = shown.json()["messages"].at(0);
  BOOST_TEST(message["content"].text_or("") == "¡Hola! 👨‍👩‍👧");
  BOOST_TEST(message["sender_type"].text_or("") == "customer");
  // The platform's time: 1763600000 is this.
  BOOST_TEST(message["created_at"].text_or("") == "2025-11-20T00:53:20Z");
}

BOOST_AUTO_TEST_CASE(forged_secrets_are_401_and_leave_no_row) {
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  HttpClient client(Gateway::instance().port());
  const std::string body = text_update(1, kAna, 11, "forged");
  const std::string name = "X-Telegram-Bot-Api-Secret-Token";
  std::string near = channel.secret;
  near.back() = near.back() == 'a' ? 'b' : 'a';
  const std::vector<HttpClient::Headers> forged{
      {},
      {{name, ""}},
      {{name, near}},
      {{name, channel.secret + "0"}},
      {{name, channel.secret.substr(1)}},
      {{name, near}, {name, channel.secret}},
      {{name, channel.secret}, {name, near}},
      {{name, channel.secret}, {name, channel.secret}},
      {{"X-Telegram-Bot-Api-Secret_Token", channel.secret}},
      {{"Authorization", "Bearer " + tenant.token}}};
  for (std::size_t i = 0; i < forged.size(); ++i) {
    HttpClient::Headers headers = forged[i];
    headers.emplace_back("Content-Type", "application/json");
    const int status = client.call("POST", channel.path, headers, body).status;
    BOOST_TEST(status == 401, "forgery " << i << " was answered " << status);
  }
  for (const char* table : {"message", "raw_event", "event_key", "quarantine", "conversation"}) {
    BOOST_TEST(count_of(table, channel) == "0", table);
  }
  // The header's name in another case is the same header.
  BOOST_TEST(
      client.call("POST", channel.path, {{"x-telegram-bot-api-secret-token", channel.secret}}, body)
          .status == 200);
}

BOOST_AUTO_TEST_CASE(eight_copies_at_once_are_one_message) {
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  const std::vector<std::string> copies(8, text_update(77, kAna, 5, "only once"));
  for (const int status : deliver_together(channel, copies)) BOOST_TEST(status == 200);
  for (const int status : deliver_together(channel, copies)) BOOST_TEST(status == 200);
  const Answer shown = conversation(tenant, only_conversation(tenant));
  BOOST_TEST(shown.json()["messages"].size() == 1u);
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 1);
  BOOST_TEST(count_of("raw_event", channel) == "1");
}

BOOST_AUTO_TEST_CASE(thirty_two_first_messages_at_once_are_one_conversation_in_order) {
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  std::vector<std::string> bodies;
  for (int i = 0; i < 32; ++i) {
    // Four messages share each second: the platform's sequence decides there.
    bodies.push_back(
        text_update(1'000 + i, kAna, 100 + i, "m" + std::to_string(i), 1'763'600'000 + i / 4));
  }
  std::mt19937 random(7);
  std::shuffle(bodies.begin(), bodies.end(), random);
  for (const int status : deliver_together(channel, bodies)) BOOST_TEST(status == 200);
  const std::string id = only_conversation(tenant);
  BOOST_REQUIRE(!id.empty());
  const Answer shown = conversation(tenant, id);
  const auto messages = shown.json()["messages"].elements();
  BOOST_REQUIRE(messages.size() == 32u);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    BOOST_TEST(messages[i]["content"].text_or("") == "m" + std::to_string(i));
  }
  BOOST_TEST(count_of("conversation", channel) == "1");
  BOOST_TEST(count_of("contact_alias", channel) == "1");
}

BOOST_AUTO_TEST_CASE(an_inactive_channel_stores_and_acknowledges_what_still_comes) {
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  Gateway& gateway = Gateway::instance();
  const Answer off = gateway.call("PATCH", "/api/v1/channels/" + channel.id, tenant.token,
                                  R"({"is_active":false})");
  BOOST_TEST(off.status == 200);
  BOOST_TEST(off.json()["is_active"].boolean().value() == false);
  BOOST_TEST(
      eventually([&] { return !gateway.telegram().bot(channel.bot_id)->webhook.has_value(); }));
  // Contract 5 #13: deliveries that still come are stored, marked, answered 200.
  BOOST_TEST(deliver(channel, text_update(1, kAna, 11, "late")).status == 200);
  BOOST_TEST(count_of("raw_event", channel) != "0");
  const Answer on = gateway.call("PATCH", "/api/v1/channels/" + channel.id, tenant.token,
                                 R"({"is_active":true})");
  BOOST_TEST(on.status == 200);
  BOOST_TEST(gateway.telegram().wait_webhook(channel.bot_id, 30s));
}

BOOST_AUTO_TEST_CASE(a_whole_morning_is_acknowledged_and_stored) {
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  Gateway& gateway = Gateway::instance();
  auto& telegram = gateway.telegram();
  const auto before = telegram.delivery_stats();
  gateway::simulate::play(telegram, channel.bot_id, gateway::simulate::morning(11), 1'763'590'000);
  BOOST_TEST(telegram.wait_idle(60s));
  const auto after = telegram.delivery_stats();
  BOOST_TEST(after.acknowledged - before.acknowledged == after.updates - before.updates);
  BOOST_TEST(after.attempts - before.attempts == after.updates - before.updates);
  BOOST_TEST(after.unwanted == before.unwanted);
  BOOST_TEST(count_of("quarantine", channel) == "0");
  Answer keep;
  std::set<std::string> names;
  for (const auto item : conversations(keep, tenant)) {
    names.insert(std::string(item["customer"]["name"].text_or("")));
  }
  for (const char* part : {"Ana 🌸", "Юлия", "さくら", "أحمد", "Jürgen", "Marie", "Tom", "李",
                           "प्रिया", "נועה", "Neighbours 12b", "VIP"}) {
    BOOST_TEST(
        std::any_of(names.begin(), names.end(),
                    [&](const std::string& name) { return name.find(part) != std::string::npos; }),
        part);
  }
  // A callback's spinner is ended by an answer.
  BOOST_TEST(eventually([&] {
    for (const auto& call : telegram.calls()) {
      if (call.bot_id == channel.bot_id && call.method == "answerCallbackQuery") return true;
    }
    return false;
  }));
}

BOOST_AUTO_TEST_CASE(a_delivery_to_a_shared_url_reaches_the_inboxes_of_its_accounts) {
  const Tenant acme = Tenant::make();
  const Tenant bolt = Tenant::make();
  const std::string a = to_switchboard(Channel::connect(acme));
  const std::string b = to_switchboard(Channel::connect(bolt));
  const auto entry = [](const std::string& account, const std::string& text) {
    return R"({"account":")" + account + R"(","thread":"ana","message":")" + text +
           R"(","text":")" + text + "\"}";
  };
  const std::string body = R"({"entries":[)" + entry(a, "for acme") + "," + entry(b, "for bolt") +
                           "," + entry("4711", "for nobody") + "]}";
  BOOST_TEST(deliver_shared(body, "forged").status == 401);
  BOOST_TEST(deliver_shared(body, kDeploymentSecret).status == 200);
  BOOST_TEST(deliver_shared(body, kDeploymentSecret).status == 200);
  const auto only_text = [](const Tenant& tenant) {
    const Answer shown = conversation(tenant, only_conversation(tenant));
    BOOST_REQUIRE(shown.json()["messages"].size() == 1u);
    return std::string(shown.json()["messages"].at(0)["content"].text_or(""));
  };
  BOOST_TEST(only_text(acme) == "for acme");
  BOOST_TEST(only_text(bolt) == "for bolt");
  // A type whose channels have URLs of their own has no shared one.
  BOOST_TEST(Gateway::instance().call("POST", "/api/v1/webhooks/telegram", {}, "{}").status == 404);
}

BOOST_AUTO_TEST_CASE(a_body_of_more_than_its_connector_takes_is_413_and_a_large_one_is_stored) {
  const Tenant tenant = Tenant::make();
  const std::string account = to_switchboard(Channel::connect(tenant));
  const auto body_of = [&](std::size_t bytes) {
    return R"({"entries":[{"account":")" + account +
           R"(","thread":"ana","message":"1","text":"see file","file":")" +
           std::string(bytes, 'f') + "\"}]}";
  };
  // The switchboard's connector takes 8 MiB.
  BOOST_TEST(deliver_shared(body_of(8u << 20), kDeploymentSecret).status == 413);
  BOOST_TEST(deliver_shared(body_of(7u << 20), kDeploymentSecret).status == 200);
  const Answer shown = conversation(tenant, only_conversation(tenant));
  BOOST_REQUIRE(shown.json()["messages"].size() == 1u);
  const auto file = shown.json()["messages"].at(0)["attachments"].at(0);
  BOOST_TEST(file["size"].integer().value_or(0) == 7 << 20);
  BOOST_TEST(file["state"].text_or("") == "ready");
  BOOST_TEST(Gateway::instance().query("select (sha256 = sha256(body)) || ':' || octet_length(body)"
                                       " from backchannel.media where id = '" +
                                       std::string(file["id"].text_or("")) + "'") ==
             "true:" + std::to_string(7 << 20));
}

BOOST_AUTO_TEST_CASE(faulty_deliveries_end_in_the_same_inbox) {
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  auto& telegram = Gateway::instance().telegram();
  using Fault = gateway::simulate::DeliveryFault;
  telegram.inject(Fault{Fault::Kind::wrong_secret, 3, 2});
  telegram.inject(Fault{Fault::Kind::twice_secret, 2, 2});
  telegram.inject(Fault{Fault::Kind::duplicate, 10, 4});
  for (int i = 0; i < 20; ++i) {
    telegram.say(channel.bot_id, *find_person("tom"), "line " + std::to_string(i));
  }
  BOOST_TEST(telegram.wait_idle(60s));
  telegram.clear_faults();
  const Answer shown = conversation(tenant, only_conversation(tenant));
  const auto messages = shown.json()["messages"].elements();
  BOOST_REQUIRE(messages.size() == 20u);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    BOOST_TEST(messages[i]["content"].text_or("") == "line " + std::to_string(i));
  }
  BOOST_TEST(shown.json()["unread_count"].integer().value() == 20);
}

BOOST_AUTO_TEST_SUITE_END()
