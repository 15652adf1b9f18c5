// What is said of a message, by its remote id, before the message is here; echoes of our own
// messages; and the races between them.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <random>
#include <thread>

#include "gateway/store/ingest.h"
#include "tests/support/database.h"
#include "tests/support/result.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)

namespace {

constexpr std::int64_t kMorning = 1'763'600'000'000;
constexpr int kEdited = 3;
constexpr int kDeleted = 4;
constexpr int kReaction = 5;
constexpr int kStatus = 6;
constexpr int kSending = 1;
constexpr int kSent = 2;
constexpr int kDelivered = 3;
constexpr int kRead = 4;
constexpr int kFailed = 5;
constexpr int kUncertain = 6;

// A message of ours, as the API stores it before it is sent.
struct Ours {
  Uuid conversation;
  Uuid id;
  int second = 0;
};

struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business);
  RawDelivery raw{R"({"update_id":1})", "application/json"};
  std::atomic<int> keys{0};

  Uuid fresh_key() {
    Uuid key;
    const int n = ++keys;
    key.bytes[0] = static_cast<std::uint8_t>(n >> 16);
    key.bytes[1] = static_cast<std::uint8_t>(n >> 8);
    key.bytes[2] = static_cast<std::uint8_t>(n);
    return key;
  }

  InboundMessage text(const std::string& remote_id, int second = 0,
                      const std::string& thread = "55") {
    InboundMessage row;
    row.channel = channel;
    row.key = fresh_key();
    row.id = domain::MessageId(ids.next());
    row.conversation = domain::ConversationId(ids.next());
    row.contact = domain::ContactId(ids.next());
    row.sort_at_ms = kMorning + second * 1000;
    row.content = "text " + remote_id;
    row.remote_id = remote_id;
    row.contact_remote = thread;
    row.thread = thread;
    return row;
  }
  InboundMessage echo(const std::string& remote_id, int second = 0,
                      const std::string& thread = "55") {
    auto row = text(remote_id, second, thread);
    row.sender_type = domain::SenderType::agent;
    row.content = "echo " + remote_id;
    return row;
  }
  InboundChange change(int kind, const std::string& target) {
    InboundChange row;
    row.channel = channel;
    row.key = fresh_key();
    row.id = ids.next();
    row.kind = kind;
    row.at_ms = kMorning;
    row.thread = "55";
    row.target = target;
    row.actor = "ana";
    return row;
  }
  InboundChange status(const std::string& target, int state) {
    auto row = change(kStatus, target);
    row.state = state;
    return row;
  }
  InboundChange reaction(const std::string& target, const std::string& emoji) {
    auto row = change(kReaction, target);
    row.content = emoji;
    return row;
  }

  std::size_t resolve(Session& db, const std::vector<InboundMessage>& rows) {
    std::vector<const InboundMessage*> view;
    for (const auto& row : rows) view.push_back(&row);
    const auto stored = ingest_resolve(db, view);
    if (!stored) throw std::runtime_error(stored.error().cause + " " + stored.error().message);
    return stored->size();
  }
  std::size_t resolve(const std::vector<InboundMessage>& rows) { return resolve(gateway, rows); }
  void say(Session& db, const std::vector<InboundChange>& rows) {
    std::vector<const InboundChange*> view;
    for (const auto& row : rows) view.push_back(&row);
    const auto outcomes = ingest_changes(db, view);
    if (!outcomes) throw std::runtime_error(outcomes.error().cause + outcomes.error().message);
    for (const auto outcome : *outcomes) {
      if (outcome != ChangeOutcome::stored) throw std::runtime_error("a change was not stored");
    }
  }
  void say(const std::vector<InboundChange>& rows) { say(gateway, rows); }

  void script(const std::string& sql) {
    const auto done = owner.script(sql);
    if (!done) throw std::runtime_error(done.error().message);
  }

  // Stores a message of ours in the live conversation of `thread`, with its counter.
  Ours send(int second = 60, const std::string& thread = "55") {
    return send_into(
        *Uuid::parse(value("select id::text from conversation where remote_thread = '" + thread +
                           "' and closed_at is null")),
        second);
  }
  Ours send_into(const Uuid& conversation, int second) {
    const Ours ours{conversation, ids.next(), second};
    script(
        "insert into backchannel.message (tenant_id, conversation_id, sort_at, sort_seq, id,"
        " channel_id, sender_type, sender_id, kind, status, content) values ('" +
        business.text() + "', '" + ours.conversation.text() + "', " + at(second) + ", 0, '" +
        ours.id.text() + "', '" + channel.text() +
        "', 1, gen_random_uuid(), 0, 1, 'ours');"
        " update backchannel.conversation_head set message_count = message_count + 1"
        " where conversation_id = '" +
        ours.conversation.text() + "'");
    return ours;
  }
  static std::string at(int second) {
    return "to_timestamp(" + std::to_string(kMorning / 1000 + second) + ")";
  }

  // The platform has answered: as the outbox settles a message, with its remote ids.
  Result<> settle(Session& db, const Ours& ours, const std::vector<std::string>& remote_ids) {
    static constexpr const char* kUpdate =
        "update message set status = case when status in (3, 4) then status else 2 end,"
        " remote_id = coalesce($2, remote_id)"
        " where conversation_id = $1 and id = $3";
    static constexpr const char* kKnown =
        "select remote_ids_known($1, to_timestamp($2::bigint), 0, $3, $4)";
    const std::vector<Query> queries = {
        {kUpdate, {ours.conversation, remote_ids.front(), ours.id}},
        {kKnown, {ours.conversation, kMorning / 1000 + ours.second, ours.id, remote_ids}}};
    auto done = db.run(Scope::of(business), queries);
    if (!done) return std::move(done).error();
    return {};
  }
  void settle(const Ours& ours, const std::vector<std::string>& remote_ids) {
    const auto done = settle(gateway, ours, remote_ids);
    if (!done) throw std::runtime_error(done.error().cause + " " + done.error().message);
  }

  std::string of(const Ours& ours, const std::string& column) {
    return value("select " + column + " from message where id = '" + ours.id.text() + "'");
  }
  std::string of(const std::string& remote_id, const std::string& column) {
    return value("select " + column + " from message where remote_id = '" + remote_id + "'");
  }
  // What must hold whatever happened: counters are counts, and nothing waits that has its message.
  void check_invariants() {
    BOOST_TEST(value("select count(*) from conversation_head h where h.message_count <> (select"
                     " count(*) from message m where m.conversation_id = h.conversation_id)") ==
               "0");
    BOOST_TEST(value("select count(*) from conversation_head h where h.unread <> (select count(*)"
                     " from message m where m.conversation_id = h.conversation_id"
                     " and m.sender_type = 0)") == "0");
    BOOST_TEST(value("select count(*) from early_change e join message m on m.channel_id ="
                     " e.channel_id and m.remote_id = e.target") == "0");
    BOOST_TEST(value("select count(*) from (select 1 from message where remote_id is not null"
                     " group by channel_id, remote_id having count(*) > 1) x") == "0");
  }
};

// Runs both at the same moment.
template <class A, class B>
void at_once(A first, B second) {
  std::barrier start(2);
  std::string problem;
  std::thread other([&] {
    start.arrive_and_wait();
    try {
      second();
    } catch (const std::exception& error) {
      problem = error.what();
    }
  });
  start.arrive_and_wait();
  try {
    first();
  } catch (const std::exception& error) {
    other.join();
    throw;
  }
  other.join();
  if (!problem.empty()) throw std::runtime_error(problem);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(remote_ids, Fixture)

// Before the message ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_was_said_of_a_message_takes_effect_when_it_comes) {
  say({reaction("a", "+1")});
  say({change(kDeleted, "b"), reaction("b", "heart")});
  BOOST_TEST(value("select count(*) from early_change") == "3");
  resolve({text("a"), text("b", 1), text("c", 2)});
  BOOST_TEST(of("a", "metadata ->> 'reactions'") == R"({"ana": "+1"})");
  BOOST_TEST(of("a", "deleted_at is null") == "t");
  BOOST_TEST(of("b", "deleted_at is not null") == "t");
  BOOST_TEST(of("b", "metadata ->> 'reactions'") == R"({"ana": "heart"})");
  BOOST_TEST(of("c", "metadata is null and deleted_at is null") == "t");
  BOOST_TEST(value("select count(*) from early_change") == "0");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(the_known_path_gives_a_message_what_was_said_of_it) {
  std::vector<InboundMessage> rows = {text("first")};
  const std::vector<const InboundMessage*> view = {&rows[0]};
  const auto opened = ingest_resolve(gateway, view);
  say({reaction("b", "+1"), change(kDeleted, "d")});
  std::vector<InboundMessage> known = {text("a", 1), text("b", 2), text("c", 3), text("d", 4)};
  std::vector<const InboundMessage*> known_view;
  for (auto& row : known) {
    row.conversation = opened->front().conversation;
    row.contact = opened->front().contact;
    known_view.push_back(&row);
  }
  const auto fresh = ingest_known(gateway, known_view);
  BOOST_TEST_REQUIRE(fresh.has_value(), test_support::why(fresh));
  BOOST_TEST(fresh->size() == 4u);
  BOOST_TEST(value("select string_agg(remote_id || ':' || (metadata is not null) || ':' ||"
                   " (deleted_at is not null), ' ' order by sort_at) from message") ==
             "first:false:false a:false:false b:true:false c:false:false d:false:true");
  check_invariants();
}

// Meta's terms want messages gone that their writers have taken back, wherever they are shown.
BOOST_AUTO_TEST_CASE(what_is_taken_back_leaves_no_text_and_no_preview) {
  resolve({text("a"), text("b", 1)});
  BOOST_TEST(value("select preview from conversation_head") == "text b");
  say({change(kDeleted, "a")});
  BOOST_TEST(of("a", "content") == "");
  BOOST_TEST(of("b", "content") == "text b");
  BOOST_TEST(value("select preview from conversation_head") == "text b");
  // What it was before an edit is not shown either.
  auto edit = change(kEdited, "b");
  edit.content = "edited";
  say({edit, change(kDeleted, "b")});
  BOOST_TEST(of("b", "content") == "");
  BOOST_TEST(value("select coalesce(preview, 'none') from conversation_head") == "none");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(a_removal_before_its_message_leaves_no_text_and_no_preview) {
  say({change(kDeleted, "b")});
  resolve({text("a"), text("b", 1)});
  BOOST_TEST(of("a", "content") == "text a");
  BOOST_TEST(of("b", "content") == "");
  BOOST_TEST(value("select coalesce(preview, 'none') from conversation_head") == "none");
}

BOOST_AUTO_TEST_CASE(an_edit_behind_its_removal_brings_nothing_back) {
  resolve({text("a")});
  say({change(kDeleted, "a")});
  auto edit = change(kEdited, "a");
  edit.at_ms += 5000;
  edit.content = "back again";
  say({edit});
  BOOST_TEST(of("a", "content") == "");
}

BOOST_AUTO_TEST_CASE(early_words_take_effect_in_the_platforms_order) {
  auto later = reaction("a", "second");
  later.at_ms += 2000;
  auto earlier = reaction("a", "first");
  earlier.at_ms += 1000;
  say({later});
  say({earlier});
  resolve({text("a")});
  BOOST_TEST(of("a", "metadata ->> 'reactions'") == R"({"ana": "second"})");
}

BOOST_AUTO_TEST_CASE(statuses_that_overtake_the_answer_to_the_send_are_not_lost) {
  resolve({text("in")});
  const auto ours = send();
  say({status("out-1", kRead), status("out-1", kDelivered), status("out-1", kSent)});
  BOOST_TEST(of(ours, "status") == std::to_string(kSending));
  settle(ours, {"out-1"});
  BOOST_TEST(of(ours, "status") == std::to_string(kRead));
  BOOST_TEST(of(ours, "remote_id") == "out-1");
  BOOST_TEST(value("select count(*) from early_change") == "0");
}

BOOST_AUTO_TEST_CASE(an_early_failure_tells_its_reason) {
  resolve({text("in")});
  const auto ours = send();
  auto failure = status("out-1", kFailed);
  failure.content = "Re-engagement message";
  failure.code = "131047";
  say({failure});
  settle(ours, {"out-1"});
  BOOST_TEST(of(ours, "status || error") == "5Re-engagement message");
}

BOOST_AUTO_TEST_CASE(a_repeated_early_status_is_kept_once) {
  const auto said = status("out-1", kRead);
  say({said});
  auto again = said;
  again.id = ids.next();
  const std::vector<const InboundChange*> view = {&again};
  BOOST_TEST((ingest_changes(gateway, view)->front() == ChangeOutcome::duplicate));
  BOOST_TEST(value("select count(*) from early_change") == "1");
}

BOOST_AUTO_TEST_CASE(a_channel_keeps_at_most_4096_early_words_and_the_newest) {
  // A platform that speaks of messages nobody here knows, with one more among them in the end.
  script(
      "insert into backchannel.early_change (tenant_id, channel_id, slot, target, turn, kind, at,"
      " actor, content, code, up_to) select '" +
      business.text() + "', '" + channel.text() +
      "', (nextval('backchannel.early_change_turn') % 4096)::smallint, 'old-' || i, i, 5, now(),"
      " '', 'x', '', false from generate_series(1, 4096) i");
  std::vector<InboundChange> flood;
  for (int i = 0; i < 5; ++i) flood.push_back(reaction("new-" + std::to_string(i), "+1"));
  say(flood);
  BOOST_TEST(value("select count(*) from early_change") == "4096");
  BOOST_TEST(value("select count(*) from early_change where target like 'new-%'") == "5");
  // Another channel has its own room.
  const auto other = make_channel(make_business());
  auto elsewhere = reaction("x", "+1");
  elsewhere.channel = other;
  say({elsewhere});
  BOOST_TEST(value("select count(*) from early_change") == "4097");
}

BOOST_AUTO_TEST_CASE(early_words_that_no_message_comes_for_are_swept_after_a_week) {
  say({reaction("young", "+1"), reaction("old", "+1")});
  script(
      "update backchannel.early_change set received_at = now() - interval '7 days 1 minute'"
      " where target = 'old'");
  BOOST_TEST(sweep(gateway, 30, 30, 48).has_value());
  BOOST_TEST(value("select string_agg(target, ',') from early_change") == "young");
}

BOOST_AUTO_TEST_CASE(a_word_of_another_channels_message_does_not_reach_it) {
  resolve({text("a")});
  auto elsewhere = reaction("a", "+1");
  elsewhere.channel = make_channel(business);
  say({elsewhere});
  BOOST_TEST(of("a", "metadata is null") == "t");
  BOOST_TEST(value("select count(*) from early_change") == "1");
}

// Echoes -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_echo_of_a_message_that_is_here_stores_its_key_and_no_message) {
  resolve({text("in")});
  const auto ours = send();
  settle(ours, {"out-1", "out-2"});
  auto by_id = echo("out-1", 61);
  by_id.raw = &raw;
  const auto by_alias = echo("out-2", 62);
  BOOST_TEST(resolve({by_id, by_alias, text("next", 63)}) == 1U);
  BOOST_TEST(value("select string_agg(content, ',' order by sort_at) from message") ==
             "text in,ours,text next");
  BOOST_TEST(value("select count(*) from event_key") == "4");
  // The bytes stay, because other events of the delivery have no copy.
  BOOST_TEST(value("select count(*) from raw_event") == "1");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(an_echo_of_what_was_said_elsewhere_is_a_message) {
  resolve({text("in")});
  BOOST_TEST(resolve({echo("phone-1", 1)}) == 1U);
  BOOST_TEST(resolve({echo("phone-1", 1)}) == 0U);                      // under another key
  BOOST_TEST(resolve({echo("phone-2", 2), echo("phone-2", 2)}) == 1U);  // in one batch
  BOOST_TEST(value("select message_count || '|' || unread from conversation_head") == "3|1");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(an_echo_that_overtakes_the_answer_is_merged_with_all_that_was_said_of_it) {
  resolve({text("in")});
  const auto ours = send();
  resolve({echo("out-1", 61)});
  say({status("out-1", kDelivered), reaction("out-1", "heart"), change(kDeleted, "out-1")});
  BOOST_TEST(value("select message_count from conversation_head") == "3");
  settle(ours, {"out-1"});
  BOOST_TEST(value("select string_agg(content, ',' order by sort_at) from message") ==
             "text in,");  // ours was taken back
  BOOST_TEST(of(ours, "status") == std::to_string(kDelivered));
  BOOST_TEST(of(ours, "metadata ->> 'reactions'") == R"({"ana": "heart"})");
  BOOST_TEST(of(ours, "deleted_at is not null") == "t");
  check_invariants();
  // Live clients hear of both: one changed, one is gone.
  BOOST_TEST(value("select count(*) from realtime_event where kind = 1 and message_id = '" +
                   ours.id.text() + "'") != "0");
  BOOST_TEST(value("select count(*) from realtime_event r where kind = 1 and not exists (select"
                   " from message m where m.id = r.message_id)") != "0");
  // The echo delivered once more is a duplicate by its key and by its message.
  BOOST_TEST(resolve({echo("out-1", 61)}) == 0U);
  settle(ours, {"out-1"});
  check_invariants();
}

BOOST_AUTO_TEST_CASE(an_echo_is_merged_by_any_of_the_remote_ids) {
  resolve({text("in")});
  const auto ours = send();
  resolve({echo("out-2", 61), echo("out-3", 62), echo("other", 63)});
  settle(ours, {"out-1", "out-2", "out-3"});
  BOOST_TEST(value("select string_agg(content, ',' order by sort_at) from message") ==
             "text in,ours,echo other");
  BOOST_TEST(value("select string_agg(remote_id, ',' order by remote_id) from message_alias") ==
             "out-2,out-3");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(a_customers_message_with_that_id_is_not_taken_for_an_echo) {
  resolve({text("in")});
  const auto ours = send();
  settle(ours, {"in"});
  BOOST_TEST(value("select count(*) from message") == "2");
}

BOOST_AUTO_TEST_CASE(a_platform_that_repeats_an_id_takes_none_of_our_messages_away) {
  resolve({text("in")});
  const auto first = send();
  settle(first, {"out"});
  const auto second = send();
  settle(second, {"out"});
  BOOST_TEST(value("select count(*) from message where sender_type = 1") == "2");
}

BOOST_AUTO_TEST_CASE(a_conversation_that_an_echo_opened_goes_with_it) {
  resolve({text("in")});
  const auto ours = send();
  script(
      "update backchannel.conversation_head set status = 3;"
      "update backchannel.conversation set closed_at = now()");
  resolve({echo("out-1", 61)});
  BOOST_TEST(value("select count(*) from conversation") == "2");
  settle(ours, {"out-1"});
  BOOST_TEST(value("select count(*) from conversation") == "1");
  BOOST_TEST(value("select count(*) from conversation_head") == "1");
  check_invariants();
  // One that has something else stays.
  const auto second = send_into(ours.conversation, 70);
  resolve({echo("out-9", 71), text("new", 72)});
  settle(second, {"out-9"});
  BOOST_TEST(value("select count(*) from conversation") == "2");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(the_media_of_a_merged_echo_go_with_it) {
  resolve({text("in")});
  const auto ours = send();
  auto with_file = echo("out-1", 61);
  const auto id = ids.next();
  with_file.attachments = R"([{"id":")" + id.text() + R"(","type":"image"}])";
  with_file.media = {{id, R"({"kind":"image"})", std::make_shared<const std::string>("abc")}};
  resolve({with_file});
  BOOST_TEST(value("select count(*) from media") == "1");
  settle(ours, {"out-1"});
  BOOST_TEST(value("select count(*) from media") == "0");
}

// Aliases and references -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(statuses_and_references_find_a_message_by_its_aliases) {
  resolve({text("in")});
  const auto ours = send();
  settle(ours, {"out-1", "out-2"});
  say({status("out-2", kDelivered)});
  BOOST_TEST(of(ours, "status") == std::to_string(kDelivered));
  resolve({text("other", 0, "77")});
  const auto thread = [&](const std::vector<std::string>& references) {
    const auto found = thread_of_references(gateway, channel, references);
    BOOST_TEST_REQUIRE(found.has_value(), test_support::why(found));
    return found->value_or("-");
  };
  BOOST_TEST(thread({"out-2"}) == "55");
  BOOST_TEST(thread({"unknown", "other", "out-2"}) == "77");
  BOOST_TEST(thread({"out-1", "other"}) == "55");
  BOOST_TEST(thread({"unknown"}) == "-");
  BOOST_TEST(thread({}) == "-");
  BOOST_TEST(!thread_of_references(gateway, make_channel(business), {"out-1"})->has_value());
  BOOST_TEST(!thread_of_references(gateway, domain::ChannelId(ids.next()), {"out-1"})->has_value());
}

BOOST_AUTO_TEST_CASE(remote_ids_that_are_told_again_or_are_empty_change_nothing) {
  resolve({text("in")});
  const auto ours = send();
  settle(ours, {"out-1", "out-2"});
  settle(ours, {"out-1", "out-2", "out-2", ""});
  BOOST_TEST(value("select count(*) from message_alias") == "1");
  BOOST_TEST(of(ours, "remote_id") == "out-1");
  check_invariants();
}

// Statuses by our own key -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_status_with_our_key_settles_what_is_uncertain_and_names_it) {
  resolve({text("in")});
  const auto ours = send();
  script("update backchannel.message set status = 6, error = 'no answer' where id = '" +
         ours.id.text() + "'");
  auto told = status("out-1", kDelivered);
  told.message_key = ours.id;
  say({told});
  BOOST_TEST(of(ours, "status || ':' || remote_id || ':' || coalesce(error, '-')") == "3:out-1:-");
  // From now on it is found by the remote id alone.
  say({status("out-1", kRead)});
  BOOST_TEST(of(ours, "status") == std::to_string(kRead));
}

BOOST_AUTO_TEST_CASE(a_status_with_our_key_merges_the_echo_and_the_early_words) {
  resolve({text("in")});
  const auto ours = send();
  resolve({echo("out-1", 61)});
  // Once the echo is here its status goes to the echo; the key says nothing then.
  auto first = status("out-1", kDelivered);
  first.message_key = ours.id;
  say({first});
  BOOST_TEST(of(ours, "status") == std::to_string(kSending));
  settle(ours, {"out-1"});
  BOOST_TEST(of(ours, "status") == std::to_string(kDelivered));
  // Without an echo the key is enough, and early words of that id take effect with it.
  const auto second = send(70);
  say({reaction("out-2", "+1")});
  auto told = status("out-2", kSent);
  told.message_key = second.id;
  say({told});
  BOOST_TEST(of(second, "status || remote_id || (metadata ->> 'reactions')") ==
             R"(2out-2{"ana": "+1"})");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(our_key_names_nothing_in_another_channel_or_tenant) {
  resolve({text("in")});
  const auto ours = send();
  for (const auto& other : {make_channel(business), make_channel(make_business())}) {
    auto told = status("out-1", kDelivered);
    told.channel = other;
    told.message_key = ours.id;
    say({told});
  }
  BOOST_TEST(of(ours, "status || coalesce(remote_id, '-')") == "1-");
  // A customer's message is none of ours.
  auto told = status("out-1", kDelivered);
  told.message_key = *Uuid::parse(of("in", "id::text"));
  say({told});
  BOOST_TEST(of("in", "status is null") == "t");
}

BOOST_AUTO_TEST_CASE(a_status_with_our_key_and_no_remote_id_is_told_all_the_same) {
  resolve({text("in")});
  const auto ours = send();
  auto told = status("", kDelivered);
  told.message_key = ours.id;
  say({told});
  BOOST_TEST(of(ours, "status || ':' || (remote_id is null)") == "3:true");
}

// Read up to
// ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(read_up_to_marks_the_older_ones_of_ours_that_had_arrived) {
  resolve({text("in")});
  std::vector<Ours> ours;
  for (int i = 0; i < 6; ++i) ours.push_back(send(10 * (i + 1)));
  for (std::size_t i = 0; i < ours.size(); ++i) settle(ours[i], {"out-" + std::to_string(i)});
  const auto set = [&](std::size_t i, int to) {
    script("update backchannel.message set status = " + std::to_string(to) + " where id = '" +
           ours[i].id.text() + "'");
  };
  set(1, kFailed);
  set(2, kUncertain);
  set(3, kDelivered);
  auto seen = status("out-4", kRead);
  seen.up_to = true;
  say({seen});
  BOOST_TEST(value("select string_agg(status::text, ',' order by sort_at) from message"
                   " where sender_type = 1") == "4,5,6,4,4,2");
  BOOST_TEST(of("in", "status is null") == "t");
  // Each change is heard of.
  BOOST_TEST(value("select count(distinct message_id) from realtime_event where kind = 3"
                   " and message_id in (select id from message where status = 4)") == "3");
}

BOOST_AUTO_TEST_CASE(read_of_one_message_leaves_the_older_ones) {
  resolve({text("in")});
  const auto first = send(10);
  const auto second = send(20);
  settle(first, {"out-1"});
  settle(second, {"out-2"});
  say({status("out-2", kRead)});
  BOOST_TEST(of(first, "status") == std::to_string(kSent));
  BOOST_TEST(of(second, "status") == std::to_string(kRead));
}

BOOST_AUTO_TEST_CASE(read_up_to_a_customers_message_is_a_place_and_may_come_before_it) {
  resolve({text("in")});
  const auto ours = send(10);
  settle(ours, {"out-1"});
  auto seen = status("in-2", kRead);
  seen.up_to = true;
  say({seen});
  BOOST_TEST(of(ours, "status") == std::to_string(kSent));
  resolve({text("in-2", 20)});
  BOOST_TEST(of(ours, "status") == std::to_string(kRead));
  BOOST_TEST(of("in-2", "status is null") == "t");
}

BOOST_AUTO_TEST_CASE(read_up_to_stays_within_its_conversation) {
  resolve({text("in"), text("in-77", 0, "77")});
  const auto here = send(10);
  const auto there = send(5, "77");
  settle(here, {"out-1"});
  settle(there, {"out-2"});
  auto seen = status("out-1", kRead);
  seen.up_to = true;
  say({seen});
  BOOST_TEST(of(there, "status") == std::to_string(kSent));
}

// Races
// --------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_word_that_waits_for_an_echo_being_merged_takes_effect_on_ours) {
  resolve({text("in")});
  const auto ours = send();
  resolve({echo("out-1", 61)});
  static constexpr const char* kKnown =
      "select remote_ids_known($1, to_timestamp($2::bigint), 0, $3, $4)";
  const std::vector<std::string> remote_ids = {"out-1"};
  Session other(gateway_options());
  auto merging = other.begin(Scope::of(business));
  BOOST_TEST_REQUIRE(merging.has_value());
  BOOST_TEST_REQUIRE(
      merging
          ->run({kKnown, {ours.conversation, kMorning / 1000 + ours.second, ours.id, remote_ids}})
          .has_value());
  // The echo is removed and not yet committed: this one has found it and waits for its row.
  std::string problem;
  std::thread saying([&] {
    try {
      say(gateway, {reaction("out-1", "heart")});
    } catch (const std::exception& error) {
      problem = error.what();
    }
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  bool waits = false;
  while (!waits && std::chrono::steady_clock::now() < deadline) {
    waits = value("select count(*) from pg_locks where not granted") == "1";
  }
  const bool committed = merging->commit().has_value();
  saying.join();
  BOOST_TEST(waits);
  BOOST_TEST(committed);
  BOOST_TEST(problem == "");
  BOOST_TEST(of(ours, "coalesce(metadata ->> 'reactions', '-')") == R"({"ana": "heart"})");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(echo_and_answer_at_once_leave_one_message_in_every_round) {
  resolve({text("in")});
  Session other(gateway_options());
  BOOST_TEST_REQUIRE(other.connect().has_value());
  for (int round = 0; round < 200; ++round) {
    const std::string remote_id = "out-" + std::to_string(round);
    const auto ours = send(60 + round);
    const auto echoed = echo(remote_id, 61 + round);
    at_once([&] { resolve(gateway, {echoed}); },
            [&] {
              const auto done = settle(other, ours, {remote_id, remote_id + "-2"});
              if (!done) throw std::runtime_error(done.error().cause + done.error().message);
            });
  }
  BOOST_TEST(value("select count(*) from message") == "201");
  BOOST_TEST(value("select count(*) from message where content like 'echo%'") == "0");
  BOOST_TEST(value("select count(*) from event_key") == "201");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(status_and_answer_at_once_end_as_the_status_in_every_round) {
  resolve({text("in")});
  Session other(gateway_options());
  BOOST_TEST_REQUIRE(other.connect().has_value());
  for (int round = 0; round < 200; ++round) {
    const std::string remote_id = "out-" + std::to_string(round);
    const auto ours = send(60 + round);
    auto told = status(remote_id, kRead);
    // Every other one repeats our key, which takes another way to the same end.
    if (round % 2 == 0) told.message_key = ours.id;
    at_once([&] { say(gateway, {told}); },
            [&] {
              const auto done = settle(other, ours, {remote_id});
              if (!done) throw std::runtime_error(done.error().cause + done.error().message);
            });
  }
  BOOST_TEST(value("select count(*) from message where sender_type = 1 and status <> 4") == "0");
  BOOST_TEST(value("select count(*) from early_change") == "0");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(reaction_and_message_at_once_meet_in_every_round) {
  resolve({text("in")});
  Session other(gateway_options());
  BOOST_TEST_REQUIRE(other.connect().has_value());
  const auto conversation =
      domain::ConversationId(*Uuid::parse(value("select id::text from conversation")));
  for (int round = 0; round < 200; ++round) {
    const std::string remote_id = "m-" + std::to_string(round);
    auto row = text(remote_id, round);
    row.conversation = conversation;
    const auto liked = reaction(remote_id, "+1");
    at_once(
        [&] {
          const std::vector<const InboundMessage*> view = {&row};
          // Both ways a message is stored.
          const bool done = round % 2 == 0 ? ingest_known(gateway, view).has_value()
                                           : ingest_resolve(gateway, view).has_value();
          if (!done) throw std::runtime_error("the message was not stored");
        },
        [&] { say(other, {liked}); });
  }
  BOOST_TEST(value("select count(*) from message where remote_id like 'm-%'"
                   " and metadata -> 'reactions' is null") == "0");
  BOOST_TEST(value("select count(*) from early_change") == "0");
  check_invariants();
}

BOOST_AUTO_TEST_CASE(writers_of_everything_in_every_order_lose_and_double_nothing) {
  constexpr int kMessages = 60;
  resolve({text("in")});
  std::vector<Ours> ours;
  for (int i = 0; i < kMessages; ++i) ours.push_back(send(60 + i));
  std::vector<std::string> problems(4);
  std::vector<std::thread> threads;
  const auto shuffled = [&](unsigned seed) {
    std::vector<int> order(kMessages);
    for (int i = 0; i < kMessages; ++i) order[static_cast<std::size_t>(i)] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(seed));
    return order;
  };
  const auto run = [&](std::size_t slot, auto work) {
    threads.emplace_back([&, slot, work] {
      Session db(gateway_options());
      try {
        work(db);
      } catch (const std::exception& error) {
        problems[slot] = error.what();
      }
    });
  };
  run(0, [&](Session& db) {
    for (const int i : shuffled(1)) {
      const auto done = settle(db, ours[static_cast<std::size_t>(i)], {"o" + std::to_string(i)});
      if (!done) throw std::runtime_error(done.error().cause + done.error().message);
    }
  });
  for (const unsigned writer : {1u, 2u}) {
    run(writer, [&, writer](Session& db) {
      const auto order = shuffled(writer + 1);
      for (std::size_t from = 0; from < order.size(); from += 10) {
        std::vector<InboundChange> batch;
        for (std::size_t i = from; i < from + 10; ++i) {
          const std::string target = "o" + std::to_string(order[i]);
          batch.push_back(status(target, writer == 1 ? kRead : kDelivered));
          batch.push_back(reaction(target, "by-" + std::to_string(writer)));
          batch.back().actor = "w" + std::to_string(writer);
        }
        say(db, batch);
      }
    });
  }
  run(3, [&](Session& db) {
    const auto order = shuffled(9);
    for (std::size_t from = 0; from < order.size(); from += 6) {
      std::vector<InboundMessage> batch;
      for (std::size_t i = from; i < from + 6; ++i) {
        batch.push_back(echo("o" + std::to_string(order[i]), 61 + order[i]));
      }
      resolve(db, batch);
    }
  });
  for (auto& thread : threads) thread.join();
  for (const auto& problem : problems) BOOST_TEST(problem == "");
  BOOST_TEST(value("select count(*) from message") == std::to_string(kMessages + 1));
  BOOST_TEST(value("select count(*) from message where sender_type = 1 and status <> 4") == "0");
  BOOST_TEST(value("select count(*) from message where sender_type = 1 and (metadata -> 'reactions'"
                   " ->> 'w1' is null or metadata -> 'reactions' ->> 'w2' is null)") == "0");
  BOOST_TEST(value("select count(*) from early_change") == "0");
  check_invariants();
}

BOOST_AUTO_TEST_SUITE_END()
