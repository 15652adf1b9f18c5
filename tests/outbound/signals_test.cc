// What is said on the side: acknowledgements, signals, documents; and further parts of the thread.
#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <map>
#include <optional>

#include "tests/outbound/world.h"

using namespace test_outbound;
using Fault = test_support::HttpAnswer::Fault;

namespace {

struct Fixture : World {
  explicit Fixture(test_support::HttpServer::Handler handler) : World(std::move(handler)) {
    business = make_business();
    fake = make_channel(business);
  }
  static connector::Event typing(const std::string& thread, const std::string& state) {
    connector::Event event;
    event.kind = connector::EventKind::typing;
    event.thread = thread;
    event.state = state;
    return event;
  }
  static connector::Event read(const std::string& thread, const std::string& message) {
    connector::Event event;
    event.kind = connector::EventKind::status;
    event.thread = thread;
    event.state = "read";
    event.message = message;
    return event;
  }
  // Bodies of the signals of a thread, in order.
  std::vector<std::string> signals(const std::string& thread) {
    std::vector<std::string> bodies;
    for (const auto& request : platform.requests()) {
      if (request.target == "/signal/" + thread) bodies.push_back(request.body);
    }
    return bodies;
  }

  BusinessId business;
  ChannelId fake;
};

HttpAnswer fine(const HttpRequest&) { return {.body = "ok"}; }

// What fetch_document gave, or nothing yet.
using Document = std::shared_ptr<std::pair<std::mutex, std::optional<std::optional<std::string>>>>;

std::optional<std::string> fetch(gateway::outbound::Dispatcher& outbound, const std::string& url) {
  auto document =
      std::make_shared<std::pair<std::mutex, std::optional<std::optional<std::string>>>>();
  outbound.fetch_document(url, [document](std::optional<std::string> body) {
    const std::lock_guard lock(document->first);
    document->second = std::move(body);
  });
  BOOST_TEST(eventually([&] {
    const std::lock_guard lock(document->first);
    return document->second.has_value();
  }));
  const std::lock_guard lock(document->first);
  return document->second.value_or(std::nullopt);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(signals)

BOOST_AUTO_TEST_CASE(a_signal_reaches_the_platform) {
  Fixture world(fine);
  auto outbound = world.start();
  outbound->signal(world.business, world.fake, Fixture::typing("t1", "on"));
  BOOST_TEST(eventually([&] { return world.signals("t1").size() == 1u; }));
  outbound->signal(world.business, world.fake, Fixture::read("t1", "m7"));
  BOOST_TEST(eventually([&] { return world.signals("t1").size() == 2u; }));
  // "<kind> <state> <message>"; kinds are connector::EventKind.
  BOOST_TEST(world.signals("t1")[0] == "11 on ");
  BOOST_TEST(world.signals("t1")[1] == "6 read m7");
}

BOOST_AUTO_TEST_CASE(while_one_is_under_way_only_the_newest_of_a_kind_waits) {
  // The first call is held by a platform that does not answer until its time is over.
  std::atomic<int> calls{0};
  Fixture world([&](const HttpRequest&) {
    return ++calls == 1 ? HttpAnswer{.fault = Fault::silence} : HttpAnswer{.body = "ok"};
  });
  auto outbound =
      world.start([](auto& options) { options.http.total = std::chrono::milliseconds(700); });
  outbound->signal(world.business, world.fake, Fixture::typing("t1", "on"));
  BOOST_TEST(eventually([&] { return calls == 1; }));
  for (int i = 0; i < 50; ++i) {
    outbound->signal(world.business, world.fake, Fixture::typing("t1", i % 2 == 0 ? "off" : "on"));
    outbound->signal(world.business, world.fake, Fixture::read("t1", "m" + std::to_string(i)));
  }
  // Another conversation does not wait for it.
  outbound->signal(world.business, world.fake, Fixture::typing("t2", "on"));
  BOOST_TEST(eventually([&] { return world.signals("t2").size() == 1u; }));
  BOOST_TEST(world.signals("t1").size() == 1u);
  BOOST_TEST(eventually([&] { return world.signals("t1").size() == 3u; }));
  BOOST_TEST(world.signals("t1")[1] == "11 on ");
  BOOST_TEST(world.signals("t1")[2] == "6 read m49");
  outbound->stop(std::chrono::seconds(5));
  BOOST_TEST(world.signals("t1").size() == 3u);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_signalled_is_forgotten) {
  Fixture world([](const HttpRequest&) { return HttpAnswer{.status = 500}; });
  const auto off = world.make_channel(world.business);
  world.execute("update channel set is_active = false where id = '" + off.text() + "'");
  auto outbound = world.start();
  outbound->signal(world.business, off, Fixture::typing("t1", "on"));
  outbound->signal(world.make_business(), world.fake, Fixture::typing("t1", "on"));
  outbound->signal(world.business, ChannelId(world.db.ids.next()), Fixture::typing("t1", "on"));
  outbound->signal(world.business, world.fake, Fixture::typing("t3", "on"));
  BOOST_TEST(eventually([&] { return world.signals("t3").size() == 1u; }));
  outbound->signal(world.business, world.fake, Fixture::typing("t3", "off"));
  BOOST_TEST(eventually([&] { return world.signals("t3").size() == 2u; }));
  BOOST_TEST(world.signals("t1").empty());
  BOOST_TEST(world.channel(world.fake) == "1");
}

BOOST_AUTO_TEST_CASE(what_an_acknowledgement_brings_is_stored_with_its_state) {
  Fixture world([](const HttpRequest&) {
    return HttpAnswer{.headers = {{"x-brings", "1"}}, .body = "done\nm1\nm2"};
  });
  world.execute(
      "create table brought (key text);"
      "grant insert on brought to backchannel_gateway;");
  auto outbound = world.start([](auto& options) {
    options.store_events = [](gateway::store::Session& session, BusinessId, ChannelId,
                              std::span<const connector::Event> events,
                              std::span<const gateway::store::Query> also) -> gateway::Result<> {
      static constexpr const char* kInsert = "insert into brought (key) values ($1)";
      std::vector<gateway::store::Query> queries;
      for (const auto& event : events) queries.push_back({kInsert, {event.key}});
      for (const auto& query : also) queries.push_back(query);
      auto stored = session.run(gateway::store::Scope::none(), queries);
      if (!stored) return std::move(stored).error();
      return {};
    };
  });
  connector::Event event;
  event.key = "e1";
  outbound->acknowledge(world.business, world.fake, event);
  BOOST_TEST(eventually([&] { return world.value("select count(*) from brought") == "2"; }));
  BOOST_TEST(world.platform.count("/acknowledge") == 1);
  BOOST_TEST(world.channel(world.fake, "state_sealed is not null") == "true");
}

BOOST_AUTO_TEST_CASE(a_document_is_public_https_of_at_most_64_kib_and_answered_200) {
  Fixture world([](const HttpRequest& request) {
    if (request.target == "/good") return HttpAnswer{.body = std::string(64u << 10, 'd')};
    if (request.target == "/long") return HttpAnswer{.body = std::string((64u << 10) + 1, 'd')};
    if (request.target == "/moved") {
      return HttpAnswer{.status = 302, .headers = {{"Location", "/good"}}};
    }
    if (request.target == "/broken") return HttpAnswer{.fault = Fault::reset};
    return HttpAnswer{.status = 404, .body = "nothing"};
  });
  const std::string lan = "127.0.0.1:" + std::to_string(world.platform.port());
  auto outbound = world.start([&](auto& options) { options.private_hosts = {lan}; });
  const std::string base = "https://platform.example";
  BOOST_TEST((fetch(*outbound, base + "/good") == std::string(64u << 10, 'd')));
  const int calls = world.platform.count("/");
  for (const std::string& url : {base + "/long", base + "/moved", base + "/gone"}) {
    BOOST_TEST(!fetch(*outbound, url).has_value(), url);
  }
  BOOST_TEST(world.platform.count("/") == calls + 3);
  for (const std::string& url :
       {std::string(""), std::string("http://platform.example/good"), std::string("ftp://x/"),
        "https://" + lan + "/good", std::string("https://127.0.0.1/"),
        std::string("https://user@platform.example/"), std::string("smtp://mail.example:587"),
        base + "/a b", base + ":22/"}) {
    BOOST_TEST(!fetch(*outbound, url).has_value(), url);
  }
  BOOST_TEST(world.platform.count("/") == calls + 3);
  BOOST_TEST(!fetch(*outbound, base + "/broken").has_value());
  outbound->stop(std::chrono::seconds(5));
  BOOST_TEST(!fetch(*outbound, base + "/good").has_value());
}

BOOST_AUTO_TEST_CASE(a_further_part_is_driven_like_the_threads_own) {
  struct Seen {
    std::atomic<int> ticks{0};
    std::atomic<int> wakes{0};
    std::atomic<int> status{0};
    std::atomic<bool> stopped{false};
  };
  struct Part final : gateway::outbound::Worker {
    Part(gateway::outbound::Context& context, Seen& seen) : context_(context), seen_(seen) {}
    void tick() override {
      if (++seen_.ticks != 1) return;
      ++calls_;
      connector::Call call;
      call.url = "https://platform.example/part";
      const auto started = context_.http.start(call, [this](const connector::Response& answer) {
        seen_.status = answer.status;
        --calls_;
      });
      if (!started) --calls_;
    }
    void wake() override { ++seen_.wakes; }
    void stop() override { seen_.stopped = true; }
    int in_flight() const override { return calls_; }
    gateway::outbound::Context& context_;
    Seen& seen_;
    int calls_ = 0;
  };
  Fixture world(fine);
  Seen seen;
  auto outbound = world.start([&](auto& options) {
    options.workers.push_back(
        [&](gateway::outbound::Context& context) { return std::make_unique<Part>(context, seen); });
  });
  BOOST_TEST(eventually([&] { return seen.status == 200; }));
  outbound->wake();
  BOOST_TEST(eventually([&] { return seen.wakes >= 1; }));
  outbound->stop(std::chrono::seconds(5));
  BOOST_TEST(seen.stopped.load());
}

BOOST_AUTO_TEST_SUITE_END()
