// Live traffic over real sockets, behind the real edge: what the protocols' own suites leave out.
#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "connectors/sdk/json.h"
#include "tests/realtime/live_server.h"
#include "tests/realtime/poller.h"
#include "tests/realtime/ws_client.h"

namespace {

using live::connect;
using live::kPolling;
using live::kWebSocket;
using live::LiveServer;
using live::open_gate;
using live::Poller;
using live::with_sid;
using live::WsClient;
using probe::Client;
using probe::eventually;
using probe::milliseconds;

// The client may hear that it is connected before the application does.
std::string id_of_one(const LiveServer& server) {
  BOOST_TEST_REQUIRE(eventually([&] { return server.app.connected == 1; }));
  return server.app.id();
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(live_traffic)

BOOST_AUTO_TEST_CASE(a_refusal_is_json_that_a_page_may_read) {
  LiveServer server(open_gate());
  Client client(server.port());
  const auto check = [&](const std::string& request, int status, const std::string& body) {
    client.send(request);
    const auto answer = client.answer();
    BOOST_TEST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == status);
    BOOST_TEST(answer->body == body);
    BOOST_TEST(answer->head.find("Access-Control-Allow-Origin: *\r\n") != std::string::npos);
  };
  const std::string origin = "Origin: https://shop.example\r\n";
  check(probe::get("/socket.io/?EIO=4", origin), 400,
        R"({"code":0,"message":"Transport unknown"})");
  check(probe::get(with_sid(kPolling, "nobody"), origin), 400,
        R"({"code":1,"message":"Session ID unknown"})");
  check(probe::post(kPolling, ""), 400, R"({"code":2,"message":"Bad handshake method"})");
  check(probe::get(kWebSocket, origin), 400, R"({"code":3,"message":"Bad request"})");
  check(probe::get("/socket.io/?EIO=3&transport=polling", origin), 400,
        R"({"code":5,"message":"Unsupported protocol version"})");
  // An unknown session comes before a wrong version, as in the reference.
  check(probe::get("/socket.io/?EIO=3&transport=polling&sid=nobody", origin), 400,
        R"({"code":1,"message":"Session ID unknown"})");
}

BOOST_AUTO_TEST_CASE(a_preflight_needs_no_session) {
  LiveServer server(open_gate());
  Client client(server.port());
  client.send("OPTIONS " + with_sid(kPolling, "nobody") +
              " HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example\r\n"
              "Access-Control-Request-Method: POST\r\n"
              "Access-Control-Request-Headers: x-mine\r\n\r\n");
  const auto answer = client.answer(Client::Body::none);
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 204);
  BOOST_TEST(answer->head.find("Access-Control-Allow-Headers: x-mine\r\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_wrong_version_is_refused_before_the_upgrade) {
  LiveServer server(open_gate());
  BOOST_TEST(WsClient(server.port(), "/socket.io/?EIO=3&transport=websocket").status() == 400);
  BOOST_TEST(WsClient(server.port(), "/socket.io/?EIO=4&transport=polling").status() == 400);
  BOOST_TEST(WsClient(server.port(), with_sid(kWebSocket, "nobody")).status() == 400);
}

BOOST_AUTO_TEST_CASE(methods_and_kinds_of_content_that_are_not_served) {
  auto options = open_gate();
  options.engine.session.max_payload = 100;
  LiveServer server(options);
  Poller poller(server.port());
  auto answer = poller.ask("PUT " + with_sid(kPolling, poller.sid()) +
                           " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 405);
  BOOST_TEST(answer->head.find("Allow: GET, POST, OPTIONS\r\n") != std::string::npos);
  BOOST_TEST(poller.post("40") == "ok");

  Client other(server.port());
  other.send(probe::post(with_sid(kPolling, poller.sid()), "4" + std::string(100, 'x')));
  answer = other.answer();
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 413);
  BOOST_TEST(poller.post("4" + std::string("0/") + std::string(20, 'x')) == "ok");

  answer = poller.ask("POST " + with_sid(kPolling, poller.sid()) +
                      " HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
                      "Content-Length: 2\r\n\r\n40");
  BOOST_TEST(answer->status == 400);
  BOOST_TEST(poller.poll() == R"(400 {"code":1,"message":"Session ID unknown"})");
}

BOOST_AUTO_TEST_CASE(a_session_id_begins_with_the_nodes_tag_and_cannot_be_guessed) {
  auto options = open_gate();
  options.engine.node_tag = "B7";
  LiveServer server(options);
  Poller a(server.port());
  Poller b(server.port());
  BOOST_TEST(a.sid().size() == 20u);
  BOOST_TEST(a.sid().substr(0, 2) == "B7");
  BOOST_TEST(a.sid() != b.sid());
  connect(a);
  const std::string id = id_of_one(server);
  BOOST_TEST(id.size() == 20u);
  BOOST_TEST(id.substr(2) != a.sid().substr(2));
}

BOOST_AUTO_TEST_CASE(polling_carries_events_and_binary_in_order) {
  LiveServer server(open_gate());
  Poller poller(server.port(), "Origin: https://shop.example\r\n");
  BOOST_TEST(connect(poller).substr(0, 9) == R"(40{"sid":)");
  BOOST_TEST(server.app.origin() == "https://shop.example");
  const std::string packet = R"(451-["echo",{"_placeholder":true,"num":0}])";
  BOOST_TEST(poller.post(packet + "\x1e"
                                  "bAQIDBA==\x1e"
                                  R"(42["echo",7])") == "ok");
  BOOST_TEST(poller.poll() == R"(451-["back",{"_placeholder":true,"num":0}])"
                              "\x1e"
                              "bAQIDBA==\x1e"
                              R"(42["back",7])");
}

BOOST_AUTO_TEST_CASE(a_held_poll_is_answered_by_what_is_said_on_another_thread) {
  LiveServer server(open_gate());
  Poller poller(server.port());
  connect(poller);
  std::thread speaker([&] { server.live.emit({"all"}, {"news", "1"}); });
  BOOST_TEST(poller.poll() == R"(42["news",1])");
  speaker.join();
}

BOOST_AUTO_TEST_CASE(a_client_that_gives_up_its_poll_is_gone_at_once) {
  LiveServer server(open_gate());
  Poller poller(server.port());
  connect(poller);
  poller.client().send(probe::get(with_sid(kPolling, poller.sid())));
  poller.client().close();
  BOOST_TEST(eventually([&] { return server.app.ends() == "transport error;"; }));
  BOOST_TEST(eventually([&] { return server.live.sessions() == 0; }));
  BOOST_TEST(server.dropped() == 0);
}

BOOST_AUTO_TEST_CASE(frames_may_come_with_the_upgrade_and_byte_by_byte) {
  LiveServer server(open_gate());
  WsClient client(server.port(), kWebSocket, {}, WsClient::frame("40") + WsClient::frame("42[\"e"));
  BOOST_TEST_REQUIRE(client.is_open());
  BOOST_TEST(client.hear().value_or("").substr(0, 8) == R"(0{"sid":)");
  BOOST_TEST(client.hear().value_or("").substr(0, 9) == R"(40{"sid":)");
  // The event was cut short.
  BOOST_TEST(!client.hear());
  WsClient slow(server.port(), kWebSocket);
  slow.hear();
  for (const char c : WsClient::frame("40") + WsClient::frame(R"(42["echo",1])")) {
    slow.send_raw(std::string_view(&c, 1));
  }
  slow.hear();
  BOOST_TEST(slow.hear().value_or("") == R"(42["back",1])");
}

BOOST_AUTO_TEST_CASE(a_websocket_message_over_the_limit_closes_with_1009) {
  auto options = open_gate();
  options.engine.session.max_payload = 100;
  LiveServer server(options);
  WsClient client(server.port(), kWebSocket);
  connect(client);
  client.say(std::string(101, 'x'));
  BOOST_TEST(!client.hear());
  BOOST_TEST(client.close_code() == 1009);
  client.close();
  BOOST_TEST(eventually([&] { return server.app.ends() == "transport close;"; }));
}

BOOST_AUTO_TEST_CASE(text_that_is_not_utf8_closes_with_1007) {
  LiveServer server(open_gate());
  WsClient client(server.port(), kWebSocket);
  connect(client);
  client.say("42[\"\xff\"]");
  BOOST_TEST(!client.hear());
  BOOST_TEST(client.close_code() == 1007);
}

BOOST_AUTO_TEST_CASE(a_websocket_that_joins_nothing_is_closed_in_time) {
  auto options = open_gate();
  options.hub.limits.connect_timeout_ms = 100;
  LiveServer server(options);
  WsClient client(server.port(), kWebSocket);
  client.hear();
  BOOST_TEST(!client.hear());
  BOOST_TEST(client.close_code() == 1000);
  BOOST_TEST(eventually([&] { return server.closed("connect timeout") == 1; }));
}

BOOST_AUTO_TEST_CASE(a_second_websocket_is_closed_and_the_first_goes_on) {
  LiveServer server(open_gate());
  Poller poller(server.port());
  connect(poller);
  WsClient first(server.port(), with_sid(kWebSocket, poller.sid()));
  first.say("2probe");
  BOOST_TEST(first.hear().value_or("") == "3probe");
  WsClient during(server.port(), with_sid(kWebSocket, poller.sid()));
  BOOST_TEST(!during.hear());
  BOOST_TEST(during.close_code() == 1000);
  first.say("5");
  first.say(R"(42["echo",1])");
  BOOST_TEST(first.hear().value_or("") == R"(42["back",1])");
  WsClient after(server.port(), with_sid(kWebSocket, poller.sid()));
  BOOST_TEST(!after.hear());
  BOOST_TEST(poller.poll() == R"(400 {"code":3,"message":"Bad request"})");
  first.say(R"(42["echo",2])");
  BOOST_TEST(first.hear().value_or("") == R"(42["back",2])");
}

BOOST_AUTO_TEST_CASE(an_upgrade_under_traffic_loses_nothing_and_doubles_nothing) {
  LiveServer server(open_gate());
  Poller poller(server.port());
  connect(poller);
  constexpr int kMessages = 3000;
  std::atomic<int> heard{0};
  std::thread speaker([&] {
    for (int i = 0; i < kMessages; ++i) {
      // Not more ahead than a client may be behind.
      eventually([&] { return i - heard < 200; });
      server.live.emit({"all"}, {"n", std::to_string(i)});
    }
  });
  std::string order;
  const auto hear = [&](std::string_view packet) {
    if (packet == R"(42["n",)" + std::to_string(heard) + "]") {
      ++heard;
    } else if (packet != "6" && packet != "2" && order.empty()) {
      order = std::string(packet) + " instead of " + std::to_string(heard);
    }
  };
  const auto poll = [&] {
    const std::string payload = poller.poll();
    for (std::size_t at = 0; at <= payload.size();) {
      const auto end = std::min(payload.find('\x1e', at), payload.size());
      hear(std::string_view(payload).substr(at, end - at));
      at = end + 1;
    }
  };
  while (heard < kMessages / 4 && order.empty()) poll();
  WsClient socket(server.port(), with_sid(kWebSocket, poller.sid()));
  poll();
  socket.say("2probe");
  poll();
  BOOST_TEST(socket.hear().value_or("") == "3probe");
  poll();
  socket.say("5");
  while (heard < kMessages && order.empty()) {
    const auto frame = socket.hear();
    if (!frame) break;
    hear(*frame);
  }
  BOOST_TEST(order == "");
  BOOST_TEST(heard == kMessages);
  heard = kMessages * 2;
  speaker.join();
}

BOOST_AUTO_TEST_CASE(a_get_that_overtakes_the_end_of_the_upgrade_comes_behind_it) {
  auto options = open_gate();
  options.engine.upgrade_grace_ms = 60'000;
  LiveServer server(options);
  Poller poller(server.port());
  connect(poller);
  WsClient socket(server.port(), with_sid(kWebSocket, poller.sid()));
  socket.say("2probe");
  BOOST_TEST(socket.hear().value_or("") == "3probe");
  poller.client().send(probe::get(with_sid(kPolling, poller.sid())));
  BOOST_TEST(poller.client().is_silent(milliseconds(20)));
  socket.say("5");
  const auto answer = poller.client().answer();
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 400);
  socket.say(R"(42["echo",1])");
  BOOST_TEST(socket.hear().value_or("") == R"(42["back",1])");
}

BOOST_AUTO_TEST_CASE(a_get_given_up_during_an_upgrade_ends_the_session_too) {
  auto options = open_gate();
  options.engine.upgrade_grace_ms = 60'000;
  LiveServer server(options);
  Poller poller(server.port());
  connect(poller);
  WsClient socket(server.port(), with_sid(kWebSocket, poller.sid()));
  socket.say("2probe");
  socket.hear();
  poller.client().send(probe::get(with_sid(kPolling, poller.sid())));
  poller.client().close();
  BOOST_TEST(eventually([&] { return server.app.ends() == "transport error;"; }));
  BOOST_TEST(socket.ends());
}

BOOST_AUTO_TEST_CASE(a_reader_that_stalls_is_cut_off_and_the_others_hear_everything) {
  LiveServer server(open_gate());
  WsClient stalled(server.port(), kWebSocket, {}, {}, 4096);
  connect(stalled);
  WsClient reader(server.port(), kWebSocket);
  connect(reader);
  const std::string text = '"' + std::string(16'000, 'x') + '"';
  int said = 0;
  while (server.closed("too slow") == 0 && said < 2000) {
    server.live.emit({"all"}, {"n", text});
    ++said;
    BOOST_TEST_REQUIRE(reader.hear().has_value());
  }
  // What the kernel takes, and our own 256 KiB.
  BOOST_TEST(said < 2000);
  BOOST_TEST(eventually([&] { return server.live.sessions() == 1; }));
  BOOST_TEST(eventually([&] { return server.app.ends() == "too slow;"; }));
}

BOOST_AUTO_TEST_CASE(a_network_has_so_many_sessions_whatever_their_transport) {
  auto options = open_gate();
  options.engine.gate.sessions_per_network = 2;
  LiveServer server(options);
  Poller poller(server.port());
  std::optional<WsClient> socket(std::in_place, server.port(), kWebSocket);
  BOOST_TEST(socket->is_open());
  const Poller refused(server.port());
  BOOST_TEST_REQUIRE(refused.last().has_value());
  BOOST_TEST(refused.last()->status == 403);
  BOOST_TEST(refused.last()->body == R"({"code":4,"message":"Too many sessions"})");
  BOOST_TEST(WsClient(server.port(), kWebSocket).status() == 403);
  // The upgrade of a session is no session.
  BOOST_TEST(WsClient(server.port(), with_sid(kWebSocket, poller.sid())).is_open());
  socket->close();
  BOOST_TEST(eventually([&] { return server.live.sessions() == 1; }));
  BOOST_TEST(WsClient(server.port(), kWebSocket).is_open());
}

BOOST_AUTO_TEST_CASE(handshakes_are_limited_by_their_rate) {
  auto options = open_gate();
  options.engine.gate.handshakes_per_minute = 0.001;
  options.engine.gate.handshake_burst = 2;
  LiveServer server(options);
  BOOST_TEST(Poller(server.port()).last()->status == 200);
  BOOST_TEST(WsClient(server.port(), kWebSocket).is_open());
  BOOST_TEST(Poller(server.port()).last()->body == R"({"code":4,"message":"Too many handshakes"})");
  BOOST_TEST(WsClient(server.port(), kWebSocket).status() == 403);
}

BOOST_AUTO_TEST_CASE(behind_a_trusted_proxy_a_client_is_who_the_proxy_says) {
  auto options = open_gate();
  options.engine.gate.sessions_per_network = 1;
  const std::vector<std::string> proxies = {"127.0.0.1"};
  options.engine.proxies = *gateway::auth::TrustedProxies::parse(proxies);
  LiveServer server(options);
  Poller a(server.port(), "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n");
  BOOST_TEST(a.last()->status == 200);
  WsClient b(server.port(), kWebSocket, "X-Forwarded-For: 192.0.2.2\r\n");
  BOOST_TEST(b.is_open());
  connect(b);
  BOOST_TEST(server.app.ip() == "192.0.2.2");
  BOOST_TEST(Poller(server.port(), "X-Forwarded-For: 192.0.2.1\r\n").last()->status == 403);
}

BOOST_AUTO_TEST_CASE(a_stop_closes_every_transport_and_answers_every_poll) {
  LiveServer server(open_gate());
  Poller poller(server.port());
  connect(poller);
  WsClient socket(server.port(), kWebSocket);
  connect(socket);
  poller.client().send(probe::get(with_sid(kPolling, poller.sid())));
  // The poll has been held once it hears what is said to all.
  std::thread stopper([&] {
    eventually([&] { return server.app.connected == 2; });
    server.stop();
  });
  const auto answer = poller.client().answer();
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST((answer->body == "1" || answer->status == 503));
  BOOST_TEST(!socket.hear());
  BOOST_TEST(socket.close_code() == 1000);
  stopper.join();
  BOOST_TEST(server.dropped() == 0);
  BOOST_TEST(server.app.ends() == "server shutting down;server shutting down;");
}

BOOST_AUTO_TEST_CASE(what_one_thread_says_keeps_its_order) {
  LiveServer server(open_gate());
  WsClient client(server.port(), kWebSocket);
  connect(client);
  constexpr int kEach = 100;
  std::vector<std::thread> speakers;
  for (int thread = 0; thread < 3; ++thread) {
    speakers.emplace_back([&server, thread] {
      for (int i = 0; i < kEach; ++i) {
        server.live.emit({"all"}, {std::to_string(thread), std::to_string(i)});
      }
    });
  }
  std::vector<int> next(3, 0);
  for (int i = 0; i < 3 * kEach; ++i) {
    const auto frame = client.hear();
    BOOST_TEST_REQUIRE(frame.has_value());
    const auto thread = static_cast<std::size_t>(frame->at(4) - '0');
    BOOST_TEST_REQUIRE(*frame == "42[\"" + std::to_string(thread) + "\"," +
                                     std::to_string(next[thread]++) + "]");
  }
  for (auto& speaker : speakers) speaker.join();
}

BOOST_AUTO_TEST_CASE(sockets_are_reached_by_their_id_from_any_thread) {
  LiveServer server(open_gate());
  WsClient client(server.port(), kWebSocket);
  connect(client);
  const std::string id = id_of_one(server);
  server.live.join(id, "one");
  server.live.emit({"one"}, {"news", "1"});
  BOOST_TEST(client.hear().value_or("") == R"(42["news",1])");
  server.live.empty_room("/", "one");
  server.live.emit({"one"}, {"news", "2"});
  server.live.emit_to(id, {"news", "3"});
  BOOST_TEST(client.hear().value_or("") == R"(42["news",3])");
  std::atomic<int> answers{0};
  const auto count = [&](const sdk::json::Document* answer) { answers += answer ? 1 : 100; };
  server.live.emit_with_ack(id, {"ask", "1"}, milliseconds(5000), count);
  BOOST_TEST(client.hear().value_or("") == R"(420["ask",1])");
  client.say(R"(430["yes"])");
  BOOST_TEST(eventually([&] { return answers == 1; }));
  server.live.emit_with_ack(id, {"ask", "2"}, milliseconds(20), count);
  BOOST_TEST(eventually([&] { return answers == 101; }));
  client.hear();
  server.live.emit_with_ack("nobody", {"ask", "3"}, milliseconds(20), count);
  BOOST_TEST(eventually([&] { return answers == 201; }));
  server.live.disconnect_room("/", "all", gateway::realtime::Disconnect::leave_namespace,
                              gateway::realtime::Reason::server_leave);
  BOOST_TEST(client.hear().value_or("") == "41");
  BOOST_TEST(eventually([&] { return server.app.ends() == "server namespace disconnect;"; }));
}

BOOST_AUTO_TEST_CASE(a_permission_may_be_shortened_and_ends_the_transport) {
  LiveServer server(open_gate());
  WsClient client(server.port(), kWebSocket);
  connect(client);
  server.live.set_lifetime(id_of_one(server), 30);
  BOOST_TEST(!client.hear());
  BOOST_TEST(client.close_code() == 1000);
  BOOST_TEST(eventually([&] { return server.app.ends() == "expired;"; }));
}

BOOST_AUTO_TEST_CASE(connections_that_come_and_go_leave_nothing_behind) {
  LiveServer server(open_gate());
  const auto cycle = [&] {
    {
      WsClient rude(server.port(), kWebSocket);
      connect(rude);
      const WsClient early(server.port(), kWebSocket, {}, WsClient::frame("40"));
      Poller poller(server.port());
      connect(poller);
      const WsClient probing(server.port(), with_sid(kWebSocket, poller.sid()));
      poller.post("1");
      BOOST_TEST(poller.poll() == "6");
    }
    BOOST_TEST_REQUIRE(eventually([&] { return server.live.sessions() == 0; }));
  };
  cycle();
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 100; ++i) cycle();
  BOOST_TEST(eventually([&] { return open_descriptors() <= before; }));
  BOOST_TEST(server.dropped() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
