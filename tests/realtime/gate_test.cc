// Who may begin a session.
#include <string>

#include <boost/test/unit_test.hpp>

#include "gateway/realtime/gate.h"

namespace {

using gateway::realtime::Gate;
using Answer = Gate::Answer;

bool is(Answer a, Answer b) { return a == b; }

}  // namespace

BOOST_AUTO_TEST_SUITE(gate)

BOOST_AUTO_TEST_CASE(a_burst_is_let_in_and_then_one_at_the_rate) {
  Gate gate({.handshakes_per_minute = 20, .handshake_burst = 3});
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(is(gate.enter("192.0.2.1", 0), Answer::welcome));
    gate.leave("192.0.2.1");
  }
  BOOST_TEST(is(gate.enter("192.0.2.1", 0), Answer::too_many_handshakes));
  BOOST_TEST(is(gate.enter("192.0.2.2", 0), Answer::welcome));
  BOOST_TEST(is(gate.enter("192.0.2.1", 2'999), Answer::too_many_handshakes));
  BOOST_TEST(is(gate.enter("192.0.2.1", 3'000), Answer::welcome));
  BOOST_TEST(is(gate.enter("192.0.2.1", 3'000), Answer::too_many_handshakes));
}

BOOST_AUTO_TEST_CASE(a_network_has_so_many_sessions_at_a_time) {
  Gate gate({.handshake_burst = 100, .sessions_per_network = 2});
  gate.enter("192.0.2.1", 0);
  gate.enter("192.0.2.1", 0);
  BOOST_TEST(is(gate.enter("192.0.2.1", 0), Answer::too_many_sessions));
  gate.leave("192.0.2.1");
  BOOST_TEST(is(gate.enter("192.0.2.1", 0), Answer::welcome));
  BOOST_TEST(gate.sessions() == 2u);
}

BOOST_AUTO_TEST_CASE(the_process_has_so_many_of_all) {
  Gate gate({.sessions = 2});
  gate.enter("192.0.2.1", 0);
  gate.enter("192.0.2.2", 0);
  BOOST_TEST(is(gate.enter("192.0.2.3", 0), Answer::full));
  gate.leave("192.0.2.1");
  BOOST_TEST(is(gate.enter("192.0.2.3", 0), Answer::welcome));
}

BOOST_AUTO_TEST_CASE(networks_that_are_idle_make_room_for_others) {
  Gate gate({.handshakes_per_minute = 60, .handshake_burst = 1, .networks = 2});
  gate.enter("192.0.2.1", 0);
  gate.enter("192.0.2.2", 0);
  gate.leave("192.0.2.2");
  // The second has not got its token back yet.
  BOOST_TEST(is(gate.enter("192.0.2.3", 500), Answer::full));
  BOOST_TEST(is(gate.enter("192.0.2.3", 2'000), Answer::welcome));
  // The first is still there.
  BOOST_TEST(gate.sessions() == 2u);
  gate.leave("192.0.2.1");
  BOOST_TEST(gate.sessions() == 1u);
}

BOOST_AUTO_TEST_CASE(a_session_is_known_until_it_is_removed) {
  Gate gate({});
  gate.add("A123");
  BOOST_TEST(gate.knows("A123"));
  BOOST_TEST(!gate.knows("A12"));
  gate.remove("A123");
  BOOST_TEST(!gate.knows("A123"));
}

BOOST_AUTO_TEST_CASE(loopback_has_more_room) {
  Gate gate({.handshake_burst = 1, .sessions_per_network = 1, .loopback_room = 2});
  BOOST_TEST(is(gate.enter("127.0.0.1", 0), Answer::welcome));
  BOOST_TEST(is(gate.enter("127.0.0.1", 0), Answer::welcome));
  BOOST_TEST(is(gate.enter("127.0.0.1", 0), Answer::too_many_sessions));
  BOOST_TEST(is(gate.enter("192.0.2.1", 0), Answer::welcome));
  BOOST_TEST(is(gate.enter("192.0.2.1", 0), Answer::too_many_sessions));
}

BOOST_AUTO_TEST_SUITE_END()
