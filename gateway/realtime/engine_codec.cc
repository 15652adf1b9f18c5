#include "gateway/realtime/engine_codec.h"

#include <utility>

#include "connectors/sdk/crypto.h"

namespace gateway::realtime {

namespace {

constexpr char kSeparator = '\x1e';

}  // namespace

Frame text_frame(std::string packet) {
  return {std::make_shared<const std::string>(std::move(packet)), false};
}

Frame binary_frame(std::string bytes) {
  return {std::make_shared<const std::string>(std::move(bytes)), true};
}

bool PacketReader::fail() {
  failed_ = true;
  return false;
}

bool PacketReader::next(EnginePacket& packet) {
  if (ended_ || failed_) return false;
  std::string_view piece = rest_;
  if (unit_ == Unit::frame) {
    ended_ = true;
  } else {
    const auto end = rest_.find(kSeparator);
    piece = rest_.substr(0, end);
    ended_ = end == std::string_view::npos;
    if (!ended_) rest_.remove_prefix(end + 1);
  }
  if (piece.empty()) return fail();
  const char first = piece.front();
  piece.remove_prefix(1);
  if (first == 'b') {
    auto bytes = sdk::from_base64(piece);
    if (!bytes) return fail();
    decoded_ = *std::move(bytes);
    packet = {PacketType::message, true, decoded_};
    return true;
  }
  if (first < '0' || first > '6') return fail();
  packet = {static_cast<PacketType>(first - '0'), false, piece};
  return true;
}

void append_to_payload(std::string& payload, const Frame& frame) {
  if (!payload.empty()) payload.push_back(kSeparator);
  if (frame.is_binary) {
    payload.append("b").append(sdk::base64(*frame.bytes));
  } else {
    payload.append(*frame.bytes);
  }
}

}  // namespace gateway::realtime
