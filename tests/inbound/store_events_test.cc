#include "gateway/inbound/store_events.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "tests/support/database.h"
#include "tests/support/result.h"

using namespace gateway;           // NOLINT(google-build-using-namespace)
using namespace gateway::inbound;  // NOLINT(google-build-using-namespace)
using connector::Event;
using connector::EventKind;

namespace {

constexpr std::int64_t kMorning = 1'763'600'000'000;

struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business, "email");
  NormalizeContext context{channel, kMorning, true};

  Event mail(const std::string& id, const std::string& text,
             const std::vector<std::string>& references = {}) const {
    Event event{.kind = EventKind::message};
    event.thread = "thread-of-" + id;
    event.contact = "ana@example.com";
    event.contact_name = "Ana";
    event.message = id;
    event.key = id;
    event.text = text;
    event.sent_ms = kMorning + static_cast<std::int64_t>(text.size());
    event.references = references;
    return event;
  }
  // What a poll keeps: a statement under the tenant's row-level security.
  store::Query cursor(const std::string& state) const {
    static constexpr const char* kCursor =
        "update channel set state_sealed = convert_to($2, 'UTF8') where id = $1";
    return {kCursor, {channel, state}};
  }
  std::string kept() { return value("select convert_from(state_sealed, 'UTF8') from channel"); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(store_events_suite, Fixture)

// A profile was looked up: what the contact is called from now on.
BOOST_AUTO_TEST_CASE(a_contact_state_with_a_name_renames_its_contact_alone) {
  const auto other = make_channel(make_business(), "email");
  const NormalizeContext elsewhere{other, kMorning, true};
  const std::vector<Event> first = {mail("1", "one")};
  BOOST_TEST(store_events(gateway, context, first, ids, {}).has_value());
  BOOST_TEST(store_events(gateway, elsewhere, first, ids, {}).has_value());
  Event named{.kind = EventKind::contact_state};
  named.thread = "thread-of-1";
  named.contact = "ana@example.com";
  named.contact_name = "Ana López";
  named.state = "active";
  named.key = "profile";
  const std::vector<Event> profile = {named};
  for (int i = 0; i < 2; ++i) {
    const auto stored = store_events(gateway, context, profile, ids, {});
    BOOST_TEST_REQUIRE(stored.has_value(), test_support::why(stored));
  }
  BOOST_TEST(value("select string_agg(name, ',' order by name) from contact") == "Ana,Ana López");
  // Without a name it says nothing of it.
  named.contact_name.clear();
  named.key = "state";
  const std::vector<Event> nameless = {named};
  BOOST_TEST(store_events(gateway, context, nameless, ids, {}).has_value());
  BOOST_TEST(value("select count(*) from contact where name = 'Ana López'") == "1");
}

BOOST_AUTO_TEST_CASE(the_events_of_a_poll_and_its_cursor_are_one_commit) {
  const std::vector<Event> events = {mail("1", "one"), mail("2", "three")};
  const std::vector<store::Query> also = {cursor("UID 7")};
  const auto fresh = store_events(gateway, context, events, ids, also);
  BOOST_TEST_REQUIRE(fresh.has_value(), test_support::why(fresh));
  BOOST_TEST(*fresh == 2);
  BOOST_TEST(kept() == "UID 7");
  // All rows were written by one transaction.
  BOOST_TEST(value("select count(distinct x) from (select xmin::text as x from message union"
                   " select xmin::text from channel union select xmin::text from event_key union"
                   " select xmin::text from conversation) t") == "1");
}

BOOST_AUTO_TEST_CASE(a_cursor_that_cannot_be_saved_leaves_no_event) {
  static constexpr const char* kBroken = "select 1 / (select 0 from channel where id = $1)";
  const std::vector<Event> events = {mail("1", "one")};
  const std::vector<store::Query> also = {cursor("UID 7"), {kBroken, {channel}}};
  BOOST_TEST(!store_events(gateway, context, events, ids, also).has_value());
  BOOST_TEST(value("select count(*) from message") == "0");
  BOOST_TEST(value("select count(*) from event_key") == "0");
  BOOST_TEST(value("select state_sealed is null from channel") == "t");
  // The session is good for the next poll.
  BOOST_TEST(store_events(gateway, context, events, ids, {}).has_value());
}

BOOST_AUTO_TEST_CASE(events_that_cannot_be_stored_leave_the_cursor) {
  // NUL is what Postgres never takes; every connector's border removes it.
  const std::vector<Event> events = {mail("1", "one"), mail("2", std::string("a\0b", 3))};
  const std::vector<store::Query> also = {cursor("UID 7")};
  BOOST_TEST(!store_events(gateway, context, events, ids, also).has_value());
  BOOST_TEST(value("select count(*) from message") == "0");
  BOOST_TEST(value("select state_sealed is null from channel") == "t");
}

BOOST_AUTO_TEST_CASE(a_poll_that_brought_nothing_saves_its_cursor) {
  const std::vector<store::Query> also = {cursor("UID 9")};
  const auto fresh = store_events(gateway, context, {}, ids, also);
  BOOST_TEST_REQUIRE(fresh.has_value(), test_support::why(fresh));
  BOOST_TEST(*fresh == 0);
  BOOST_TEST(kept() == "UID 9");
}

BOOST_AUTO_TEST_CASE(the_further_statements_see_the_channels_tenant_alone) {
  const auto other = make_channel(make_business(), "email");
  static constexpr const char* kAll = "update channel set registration_error = 'seen'";
  const std::vector<store::Query> also = {{kAll, {}}};
  BOOST_TEST(store_events(gateway, context, {}, ids, also).has_value());
  BOOST_TEST(value("select registration_error from channel where id = '" + channel.text() + "'") ==
             "seen");
  BOOST_TEST(value("select registration_error is null from channel where id = '" + other.text() +
                   "'") == "t");
}

BOOST_AUTO_TEST_CASE(a_repeated_poll_adds_nothing_and_moves_the_cursor) {
  const std::vector<Event> events = {mail("1", "one"), mail("1", "one")};
  const std::vector<store::Query> first = {cursor("UID 7")};
  const std::vector<store::Query> second = {cursor("UID 8")};
  BOOST_TEST(store_events(gateway, context, events, ids, first).value() == 1);
  BOOST_TEST(store_events(gateway, context, events, ids, second).value() == 0);
  BOOST_TEST(value("select count(*) from message") == "1");
  BOOST_TEST(kept() == "UID 8");
}

BOOST_AUTO_TEST_CASE(a_lost_backend_leaves_neither_events_nor_cursor) {
  const std::vector<Event> events = {mail("1", "one")};
  static constexpr const char* kDie = "select pg_terminate_backend(pg_backend_pid())";
  const std::vector<store::Query> also = {cursor("UID 7"), {kDie, {}}};
  BOOST_TEST(!store_events(gateway, context, events, ids, also).has_value());
  BOOST_TEST(value("select count(*) from message") == "0");
  BOOST_TEST(value("select state_sealed is null from channel") == "t");
}

BOOST_AUTO_TEST_CASE(mails_of_one_poll_that_refer_to_each_other_are_one_conversation) {
  const std::vector<Event> events = {mail("<1@x>", "1"), mail("<2@x>", "22", {"<1@x>"}),
                                     mail("<3@x>", "333", {"<unknown@x>", "<2@x>", "<1@x>"}),
                                     mail("<4@x>", "4444")};
  BOOST_TEST(store_events(gateway, context, events, ids).value() == 4);
  BOOST_TEST(value("select string_agg(n::text, ',' order by n) from (select count(*) as n from"
                   " message group by conversation_id) c") == "1,3");
  BOOST_TEST(value("select message_count from conversation_head h join conversation c on c.id ="
                   " h.conversation_id where c.remote_thread = 'thread-of-<1@x>'") == "3");
}

BOOST_AUTO_TEST_CASE(a_status_in_the_poll_that_brings_its_echo_finds_it) {
  auto echo = mail("<1@x>", "sent elsewhere");
  echo.kind = EventKind::echo;
  auto status = mail("<1@x>", "");
  status.kind = EventKind::status;
  status.key = "status";
  status.state = "delivered";
  const std::vector<Event> events = {status, echo};
  BOOST_TEST(store_events(gateway, context, events, ids).value() == 2);
  BOOST_TEST(value("select status from message") == "3");
}

BOOST_AUTO_TEST_CASE(attachments_of_a_poll_are_stored_as_those_of_a_delivery) {
  auto event = mail("<1@x>", "see file");
  event.attachments.push_back({.kind = "file", .file_name = "a.txt", .content = "abc"});
  event.attachments.push_back({.kind = "image", .media_id = "AgAC", .mime_type = "image/jpeg"});
  event.attachments.push_back({.kind = "image", .url = "https://cdn.example/1.png"});
  const std::vector<Event> events = {event};
  BOOST_TEST(store_events(gateway, context, events, ids).value() == 1);
  BOOST_TEST(store_events(gateway, context, events, ids).value() == 0);
  BOOST_TEST(value("select string_agg(state || ':' || coalesce(size::text, '-') || ':' ||"
                   " (source ->> 'kind') || ':' || (source ->> 'media_id'), ' ' order by state)"
                   " from media") == "0:-:image:AgAC 1:3:file:");
  BOOST_TEST(value("select string_agg((a ->> 'state') || ':' || coalesce(a ->> 'url', '-'), ' '"
                   " order by o) from message, jsonb_array_elements(attachments)"
                   " with ordinality as x(a, o)") ==
             "ready:- pending:- ready:https://cdn.example/1.png");
  // The ids in the message are those of the rows.
  BOOST_TEST(value("select count(*) from media x, message, jsonb_array_elements(attachments) a"
                   " where x.id = (a ->> 'id')::uuid") == "2");
}

BOOST_AUTO_TEST_SUITE_END()
