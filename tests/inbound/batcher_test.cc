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
    made->raw = {"{\"name\":\"" + name + "\"}", "application/json"};
    const NormalizeContext context{channel, kMorning, true};
    for (const auto& event : events) {
      auto row = normalize(event, context, ids);
      std::visit([&](auto& stored) { stored.raw = made->rows.empty() ? &made->raw : nullptr; },
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

BOOST_AUTO_TEST_CASE(without_a_database_deliveries_are_unavailable_within_their_deadline) {
  auto dead = options();
  dead.session.conninfo = Secret("host=127.0.0.1 port=1 dbname=x");
  const auto begun = clock.steady_ms();
  {
    Batcher batcher(dead, clock, ids, metrics);
    for (int i = 0; i < 100; ++i) submit(batcher, std::to_string(i), {text("55", i)});
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
