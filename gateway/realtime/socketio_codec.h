// Socket.IO 5 packets, inside Engine.IO messages.
//
//   text = type [count "-"] [namespace ","] [ack id] [JSON]
//   type = "0" CONNECT | "1" DISCONNECT | "2" EVENT | "3" ACK | "4" CONNECT_ERROR
//        | "5" BINARY_EVENT | "6" BINARY_ACK              the last two with a count of attachments
//
// The namespace "/" is left out. The attachments follow as that many binary messages, and in the
// JSON {"_placeholder":true,"num":i} stands for each. Pure; a decoder belongs to one connection.
#ifndef GATEWAY_REALTIME_SOCKETIO_CODEC_H_
#define GATEWAY_REALTIME_SOCKETIO_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/realtime/engine_codec.h"

namespace gateway::realtime {

struct CodecLimits {
  std::size_t json_depth = 32;
  std::size_t json_nodes = 10'000;
  std::size_t attachments = 10;         // of one packet
  std::size_t packet_bytes = 1'000'000;  // with its attachments
  std::size_t namespace_bytes = 256;
};

enum class SocketPacketType { connect, disconnect, event, ack, connect_error };

struct SocketPacket {
  SocketPacketType type = SocketPacketType::connect;
  std::string nsp = "/";
  std::optional<std::uint64_t> id;
  // An object or nothing for CONNECT, an array for EVENT and ACK. An event's first element is its
  // name: a number, or text that is no word of the protocol.
  std::optional<sdk::json::Document> data;
  std::vector<std::string> attachments;
};

// Takes messages, gives packets.
class SocketDecoder {
 public:
  enum class Step { packet, more, failed };
  explicit SocketDecoder(const CodecLimits& limits) : limits_(limits) {}

  // `packet`: take() has it. `failed`: the connection must close.
  Step text(std::string_view message);
  Step binary(std::string_view message);
  SocketPacket take() { return std::move(packet_); }

 private:
  bool parse(std::string_view message);
  bool check() const;
  bool check_placeholders() const;

  const CodecLimits& limits_;
  SocketPacket packet_;
  std::size_t awaited_ = 0;  // attachments
  std::size_t bytes_ = 0;    // of the packet so far
};

// Frames of what the server says, with the Engine.IO digit. `json` is whole and valid.
Frame connect_frame(std::string_view nsp, std::string_view json);
Frame connect_error_frame(std::string_view nsp, std::string_view json);
Frame disconnect_frame(std::string_view nsp);
// `arguments`: JSON values with commas between, without brackets; may be empty.
std::vector<Frame> event_frames(std::string_view nsp, std::string_view name,
                                std::string_view arguments,
                                std::optional<std::uint64_t> id = std::nullopt,
                                std::span<const std::string> attachments = {});
std::vector<Frame> ack_frames(std::string_view nsp, std::uint64_t id, std::string_view arguments,
                              std::span<const std::string> attachments = {});

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_SOCKETIO_CODEC_H_
