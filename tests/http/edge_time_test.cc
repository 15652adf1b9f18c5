// The edge and slow, silent and greedy clients; and how it ends.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "tests/http/edge_fixture.h"
#include "tests/http/http_client.h"

namespace {

using probe::Client;
using probe::Edge;
using probe::eventually;
using probe::get;
using probe::milliseconds;
using probe::steady_clock;

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

// 99 % of the answers to a client that asks all the time, while `meanwhile` runs.
milliseconds p99_beside(const Edge& edge, const std::function<void()>& meanwhile) {
  std::atomic<bool> stop{false};
  std::vector<milliseconds> times;
  bool whole = true;
  auto client = edge.client();
  std::thread asker([&] {
    while (!stop || times.size() < 200) {
      const auto start = steady_clock::now();
      whole = client.send(get("/healthz")) && client.answer();
      if (!whole) return;
      times.push_back(since(start));
      ::poll(nullptr, 0, 1);
    }
  });
  meanwhile();
  stop = true;
  asker.join();
  if (!whole) return milliseconds::max();
  std::sort(times.begin(), times.end());
  return times[times.size() * 99 / 100];
}

// A blocked reactor is off by seconds; sanitizers on two loaded cores by less.
constexpr milliseconds kTolerable{300};

const std::string kHalfHead = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
const std::string kHeadOfBody = "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(edge_time)

BOOST_AUTO_TEST_CASE(silent_and_dripping_senders_are_closed_in_time) {
  Edge edge(probe::short_limits());
  struct Sender {
    const char* name;
    std::string first;
    std::string drip;
    milliseconds limit;
    bool is_told;  // 408
    Client client;
    bool done = false;
  };
  const auto limits = probe::short_limits().limits;
  std::vector<Sender> senders;
  const auto start = steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    senders.push_back({"silent", "", "", limits.head_timeout, false, edge.client()});
    senders.push_back(
        {"dripped head", "G", kHalfHead.substr(1), limits.head_timeout, true, edge.client()});
    senders.push_back({"half a head", kHalfHead, "", limits.head_timeout, true, edge.client()});
    senders.push_back({"dripped body", kHeadOfBody, std::string(1000, 'x'), limits.body_timeout,
                       true, edge.client()});
    senders.push_back({"idle", get("/healthz"), "", limits.idle_timeout, false, edge.client()});
  }
  for (auto& sender : senders) sender.client.send(sender.first);
  const auto beside = p99_beside(edge, [&] {
    std::size_t left = senders.size();
    for (std::size_t drop = 0; left > 0 && since(start) < milliseconds(8'000); ++drop) {
      for (auto& sender : senders) {
        if (sender.done) continue;
        if (drop % 10 == 9 && drop / 10 < sender.drip.size()) {
          sender.client.send({&sender.drip[drop / 10], 1});
        }
        if (!sender.client.ends(milliseconds(0))) continue;
        sender.done = true;
        --left;
        // A tick of 250 ms, and the margin of a loaded machine.
        BOOST_TEST(since(start) <= sender.limit + milliseconds(1'200), sender.name);
        BOOST_TEST(since(start) >= sender.limit, sender.name);
        const bool told = sender.client.rest().starts_with("HTTP/1.1 408 ");
        BOOST_TEST(told == sender.is_told, sender.name);
      }
      ::poll(nullptr, 0, 2);
    }
    BOOST_TEST(left == 0u);
  });
  BOOST_TEST(beside < kTolerable);
  BOOST_TEST(edge.refused("timeout") == 30);
}

BOOST_AUTO_TEST_CASE(a_body_that_keeps_coming_may_take_longer_than_the_limit) {
  auto options = probe::short_limits();
  Edge edge(options);
  auto client = edge.client();
  client.send("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  const auto start = steady_clock::now();
  for (int i = 0; i < 25; ++i) {
    BOOST_TEST_REQUIRE(client.send(std::string(40'000, 'x')));
    // The last piece brings the answer.
    if (i < 24) BOOST_TEST_REQUIRE(client.is_silent(milliseconds(70)));
  }
  BOOST_TEST(since(start) > options.limits.body_timeout);
  BOOST_TEST(client.answer()->body == "1000000");
}

BOOST_AUTO_TEST_CASE(a_due_answer_has_no_deadline) {
  Edge edge(probe::short_limits());
  auto client = edge.client();
  client.send(get("/hold"));
  BOOST_TEST(client.is_silent(milliseconds(2'000)));
  BOOST_TEST(edge.app.release_held() == 1u);
  BOOST_TEST(client.answer()->body == "released");
}

BOOST_AUTO_TEST_CASE(a_slow_reader_gets_all_of_it_and_holds_up_nobody) {
  Edge edge;
  auto fast = edge.client();
  fast.send(get("/big_copy"));
  const auto wanted = fast.answer();
  BOOST_TEST_REQUIRE(wanted.has_value());
  BOOST_TEST(wanted->body.size() == probe::App::kBigBytes);

  auto slow = edge.client(65'536);
  std::vector<Client> deaf;
  for (int i = 0; i < 5; ++i) {
    deaf.push_back(edge.client(4'096));
    deaf.back().send(get("/big"));
  }
  const auto beside = p99_beside(edge, [&] {
    slow.send(get("/big"));
    // 20 MB in pieces of 200 kB with pauses: far behind what the kernel takes at once.
    std::string got;
    while (true) {
      auto piece = slow.bytes(200'000);
      if (!piece) break;
      got += *piece;
      if (got.size() + 200'000 > probe::App::kBigBytes) break;
      ::poll(nullptr, 0, 10);
    }
    const auto head = got.find("\r\n\r\n") + 4;
    got += slow.bytes(probe::App::kBigBytes + head - got.size()).value_or("");
    BOOST_TEST((got.substr(head) == wanted->body));
  });
  BOOST_TEST(beside < kTolerable);
  slow.send(get("/healthz"));
  BOOST_TEST(slow.answer()->status == 200);
}

BOOST_AUTO_TEST_CASE(a_client_that_never_reads_is_cut) {
  Edge edge(probe::short_limits());
  auto deaf = edge.client(4'096);
  deaf.send(get("/big"));
  BOOST_TEST(eventually([&] { return edge.app.handled == 1u; }));
  BOOST_TEST(edge.connections() == 1);
  const auto start = steady_clock::now();
  BOOST_TEST(eventually([&] { return edge.connections() == 0; }));
  BOOST_TEST(since(start) >= milliseconds(500));
  BOOST_TEST(since(start) < milliseconds(3'000));
}

BOOST_AUTO_TEST_CASE(a_client_that_floods_holds_up_nobody) {
  Edge edge;
  std::string requests;
  for (int i = 0; i < 2'000; ++i) requests += get("/healthz");
  for (const bool reads : {true, false}) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> floods;
    for (int i = 0; i < 2; ++i) {
      floods.emplace_back([&] {
        auto client = edge.client();
        std::string trash(1 << 20, '\0');
        for (std::size_t sent = 0; !stop;) {
          pollfd both{client.fd(), static_cast<short>(reads ? POLLIN | POLLOUT : POLLOUT), 0};
          ::poll(&both, 1, 50);
          if (both.revents & POLLIN) {
            ::recv(client.fd(), trash.data(), trash.size(), MSG_DONTWAIT);
          }
          const auto n = ::send(client.fd(), requests.data() + sent, requests.size() - sent,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
          if (n > 0) sent = (sent + static_cast<std::size_t>(n)) % requests.size();
          if (n < 0 && errno != EAGAIN) return;  // to be cut off is a fine answer
        }
      });
    }
    const auto beside = p99_beside(edge, [&] {
      // A deaf client gets as many answers as the sockets' buffers take.
      const auto wanted = edge.app.handled + (reads ? 20'000u : 5'000u);
      BOOST_TEST(eventually([&] { return edge.app.handled > wanted; }));
    });
    stop = true;
    for (auto& flood : floods) flood.join();
    BOOST_TEST(beside < kTolerable);
  }
}

BOOST_AUTO_TEST_CASE(drain_answers_all_that_is_due_and_closes_the_rest) {
  Edge edge;
  const auto port = edge.port();
  std::vector<Client> due;
  std::vector<Client> idle;
  for (int i = 0; i < 50; ++i) {
    due.push_back(edge.client());
    due.back().send(get("/hold"));
    idle.push_back(edge.client());
    idle.back().send(get("/healthz"));
    BOOST_TEST(idle.back().answer()->status == 200);
  }
  auto half = edge.client();
  half.send("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345");
  BOOST_TEST(eventually([&] { return edge.app.held == 50u; }));

  std::atomic<std::size_t> cut_off{1000};
  std::thread drainer([&] { cut_off = edge.server().drain(milliseconds(20'000)); });
  for (auto& client : idle) BOOST_TEST(client.ends());
  BOOST_CHECK_THROW(Client late(port), std::system_error);
  half.send("67890");
  const auto answer = half.answer();
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->body == "10");
  BOOST_TEST(answer->says_close);
  BOOST_TEST(cut_off == 1000u);  // it waits for those held
  BOOST_TEST(edge.app.release_held() == 50u);
  for (auto& client : due) {
    const auto last = client.answer();
    BOOST_TEST_REQUIRE(last.has_value());
    BOOST_TEST(last->body == "released");
    BOOST_TEST(last->says_close);
    BOOST_TEST(client.ends());
    client.close();
  }
  idle.clear();
  half.close();
  drainer.join();
  BOOST_TEST(cut_off == 0u);
  BOOST_TEST(edge.connections() == 0);
  BOOST_TEST(edge.dropped() == 0);
}

BOOST_AUTO_TEST_CASE(drain_ends_at_its_deadline_and_says_how_many_were_cut_off) {
  Edge edge;
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(edge.client());
    clients.back().send(get("/hold"));
  }
  BOOST_TEST(eventually([&] { return edge.app.held == 3u; }));
  const auto start = steady_clock::now();
  BOOST_TEST(edge.server().drain(milliseconds(300)) == 3u);
  BOOST_TEST(since(start) >= milliseconds(300));
  BOOST_TEST(since(start) < milliseconds(3'000));
  for (auto& client : clients) BOOST_TEST(client.ends());
  BOOST_TEST(edge.app.release_held() == 3u);
}

BOOST_AUTO_TEST_CASE(requests_under_way_survive_a_drain) {
  Edge edge;
  std::atomic<int> broken{0};
  std::atomic<int> served{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      auto client = edge.client();
      while (true) {
        if (!client.send(get("/async?c=1"))) return;
        const auto answer = client.answer();
        if (!answer) {
          // Nothing of an answer may have come: the request met the end of an idle connection.
          if (!client.rest().empty()) ++broken;
          return;
        }
        ++served;
        if (answer->says_close) return;
      }
    });
  }
  BOOST_TEST(eventually([&] { return served > 500; }));
  BOOST_TEST(edge.server().drain(milliseconds(10'000)) == 0u);
  for (auto& client : clients) client.join();
  BOOST_TEST(broken == 0);
}

BOOST_AUTO_TEST_SUITE_END()
