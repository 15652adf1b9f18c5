// One Engine.IO session, without sockets and without a clock. The rules are those of the protocol
// (docs/engine.io-protocol/v4-current.md) and of the reference server engine.io 6.6 where the text
// is silent, both of https://github.com/socketio/socket.io, read 2026-11-21.
#include <optional>
#include <string>

#include <boost/test/unit_test.hpp>

#include "gateway/realtime/engine_session.h"
#include "tests/realtime/recording_wire.h"

namespace {

using namespace gateway::realtime;
using Delivery = Session::Delivery;
using Flush = Session::Flush;

struct Fixture {
  SessionLimits limits{.ping_interval_ms = 300,
                       .ping_timeout_ms = 200,
                       .upgrade_timeout_ms = 100,
                       .close_timeout_ms = 1000,
                       .max_payload = 1000,
                       .out_bytes = 100,
                       .out_packets = 10};
  live::RecordingWire wire;
  std::optional<Session> session;

  Session& open(Transport transport) {
    session.emplace(limits, wire, transport, "the-sid", 0);
    wire.session = &*session;
    if (transport == Transport::polling) {
      session->poll();
    } else {
      wire.flush();
    }
    wire.take();
    return *session;
  }
  bool send(const std::string& text, Delivery delivery = Delivery::must) {
    const Frame frame = text_frame("4" + text);
    return session->send(std::span(&frame, 1), delivery);
  }
  Session& upgrading() {
    auto& s = open(Transport::polling);
    BOOST_TEST_REQUIRE(s.attach_probe(0));
    s.probe_frame(false, "2probe", 0);
    wire.take();
    return s;
  }
  std::string took() { return wire.take(); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(engine_session, Fixture)

BOOST_AUTO_TEST_CASE(the_first_packet_of_a_polling_session_offers_the_upgrade) {
  session.emplace(limits, wire, Transport::polling, "the-sid", 0);
  session->poll();
  BOOST_TEST(took() ==
             R"(poll(0{"sid":"the-sid","upgrades":["websocket"],"pingInterval":300,)"
             R"("pingTimeout":200,"maxPayload":1000}))");
}

BOOST_AUTO_TEST_CASE(the_first_frame_of_a_websocket_session_offers_none) {
  session.emplace(limits, wire, Transport::websocket, "the-sid", 0);
  wire.session = &*session;
  wire.flush();
  BOOST_TEST(took() ==
             R"(ws(0{"sid":"the-sid","upgrades":[],"pingInterval":300,)"
             R"("pingTimeout":200,"maxPayload":1000}))");
}

BOOST_AUTO_TEST_CASE(a_get_is_held_until_there_is_something_to_say) {
  auto& s = open(Transport::polling);
  BOOST_TEST(s.poll());
  BOOST_TEST(took() == "");
  send("hello");
  BOOST_TEST(took() == "poll(4hello)");
}

BOOST_AUTO_TEST_CASE(what_waits_between_two_gets_comes_with_the_next_in_order) {
  auto& s = open(Transport::polling);
  send("a");
  const Frame binary = binary_frame("\x01\x02\x03\x04");
  s.send(std::span(&binary, 1), Delivery::must);
  send("b");
  BOOST_TEST(s.poll());
  BOOST_TEST(took() == "poll(4a|bAQIDBA==|4b)");
}

BOOST_AUTO_TEST_CASE(two_gets_at_a_time_end_the_session_and_the_first_hears_it) {
  auto& s = open(Transport::polling);
  s.poll();
  BOOST_TEST(!s.poll());
  BOOST_TEST(took() == "poll(1) closed(transport error)");
  BOOST_TEST(s.is_over());
}

BOOST_AUTO_TEST_CASE(a_get_that_is_given_up_ends_the_session) {
  auto& s = open(Transport::polling);
  s.poll();
  s.poll_aborted();
  BOOST_TEST(took() == "closed(transport error)");
  BOOST_TEST(s.is_over());
}

BOOST_AUTO_TEST_CASE(the_messages_of_a_post_are_heard_in_order) {
  auto& s = open(Transport::polling);
  BOOST_TEST(s.post("4a\x1e" "bAQIDBA==\x1e" "4b"));
  BOOST_TEST(took() == "got(a) got-binary(\x01\x02\x03\x04) got(b)");
}

BOOST_AUTO_TEST_CASE(what_comes_behind_a_bad_packet_is_not_heard) {
  auto& s = open(Transport::polling);
  BOOST_TEST(!s.post("4a\x1e" "abc\x1e" "4b"));
  BOOST_TEST(took() == "got(a) closed(parse error)");
  BOOST_TEST(!s.poll());
}

BOOST_AUTO_TEST_CASE(a_message_behind_one_that_ended_the_session_is_not_heard) {
  auto& s = open(Transport::polling);
  wire.hears = [&](std::string_view) { s.close(Reason::parse_error, Flush::no); };
  BOOST_TEST(s.post("4a\x1e" "4b"));
  BOOST_TEST(took() == "got(a) closed(parse error)");
}

BOOST_AUTO_TEST_CASE(a_polling_client_that_closes_gets_a_noop_for_its_get) {
  auto& s = open(Transport::polling);
  s.poll();
  BOOST_TEST(s.post("1"));
  BOOST_TEST(took() == "poll(6) closed(transport close)");
  BOOST_TEST(!s.poll());
}

BOOST_AUTO_TEST_CASE(also_where_its_post_overtook_its_get) {
  auto& s = open(Transport::polling);
  BOOST_TEST(s.post("1"));
  BOOST_TEST(took() == "closed(transport close)");
  BOOST_TEST(s.poll());
  BOOST_TEST(took() == "poll(6)");
  BOOST_TEST(!s.poll());
}

BOOST_AUTO_TEST_CASE(a_polling_client_hears_that_it_is_closed_by_its_held_get) {
  auto& s = open(Transport::polling);
  s.poll();
  s.close(Reason::forced_close, Flush::yes);
  BOOST_TEST(took() == "poll(1) closed(forced close)");
  BOOST_TEST(s.is_over());
}

BOOST_AUTO_TEST_CASE(or_by_its_next_behind_what_was_said_before) {
  auto& s = open(Transport::polling);
  send("bye");
  s.close(Reason::forced_close, Flush::yes);
  BOOST_TEST(took() == "closed(forced close)");
  BOOST_TEST(s.post("4x"));
  BOOST_TEST(!s.is_over());
  BOOST_TEST(s.poll());
  BOOST_TEST(took() == "poll(4bye|1)");
  BOOST_TEST(s.is_over());
}

BOOST_AUTO_TEST_CASE(and_is_forgotten_where_none_comes) {
  auto& s = open(Transport::polling);
  s.close(Reason::forced_close, Flush::yes);
  BOOST_TEST(s.deadline() == 1000);
  s.tick(1000);
  BOOST_TEST(s.is_over());
}

BOOST_AUTO_TEST_CASE(a_websocket_that_says_close_is_closed_at_once) {
  auto& s = open(Transport::websocket);
  s.frame(false, "1", 0);
  BOOST_TEST(took() == "close closed(transport close)");
  s.socket_ended();
  BOOST_TEST(s.is_over());
}

BOOST_AUTO_TEST_CASE(a_websocket_is_closed_behind_what_was_said_before) {
  auto& s = open(Transport::websocket);
  wire.stalls = true;
  send("bye");
  s.close(Reason::forced_close, Flush::yes);
  BOOST_TEST(took() == "closed(forced close)");
  wire.stalls = false;
  wire.flush();
  BOOST_TEST(took() == "ws(4bye) close");
}

BOOST_AUTO_TEST_CASE(frames_that_are_no_packets_end_the_session) {
  for (const char* bytes : {"", "abc", "7", "b!"}) {
    auto& s = open(Transport::websocket);
    s.frame(false, bytes, 0);
    BOOST_TEST(took() == "close closed(parse error)");
  }
}

// --- Heartbeat.

BOOST_AUTO_TEST_CASE(a_ping_is_sent_each_interval_after_the_last_pong) {
  auto& s = open(Transport::websocket);
  BOOST_TEST(s.deadline() == 300);
  s.tick(299);
  BOOST_TEST(took() == "");
  s.tick(300);
  BOOST_TEST(took() == "ws(2)");
  BOOST_TEST(s.deadline() == 500);
  s.frame(false, "3", 350);
  BOOST_TEST(s.deadline() == 650);
}

BOOST_AUTO_TEST_CASE(without_a_pong_the_session_ends_at_once) {
  auto& s = open(Transport::websocket);
  s.tick(300);
  s.tick(500);
  BOOST_TEST(took() == "ws(2) drop closed(ping timeout)");
  BOOST_TEST(s.is_over());
}

BOOST_AUTO_TEST_CASE(a_timer_that_comes_late_gives_no_more_time) {
  auto& s = open(Transport::polling);
  // Nobody asked for 500 ms: interval and timeout have passed.
  s.tick(500);
  BOOST_TEST(took() == "closed(ping timeout)");
  BOOST_TEST(!s.poll());
}

BOOST_AUTO_TEST_CASE(other_traffic_does_not_move_the_heartbeat) {
  auto& s = open(Transport::websocket);
  s.frame(false, "4a", 200);
  s.frame(false, "3", 250);  // nobody asked
  BOOST_TEST(s.deadline() == 300);
  s.tick(300);
  s.frame(false, "4b", 400);
  BOOST_TEST(s.deadline() == 500);
}

BOOST_AUTO_TEST_CASE(a_ping_waits_for_the_next_get) {
  auto& s = open(Transport::polling);
  s.tick(300);
  s.poll();
  BOOST_TEST(took() == "poll(2)");
  s.tick(400);
  BOOST_TEST(s.post("3"));
  BOOST_TEST(s.deadline() == 700);
}

BOOST_AUTO_TEST_CASE(a_client_of_this_version_may_not_ping) {
  auto& s = open(Transport::websocket);
  s.frame(false, "2", 0);
  BOOST_TEST(took() == "close closed(transport error)");
  auto& polling = open(Transport::polling);
  BOOST_TEST(!polling.post("2"));
}

// --- Upgrade.

BOOST_AUTO_TEST_CASE(an_upgrade_answers_the_probe_and_ends_the_held_get) {
  auto& s = open(Transport::polling);
  s.poll();
  BOOST_TEST(s.attach_probe(0));
  s.probe_frame(false, "2probe", 0);
  BOOST_TEST(took() == "probe(3probe) poll(6)");
  s.probe_frame(false, "5", 0);
  BOOST_TEST(took() == "upgraded");
  send("hello");
  BOOST_TEST(took() == "ws(4hello)");
}

BOOST_AUTO_TEST_CASE(further_gets_during_an_upgrade_end_at_once) {
  auto& s = upgrading();
  s.poll();
  BOOST_TEST(took() == "poll(6)");
  s.poll();
  BOOST_TEST(took() == "poll(6)");
}

BOOST_AUTO_TEST_CASE(traffic_during_an_upgrade_is_neither_lost_nor_doubled_nor_turned_round) {
  auto& s = upgrading();
  send("a");
  s.poll();
  BOOST_TEST(took() == "poll(4a)");
  BOOST_TEST(s.post("4x"));
  send("b");
  send("c");
  BOOST_TEST(took() == "got(x)");
  s.probe_frame(false, "5", 0);
  BOOST_TEST(took() == "upgraded ws(4b) ws(4c)");
}

BOOST_AUTO_TEST_CASE(nothing_of_the_application_is_written_before_the_upgrade_is_done) {
  auto& s = open(Transport::polling);
  s.attach_probe(0);
  send("a");
  s.probe_frame(false, "2probe", 0);
  send("b");
  BOOST_TEST(took() == "probe(3probe)");
}

BOOST_AUTO_TEST_CASE(a_get_that_is_held_while_the_client_upgrades_is_ended) {
  auto& s = open(Transport::polling);
  s.attach_probe(0);
  s.probe_frame(false, "2probe", 0);
  send("a");
  s.poll();
  wire.take();
  s.probe_frame(false, "5", 0);
  BOOST_TEST(took() == "upgraded");
  BOOST_TEST(!s.poll());
  BOOST_TEST(!s.post("4a"));
  BOOST_TEST(s.is_open());
}

BOOST_AUTO_TEST_CASE(a_second_websocket_is_not_wanted) {
  auto& s = open(Transport::polling);
  BOOST_TEST(s.attach_probe(0));
  BOOST_TEST(!s.attach_probe(0));
  s.probe_frame(false, "2probe", 0);
  s.probe_frame(false, "5", 0);
  BOOST_TEST(!s.attach_probe(0));
  BOOST_TEST(s.is_open());
}

BOOST_AUTO_TEST_CASE(an_upgrade_that_is_not_finished_in_time_is_dropped_alone) {
  auto& s = upgrading();
  BOOST_TEST(s.deadline() == 100);
  s.tick(100);
  BOOST_TEST(took() == "drop-probe");
  s.poll();
  send("a");
  BOOST_TEST(took() == "poll(4a)");
  BOOST_TEST(s.attach_probe(200));
}

BOOST_AUTO_TEST_CASE(anything_else_on_the_probing_socket_drops_it_alone) {
  for (const char* bytes : {"4hello", "2", "5", "", "3probe"}) {
    auto& s = open(Transport::polling);
    s.attach_probe(0);
    s.probe_frame(false, bytes, 0);
    BOOST_TEST(took() == "drop-probe");
    BOOST_TEST(s.is_open());
  }
  auto& s = upgrading();
  s.probe_frame(true, "2probe", 0);
  BOOST_TEST(took() == "drop-probe");
}

BOOST_AUTO_TEST_CASE(the_heartbeat_goes_on_through_an_upgrade) {
  limits.upgrade_timeout_ms = 1000;
  auto& s = upgrading();
  s.tick(300);
  s.probe_frame(false, "5", 310);
  BOOST_TEST(took() == "upgraded ws(2)");
  // The reference forgets this one.
  s.tick(500);
  BOOST_TEST(took() == "drop closed(ping timeout)");
}

BOOST_AUTO_TEST_CASE(a_session_that_closes_drops_its_probe) {
  auto& s = upgrading();
  s.close(Reason::forced_close, Flush::yes);
  BOOST_TEST(took() == "drop-probe closed(forced close)");
  BOOST_TEST(!s.attach_probe(0));
}

// --- Bounds.

BOOST_AUTO_TEST_CASE(a_reader_that_stalls_is_cut_off_at_the_limit_of_bytes) {
  auto& s = open(Transport::websocket);
  wire.stalls = true;
  for (int i = 0; i < 4; ++i) BOOST_TEST(send(std::string(23, 'x')));
  BOOST_TEST(s.queued_bytes() == 96u);
  BOOST_TEST(!send(std::string(23, 'x')));
  BOOST_TEST(took() == "drop closed(too slow)");
  BOOST_TEST(s.queued_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(and_at_the_limit_of_packets) {
  auto& s = open(Transport::polling);
  for (int i = 0; i < 10; ++i) BOOST_TEST(send("x"));
  BOOST_TEST(!send("x"));
  BOOST_TEST(took() == "closed(too slow)");
  BOOST_TEST(s.is_over());
}

BOOST_AUTO_TEST_CASE(a_single_message_may_be_larger_than_the_limit) {
  open(Transport::websocket);
  wire.stalls = true;
  BOOST_TEST(send(std::string(500, 'x')));
  BOOST_TEST(!send("x"));
}

BOOST_AUTO_TEST_CASE(what_is_written_is_not_counted_any_more) {
  auto& s = open(Transport::websocket);
  for (int i = 0; i < 1000; ++i) BOOST_TEST_REQUIRE(send(std::string(50, 'x')));
  BOOST_TEST(s.queued_bytes() == 0u);
  BOOST_TEST(s.queued_packets() == 0u);
}

BOOST_AUTO_TEST_CASE(volatile_news_is_dropped_where_anything_waits_and_costs_nothing) {
  auto& s = open(Transport::websocket);
  BOOST_TEST(send("typing", Delivery::may_drop));
  wire.stalls = true;
  send("a");
  BOOST_TEST(!send("typing", Delivery::may_drop));
  BOOST_TEST(s.is_open());
  open(Transport::polling);
  BOOST_TEST(!send("typing", Delivery::may_drop));
}

BOOST_AUTO_TEST_SUITE_END()
