// Socket.IO packets. Examples from the protocol's text, docs/socket.io-protocol/v5-current.md of
// https://github.com/socketio/socket.io, read 2026-11-21; what is refused, from socket.io-parser
// 4.2.6 and from the advisories named below.
#include <string>

#include <boost/test/unit_test.hpp>

#include "gateway/realtime/socketio_codec.h"

namespace {

using namespace gateway::realtime;
using Step = SocketDecoder::Step;

struct Fixture {
  CodecLimits limits;
  SocketDecoder decoder{limits};

  // "event / 12 ["a",1] +2", "more" or "failed".
  std::string show(Step step) {
    if (step == Step::more) return "more";
    if (step == Step::failed) return "failed";
    static const char* const kTypes[] = {"connect", "disconnect", "event", "ack", "error"};
    const auto packet = decoder.take();
    std::string text = kTypes[static_cast<int>(packet.type)];
    text.append(" ").append(packet.nsp);
    if (packet.id) text.append(" ").append(std::to_string(*packet.id));
    if (packet.data) text.append(" ").append(packet.data->root().dump());
    for (const auto& bytes : packet.attachments) text.append(" +").append(bytes);
    return text;
  }
  std::string text(std::string_view message) { return show(decoder.text(message)); }
  std::string binary(std::string_view message) { return show(decoder.binary(message)); }
};

std::string bytes(const Frame& frame) { return *frame.bytes; }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(socketio_codec, Fixture)

BOOST_AUTO_TEST_CASE(the_examples_of_the_protocol_are_read) {
  BOOST_TEST(text("0") == "connect /");
  BOOST_TEST(text(R"(0{"token":"123"})") == R"(connect / {"token":"123"})");
  BOOST_TEST(text("0/admin,") == "connect /admin");
  BOOST_TEST(text(R"(0/admin,{"token":"123"})") == R"(connect /admin {"token":"123"})");
  BOOST_TEST(text("0/random") == "connect /random");
  BOOST_TEST(text("1/admin,") == "disconnect /admin");
  BOOST_TEST(text("1") == "disconnect /");
  BOOST_TEST(text(R"(2["hello",1])") == R"(event / ["hello",1])");
  BOOST_TEST(text(R"(2/admin,456["project:delete",123])") ==
             R"(event /admin 456 ["project:delete",123])");
  BOOST_TEST(text(R"(3/admin,456[])") == "ack /admin 456 []");
}

BOOST_AUTO_TEST_CASE(attachments_follow_as_binary_messages) {
  BOOST_TEST(text(R"(51-["hello",{"_placeholder":true,"num":0}])") == "more");
  BOOST_TEST(binary("abc") == R"(event / ["hello",{"_placeholder":true,"num":0}] +abc)");
  BOOST_TEST(text(R"(62-/admin,456[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}])") ==
             "more");
  BOOST_TEST(binary("a") == "more");
  BOOST_TEST(binary("b") == "ack /admin 456 "
                            R"([{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}] +a +b)");
}

BOOST_AUTO_TEST_CASE(an_event_may_have_a_number_for_its_name) {
  BOOST_TEST(text("2[7,1]") == "event / [7,1]");
}

BOOST_AUTO_TEST_CASE(what_is_no_packet_fails) {
  for (const char* message :
       {"", "a", "7", "9[]", "abc", "2", "2{}", "2[]", "2[null]", "2[{}]", "2[true]", "2[[\"a\"]]",
        "2[\"a\"", "2[\"a\"]]", "2[\"a\"]x", "2abc[\"a\"]", "2-1[\"a\"]", "0[]", "0\"x\"", "0null",
        "0{", "1{}", "1[]", "3", "3{}", "3\"a\"", "4", "4{\"message\":\"x\"}", "5[\"a\"]",
        "5-[\"a\"]", "5x-[\"a\"]", "51[\"a\"]", "6[]", "51"}) {
    BOOST_TEST(text(message) == "failed", message);
  }
}

// CVE-2023-32695: names that the client's library listens to, and names of other types.
BOOST_AUTO_TEST_CASE(the_words_of_a_connection_are_no_events) {
  for (const char* name : {"connect", "connect_error", "disconnect", "disconnecting", "newListener",
                           "removeListener"}) {
    BOOST_TEST(text("2[\"" + std::string(name) + "\"]") == "failed", name);
  }
}

// CVE-2022-2421: a placeholder that names anything but an attachment of its packet.
BOOST_AUTO_TEST_CASE(a_placeholder_names_an_attachment_of_its_packet) {
  for (const char* number : {"1", "-1", "\"0\"", "\"splice\"", "0.5", "null", "{}"}) {
    BOOST_TEST(text(R"(51-["a",{"_placeholder":true,"num":)" + std::string(number) + "}]") ==
                   "failed",
               number);
  }
  BOOST_TEST(text(R"(51-["a",{"_placeholder":true}])") == "failed");
  BOOST_TEST(text(R"(2["a",{"_placeholder":true,"num":0}])") == "failed");
  BOOST_TEST(text(R"(2["a",[{"b":{"_placeholder":true,"num":0}}]])") == "failed");
  BOOST_TEST(text(R"(2["_placeholder",{"_placeholder":false}])") ==
             R"(event / ["_placeholder",{"_placeholder":false}])");
}

BOOST_AUTO_TEST_CASE(text_among_attachments_and_attachments_among_text_fail) {
  BOOST_TEST(binary("abc") == "failed");
  SocketDecoder other(limits);
  BOOST_TEST((other.text(R"(51-["a"])") == Step::more));
  BOOST_TEST((other.text(R"(2["a"])") == Step::failed));
}

BOOST_AUTO_TEST_CASE(a_packet_has_at_most_ten_attachments) {
  BOOST_TEST(text(R"(510-["a"])") == "more");
  SocketDecoder other(limits);
  BOOST_TEST((other.text(R"(511-["a"])") == Step::failed));
  BOOST_TEST((other.text(R"(5999999999999-["a"])") == Step::failed));
}

BOOST_AUTO_TEST_CASE(attachments_count_for_the_size_of_their_packet) {
  limits.packet_bytes = 20;
  BOOST_TEST(text(R"(52-["a"])") == "more");
  BOOST_TEST(binary("123456") == "more");
  BOOST_TEST(binary("1234567") == "failed");
}

BOOST_AUTO_TEST_CASE(an_ack_id_has_at_most_ten_digits) {
  BOOST_TEST(text(R"(29999999999["a"])") == R"(event / 9999999999 ["a"])");
  BOOST_TEST(text(R"(210000000000["a"])") == "failed");
}

BOOST_AUTO_TEST_CASE(json_is_bounded_in_depth_and_never_recursed) {
  const auto nested = [](std::size_t depth) {
    return "2[\"a\"," + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "]";
  };
  BOOST_TEST(text(nested(32)).substr(0, 5) == "event");
  BOOST_TEST(text(nested(33)) == "failed");
  BOOST_TEST(text("2[\"a\"," + std::string(400'000, '[')) == "failed");
}

BOOST_AUTO_TEST_CASE(a_namespace_is_short) {
  BOOST_TEST(text("0/" + std::string(255, 'n')) == "connect /" + std::string(255, 'n'));
  BOOST_TEST(text("0/" + std::string(256, 'n')) == "failed");
}

BOOST_AUTO_TEST_CASE(what_is_said_is_what_the_protocol_shows) {
  BOOST_TEST(bytes(connect_frame("/", R"({"sid":"x"})")) == R"(40{"sid":"x"})");
  BOOST_TEST(bytes(connect_frame("/admin", R"({"sid":"x"})")) == R"(40/admin,{"sid":"x"})");
  BOOST_TEST(bytes(connect_error_frame("/admin", R"({"message":"Not authorized"})")) ==
             R"(44/admin,{"message":"Not authorized"})");
  BOOST_TEST(bytes(disconnect_frame("/")) == "41");
  BOOST_TEST(bytes(disconnect_frame("/admin")) == "41/admin,");
  BOOST_TEST(bytes(event_frames("/", "hello", "1,\"2\"").front()) == R"(42["hello",1,"2"])");
  BOOST_TEST(bytes(event_frames("/", "hello", "").front()) == R"(42["hello"])");
  BOOST_TEST(bytes(event_frames("/admin", "a\"b\x1e", "1", 12).front()) ==
             R"(42/admin,12["a\"b\u001e",1])");
  BOOST_TEST(bytes(ack_frames("/admin", 13, "\"bar\"").front()) == R"(43/admin,13["bar"])");
  const std::string attachment = "\x01\x02";
  const auto frames = event_frames("/", "hello", R"({"_placeholder":true,"num":0})", std::nullopt,
                                   std::span(&attachment, 1));
  BOOST_TEST_REQUIRE(frames.size() == 2u);
  BOOST_TEST(bytes(frames[0]) == R"(451-["hello",{"_placeholder":true,"num":0}])");
  BOOST_TEST(frames[1].is_binary);
  BOOST_TEST(bytes(frames[1]) == attachment);
}

BOOST_AUTO_TEST_SUITE_END()
