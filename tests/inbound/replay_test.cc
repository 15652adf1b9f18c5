#include "gateway/inbound/replay.h"

#include <boost/test/unit_test.hpp>

#include "gateway/inbound/normalize.h"
#include "gateway/inbound/store_events.h"
#include "tests/support/database.h"
#include "tests/support/postgres.h"

using namespace gateway;           // NOLINT(google-build-using-namespace)
using namespace gateway::inbound;  // NOLINT(google-build-using-namespace)

namespace {

// The built Telegram connector plays the newer one; what an older one made of the same bytes is
// stored by hand.
struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business);
  std::unique_ptr<plugins::Connector> connector =
      *plugins::load_connector(BACKCHANNEL_BINARY_DIR "/connectors/telegram.so");
  LiveChannel live{business, channel, "telegram", {}, true, connector.get()};
  test_support::TempFolder folder{"replay"};
  secrets::Keyring keyring = *secrets::Keyring::load_or_create((folder.path() / "keys").string());
  store::Vault vault{keyring};
  plugins::Registry registry;
  ChannelContext context{vault, registry, "", {}};

  static std::string update(int number, const std::string& text) {
    const std::string n = std::to_string(number);
    return R"({"update_id":)" + n + R"(,"message":{"message_id":)" + n +
           R"(,"date":1763600000,"chat":{"id":55,"type":"private","first_name":"Ana"},)"
           R"("from":{"id":55,"is_bot":false,"first_name":"Ana"},"text":")" +
           text + R"("}})";
  }
  void quarantine(const std::string& body) {
    const store::RawDelivery raw{body, "application/json"};
    const store::Quarantined entry{channel, bytes_key(body), ids.next(), "not understood", &raw};
    BOOST_TEST_REQUIRE(store::ingest_quarantine(gateway, entry).has_value());
  }
  void store_as_unknown(const std::string& body, const std::string& identity) {
    const store::RawDelivery raw{body, "application/json"};
    store::InboundChange unknown;
    unknown.channel = channel;
    unknown.key = event_key(identity, 0);
    unknown.id = ids.next();
    unknown.kind = static_cast<int>(connector::EventKind::unknown);
    unknown.raw = &raw;
    const std::vector<const store::InboundChange*> changes = {&unknown};
    BOOST_TEST_REQUIRE(store::ingest_changes(gateway, changes).has_value());
  }
  // "deliveries stored events not_understood"
  std::string run(ReplayMode mode = ReplayMode::store) {
    const auto report = replay(gateway, context, live, ids, mode);
    if (!report) return report.error().message;
    return std::to_string(report->deliveries) + " " + std::to_string(report->stored) + " " +
           std::to_string(report->events) + " " + std::to_string(report->not_understood);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(replay_suite, Fixture)

BOOST_AUTO_TEST_CASE(what_was_quarantined_becomes_messages_once) {
  for (int i = 1; i <= 250; ++i) quarantine(update(i, "text " + std::to_string(i)));
  BOOST_TEST(run() == "250 250 250 0");
  BOOST_TEST(value("select count(*) from message") == "250");
  BOOST_TEST(value("select count(*) from conversation") == "1");
  BOOST_TEST(run() == "0 0 0 0");
}

BOOST_AUTO_TEST_CASE(an_unknown_event_becomes_the_message_it_is) {
  store_as_unknown(update(7, "hello"), "seven");
  BOOST_TEST(run() == "1 1 1 0");
  BOOST_TEST(value("select content from message") == "hello");
  BOOST_TEST(run() == "0 0 0 0");
}

BOOST_AUTO_TEST_CASE(an_unknown_event_that_held_the_very_key_is_not_lost) {
  const auto received = connector->receive({}, {.method = "POST", .body = update(7, "hello")});
  BOOST_TEST_REQUIRE(received.has_value());
  const store::RawDelivery raw{update(7, "hello"), "application/json"};
  store::InboundChange unknown;
  unknown.channel = channel;
  unknown.key = event_key(received->events.front().key, received->events.front().sent_ms);
  unknown.id = ids.next();
  unknown.kind = static_cast<int>(connector::EventKind::unknown);
  unknown.raw = &raw;
  const std::vector<const store::InboundChange*> changes = {&unknown};
  BOOST_TEST_REQUIRE(store::ingest_changes(gateway, changes).has_value());
  BOOST_TEST(run() == "1 1 1 0");
  BOOST_TEST(value("select content from message") == "hello");
}

BOOST_AUTO_TEST_CASE(a_delivery_the_platform_repeated_meanwhile_is_not_doubled) {
  quarantine(update(7, "hello"));
  const auto received = connector->receive({}, {.method = "POST", .body = update(7, "hello")});
  BOOST_TEST_REQUIRE(received.has_value());
  BOOST_TEST(
      store_events(gateway, {channel, clock.now_ms(), true}, received->events, ids).value() == 1);
  BOOST_TEST(run() == "1 1 0 0");
  BOOST_TEST(value("select count(*) from message") == "1");
}

BOOST_AUTO_TEST_CASE(what_is_still_not_understood_stays_for_a_later_connector) {
  quarantine("no json at all");
  store_as_unknown(R"({"update_id":9,"holo_message":{"message_id":1}})", "nine");
  BOOST_TEST(run() == "2 0 0 2");
  BOOST_TEST(value("select count(*) from message") == "0");
  BOOST_TEST(run() == "2 0 0 2");
}

BOOST_AUTO_TEST_CASE(a_dry_run_stores_nothing) {
  quarantine(update(1, "one"));
  store_as_unknown(update(2, "two"), "two");
  BOOST_TEST(run(ReplayMode::dry_run) == "2 2 0 0");
  BOOST_TEST(value("select count(*) from message") == "0");
  BOOST_TEST(run() == "2 2 2 0");
}

BOOST_AUTO_TEST_SUITE_END()
