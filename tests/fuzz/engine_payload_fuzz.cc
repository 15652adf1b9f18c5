// A payload of Engine.IO packets: what is read whole and written again is the same payload, and
// nothing is read behind what is no packet.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/realtime/engine_codec.h"

namespace {

using namespace gateway::realtime;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  PacketReader reader(bytes, PacketReader::Unit::payload);
  EnginePacket packet;
  std::string again;
  while (reader.next(packet)) {
    if (packet.is_binary) {
      require(packet.type == PacketType::message, "binary is a message");
      append_to_payload(again, binary_frame(std::string(packet.data)));
    } else {
      append_to_payload(again, text_frame(std::to_string(static_cast<int>(packet.type)) +
                                          std::string(packet.data)));
    }
  }
  require(!reader.next(packet), "the end stays the end");
  if (reader.failed()) {
    require(bytes.substr(0, again.size()) == again, "what was read is the front");
  } else {
    require(bytes == again, "whole");
  }

  PacketReader frame(bytes, PacketReader::Unit::frame);
  const bool is_packet = frame.next(packet);
  require(is_packet != frame.failed(), "a frame is one packet or none");
  require(!frame.next(packet), "one frame, one packet");
  return 0;
}
