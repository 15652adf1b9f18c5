#include "gateway/live/telling.h"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <stdexcept>

#include "gateway/live/principals.h"
#include "gateway/secrets/keyring.h"
#include "tests/support/database.h"
#include "tests/support/result.h"

using namespace gateway;        // NOLINT(google-build-using-namespace)
using namespace gateway::live;  // NOLINT(google-build-using-namespace)
using store::LiveKind;
using test_support::why;

namespace {

store::MediaUrls media_urls() {
  static secrets::Keyring keyring = [] {
    const auto file =
        std::filesystem::temp_directory_path() / ("live-test-" + std::to_string(getpid()));
    auto loaded = secrets::Keyring::load_or_create(file);
    std::filesystem::remove(file);
    if (!loaded) throw std::runtime_error(loaded.error().message);
    return std::move(*loaded);
  }();
  auto urls = store::MediaUrls::from(keyring, "https://chat.test");
  if (!urls) throw std::runtime_error(urls.error().message);
  return std::move(*urls);
}

// A conversation with a visitor of a page, and a message of each side.
struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business, "widget");
  domain::ConversationId conversation{ids.next()};
  Uuid visitor = ids.next();
  store::MediaUrls urls = media_urls();
  TellContext context{urls, clock,
                      [](store::Session&, domain::BusinessId,
                         const store::Message& message) -> Result<std::string> {
                        return R"({"id":")" + message.position.id.text() + R"(","content":")" +
                               message.content + R"("})";
                      }};

  Fixture() {
    change(
        "insert into conversation (tenant_id, id, channel_id, channel_type, remote_thread)"
        " values ('" +
        business.text() + "', '" + conversation.text() + "', '" + channel.text() +
        "', 'widget', '" + visitor.text() + "')");
    change(
        "insert into conversation_head (tenant_id, conversation_id, inbox_at,"
        " last_message_at) values ('" +
        business.text() + "', '" + conversation.text() + "', now(), now())");
  }
  void change(const std::string& sql) {
    const auto done = owner.script("set search_path = backchannel; " + sql);
    if (!done) throw std::runtime_error(sql + ": " + done.error().message);
  }
  domain::MessageId message(int sender_type, const std::string& content, int kind = 0) {
    const domain::MessageId id(ids.next());
    change(
        "insert into message (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,"
        " sender_type, kind, status, content) values ('" +
        business.text() + "', '" + conversation.text() + "', now(), 1, '" + id.text() + "', '" +
        channel.text() + "', " + std::to_string(sender_type) + ", " + std::to_string(kind) +
        ", 2, '" + content + "')");
    return id;
  }
  std::vector<Told> told(store::LiveEvent event) {
    event.seq = 17;
    event.business = business;
    event.conversation = conversation;
    auto all = tell(context, gateway, business, {&event, 1});
    BOOST_REQUIRE_MESSAGE(all, why(all));
    return *std::move(all);
  }
  std::vector<std::string> agents() const {
    return {business_room(business), conversation_room(conversation)};
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(telling)

BOOST_FIXTURE_TEST_CASE(an_agents_message_is_told_to_agents_and_to_its_visitor_in_their_own_words,
                        Fixture) {
  const auto id = message(1, "Hi");
  const auto all = told({.message = id, .kind = LiveKind::message});
  BOOST_REQUIRE(all.size() == 2u);
  BOOST_TEST((all[0].rooms == agents()));
  BOOST_TEST((all[1].rooms == std::vector{visitor_room(visitor)}));
  for (const auto& one : all) BOOST_TEST(one.emission.event == "new_message");
  BOOST_TEST(all[0].emission.offset == "17.0");
  BOOST_TEST(all[1].emission.offset == "17.1");
  BOOST_TEST(all[0].emission.arguments.find("\"channel_type\":\"widget\"") != std::string::npos);
  BOOST_TEST(all[1].emission.arguments.find("channel_type") == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_message_that_is_none_for_visitors_is_told_to_agents_alone, Fixture) {
  const auto id = message(3, "A note of the system", 3);
  const auto all = told({.message = id, .kind = LiveKind::message});
  for (const auto& one : all) BOOST_TEST((one.rooms == agents()));
}

BOOST_FIXTURE_TEST_CASE(a_reading_is_told_as_a_change_and_as_read_with_its_time, Fixture) {
  const auto id = message(1, "Hi");
  const auto all = told({.message = id,
                         .kind = LiveKind::status,
                         .state = domain::MessageStatus::read,
                         .at_ms = 1'792'576'800'000});
  std::vector<std::string> names;
  for (const auto& one : all) names.push_back(one.emission.event);
  BOOST_TEST(
      (names == std::vector<std::string>{"message_updated", "message_updated", "read", "read"}));
  BOOST_TEST(all[2].emission.arguments ==
             R"({"message_id":")" + id.text() + R"(","read_at":")" + iso8601(1'792'576'800'000) +
                 R"(","conversation_id":")" + conversation.text() + R"("})");
}

BOOST_FIXTURE_TEST_CASE(an_assignment_is_for_agents_alone, Fixture) {
  const domain::UserId actor(ids.next());
  const auto all = told({.kind = LiveKind::assigned, .actor = actor});
  BOOST_REQUIRE(all.size() == 2u);
  for (const auto& one : all) BOOST_TEST((one.rooms == agents()));
  BOOST_TEST(all[0].emission.event == "conversation_assigned");
  BOOST_TEST(all[0].emission.arguments.find(actor.text()) != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(what_is_not_there_any_more_is_left_out, Fixture) {
  BOOST_TEST(told({.message = domain::MessageId(ids.next()), .kind = LiveKind::message}).empty());
}

BOOST_FIXTURE_TEST_CASE(another_business_is_told_nothing_of_it, Fixture) {
  const auto id = message(1, "Hi");
  const store::LiveEvent event{.seq = 17,
                               .business = make_business(),
                               .conversation = conversation,
                               .message = id,
                               .kind = LiveKind::message};
  const auto all = tell(context, gateway, event.business, {&event, 1});
  BOOST_REQUIRE_MESSAGE(all, why(all));
  BOOST_TEST(all->empty());
}

BOOST_AUTO_TEST_SUITE_END()
