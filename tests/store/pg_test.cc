#include "gateway/store/pg.h"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <mutex>
#include <thread>

#include "gateway/store/workers.h"
#include "tests/support/database.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)

BOOST_FIXTURE_TEST_SUITE(pg, test_support::Database)

BOOST_AUTO_TEST_CASE(values_come_back_as_they_went) {
  const Uuid id = ids.next();
  const std::string bytes("\0\xff'\\x", 5);
  const auto rows = gateway.run(
      Scope::none(),
      Query{"select $1::text, $2::bigint, $3::boolean, $4::uuid, $5::bytea, $6::jsonb, "
            "(extract(epoch from $7::timestamptz) * 1000)::bigint, $8::text, $9::smallint",
            {"O'Neil \xF0\x9F\x98\x80", std::int64_t{-9'223'372'036'854'775'807}, true, id,
             Bytes{bytes}, Json{R"({"a":1})"}, TimestampMs{1'763'600'000'123},
             std::optional<std::string>(), Int2{-3}}});
  BOOST_TEST_REQUIRE(rows.has_value());
  BOOST_TEST(rows->text(0, 0) == "O'Neil \xF0\x9F\x98\x80");
  BOOST_TEST(rows->integer(0, 1) == -9'223'372'036'854'775'807);
  BOOST_TEST(rows->boolean(0, 2));
  BOOST_TEST((rows->uuid(0, 3) == id));
  BOOST_TEST(rows->bytes(0, 4) == bytes);
  BOOST_TEST(rows->text(0, 5) == R"({"a": 1})");
  BOOST_TEST(rows->integer(0, 6) == 1'763'600'000'123);
  BOOST_TEST(rows->is_null(0, 7));
  BOOST_TEST(rows->integer(0, 8) == -3);
}

BOOST_AUTO_TEST_CASE(arrays_carry_nulls_and_may_be_empty) {
  const std::vector<std::optional<std::string>> texts = {"a,{}\"", std::nullopt, ""};
  const auto rows = gateway.run(
      Scope::none(),
      Query{"select array_to_string($1::text[], '|', 'NULL'), cardinality($2::uuid[]), $3::int[]",
            {texts, std::vector<Uuid>{}, std::vector<int>{3, -1, 7}}});
  BOOST_TEST_REQUIRE(rows.has_value());
  BOOST_TEST(rows->text(0, 0) == "a,{}\"|NULL|");
  BOOST_TEST(rows->integer(0, 1) == 0);
  BOOST_TEST((rows->integers(0, 2) == std::vector<std::int64_t>{3, -1, 7}));
}

BOOST_AUTO_TEST_CASE(a_parameter_that_was_null_first_may_have_a_value_later) {
  static constexpr const char* kSelect = "select coalesce($1, 5::bigint)";
  const auto none = gateway.run(Scope::none(), Query{kSelect, {std::optional<std::int64_t>()}});
  BOOST_TEST_REQUIRE(none.has_value());
  BOOST_TEST(none->integer(0, 0) == 5);
  const auto some = gateway.run(Scope::none(), Query{kSelect, {std::int64_t{7}}});
  BOOST_TEST_REQUIRE(some.has_value());
  BOOST_TEST(some->integer(0, 0) == 7);
}

BOOST_AUTO_TEST_CASE(all_statements_of_a_flight_are_undone_when_one_fails) {
  const auto business = make_business();
  static constexpr const char* kInsert =
      "insert into usage_counter (tenant_id, resource, used) values ($1, 'x', $2)";
  const Query queries[] = {{kInsert, {business, 1}}, {kInsert, {business, 2}}};
  const auto failed = gateway.run(Scope::of(business), queries);
  BOOST_TEST_REQUIRE(!failed);
  BOOST_TEST((failed.error().code == Errc::conflict));
  BOOST_TEST(failed.error().cause == "23505:usage_counter_pkey");
  BOOST_TEST(value("select count(*) from usage_counter where resource = 'x'") == "0");
  BOOST_TEST(gateway.run(Scope::of(business), Query{kInsert, {business, 3}}).has_value());
}

BOOST_AUTO_TEST_CASE(a_transaction_rolls_back_unless_committed) {
  const auto business = make_business();
  static constexpr const char* kInsert =
      "insert into usage_counter (tenant_id, resource, used) values ($1, $2, 1)";
  {
    auto tx = gateway.begin(Scope::of(business));
    BOOST_TEST_REQUIRE(tx.has_value());
    BOOST_TEST(tx->run({kInsert, {business, "dropped"}}).has_value());
  }
  {
    auto tx = gateway.begin(Scope::of(business));
    BOOST_TEST_REQUIRE(tx.has_value());
    BOOST_TEST(tx->run({kInsert, {business, "kept"}}).has_value());
    BOOST_TEST(tx->commit().has_value());
  }
  BOOST_TEST(value("select string_agg(resource, ',') from usage_counter") == "kept");
}

BOOST_AUTO_TEST_CASE(the_tenant_of_a_transaction_does_not_outlive_it) {
  const auto business = make_business();
  static constexpr const char* kTenant = "select coalesce(current_setting('app.tenant', true), '')";
  BOOST_TEST(gateway.run(Scope::of(business), Query{kTenant, {}})->text(0, 0) == business.text());
  BOOST_TEST(gateway.run(Scope::none(), Query{kTenant, {}})->text(0, 0) == "");
  const auto failed = gateway.run(Scope::of(business), Query{"select 1 / 0", {}});
  BOOST_TEST(!failed.has_value());
  BOOST_TEST(gateway.run(Scope::none(), Query{kTenant, {}})->text(0, 0) == "");
}

BOOST_AUTO_TEST_CASE(a_tenant_sees_and_writes_its_own_rows_only) {
  const auto mine = make_business();
  const auto theirs = make_business();
  const auto channel = make_channel(theirs);
  static constexpr const char* kAll = "select count(*) from channel";
  static constexpr const char* kSteal = "update channel set is_active = false where id = $1";
  static constexpr const char* kForge =
      "insert into usage_counter (tenant_id, resource) values ($1, 'y')";
  BOOST_TEST(gateway.run(Scope::of(theirs), Query{kAll, {}})->integer(0, 0) == 1);
  BOOST_TEST(gateway.run(Scope::of(mine), Query{kAll, {}})->integer(0, 0) == 0);
  BOOST_TEST(gateway.run(Scope::none(), Query{kAll, {}})->integer(0, 0) == 0);
  BOOST_TEST(gateway.run(Scope::of(mine), Query{kSteal, {channel}})->affected() == 0);
  BOOST_TEST(!gateway.run(Scope::of(mine), Query{kForge, {theirs}}).has_value());
  BOOST_TEST(!gateway.run(Scope::none(), Query{kForge, {theirs}}).has_value());
  BOOST_TEST(value("select is_active from channel") == "t");
}

BOOST_AUTO_TEST_CASE(the_gateway_cannot_read_people_or_change_a_plan) {
  const auto business = make_business("free");
  BOOST_TEST(!gateway.run(Scope::none(), Query{"select * from app_user", {}}).has_value());
  BOOST_TEST(
      !gateway.run(Scope::of(business), Query{"update business set plan = 'pro'", {}}).has_value());
}

BOOST_AUTO_TEST_CASE(a_killed_connection_is_replaced) {
  BOOST_TEST(gateway.connect().has_value());
  value(
      "select count(pg_terminate_backend(pid)) from pg_stat_activity"
      " where datname = current_database() and pid <> pg_backend_pid()");
  // The first call may meet the dying connection; the second must not.
  const auto first = gateway.run(Scope::none(), Query{"select 1", {}});
  if (!first) BOOST_TEST((first.error().code == Errc::unavailable));
  BOOST_TEST(gateway.run(Scope::none(), Query{"select 1", {}}).has_value());
}

BOOST_AUTO_TEST_CASE(a_slow_statement_ends_at_its_limit_and_the_session_goes_on) {
  auto options = gateway_options();
  options.statement_timeout = std::chrono::milliseconds(50);
  Session session(options);
  const auto slow = session.run(Scope::none(), Query{"select pg_sleep(20)", {}});
  BOOST_TEST_REQUIRE(!slow);
  BOOST_TEST(slow.error().cause == "57014");
  BOOST_TEST((slow.error().code == Errc::unavailable));
  BOOST_TEST(session.run(Scope::none(), Query{"select 1", {}}).has_value());
}

BOOST_AUTO_TEST_CASE(an_unreachable_server_is_unavailable_with_its_reason) {
  Session session(
      SessionOptions{.conninfo = Secret("host=127.0.0.1 port=1 dbname=x user=y password=canary")});
  const auto rows = session.run(Scope::none(), Query{"select 1", {}});
  BOOST_TEST_REQUIRE(!rows);
  BOOST_TEST((rows.error().code == Errc::unavailable));
  BOOST_TEST(rows.error().message.find("127.0.0.1") != std::string::npos);
  BOOST_TEST(rows.error().message.find("canary") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_large_flight_does_not_block_on_full_buffers) {
  // More than both socket buffers in either direction: the flight must read while it writes.
  std::vector<Query> queries;
  const std::string big(512 * 1024, 'x');
  for (int i = 0; i < 32; ++i) queries.push_back({"select $1::text", {big}});
  const auto rows = gateway.run(Scope::none(), queries);
  BOOST_TEST_REQUIRE(rows.has_value());
  BOOST_TEST_REQUIRE(rows->size() == 32U);
  BOOST_TEST(rows->back().text(0, 0).size() == big.size());
}

BOOST_AUTO_TEST_CASE(deadlocked_flights_are_repeated_and_both_succeed) {
  const auto business = make_business();
  static constexpr const char* kInsert =
      "insert into usage_counter (tenant_id, resource) values ($1, 'a'), ($1, 'b')";
  BOOST_TEST(gateway.run(Scope::of(business), Query{kInsert, {business}}).has_value());
  static constexpr const char* kAdd =
      "update usage_counter set used = used + 1 where tenant_id = $1 and resource = $2";
  const auto work = [&](const char* first, const char* second) {
    Session session(gateway_options());
    int failures = 0;
    for (int i = 0; i < 50; ++i) {
      const Query queries[] = {{kAdd, {business, first}}, {kAdd, {business, second}}};
      if (!session.run(Scope::of(business), queries)) ++failures;
    }
    return failures;
  };
  int other_failures = 0;
  std::thread other([&] { other_failures = work("b", "a"); });
  const int failures = work("a", "b");
  other.join();
  BOOST_TEST(failures + other_failures == 0);
  BOOST_TEST(value("select sum(used) from usage_counter") == "200");
}

BOOST_AUTO_TEST_CASE(workers_run_every_job_and_refuse_above_their_capacity) {
  std::mutex gate;
  std::atomic<int> done = 0;
  {
    Workers workers("test", 1, 2, gateway_options());
    std::unique_lock held(gate);
    std::atomic<bool> begun = false;
    BOOST_TEST(workers.post([&](Session&) {
      begun = true;
      const std::lock_guard wait(gate);
      ++done;
    }));
    while (!begun) std::this_thread::yield();
    BOOST_TEST(workers.post([&](Session&) { ++done; }));
    BOOST_TEST(workers.post([&](Session& db) {
      if (db.run(Scope::none(), Query{"select 1", {}})) ++done;
    }));
    BOOST_TEST(!workers.post([&](Session&) { ++done; }));
    held.unlock();
  }
  BOOST_TEST(done == 3);
}

BOOST_AUTO_TEST_CASE(stopped_workers_have_finished_what_was_queued_and_take_nothing_more) {
  std::atomic<int> done = 0;
  Workers workers("test", 2, 64, gateway_options());
  for (int i = 0; i < 50; ++i) BOOST_TEST(workers.post([&](Session&) { ++done; }));
  workers.stop();
  BOOST_TEST(done == 50);
  BOOST_TEST(!workers.post([&](Session&) { ++done; }));
  workers.stop();
  BOOST_TEST(done == 50);
}

BOOST_AUTO_TEST_SUITE_END()
