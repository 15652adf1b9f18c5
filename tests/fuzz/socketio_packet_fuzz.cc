// Socket.IO packets: lines of text and, behind a NUL, binary messages. What is let through keeps
// what the application relies on, and says the same when it is said again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/realtime/socketio_codec.h"

namespace {

using namespace gateway::realtime;
using Step = SocketDecoder::Step;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

std::string again(const SocketPacket& packet) {
  const auto json = packet.data ? packet.data->root().dump() : std::string();
  switch (packet.type) {
    case SocketPacketType::connect:
      return *connect_frame(packet.nsp, json).bytes;
    case SocketPacketType::disconnect:
      return *disconnect_frame(packet.nsp).bytes;
    case SocketPacketType::ack: {
      const auto inside = std::string_view(json).substr(1, json.size() - 2);
      return *ack_frames(packet.nsp, packet.id.value_or(0), inside, packet.attachments)
                  .front()
                  .bytes;
    }
    case SocketPacketType::event:
    case SocketPacketType::connect_error:
      break;
  }
  return {};
}

void check(const SocketPacket& packet, const CodecLimits& limits) {
  require(packet.attachments.size() <= limits.attachments, "few attachments");
  require(packet.nsp.starts_with('/') && packet.nsp.find(',') == std::string::npos, "a namespace");
  require(!packet.id || *packet.id <= 9'999'999'999, "a short ack id");
  const auto data = packet.data ? packet.data->root() : sdk::json::Value();
  if (packet.type == SocketPacketType::event) {
    require(data.is_array() && data.at(0).digits().has_value(), "an event has a name");
    require(data.at(0).text_or("") != "disconnect", "no word of the protocol");
  }
  require(packet.type != SocketPacketType::connect_error, "the server's alone");
  const std::string text = again(packet);
  if (text.empty() || packet.attachments.size() > 0) return;
  SocketDecoder decoder(limits);
  require(text.front() == '4', "a message");
  require(decoder.text(std::string_view(text).substr(1)) == Step::packet, "reads again");
  const auto other = decoder.take();
  require(other.type == packet.type && other.nsp == packet.nsp, "the same");
  require(again(other) == text, "the same text");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  CodecLimits limits;
  limits.packet_bytes = 2000;
  limits.json_nodes = 500;
  SocketDecoder decoder(limits);
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const auto message = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const bool is_binary = !message.empty() && message.front() == '\0';
    const auto step = is_binary ? decoder.binary(message.substr(1)) : decoder.text(message);
    if (step == Step::failed) return 0;
    if (step == Step::packet) check(decoder.take(), limits);
  }
  return 0;
}
