#include "gateway/inbound/batcher.h"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <map>
#include <mutex>

#include "tests/support/database.h"

using namespace gateway;           // NOLINT(google-build-using-namespace)
using namespace gateway::inbound;  // NOLINT(google-build-using-namespace)

namespace {

constexpr std::int64_t kMorning = 1'763'600'000'000;

// Collects acknowledgements by name and waits for them.
class Acks {
 public:
  Task<void(Ack)> expect(const std::string& name) {
    {
      const std::lock_guard lock(mutex_);
      ++expected_;
    }
    return [this, name](Ack ack) {
      const std::lock_guard lock(mutex_);
      acks_.emplace(name, ack);
      changed_.notify_all();
    };
  }
  // False when not all came within 20 s.
  bool all() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [this] { return acks_.size() == expected_; });
  }
  Ack of(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return acks_.find(name)->second;
  }
  std::size_t count(Ack ack) {
    const std::lock_guard lock(mutex_);
    std::size_t n = 0;
    for (const auto& [name, got] : acks_) n += got == ack ? 1 : 0;
    return n;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::string, Ack> acks_;
  std::size_t expected_ = 0;
};

struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business);
  Metrics metrics;
  Acks acks;

  BatcherOptions options() const { return {.session = gateway_options()}; }

  connector::Event text(const std::string& thread, int number) const {
    connector::Event e;
    e.kind = connector::EventKind::message;
    e.thread = thread;
    e.contact = thread;
    e.contact_name = "Ana";
    e.message = thread + ":" + std::to_string(number);
    e.key = "update:" + std::to_string(number);
    e.text = "text " + std::to_string(number);
    e.sent_ms = kMorning + number * 1000;
    e.sequence = number;
    return e;
  }

  std::unique_ptr<Delivery> delivery(const std::string& name,
                                     const std::vector<connector::Event>& events) {
    auto made = std::make_unique<Delivery>();
    made->business = business;
    made->channel = channel;
    made->raw = std::make_shared<const store::RawDelivery>(
        store::RawDelivery{"{\"name\":\"" + name + "\"}", "application/json"});
    const NormalizeContext context{channel, kMorning, true};
    for (const auto& event : events) {
      auto row = normalize(event, context, ids);
      std::visit([&](auto& stored) { stored.raw = made->rows.empty() ? made->raw.get() : nullptr; },
                 *row);
      std::optional<store::InboundMessage> alternative;
      if (event.kind == connector::EventKind::edited) {
        alternative = message_of_edit(event, context, ids);
      }
      made->rows.push_back(std::move(*row));
      made->as_message.push_back(std::move(alternative));
    }
    made->done = acks.expect(name);
    return made;
  }

  void submit(Batcher& batcher, const std::string& name,
              const std::vector<connector::Event>& events) {
    auto made = delivery(name, events);
    BOOST_TEST_REQUIRE(batcher.submit(made));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(batcher, Fixture)

BOOST_AUTO_TEST_CASE(an_acknowledged_delivery_is_in_the_database) {
  Batcher batcher(options(), clock, ids, metrics);
  submit(batcher, "a", {text("55", 1)});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST((acks.of("a") == Ack::committed));
  BOOST_TEST(value("select content from message") == "text 1");
}

BOOST_AUTO_TEST_CASE(deliveries_that_wait_share_a_transaction) {
  // One row is locked, so that the committer waits while the others gather.
  auto holder = owner.begin(store::Scope::none());
  BOOST_TEST_REQUIRE(holder.has_value());
  BOOST_TEST_REQUIRE(
      holder->run({"lock table backchannel.event_key in exclusive mode", {}}).has_value());
  Batcher batcher(options(), clock, ids, metrics);
  for (int i = 0; i < 64; ++i)
    submit(batcher, std::to_string(i), {text("t" + std::to_string(i), i)});
  BOOST_TEST_REQUIRE(holder->commit().has_value());
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(acks.count(Ack::committed) == 64U);
  BOOST_TEST(value("select count(*) from message") == "64");
  BOOST_TEST(metrics.counter("backchannel_ingest_batches_total", "").value() <= 3.0);
}

BOOST_AUTO_TEST_CASE(copies_at_once_make_one_message_and_all_are_acknowledged) {
  Batcher batcher(options(), clock, ids, metrics);
  for (int i = 0; i < 8; ++i) submit(batcher, std::to_string(i), {text("55", 1)});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(acks.count(Ack::committed) == 8U);
  BOOST_TEST(value("select count(*) from message") == "1");
  BOOST_TEST(value("select unread from conversation_head") == "1");
}

BOOST_AUTO_TEST_CASE(a_poisoned_delivery_is_quarantined_and_its_neighbours_are_stored) {
  auto holder = owner.begin(store::Scope::none());
  BOOST_TEST_REQUIRE(
      holder->run({"lock table backchannel.event_key in exclusive mode", {}}).has_value());
  Batcher batcher(options(), clock, ids, metrics);
  for (int i = 0; i < 32; ++i) {
    auto made = delivery(std::to_string(i), {text("t" + std::to_string(i % 5), i)});
    // NUL is what Postgres never takes; every connector removes it, so it is put in behind them.
    if (i == 13) std::get<store::InboundMessage>(made->rows[0]).content = std::string("a\0b", 3);
    BOOST_TEST_REQUIRE(batcher.submit(made));
  }
  BOOST_TEST_REQUIRE(holder->commit().has_value());
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(acks.count(Ack::committed) == 32U);
  BOOST_TEST(value("select count(*) from message") == "31");
  BOOST_TEST(value("select convert_from(body, 'UTF8') from quarantine") == R"({"name":"13"})");
}

BOOST_AUTO_TEST_CASE(a_conversation_closed_behind_its_back_is_opened_anew) {
  Batcher batcher(options(), clock, ids, metrics);
  submit(batcher, "a", {text("55", 1)});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST_REQUIRE(owner
                         .script("update backchannel.conversation_head set status = 3;"
                                 "update backchannel.conversation set closed_at = now()")
                         .has_value());
  submit(batcher, "b", {text("55", 2)});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST((acks.of("b") == Ack::committed));
  BOOST_TEST(value("select count(*) from conversation") == "2");
}

BOOST_AUTO_TEST_CASE(a_removed_channel_is_gone_and_harms_no_other) {
  Batcher batcher(options(), clock, ids, metrics);
  auto gone = delivery("gone", {text("55", 1)});
  gone->channel = domain::ChannelId(ids.next());
  std::get<store::InboundMessage>(gone->rows[0]).channel = gone->channel;
  BOOST_TEST_REQUIRE(batcher.submit(gone));
  submit(batcher, "b", {text("55", 2)});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST((acks.of("gone") == Ack::gone));
  BOOST_TEST((acks.of("b") == Ack::committed));
}

BOOST_AUTO_TEST_CASE(an_edit_before_its_message_becomes_the_message) {
  Batcher batcher(options(), clock, ids, metrics);
  auto edit = text("55", 1);
  edit.kind = connector::EventKind::edited;
  edit.key = "update:edit";
  edit.text = "edited";
  submit(batcher, "edit", {edit});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST((acks.of("edit") == Ack::committed));
  BOOST_TEST(value("select content from message") == "edited");
}

BOOST_AUTO_TEST_CASE(a_message_and_its_edit_in_one_batch_end_as_the_edit) {
  Batcher batcher(options(), clock, ids, metrics);
  auto edit = text("55", 1);
  edit.kind = connector::EventKind::edited;
  edit.key = "update:edit";
  edit.text = "edited";
  edit.sent_ms += 1000;
  submit(batcher, "both", {text("55", 1), edit});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(value("select content || (edited_at is not null) from message") == "editedtrue");
  BOOST_TEST(value("select count(*) from raw_event") == "1");
}

BOOST_AUTO_TEST_CASE(a_thread_that_moves_within_a_batch_stays_one_conversation) {
  // Held back, so that all three are of one batch.
  auto holder = owner.begin(store::Scope::none());
  BOOST_TEST_REQUIRE(
      holder->run({"lock table backchannel.event_key in exclusive mode", {}}).has_value());
  Batcher batcher(options(), clock, ids, metrics);
  submit(batcher, "first", {text("warm", 1)});
  auto move = text("-512", 3);
  move.kind = connector::EventKind::thread_moved;
  move.text = "-1002";
  submit(batcher, "before", {text("-512", 2)});
  submit(batcher, "move", {move});
  submit(batcher, "after", {text("-1002", 4)});
  BOOST_TEST_REQUIRE(holder->commit().has_value());
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(acks.count(Ack::committed) == 4U);
  BOOST_TEST(value("select count(*) from conversation where remote_thread <> 'warm'") == "1");
  BOOST_TEST(value("select message_count from conversation_head h join conversation c"
                   " on c.id = h.conversation_id where c.remote_thread = '-1002'") == "2");
}

BOOST_AUTO_TEST_CASE(a_message_that_names_one_of_another_thread_joins_its_conversation) {
  Batcher batcher(options(), clock, ids, metrics);
  submit(batcher, "first", {text("a", 1)});
  BOOST_TEST_REQUIRE(acks.all());
  auto answer = text("b", 2);
  answer.references = {"unknown", "a:1"};
  submit(batcher, "answer", {answer});
  BOOST_TEST_REQUIRE(acks.all());
  auto again = text("c", 3);
  again.references = {"b:2"};
  submit(batcher, "again", {again, text("d", 4)});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(value("select string_agg(c.remote_thread || ':' || h.message_count, ' ' order by"
                   " c.remote_thread) from conversation c join conversation_head h"
                   " on h.conversation_id = c.id") == "a:3 d:1");
}

BOOST_AUTO_TEST_CASE(messages_of_one_batch_that_name_each_other_are_one_conversation) {
  auto holder = owner.begin(store::Scope::none());
  BOOST_TEST_REQUIRE(
      holder->run({"lock table backchannel.event_key in exclusive mode", {}}).has_value());
  Batcher batcher(options(), clock, ids, metrics);
  submit(batcher, "warm", {text("warm", 1)});
  auto second = text("b", 3);
  second.references = {"a:2"};
  auto third = text("c", 4);
  third.references = {"b:3"};
  submit(batcher, "one delivery", {text("a", 2), second});
  submit(batcher, "another", {third});
  BOOST_TEST_REQUIRE(holder->commit().has_value());
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(value("select message_count from conversation_head h join conversation c on c.id ="
                   " h.conversation_id where c.remote_thread = 'a'") == "3");
  BOOST_TEST(value("select count(*) from conversation") == "2");
}

BOOST_AUTO_TEST_CASE(an_answer_in_a_thread_that_moved_follows_it) {
  Batcher batcher(options(), clock, ids, metrics);
  submit(batcher, "first", {text("-512", 1)});
  auto move = text("-512", 2);
  move.kind = connector::EventKind::thread_moved;
  move.text = "-1002";
  submit(batcher, "move", {move});
  auto answer = text("-512", 3);
  answer.references = {"-512:1"};
  submit(batcher, "answer", {answer});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(value("select count(*) from conversation") == "1");
  BOOST_TEST(value("select remote_thread from conversation") == "-1002");
}

BOOST_AUTO_TEST_CASE(two_people_in_one_thread_are_two_contacts_of_one_conversation) {
  Batcher batcher(options(), clock, ids, metrics);
  const auto from = [&](const std::string& person, int number) {
    auto e = text("thread", number);
    e.contact = person;
    e.contact_name = person;
    return e;
  };
  for (int i = 0; i < 6; ++i) {
    submit(batcher, std::to_string(i), {from(i % 2 == 0 ? "ana" : "bob", i)});
    BOOST_TEST_REQUIRE(acks.all());
  }
  BOOST_TEST(value("select count(*) from conversation") == "1");
  BOOST_TEST(
      value("select string_agg(x, ' ' order by x) from (select c.name || ':' || count(*) as x"
            " from message m join contact c on c.id = m.sender_id group by c.name) t") ==
      "ana:3 bob:3");
}

BOOST_AUTO_TEST_CASE(an_echo_in_a_known_thread_is_compared_with_what_is_here) {
  Batcher batcher(options(), clock, ids, metrics);
  submit(batcher, "in", {text("55", 1)});
  BOOST_TEST_REQUIRE(acks.all());
  auto echo = text("55", 2);
  echo.kind = connector::EventKind::echo;
  echo.message = "55:1";
  submit(batcher, "of what is here", {echo});
  auto other = text("55", 3);
  other.kind = connector::EventKind::echo;
  submit(batcher, "from a phone", {other});
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(acks.count(Ack::committed) == 3U);
  BOOST_TEST(value("select string_agg(sender_type::text, ',' order by sort_at) from message") ==
             "0,1");
  BOOST_TEST(value("select count(*) from event_key") == "3");
}

BOOST_AUTO_TEST_CASE(a_delivery_with_rows_may_be_quarantined_besides) {
  Batcher batcher(options(), clock, ids, metrics);
  auto made = delivery("both", {text("55", 1)});
  made->quarantine = "no channel stands for account 7";
  BOOST_TEST_REQUIRE(batcher.submit(made));
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST((acks.of("both") == Ack::committed));
  BOOST_TEST(value("select count(*) from message") == "1");
  BOOST_TEST(value("select reason from quarantine") == "no channel stands for account 7");
}

BOOST_AUTO_TEST_CASE(large_deliveries_do_not_share_a_transaction) {
  auto holder = owner.begin(store::Scope::none());
  BOOST_TEST_REQUIRE(
      holder->run({"lock table backchannel.event_key in exclusive mode", {}}).has_value());
  auto small = options();
  small.max_batch_bytes = 1'000'000;
  Batcher batcher(small, clock, ids, metrics);
  submit(batcher, "warm", {text("warm", 100)});
  for (int i = 0; i < 6; ++i) {
    auto e = text("55", i);
    e.attachments = {{.kind = "file", .content = std::string(400'000, 'x')}};
    submit(batcher, std::to_string(i), {e});
  }
  BOOST_TEST_REQUIRE(holder->commit().has_value());
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(acks.count(Ack::committed) == 7U);
  BOOST_TEST(value("select count(*) from media where size = 400000") == "6");
  // Two at a time, behind the first batch.
  BOOST_TEST(value("select max(n) from (select count(*) as n from media group by xmin::text) x") ==
             "2");
}

BOOST_AUTO_TEST_CASE(the_queue_is_bounded_by_the_bytes_of_attachments_too) {
  auto holder = owner.begin(store::Scope::none());
  BOOST_TEST_REQUIRE(
      holder->run({"lock table backchannel.event_key in exclusive mode", {}}).has_value());
  auto small = options();
  small.max_queued_bytes = 1'000'000;
  Batcher batcher(small, clock, ids, metrics);
  std::unique_ptr<Delivery> refused;
  int taken = 0;
  for (int i = 0; i < 10 && !refused; ++i) {
    auto e = text("55", i);
    e.attachments = {{.kind = "file", .content = std::string(400'000, 'x')}};
    auto made = delivery(std::to_string(i), {e});
    if (batcher.submit(made)) {
      ++taken;
    } else {
      refused = std::move(made);
    }
  }
  BOOST_TEST_REQUIRE(refused != nullptr);
  BOOST_TEST(taken <= 4);  // two in the queue, and what the committer had taken
  refused->done(Ack::unavailable);
  BOOST_TEST_REQUIRE(holder->commit().has_value());
  BOOST_TEST_REQUIRE(acks.all());
}

BOOST_AUTO_TEST_CASE(without_a_database_deliveries_are_unavailable_within_their_deadline) {
  auto dead = options();
  dead.session.conninfo = Secret("host=127.0.0.1 port=1 dbname=x");
  const auto begun = clock.steady_ms();
  {
    Batcher batcher(dead, clock, ids, metrics);
    for (int i = 0; i < 100; ++i) {
      auto e = text("55", i);
      if (i % 2 == 0) e.references = {"another"};  // that has to be looked up first
      submit(batcher, std::to_string(i), {e});
    }
    BOOST_TEST_REQUIRE(acks.all());
  }
  BOOST_TEST(acks.count(Ack::unavailable) == 100U);
  BOOST_TEST(clock.steady_ms() - begun < 4'000);
}

BOOST_AUTO_TEST_CASE(terminated_backends_lose_and_double_nothing_for_a_sender_that_repeats) {
  Batcher batcher(options(), clock, ids, metrics);
  for (int round = 0; round < 5; ++round) {
    const std::int64_t give_up = clock.steady_ms() + 20'000;
    for (int attempt = 0;; ++attempt) {
      BOOST_TEST_REQUIRE(clock.steady_ms() < give_up);
      std::vector<std::string> names;
      for (int i = 0; i < 50; ++i) {
        const int number = round * 50 + i;
        names.push_back(std::to_string(number) + "/" + std::to_string(attempt));
        submit(batcher, names.back(), {text("t" + std::to_string(i % 7), number)});
      }
      if (attempt == 0) {
        value(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()");
      }
      BOOST_TEST_REQUIRE(acks.all());
      bool whole = true;
      for (const auto& name : names) whole = whole && acks.of(name) == Ack::committed;
      if (whole) break;
    }
  }
  BOOST_TEST(value("select count(*) from message") == "250");
  BOOST_TEST(value("select count(distinct remote_id) from message") == "250");
  BOOST_TEST(value("select sum(message_count) from conversation_head") == "250");
  BOOST_TEST(value("select sum(unread) from conversation_head") == "250");
}

BOOST_AUTO_TEST_CASE(a_full_queue_hands_the_delivery_back) {
  auto holder = owner.begin(store::Scope::none());
  BOOST_TEST_REQUIRE(
      holder->run({"lock table backchannel.event_key in exclusive mode", {}}).has_value());
  auto small = options();
  small.max_queued_events = 4;
  Batcher batcher(small, clock, ids, metrics);
  int taken = 0;
  std::unique_ptr<Delivery> refused;
  for (int i = 0; i < 200 && !refused; ++i) {
    auto made = delivery(std::to_string(i), {text("55", i)});
    if (batcher.submit(made)) {
      ++taken;
    } else {
      refused = std::move(made);
    }
  }
  BOOST_TEST_REQUIRE(refused != nullptr);
  refused->done(Ack::unavailable);
  BOOST_TEST_REQUIRE(holder->commit().has_value());
  BOOST_TEST_REQUIRE(acks.all());
  BOOST_TEST(acks.count(Ack::committed) == static_cast<std::size_t>(taken));
}

BOOST_AUTO_TEST_SUITE_END()
