// Engine.IO packets. Examples from the protocol's text, docs/engine.io-protocol/v4-current.md of
// https://github.com/socketio/socket.io, read 2026-11-21.
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "gateway/realtime/engine_codec.h"

namespace {

using namespace gateway::realtime;

// "4:hello b:\x01" and "!" behind what is no packet.
std::string read(std::string_view bytes, PacketReader::Unit unit) {
  std::string text;
  PacketReader reader(bytes, unit);
  EnginePacket packet;
  while (reader.next(packet)) {
    if (!text.empty()) text.push_back(' ');
    text.append(packet.is_binary ? "b" : std::to_string(static_cast<int>(packet.type)));
    text.append(":").append(packet.data);
  }
  return text + (reader.failed() ? "!" : "");
}

std::string payload(std::string_view bytes) { return read(bytes, PacketReader::Unit::payload); }
std::string frame(std::string_view bytes) { return read(bytes, PacketReader::Unit::frame); }

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_codec)

BOOST_AUTO_TEST_CASE(a_payload_is_split_at_its_separators) {
  BOOST_TEST(payload("4hello\x1e" "2\x1e" "4world") == "4:hello 2: 4:world");
  BOOST_TEST(payload("4") == "4:");
}

BOOST_AUTO_TEST_CASE(a_binary_message_is_base64_without_a_digit) {
  BOOST_TEST(payload("4hello\x1e" "bAQIDBA==") == "4:hello b:\x01\x02\x03\x04");
  BOOST_TEST(frame("bAQIDBA==") == "b:\x01\x02\x03\x04");
}

BOOST_AUTO_TEST_CASE(reading_ends_at_the_first_packet_that_is_none) {
  BOOST_TEST(payload("4a\x1e" "abc\x1e" "4b") == "4:a!");
  BOOST_TEST(payload("") == "!");
  BOOST_TEST(payload("4a\x1e") == "4:a!");
  BOOST_TEST(payload("7") == "!");
  BOOST_TEST(payload("bA") == "!");
}

BOOST_AUTO_TEST_CASE(a_separator_inside_a_frame_is_data) {
  BOOST_TEST(frame("4a\x1e" "4b") == "4:a\x1e" "4b");
}

BOOST_AUTO_TEST_CASE(what_is_joined_reads_as_it_was) {
  std::string joined;
  append_to_payload(joined, text_frame("4hello"));
  append_to_payload(joined, binary_frame("\x01\x02\x03\x04"));
  append_to_payload(joined, text_frame("2"));
  BOOST_TEST(joined == "4hello\x1e" "bAQIDBA==\x1e" "2");
  BOOST_TEST(payload(joined) == "4:hello b:\x01\x02\x03\x04 2:");
}

BOOST_AUTO_TEST_SUITE_END()
