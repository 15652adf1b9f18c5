// An agent's message reaches the platform, and its status says what became of it.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "connectors/sdk/text.h"
#include "tests/e2e/gateway.h"

using namespace e2e;
using gateway::simulate::ApiFault;
using gateway::simulate::find_person;
using gateway::simulate::json_text;
using gateway::simulate::SentMessage;

namespace {

constexpr std::int64_t kAna = 5512345678;

// Ana has written; the agent answers.
struct Talk {
  Gateway& gateway = Gateway::instance();
  Tenant tenant = Tenant::make();
  Channel channel = Channel::connect(tenant);
  std::string id;

  Talk() {
    gateway.telegram().say(channel.bot_id, *find_person("ana"), "hola");
    BOOST_REQUIRE(gateway.telegram().wait_idle(30s));
    id = only_conversation(tenant);
    BOOST_REQUIRE(!id.empty());
  }
  ~Talk() { gateway.telegram().clear_faults(); }

  // The message's id.
  std::string answer(const std::string& text) {
    const Answer sent = gateway.call("POST", "/api/v1/conversations/" + id + "/messages",
                                     tenant.token, "{\"content\":" + json_text(text) + "}");
    BOOST_REQUIRE_MESSAGE(sent.status == 201, sent.body);
    BOOST_TEST(sent.json()["sender_type"].text_or("") == "agent");
    return std::string(sent.json()["id"].text_or(""));
  }
  std::string status_of(const std::string& message) {
    const Answer shown = conversation(tenant, id);
    for (const auto item : shown.json()["messages"].elements()) {
      if (item["id"].text_or("") == message) return std::string(item["status"].text_or(""));
    }
    return "absent";
  }
  bool becomes(const std::string& message, const std::string& status,
               std::chrono::milliseconds patience = 60s) {
    std::string last;
    const bool came = eventually([&] { return (last = status_of(message)) == status; }, patience);
    if (!came) BOOST_TEST_MESSAGE("the status is " << last);
    return came;
  }
  void fault(ApiFault::Kind kind, int count = 1) {
    ApiFault wish;
    wish.kind = kind;
    wish.count = count;
    wish.method = "sendMessage";
    wish.bot_id = channel.bot_id;
    gateway.telegram().inject(wish);
  }
  std::vector<SentMessage> arrived() { return gateway.telegram().sent(channel.bot_id); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(outbound, Talk)

BOOST_AUTO_TEST_CASE(an_answer_arrives_and_is_sent) {
  const std::string message = answer("¡Hola, Ana! <b>no tags</b> & 😀");
  BOOST_TEST(becomes(message, "sent"));
  BOOST_REQUIRE(arrived().size() == 1u);
  BOOST_TEST(arrived()[0].chat_id == kAna);
  BOOST_TEST(arrived()[0].text == "¡Hola, Ana! <b>no tags</b> & 😀");
  const Answer shown = conversation(tenant, id);
  BOOST_TEST(!shown.json()["first_response_at"].is_null());
}

BOOST_AUTO_TEST_CASE(answers_arrive_in_their_order_and_long_ones_in_pieces) {
  std::string last;
  for (int i = 0; i < 10; ++i) last = answer("part " + std::to_string(i));
  BOOST_TEST(becomes(last, "sent"));
  auto sent = arrived();
  BOOST_REQUIRE(sent.size() == 10u);
  for (std::size_t i = 0; i < 10; ++i) BOOST_TEST(sent[i].text == "part " + std::to_string(i));

  std::string astral;
  for (int i = 0; i < 3'000; ++i) astral += "😀";  // 6000 UTF-16 units: two messages
  BOOST_TEST(becomes(answer(astral), "sent"));
  sent = arrived();
  BOOST_REQUIRE(sent.size() == 12u);
  BOOST_TEST(sdk::utf16_length(sent[10].text) <= 4096u);
  BOOST_TEST(sent[10].text + sent[11].text == astral);
}

// 429 and retry_after: not done, waits as long as asked, then goes out once.
BOOST_AUTO_TEST_CASE(too_many_requests_is_waited_for) {
  fault(ApiFault::Kind::too_many_requests);
  const auto begin = std::chrono::steady_clock::now();
  const std::string message = answer("patience");
  BOOST_TEST(becomes(message, "sent"));
  BOOST_TEST((std::chrono::steady_clock::now() - begin >= 1s));
  BOOST_TEST(arrived().size() == 1u);
}

// 403: the contact cannot be written to.
BOOST_AUTO_TEST_CASE(a_blocked_bot_fails_with_the_platforms_words) {
  gateway.telegram().act(channel.bot_id, [](auto& world, auto& bot) {
    world.chat(bot, private_chat(*find_person("ana"))).forbidden =
        "Forbidden: bot was blocked by the user";
    return std::vector<gateway::simulate::Update>{};
  });
  const std::string message = answer("anybody there?");
  BOOST_TEST(becomes(message, "failed"));
  BOOST_TEST(arrived().empty());
  const Answer shown = conversation(tenant, id);
  BOOST_TEST(shown.body.find("blocked") != std::string::npos);
}

// 500: the platform's own trouble; nothing may be sent twice.
BOOST_AUTO_TEST_CASE(a_servers_error_never_ends_in_two_messages) {
  fault(ApiFault::Kind::server_error);
  const std::string message = answer("once at most");
  BOOST_TEST(eventually(
      [&] {
        const std::string status = status_of(message);
        return status == "sent" || status == "uncertain" || status == "failed";
      },
      60s));
  const std::string status = status_of(message);
  BOOST_TEST(arrived().size() == (status == "sent" ? 1u : 0u), status);
}

// The request left and no answer came: shown as uncertain, never repeated blindly (R14).
BOOST_AUTO_TEST_CASE(a_reset_behind_the_request_is_uncertain_and_arrived_once) {
  fault(ApiFault::Kind::reset_after_body);
  const std::string message = answer("did it arrive?");
  BOOST_TEST(becomes(message, "uncertain"));
  BOOST_TEST(arrived().size() == 1u);
  // What follows goes out.
  BOOST_TEST(becomes(answer("next"), "sent"));
  BOOST_TEST(arrived().size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_moved_group_is_followed) {
  const gateway::simulate::Chat group{-512345678, "group", "Team", "", "", ""};
  auto& telegram = gateway.telegram();
  telegram.act(channel.bot_id, [&](auto& world, auto& bot) {
    gateway::simulate::Incoming incoming;
    incoming.from = *find_person("tom");
    incoming.chat = group;
    incoming.content = world.text("hi from the team");
    return std::vector<gateway::simulate::Update>{world.message(bot, incoming)};
  });
  BOOST_REQUIRE(telegram.wait_idle(30s));
  Answer keep;
  for (const auto item : conversations(keep, tenant)) {
    if (item["customer"]["name"].text_or("").find("Team") != std::string_view::npos) {
      id = item["id"].text_or("");
    }
  }
  // The group moves, and the bot has not heard of it.
  telegram.act(channel.bot_id, [&](auto& world, auto& bot) {
    world.migrate(bot, *find_person("tom"), group.id, -1002233445566);
    return std::vector<gateway::simulate::Update>{};
  });
  BOOST_TEST(becomes(answer("where are you?"), "sent"));
  BOOST_TEST(telegram.sent(channel.bot_id, -1002233445566).size() == 1u);
}

BOOST_AUTO_TEST_CASE(closed_conversations_open_anew_and_resolved_ones_again) {
  BOOST_TEST(gateway.call("PUT", "/api/v1/conversations/" + id + "/resolve", tenant.token).status ==
             200);
  gateway.telegram().say(channel.bot_id, *find_person("ana"), "one more thing");
  BOOST_REQUIRE(gateway.telegram().wait_idle(30s));
  BOOST_TEST(only_conversation(tenant) == id);
  BOOST_TEST(conversation(tenant, id).json()["status"].text_or("") == "open");
  BOOST_TEST(gateway.call("PUT", "/api/v1/conversations/" + id + "/close", tenant.token).status ==
             200);
  gateway.telegram().say(channel.bot_id, *find_person("ana"), "a new matter");
  BOOST_REQUIRE(gateway.telegram().wait_idle(30s));
  Answer keep;
  BOOST_TEST(conversations(keep, tenant).size() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
