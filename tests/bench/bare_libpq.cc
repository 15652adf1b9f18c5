// What the rows alone cost: a program of libpq and nothing else that stores the same event as the
// gateway does, without HTTP, JSON, signatures, tenants or dedupe.
//
//   bench_bare_libpq --database CONNINFO [--batch 32] [--in-flight 2] [--seconds 5]
//     [--chats 10000]
//
// It makes a schema `bare` with copies of the gateway's own tables (create table ... like ...
// including all: the same columns, indexes and compression; no row-level security, no partitions)
// and `chats` conversations. Then one connection in pipeline mode runs one prepared statement per
// batch, each its own transaction at the cluster's own durability, `in-flight` of them on the way
// at once, so that Postgres never waits for this program. The statement takes binary arrays and
// does, per event: one raw_event (the same bytes), one event_key (plain insert: no conflict is
// looked for), one message, its share of the update of conversation_head (unread, count, preview,
// times, with the gateway's lazy inbox key), one realtime_event. The ids of conversations are known
// beforehand, a thing the gateway has to look up. Of the ways measured for these rows the single
// statement is the cheapest: separate statements cost a quarter more, and COPY cannot update
// conversation_head.
// Prints one JSON object; latencies are those of one batch, from send to its result.

#include <libpq-fe.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "tests/bench/update.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kSchema = R"(
drop schema if exists bare cascade;
create schema bare;
create table bare.raw_event (like backchannel.raw_event including all);
create table bare.event_key (like backchannel.event_key including all);
create table bare.message (like backchannel.message including all);
create table bare.conversation_head (like backchannel.conversation_head including all)
  with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create table bare.realtime_event (like backchannel.realtime_event including all);
set plan_cache_mode = force_generic_plan;
set enable_hashjoin = off;
set enable_mergejoin = off;
set enable_seqscan = off;
)";

constexpr const char* kInsert = R"(
with i as materialized (
  select x.* from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::timestamptz[],
                         $8::bigint[], $9::text[], $10::text[], $11::bytea[]) with ordinality
    as x(key, mid, conversation, sender, sort_at, sort_seq, content, remote_id, raw, ord)
), k as (
  insert into bare.event_key (tenant_id, channel_id, key, message_id)
  select $1::uuid, $2::uuid, i.key, i.mid from i
), m as (
  insert into bare.message (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,
                            sender_type, sender_id, kind, content, remote_id)
  select $1, i.conversation, i.sort_at, i.sort_seq, i.mid, $2, 0, i.sender, 0, i.content,
         i.remote_id
  from i
), latest as (
  select distinct on (i.conversation) i.conversation, i.sort_at as at, left(i.content, 120) as preview,
         count(*) over (partition by i.conversation) as added
  from i order by i.conversation, i.ord desc
), h as (
  update bare.conversation_head as head set
    last_message_at = greatest(head.last_message_at, l.at),
    inbox_at = case when greatest(head.last_message_at, l.at) - head.inbox_at
                         >= interval '15 seconds'
                    then greatest(head.last_message_at, l.at) else head.inbox_at end,
    preview = l.preview, message_count = head.message_count + l.added,
    unread = head.unread + l.added, has_unread = true
  from latest l
  where head.tenant_id = $1 and head.conversation_id = l.conversation
  returning 1
), r as (
  insert into bare.raw_event (tenant_id, id, channel_id, content_type, body)
  select $1, i.mid, $2, 'application/json', i.raw from i
), e as (
  insert into bare.realtime_event (tenant_id, conversation_id, message_id, kind)
  select $1, i.conversation, i.mid, 0 from i
)
select count(*) from h
)";

struct Uuid {
  char bytes[16];
};

class Random {
 public:
  Uuid uuid() {
    Uuid id;
    for (int half = 0; half < 2; ++half) {
      const std::uint64_t value = engine_();
      std::memcpy(id.bytes + 8 * half, &value, 8);
    }
    return id;
  }
  // Begins with the time, as the gateway's ids do: new rows land beside each other.
  Uuid uuid7() {
    Uuid id = uuid();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
    for (int i = 0; i < 6; ++i) id.bytes[i] = static_cast<char>(ms >> (40 - 8 * i));
    id.bytes[6] = static_cast<char>(0x70 | ((++count_ >> 8) & 0x0F));
    id.bytes[7] = static_cast<char>(count_);
    return id;
  }

 private:
  std::mt19937_64 engine_{20261121};
  unsigned count_ = 0;
};

// A one-dimensional array in Postgres' binary form.
class Array {
 public:
  explicit Array(std::uint32_t type) : type_(type) {}
  void clear() {
    data_.clear();
    put32(1);
    put32(0);
    put32(type_);
    put32(0);
    put32(1);
    count_ = 0;
  }
  void add(const void* bytes, std::size_t size) {
    put32(static_cast<std::uint32_t>(size));
    data_.append(static_cast<const char*>(bytes), size);
    ++count_;
  }
  void add(std::int64_t value) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
    add(bytes, sizeof bytes);
  }
  void add(const std::string& text) { add(text.data(), text.size()); }
  void add(const Uuid& id) { add(id.bytes, sizeof id.bytes); }
  const std::string& finish() {
    for (std::size_t i = 0; i < 4; ++i) data_[12 + i] = static_cast<char>(count_ >> (24 - 8 * i));
    return data_;
  }

 private:
  void put32(std::uint32_t value) {
    for (int i = 0; i < 4; ++i) data_ += static_cast<char>(value >> (24 - 8 * i));
  }
  std::uint32_t type_;
  std::uint32_t count_ = 0;
  std::string data_;
};

constexpr std::uint32_t kUuid = 2950, kTimestamptz = 1184, kInt8 = 20, kText = 25, kBytea = 17;

struct Options {
  std::string database;
  int batch = 32;
  int in_flight = 2;
  double seconds = 5;
  std::int64_t chats = 10'000;
};

class Bare {
 public:
  explicit Bare(const Options& options) : options_(options) {}
  ~Bare() { PQfinish(db_); }

  int run() {
    db_ = PQconnectdb(options_.database.c_str());
    if (PQstatus(db_) != CONNECTION_OK) return failed("connect");
    PQsetNoticeProcessor(
        db_, [](void*, const char*) {}, nullptr);
    if (!execute(kSchema) || !fill()) return failed("prepare the tables");
    PGresult* const prepared = PQprepare(db_, "store", kInsert, 0, nullptr);
    const bool ready = PQresultStatus(prepared) == PGRES_COMMAND_OK;
    PQclear(prepared);
    if (!ready) return failed("prepare the statement");
    if (PQenterPipelineMode(db_) != 1) return failed("pipeline");
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(options_.seconds));
    std::int64_t stored = 0;
    while (true) {
      const bool more = Clock::now() < end;
      while (more && static_cast<int>(sent_.size()) < options_.in_flight) {
        if (!send_batch()) return failed("send");
      }
      if (sent_.empty()) break;
      if (!take_batch()) return failed("store a batch");
      stored += options_.batch;
    }
    const double seconds = std::chrono::duration<double>(last_ - begin).count();
    std::printf(
        "{\"ok\":%lld,\"batch\":%d,\"seconds\":%.3f,\"per_second\":%.0f,\"p50_ms\":%.3f,"
        "\"p99_ms\":%.3f}\n",
        static_cast<long long>(stored), options_.batch, seconds,
        static_cast<double>(stored) / seconds, percentile(0.5), percentile(0.99));
    return 0;
  }

 private:
  bool execute(const char* sql) {
    PGresult* const result = PQexec(db_, sql);
    const bool good =
        PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    return good;
  }

  // The conversations, whose ids stay in this program.
  bool fill() {
    tenant_ = random_.uuid();
    channel_ = random_.uuid();
    Array ids(kUuid);
    ids.clear();
    for (std::int64_t i = 0; i < options_.chats; ++i) {
      conversations_.push_back(random_.uuid7());
      ids.add(conversations_.back());
    }
    const std::string& array = ids.finish();
    const char* values[] = {tenant_.bytes, channel_.bytes, array.data()};
    const int lengths[] = {16, 16, static_cast<int>(array.size())};
    const int formats[] = {1, 1, 1};
    PGresult* const result = PQexecParams(
        db_,
        "insert into bare.conversation_head (tenant_id, conversation_id, channel_id, inbox_at, "
        "last_message_at) select $1::uuid, x, $2::uuid, now(), now() from unnest($3::uuid[]) x",
        3, nullptr, values, lengths, formats, 0);
    const bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return good;
  }

  bool send_batch() {
    Array* const arrays[] = {&key_, &mid_,     &conversation_, &sender_, &at_,
                             &seq_, &content_, &remote_,       &raw_};
    for (Array* array : arrays) array->clear();
    const std::int64_t date = std::chrono::duration_cast<std::chrono::seconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count();
    for (int i = 0; i < options_.batch; ++i) {
      ++count_;
      const std::int64_t chat = (count_ * 7'919) % options_.chats;
      const std::int64_t message_id = 1 + count_ / options_.chats;
      // As the gateway's keys: the platform's time, then what identifies the event.
      Uuid key = random_.uuid();
      for (int b = 0; b < 4; ++b) key.bytes[b] = static_cast<char>(date >> (24 - 8 * b));
      key_.add(key);
      mid_.add(random_.uuid7());
      conversation_.add(conversations_[static_cast<std::size_t>(chat)]);
      sender_.add(conversations_[static_cast<std::size_t>(chat)]);
      at_.add((date - 946'684'800) * 1'000'000);  // Postgres counts from 2000
      seq_.add(message_id);
      content_.add(bench::event_text(count_));
      remote_.add(std::to_string(bench::kFirstChat + chat) + ":" + std::to_string(message_id));
      bench::write_update(body_, count_, chat, message_id, date);
      raw_.add(body_);
    }
    const char* values[11] = {tenant_.bytes, channel_.bytes};
    int lengths[11] = {16, 16};
    int formats[11] = {1, 1};
    for (int i = 0; i < 9; ++i) {
      const std::string& array = arrays[i]->finish();
      values[i + 2] = array.data();
      lengths[i + 2] = static_cast<int>(array.size());
      formats[i + 2] = 1;
    }
    sent_.push_back(Clock::now());
    return PQsendQueryPrepared(db_, "store", 11, values, lengths, formats, 1) == 1 &&
           PQpipelineSync(db_) == 1;
  }

  // The result of the oldest batch, which is durable then.
  bool take_batch() {
    PGresult* const result = PQgetResult(db_);
    const bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    if (!good) return false;
    PQclear(PQgetResult(db_));
    PGresult* const sync = PQgetResult(db_);
    const bool synced = PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
    PQclear(sync);
    last_ = Clock::now();
    latencies_.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(last_ - sent_.front()).count());
    sent_.pop_front();
    return synced;
  }

  double percentile(double share) {
    if (latencies_.empty()) return 0;
    const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), latencies_.begin() + at, latencies_.end());
    return static_cast<double>(latencies_[static_cast<std::size_t>(at)]) / 1'000;
  }

  int failed(const char* what) {
    std::fprintf(stderr, "bare_libpq: cannot %s: %s\n", what, PQerrorMessage(db_));
    return 1;
  }

  const Options& options_;
  PGconn* db_ = nullptr;
  Random random_;
  Uuid tenant_{}, channel_{};
  std::vector<Uuid> conversations_;
  Array key_{kUuid}, mid_{kUuid}, conversation_{kUuid}, sender_{kUuid}, at_{kTimestamptz},
      seq_{kInt8}, content_{kText}, remote_{kText}, raw_{kBytea};
  std::string body_;
  std::int64_t count_ = 0;
  std::deque<Clock::time_point> sent_;
  std::vector<std::int64_t> latencies_;
  Clock::time_point last_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("The rows of an inbound event by bare libpq");
  app.add_option("--database", options.database)->required();
  app.add_option("--batch", options.batch)->check(CLI::Range(1, 10'000));
  app.add_option("--in-flight", options.in_flight)->check(CLI::Range(1, 16));
  app.add_option("--seconds", options.seconds)->check(CLI::PositiveNumber);
  app.add_option("--chats", options.chats)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return Bare(options).run();
}
