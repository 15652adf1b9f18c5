// What was acknowledged survives whatever ends the gateway or its Postgres.
// (reliability promises R1, R2, R9, R13, R14)
#include <signal.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gateway/cluster/process.h"
#include "tests/e2e/gateway.h"

using namespace e2e;
using Steady = std::chrono::steady_clock;

namespace {

constexpr int kSenders = 8;
constexpr std::int64_t kChats = 40;

// Senders that post signed updates, each again until it is acknowledged, as the platform does.
class Load {
 public:
  explicit Load(const Channel& channel) : channel_(channel), port_(Gateway::instance().port()) {
    for (int i = 0; i < kSenders; ++i) threads_.emplace_back([this] { send(); });
  }
  ~Load() { stop(); }

  // Leaves what is under way as it is.
  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  std::size_t acknowledged() const {
    const std::lock_guard lock(mutex_);
    return acked_.size();
  }
  std::set<std::string> acked() const { return acked_; }
  std::set<std::string> sent() const { return sent_; }
  std::multiset<int> statuses() const { return statuses_; }
  std::chrono::milliseconds slowest() const { return slowest_; }
  int without_retry_after() const { return without_retry_after_; }

 private:
  void send() {
    HttpClient client(port_, 20s);
    while (!stopping_) {
      const std::int64_t id = next_++;
      const std::string text = "e" + std::to_string(id);
      const std::string body = text_update(id, 5'500'000'000 + id % kChats, 1 + id / kChats, text,
                                           1'763'600'000 + id / kChats);
      {
        const std::lock_guard lock(mutex_);
        sent_.insert(text);
      }
      while (!stopping_ && !post(client, body, text)) std::this_thread::sleep_for(5ms);
    }
  }

  bool post(HttpClient& client, const std::string& body, const std::string& text) {
    const auto begin = Steady::now();
    try {
      const auto answer = client.call("POST", channel_.path, signed_with(channel_.secret), body);
      const std::lock_guard lock(mutex_);
      slowest_ = std::max(
          slowest_, std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - begin));
      statuses_.insert(answer.status);
      if (answer.status == 503 && answer.header("retry-after").empty()) ++without_retry_after_;
      if (answer.status != 200) return false;
      acked_.insert(text);
      return true;
    } catch (const HttpClient::Error&) {
      return false;
    }
  }

  const Channel& channel_;
  const std::uint16_t port_;
  std::atomic<std::int64_t> next_{1};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::set<std::string> sent_, acked_;
  std::multiset<int> statuses_;
  std::chrono::milliseconds slowest_{0};
  int without_retry_after_ = 0;
  std::vector<std::thread> threads_;
};

// The set checker: acknowledged within stored, stored within sent, each once, counters exact.
void check(const Load& load, const Channel& channel) {
  Gateway& gateway = Gateway::instance();
  const std::string of_channel = " where channel_id = '" + channel.id + "'";
  std::istringstream list(gateway.query(
      "select coalesce(string_agg(content, ' '), '') from backchannel.message" + of_channel));
  std::set<std::string> stored;
  std::size_t rows = 0;
  for (std::string text; list >> text; ++rows) stored.insert(text);
  BOOST_TEST(rows == stored.size(), rows << " messages of " << stored.size() << " events");
  const auto acked = load.acked();
  const auto sent = load.sent();
  std::size_t lost = 0, invented = 0;
  for (const std::string& text : acked) lost += stored.count(text) == 0;
  for (const std::string& text : stored) invented += sent.count(text) == 0;
  BOOST_TEST(lost == 0u);
  BOOST_TEST(invented == 0u);
  BOOST_TEST(stored.size() >= acked.size());
  BOOST_TEST_MESSAGE("sent " << sent.size() << ", acknowledged " << acked.size() << ", stored "
                             << stored.size());
  const std::string count = std::to_string(rows);
  for (const char* sql :
       {"select count(*) from backchannel.raw_event", "select count(*) from backchannel.event_key",
        "select sum(unread) from backchannel.conversation_head",
        "select sum(message_count) from backchannel.conversation_head"}) {
    BOOST_TEST(gateway.query(sql + of_channel) == count, sql);
  }
  BOOST_TEST(gateway.query("select count(*) from backchannel.conversation" + of_channel) ==
             gateway.query("select count(distinct conversation_id) from backchannel.message" +
                           of_channel));
}

// Every process of the embedded Postgres gets the signal.
void signal_postgres(int number) {
  const auto folder = Gateway::instance().folder() / "data" / "postgres" / "data";
  for (const pid_t pid : gateway::cluster::postgres_processes_in(folder)) kill(pid, number);
}

Answer deliver_one(const Channel& channel, std::int64_t id) {
  return deliver(channel, text_update(id, 5'500'000'000, 1 + id, "single " + std::to_string(id)));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(crash)

BOOST_AUTO_TEST_CASE(kill_9_under_load_loses_and_doubles_nothing) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  const unsigned seed = std::random_device{}();
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  Load load(channel);
  for (int kill = 0; kill < 6; ++kill) {
    // Somewhere in full work: behind some hundred more acknowledgements.
    const std::size_t until = load.acknowledged() + 100 + random() % 900;
    BOOST_REQUIRE(eventually([&] { return load.acknowledged() >= until; }, 60s));
    gateway.kill();
    gateway.start();
  }
  const std::size_t until = load.acknowledged() + 200;
  BOOST_TEST(eventually([&] { return load.acknowledged() >= until; }, 60s));
  load.stop();
  check(load, channel);
}

BOOST_AUTO_TEST_CASE(sigterm_under_load_answers_what_is_due_and_exits_0) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  Load load(channel);
  BOOST_REQUIRE(eventually([&] { return load.acknowledged() >= 500; }, 60s));
  const auto status = gateway.stop();
  load.stop();
  BOOST_REQUIRE(status.has_value());
  BOOST_TEST(WIFEXITED(*status));
  BOOST_TEST(WEXITSTATUS(*status) == 0);
  const auto begin = Steady::now();
  gateway.start();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - begin);
  BOOST_TEST_MESSAGE("second start: " << took.count() << " ms");
  BOOST_TEST(took.count() < 15'000);
  check(load, channel);
}

BOOST_AUTO_TEST_CASE(a_frozen_postgres_is_503_with_retry_after_and_then_200_again) {
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  BOOST_TEST(deliver_one(channel, 1).status == 200);
  signal_postgres(SIGSTOP);
  const auto begin = Steady::now();
  const Answer refused = deliver_one(channel, 2);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - begin);
  // Telegram's own limit is 60 s; the promise for a black hole is the ingest deadline of 4 s.
  const Answer alive = Gateway::instance().call("GET", "/healthz");
  const Answer ready = Gateway::instance().call("GET", "/readyz");
  signal_postgres(SIGCONT);
  BOOST_TEST(refused.status == 503);
  BOOST_TEST(!refused.header("retry-after").empty());
  BOOST_TEST(took.count() < 6'000);
  BOOST_TEST(alive.status == 200);
  BOOST_TEST(ready.status == 503);
  BOOST_TEST(eventually([&] { return deliver_one(channel, 2).status == 200; }, 15s));
  BOOST_TEST(
      eventually([&] { return Gateway::instance().call("GET", "/readyz").status == 200; }, 15s));
  const Answer shown = conversation(tenant, only_conversation(tenant));
  BOOST_TEST(shown.json()["messages"].size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_killed_postgres_comes_back_and_nothing_is_lost) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  Load load(channel);
  for (int round = 0; round < 2; ++round) {
    const std::size_t until = load.acknowledged() + 300;
    BOOST_REQUIRE(eventually([&] { return load.acknowledged() >= until; }, 60s));
    const pid_t postmaster = gateway.postmaster();
    BOOST_REQUIRE(postmaster > 1);
    kill(postmaster, round == 0 ? SIGQUIT : SIGKILL);
  }
  const std::size_t until = load.acknowledged() + 300;
  BOOST_TEST(eventually([&] { return load.acknowledged() >= until; }, 60s));
  load.stop();
  BOOST_TEST(gateway.running());
  for (const int status : load.statuses()) BOOST_TEST((status == 200 || status == 503), status);
  BOOST_TEST(load.without_retry_after() == 0);
  BOOST_TEST(load.slowest().count() < 10'000);
  check(load, channel);
}

BOOST_AUTO_TEST_CASE(an_accepted_answer_survives_kill_9_and_arrives_at_most_once) {
  Gateway& gateway = Gateway::instance();
  const Tenant tenant = Tenant::make();
  const Channel channel = Channel::connect(tenant);
  gateway.telegram().say(channel.bot_id, *gateway::simulate::find_person("tom"), "hi");
  BOOST_REQUIRE(gateway.telegram().wait_idle(30s));
  const std::string id = only_conversation(tenant);
  std::vector<std::string> accepted;
  for (int i = 0; i < 20; ++i) {
    const Answer sent = gateway.call("POST", "/api/v1/conversations/" + id + "/messages",
                                     tenant.token, "{\"content\":\"a" + std::to_string(i) + "\"}");
    BOOST_REQUIRE(sent.status == 201);
    accepted.emplace_back(sent.json()["id"].text_or(""));
    if (i != 10) continue;
    gateway.kill();
    gateway.start();
  }
  gateway.kill();
  gateway.start();
  const auto settled = [&] {
    const Answer shown = conversation(tenant, id);
    std::size_t done = 0;
    for (const auto message : shown.json()["messages"].elements()) {
      const auto status = message["status"].text_or("");
      done += status == "sent" || status == "uncertain" || status == "failed";
    }
    return done == accepted.size();
  };
  // A lease of a process that is gone ends within 35 s (R21).
  BOOST_TEST(eventually(settled, 90s));
  std::multiset<std::string> arrived;
  for (const auto& message : gateway.telegram().sent(channel.bot_id)) arrived.insert(message.text);
  const Answer shown = conversation(tenant, id);
  for (const auto message : shown.json()["messages"].elements()) {
    if (message["sender_type"].text_or("") != "agent") continue;
    const std::string text(message["content"].text_or(""));
    BOOST_TEST(arrived.count(text) <= 1u, text);
    if (message["status"].text_or("") == "sent") BOOST_TEST(arrived.count(text) == 1u, text);
    if (message["status"].text_or("") == "failed") BOOST_TEST(arrived.count(text) == 0u, text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
