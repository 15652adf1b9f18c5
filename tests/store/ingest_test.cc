#include "gateway/store/ingest.h"

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <random>
#include <thread>

#include "tests/support/database.h"
#include "tests/support/result.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)

namespace {

constexpr std::int64_t kMorning = 1'763'600'000'000;

struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business);
  RawDelivery raw{R"({"update_id":1})", "application/json"};

  // A text of `thread` at `second`, identified by `key`.
  InboundMessage text(const std::string& thread, int second, int key,
                      const std::string& content = "hello") {
    InboundMessage row;
    row.channel = channel;
    row.key.bytes[15] = static_cast<std::uint8_t>(key);
    row.key.bytes[14] = static_cast<std::uint8_t>(key >> 8);
    row.id = domain::MessageId(ids.next());
    row.conversation = domain::ConversationId(ids.next());
    row.contact = domain::ContactId(ids.next());
    row.sort_at_ms = kMorning + second * 1000;
    row.sort_seq = key;
    row.content = content;
    row.remote_id = thread + ":" + std::to_string(key);
    row.contact_remote = thread;
    row.contact_name = "Ana";
    row.thread = thread;
    row.raw = &raw;
    return row;
  }

  static std::vector<const InboundMessage*> view(const std::vector<InboundMessage>& rows) {
    std::vector<const InboundMessage*> out;
    for (const auto& row : rows) out.push_back(&row);
    return out;
  }

  std::size_t resolve(const std::vector<InboundMessage>& rows) {
    const auto fresh = ingest_resolve(gateway, view(rows));
    if (!fresh) throw std::runtime_error(fresh.error().cause + " " + fresh.error().message);
    return fresh->size();
  }

  void change(const std::string& sql) {
    const auto done = owner.script(sql);
    if (!done) throw std::runtime_error(done.error().message);
  }

  // "contents in the order shown | unread | count | status | preview" of the one conversation.
  std::string conversation() {
    return value(
        "select (select string_agg(content, ',' order by sort_at, sort_seq, id) from message)"
        " || '|' || unread || '|' || message_count || '|' || status || '|' || coalesce(preview, "
        "'-')"
        " from conversation_head");
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(ingest, Fixture)

BOOST_AUTO_TEST_CASE(a_first_message_makes_contact_conversation_message_raw_and_realtime_row) {
  BOOST_TEST(resolve({text("55", 0, 1, "hi")}) == 1U);
  BOOST_TEST(conversation() == "hi|1|1|0|hi");
  BOOST_TEST(value("select name from contact") == "Ana");
  BOOST_TEST(value("select remote_thread || channel_type from conversation") == "55telegram");
  BOOST_TEST(value("select convert_from(body, 'UTF8') from raw_event") == R"({"update_id":1})");
  BOOST_TEST(value("select count(*) from realtime_event") == "1");
  BOOST_TEST(value("select count(*) from contact_alias") == "1");
}

BOOST_AUTO_TEST_CASE(many_first_messages_of_one_thread_make_one_conversation_in_platform_order) {
  std::vector<InboundMessage> rows;
  for (const int second : {5, 2, 9, 1}) {
    rows.push_back(text("55", second, second, std::to_string(second)));
  }
  BOOST_TEST(resolve(rows) == 4U);
  BOOST_TEST(conversation() == "1,2,5,9|4|4|0|9");
}

BOOST_AUTO_TEST_CASE(equal_times_are_ordered_by_the_platforms_sequence) {
  BOOST_TEST(resolve({text("55", 3, 30, "c"), text("55", 3, 10, "a"), text("55", 3, 20, "b")}) ==
             3U);
  BOOST_TEST(conversation() == "a,b,c|3|3|0|c");
}

BOOST_AUTO_TEST_CASE(a_redelivery_changes_nothing_but_its_own_count) {
  resolve({text("55", 0, 1)});
  BOOST_TEST(resolve({text("55", 0, 1)}) == 0U);
  BOOST_TEST(conversation() == "hello|1|1|0|hello");
  BOOST_TEST(value("select redelivered from event_key") == "1");
  BOOST_TEST(value("select count(*) from raw_event") == "1");
}

BOOST_AUTO_TEST_CASE(the_known_path_stores_the_fresh_and_counts_the_duplicates) {
  auto first = text("55", 0, 1);
  const auto opened = ingest_resolve(gateway, view({first}));
  BOOST_TEST_REQUIRE(opened.has_value());
  std::vector<InboundMessage> rows = {text("55", 0, 1), text("55", 4, 2, "two"),
                                      text("55", 3, 3, "three")};
  for (auto& row : rows) {
    row.conversation = opened->front().conversation;
    row.contact = opened->front().contact;
  }
  const auto fresh = ingest_known(gateway, view(rows));
  BOOST_TEST_REQUIRE(fresh.has_value(), test_support::why(fresh));
  BOOST_TEST((*fresh == std::vector<std::size_t>{1, 2}));
  BOOST_TEST(conversation() == "hello,three,two|3|3|0|two");
}

BOOST_AUTO_TEST_CASE(an_older_message_moves_neither_preview_nor_time) {
  resolve({text("55", 10, 1, "new")});
  resolve({text("55", 5, 2, "old")});
  BOOST_TEST(conversation() == "old,new|2|2|0|new");
}

BOOST_AUTO_TEST_CASE(a_message_dated_in_the_future_does_not_pin_its_conversation) {
  auto row = text("55", 0, 1);
  row.sort_at_ms = 4'070'908'800'000;  // 2099
  resolve({row});
  BOOST_TEST(
      value("select last_message_at < now() + interval '2 minutes' from conversation_head") == "t");
  BOOST_TEST(value("select extract(year from sort_at) from message") == "2099");
}

BOOST_AUTO_TEST_CASE(resolved_reopens_closed_begins_anew_pending_stays) {
  resolve({text("55", 0, 1)});
  change("update backchannel.conversation_head set status = 2");
  resolve({text("55", 1, 2)});
  BOOST_TEST(value("select status from conversation_head") == "0");
  change("update backchannel.conversation_head set status = 1");
  resolve({text("55", 2, 3)});
  BOOST_TEST(value("select status from conversation_head") == "1");
  change(
      "update backchannel.conversation_head set status = 3;"
      "update backchannel.conversation set closed_at = now()");
  resolve({text("55", 3, 4)});
  BOOST_TEST(value("select count(*) from conversation") == "2");
  BOOST_TEST(value("select count(*) from contact") == "1");
}

BOOST_AUTO_TEST_CASE(the_known_path_refuses_a_conversation_closed_meanwhile_and_writes_nothing) {
  const auto opened = ingest_resolve(gateway, view({text("55", 0, 1)}));
  change(
      "update backchannel.conversation_head set status = 3;"
      "update backchannel.conversation set closed_at = now()");
  auto row = text("55", 1, 2);
  row.conversation = opened->front().conversation;
  row.contact = opened->front().contact;
  const auto refused = ingest_known(gateway, view({row}));
  BOOST_TEST_REQUIRE(!refused);
  BOOST_TEST(refused.error().cause.starts_with(kConversationClosed));
  BOOST_TEST(value("select count(*) from event_key") == "1");
}

BOOST_AUTO_TEST_CASE(a_conversation_of_another_tenant_is_refused) {
  const auto opened = ingest_resolve(gateway, view({text("55", 0, 1)}));
  const auto other_business = make_business();
  auto row = text("55", 1, 2);
  row.channel = make_channel(other_business);
  row.conversation = opened->front().conversation;
  row.contact = opened->front().contact;
  const auto refused = ingest_known(gateway, view({row}));
  BOOST_TEST_REQUIRE(!refused);
  BOOST_TEST(refused.error().cause.starts_with(kConversationClosed));
  BOOST_TEST(value("select count(*) from message") == "1");
}

BOOST_AUTO_TEST_CASE(a_channel_that_is_gone_is_said_and_not_mistaken_for_a_duplicate) {
  auto row = text("55", 0, 1);
  row.channel = domain::ChannelId(ids.next());
  for (const auto& refused :
       {ingest_resolve(gateway, view({row})).error(), ingest_known(gateway, view({row})).error()}) {
    BOOST_TEST(refused.cause.starts_with(kChannelGone));
  }
}

BOOST_AUTO_TEST_CASE(equal_keys_and_threads_of_two_channels_do_not_meet) {
  auto mine = text("55", 0, 1);
  auto theirs = text("55", 0, 1);
  theirs.channel = make_channel(make_business());
  BOOST_TEST(resolve({mine, theirs}) == 2U);
  BOOST_TEST(value("select count(distinct tenant_id) from conversation") == "2");
}

BOOST_AUTO_TEST_CASE(an_echo_counts_as_message_and_not_as_unread) {
  resolve({text("55", 0, 1)});
  auto echo = text("55", 1, 2, "from the phone");
  echo.sender_type = domain::SenderType::agent;
  resolve({echo});
  BOOST_TEST(conversation() == "hello,from the phone|1|2|0|from the phone");
}

BOOST_AUTO_TEST_CASE(the_inbox_time_lags_by_less_than_15_seconds) {
  resolve({text("55", 0, 1)});
  for (int second = 1; second < 60; second += 4) {
    resolve({text("55", second, second + 1)});
    BOOST_TEST(value("select inbox_at <= last_message_at"
                     " and last_message_at < inbox_at + interval '15 seconds'"
                     " from conversation_head") == "t");
  }
}

BOOST_AUTO_TEST_CASE(an_edit_replaces_the_content_and_an_older_edit_does_not) {
  resolve({text("55", 0, 1, "first")});
  InboundChange edit;
  edit.channel = channel;
  edit.key.bytes[0] = 1;
  edit.id = ids.next();
  edit.kind = 3;
  edit.at_ms = kMorning + 60'000;
  edit.target = "55:1";
  edit.content = "second";
  auto late = edit;
  late.key.bytes[0] = 2;
  late.id = ids.next();
  late.at_ms = kMorning + 30'000;
  late.content = "between";
  auto again = edit;
  again.id = ids.next();
  const std::vector<const InboundChange*> changes = {&edit, &late, &again};
  const auto outcomes = ingest_changes(gateway, changes);
  BOOST_TEST_REQUIRE(outcomes.has_value(), test_support::why(outcomes));
  BOOST_TEST((*outcomes ==
              std::vector{ChangeOutcome::stored, ChangeOutcome::stored, ChangeOutcome::duplicate}));
  BOOST_TEST(value("select content from message") == "second");
}

BOOST_AUTO_TEST_CASE(an_edit_of_an_unknown_message_is_missing_and_leaves_no_row) {
  InboundChange edit;
  edit.channel = channel;
  edit.id = ids.next();
  edit.kind = 3;
  edit.target = "55:404";
  const std::vector<const InboundChange*> changes = {&edit};
  BOOST_TEST((ingest_changes(gateway, changes)->front() == ChangeOutcome::missing));
  BOOST_TEST(value("select count(*) from event_key") == "0");
}

BOOST_AUTO_TEST_CASE(reactions_come_and_go_by_person) {
  resolve({text("55", 0, 1)});
  const auto react = [&](int key, const std::string& actor, const std::string& emoji) {
    InboundChange event;
    event.channel = channel;
    event.key.bytes[0] = static_cast<std::uint8_t>(key);
    event.id = ids.next();
    event.kind = 5;
    event.target = "55:1";
    event.actor = actor;
    event.content = emoji;
    const std::vector<const InboundChange*> changes = {&event};
    return ingest_changes(gateway, changes).has_value();
  };
  BOOST_TEST(react(1, "ana", "+1"));
  BOOST_TEST(react(2, "bob", "heart"));
  BOOST_TEST(react(3, "ana", ""));
  BOOST_TEST(value("select metadata ->> 'reactions' from message") == R"({"bob": "heart"})");
}

BOOST_AUTO_TEST_CASE(a_status_never_goes_back) {
  resolve({text("55", 0, 1)});
  change("update backchannel.message set status = 2");
  int key = 0;
  const auto say = [&](int state) {
    InboundChange event;
    event.channel = channel;
    event.key.bytes[0] = static_cast<std::uint8_t>(++key);
    event.id = ids.next();
    event.kind = 6;
    event.target = "55:1";
    event.state = state;
    const std::vector<const InboundChange*> changes = {&event};
    BOOST_TEST_REQUIRE(ingest_changes(gateway, changes).has_value());
    return value("select status from message");
  };
  BOOST_TEST(say(4) == "4");  // read before delivered
  BOOST_TEST(say(3) == "4");
  BOOST_TEST(say(2) == "4");
  BOOST_TEST(say(5) == "4");  // failed after read is no failure
}

BOOST_AUTO_TEST_CASE(a_blocked_contact_marks_the_conversation_until_it_returns) {
  resolve({text("55", 0, 1)});
  InboundChange event;
  event.channel = channel;
  event.key.bytes[0] = 1;
  event.id = ids.next();
  event.kind = 8;
  event.thread = "55";
  event.state = 1;
  event.content = "blocked";
  std::vector<const InboundChange*> changes = {&event};
  BOOST_TEST(ingest_changes(gateway, changes).has_value());
  BOOST_TEST(value("select unreachable_reason from conversation") == "blocked");
  auto back = event;
  back.key.bytes[0] = 2;
  back.id = ids.next();
  back.state = 0;
  changes = {&back};
  BOOST_TEST(ingest_changes(gateway, changes).has_value());
  BOOST_TEST(value("select unreachable_reason is null from conversation") == "t");
}

BOOST_AUTO_TEST_CASE(a_moved_thread_goes_on_in_the_same_conversation) {
  resolve({text("-512", 0, 1)});
  InboundChange move;
  move.channel = channel;
  move.key.bytes[0] = 1;
  move.id = ids.next();
  move.kind = 9;
  move.thread = "-512";
  move.content = "-1002";
  move.actor = "-1002";
  const std::vector<const InboundChange*> changes = {&move};
  BOOST_TEST(ingest_changes(gateway, changes).has_value());
  resolve({text("-1002", 1, 2)});
  BOOST_TEST(value("select count(*) from conversation") == "1");
  BOOST_TEST(value("select message_count from conversation_head") == "2");
  BOOST_TEST(value("select count(*) from contact") == "1");
}

BOOST_AUTO_TEST_CASE(a_kind_nobody_knows_keeps_its_key_and_bytes) {
  InboundChange unknown;
  unknown.channel = channel;
  unknown.id = ids.next();
  unknown.kind = 13;
  unknown.raw = &raw;
  const std::vector<const InboundChange*> changes = {&unknown};
  BOOST_TEST((ingest_changes(gateway, changes)->front() == ChangeOutcome::stored));
  BOOST_TEST(value("select count(*) from raw_event") == "1");
  BOOST_TEST(value("select count(*) from message") == "0");
}

BOOST_AUTO_TEST_CASE(attachments_with_bytes_or_to_be_fetched_have_a_row_by_either_way) {
  const auto with_media = [&](int key) {
    auto row = text("55", key, key);
    const auto bytes = std::make_shared<const std::string>("bytes of " + std::to_string(key));
    row.media = {
        {ids.next(), R"({"kind":"file","mime_type":"text/plain","size":9})", bytes},
        {ids.next(), R"({"kind":"image","media_id":"m","mime_type":"","size":null})", nullptr}};
    return row;
  };
  const auto first = with_media(1);
  const auto opened = ingest_resolve(gateway, view({text("55", 0, 9), first}));
  BOOST_TEST_REQUIRE(opened.has_value(), test_support::why(opened));
  auto second = with_media(2);
  auto third = text("55", 3, 3);
  for (auto* row : {&second, &third}) {
    row->conversation = opened->front().conversation;
    row->contact = opened->front().contact;
  }
  const auto known = ingest_known(gateway, view({third, second}));
  BOOST_TEST_REQUIRE(known.has_value(), test_support::why(known));
  BOOST_TEST(value("select string_agg(message_remote_id || '|' || state || '|' ||"
                   " coalesce(convert_from(body, 'UTF8'), '-') || '|' || coalesce(size::text, '-')"
                   " || '|' || coalesce(content_type, '-') || '|' || (sha256 is not distinct from"
                   " sha256(body)), ' ' order by message_remote_id, state) from media") ==
             "55:1|0|-|-|-|true 55:1|1|bytes of 1|10|text/plain|true"
             " 55:2|0|-|-|-|true 55:2|1|bytes of 2|10|text/plain|true");
  BOOST_TEST(value("select bool_and(tenant_id = '" + business.text() + "' and channel_id = '" +
                   channel.text() + "') from media") == "t");
}

BOOST_AUTO_TEST_CASE(a_redelivery_does_not_bring_back_media_that_were_removed) {
  auto row = text("55", 0, 1);
  row.media = {{ids.next(), R"({"kind":"file"})", std::make_shared<const std::string>("abc")}};
  resolve({row});
  change("delete from backchannel.media");
  auto again = text("55", 0, 1);
  again.media = row.media;
  BOOST_TEST(resolve({again}) == 0U);
  again.conversation =
      domain::ConversationId(*Uuid::parse(value("select id::text from conversation")));
  BOOST_TEST(ingest_known(gateway, view({again}))->empty());
  BOOST_TEST(value("select count(*) from media") == "0");
}

BOOST_AUTO_TEST_CASE(the_attachments_of_an_edit_have_rows_too) {
  resolve({text("55", 0, 1)});
  InboundChange edit;
  edit.channel = channel;
  edit.key.bytes[0] = 1;
  edit.id = ids.next();
  edit.kind = 3;
  edit.at_ms = kMorning + 60'000;
  edit.target = "55:1";
  edit.attachments = "[]";
  edit.media = {{ids.next(), R"({"kind":"image","media_id":"m"})", nullptr},
                {ids.next(), R"({"kind":"file"})", std::make_shared<const std::string>("abc")}};
  const std::vector<const InboundChange*> changes = {&edit};
  BOOST_TEST(ingest_changes(gateway, changes).has_value());
  BOOST_TEST(
      value("select string_agg(state || message_remote_id, ',' order by state) from media") ==
      "055:1,155:1");
}

BOOST_AUTO_TEST_CASE(quarantined_bytes_are_kept_once_and_exactly) {
  const RawDelivery odd{std::string("\0\xff{", 3), "application/json"};
  const Quarantined entry{channel, ids.next(), ids.next(), "no JSON", &odd};
  BOOST_TEST(ingest_quarantine(gateway, entry).has_value());
  BOOST_TEST(ingest_quarantine(gateway, entry).has_value());
  BOOST_TEST(value("select encode(body, 'hex') || redelivered || reason from quarantine") ==
             "00ff7b1no JSON");
}

BOOST_AUTO_TEST_CASE(several_writers_of_shuffled_batches_and_a_closer_lose_and_double_nothing) {
  constexpr int kThreads = 20;
  constexpr int kEvents = 1'500;
  constexpr int kWriters = 3;
  std::vector<InboundMessage> all;
  for (int i = 0; i < kEvents; ++i) {
    all.push_back(text("t" + std::to_string(i % kThreads), i, i, std::to_string(i)));
  }
  std::atomic<bool> writing = true;
  std::vector<std::string> problems(kWriters);
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      Session db(gateway_options());
      std::mt19937 random(static_cast<unsigned>(w) + 1);
      auto mine = all;
      for (auto& row : mine) {
        row.id = domain::MessageId(ids.next());
        row.conversation = domain::ConversationId(ids.next());
        row.contact = domain::ContactId(ids.next());
      }
      std::shuffle(mine.begin(), mine.end(), random);
      for (std::size_t at = 0; at < mine.size();) {
        const std::size_t n = std::min<std::size_t>(1 + random() % 64, mine.size() - at);
        std::vector<InboundMessage> batch(mine.begin() + static_cast<std::ptrdiff_t>(at),
                                          mine.begin() + static_cast<std::ptrdiff_t>(at + n));
        std::sort(batch.begin(), batch.end(), [](const auto& a, const auto& b) {
          return std::tie(a.thread, a.sort_at_ms) < std::tie(b.thread, b.sort_at_ms);
        });
        const auto done = ingest_resolve(db, view(batch));
        if (done) {
          at += n;
        } else if (!done.error().cause.starts_with(kConversationClosed)) {
          problems[static_cast<std::size_t>(w)] = done.error().cause + done.error().message;
          return;
        }
      }
    });
  }
  std::thread closer([&] {
    Session db(owner_options());
    while (writing) {
      const auto closed = db.script(
          "with c as (update backchannel.conversation set closed_at = now() where (tenant_id, id) ="
          " (select tenant_id, id from backchannel.conversation where closed_at is null"
          " order by random() limit 1) returning tenant_id, id)"
          " update backchannel.conversation_head h set status = 3 from c"
          " where h.tenant_id = c.tenant_id and h.conversation_id = c.id");
      if (!closed) break;
    }
  });
  for (auto& thread : threads) thread.join();
  writing = false;
  closer.join();
  for (const auto& problem : problems) BOOST_TEST(problem == "");
  const std::string events = std::to_string(kEvents);
  BOOST_TEST(value("select count(*) from message") == events);
  BOOST_TEST(value("select count(*) from event_key") == events);
  BOOST_TEST(value("select count(*) from raw_event") == events);
  BOOST_TEST(value("select count(*) from realtime_event") == events);
  BOOST_TEST(value("select sum(message_count) from conversation_head") == events);
  BOOST_TEST(value("select sum(unread) from conversation_head") == events);
  BOOST_TEST(value("select count(*) from contact") == std::to_string(kThreads));
  BOOST_TEST(value("select count(*) from conversation c where not exists (select from message m"
                   " where m.conversation_id = c.id)") == "0");
  BOOST_TEST(value("select count(*) from (select 1 from conversation where closed_at is null"
                   " group by channel_id, remote_thread having count(*) > 1) x") == "0");
}

BOOST_AUTO_TEST_CASE(the_sweep_makes_the_coming_partitions_and_is_repeatable) {
  BOOST_TEST(sweep(gateway, 30, 30, 48).has_value());
  BOOST_TEST(sweep(gateway, 30, 30, 48).has_value());
  resolve({text("55", 0, 1)});
  BOOST_TEST(value("select tableoid::regclass::text like '%raw_event_2%' from raw_event") == "t");
}

BOOST_AUTO_TEST_SUITE_END()
