#include "gateway/plugins/describe.h"

#include <boost/test/unit_test.hpp>
#include <string>

namespace {

using connector::Event;
using connector::EventKind;
using gateway::plugins::describe;

}  // namespace

BOOST_AUTO_TEST_SUITE(describing)

BOOST_AUTO_TEST_CASE(facts_stand_on_lines_of_their_own_and_empty_ones_nowhere) {
  Event event{.kind = EventKind::message, .thread = "t", .text = "a\nb\\c"};
  event.attachments.push_back({.kind = "image", .size = 0, .extra = {{"width", "3"}}});
  event.extra = {{"x", "1"}};
  BOOST_TEST(describe(event) ==
             "message\n  thread: t\n  text: a\\nb\\\\c\n  attachment: image\n    size: 0\n"
             "    +width: 3\n  +x: 1\n");
}

BOOST_AUTO_TEST_CASE(outcomes_of_receive_are_told_apart) {
  using gateway::Errc;
  using Result = gateway::Result<connector::Received>;
  BOOST_TEST(describe(Result(connector::Received{})) == "nothing\n");
  BOOST_TEST(describe(Result(gateway::fail(Errc::invalid_argument, "no id"))) ==
             "not understood: no id\n");
  BOOST_TEST(describe(Result(gateway::fail(Errc::internal, "threw"))) == "fault: threw\n");
  connector::Received received;
  received.reply = connector::Response{.status = 200, .body = "1158201444"};
  BOOST_TEST(describe(Result(received)) == "reply 200\n  body: 1158201444\n");
}

BOOST_AUTO_TEST_CASE(long_texts_that_differ_are_described_differently) {
  Event one{.text = std::string(500, 'x')};
  Event other = one;
  other.text.back() = 'y';
  BOOST_TEST(describe(one) != describe(other));
  BOOST_TEST(describe(one).size() < 200u);
}

BOOST_AUTO_TEST_SUITE_END()
