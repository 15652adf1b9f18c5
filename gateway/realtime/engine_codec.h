// Engine.IO 4 packets as bytes.
//
//   packet  = digit data | "b" base64
//   digit   = "0" open | "1" close | "2" ping | "3" pong | "4" message | "5" upgrade | "6" noop
//   payload = packet *( 0x1E packet )               the body of a polling request or answer
//
// Over a WebSocket each text frame is one packet and each binary frame the bytes of one message.
// Pure functions and values; any thread.
#ifndef GATEWAY_REALTIME_ENGINE_CODEC_H_
#define GATEWAY_REALTIME_ENGINE_CODEC_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace gateway::realtime {

enum class PacketType { open, close, ping, pong, message, upgrade, noop };

// `data` lies in the input, or in the reader where it had to be decoded.
struct EnginePacket {
  PacketType type = PacketType::noop;
  bool is_binary = false;
  std::string_view data;
};

// What goes out: a packet with its digit, or the bytes of a binary message. The bytes are shared by
// everybody they go to.
struct Frame {
  std::shared_ptr<const std::string> bytes;
  bool is_binary = false;
};
Frame text_frame(std::string packet);
Frame binary_frame(std::string bytes);

// The packets of a payload, or of one text frame, in order. Stops at the first that is none.
class PacketReader {
 public:
  enum class Unit { payload, frame };
  PacketReader(std::string_view bytes, Unit unit) : rest_(bytes), unit_(unit) {}

  // False at the end and at what is no packet; see failed().
  bool next(EnginePacket& packet);
  bool failed() const { return failed_; }

 private:
  bool fail();

  std::string_view rest_;
  const Unit unit_;
  bool ended_ = false;
  bool failed_ = false;
  std::string decoded_;
};

// Adds a packet to a payload.
void append_to_payload(std::string& payload, const Frame& frame);

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_ENGINE_CODEC_H_
