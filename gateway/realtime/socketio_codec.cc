#include "gateway/realtime/socketio_codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace gateway::realtime {

namespace {

using sdk::json::Value;

constexpr std::size_t kAckDigits = 10;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Digits at the front, taken; absent where there are none or too many.
std::optional<std::uint64_t> take_number(std::string_view& text, std::size_t most) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  if (count == 0 || count > most) return std::nullopt;
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + count, number);
  text.remove_prefix(count);
  return number;
}

// What the client's own library says of a connection, and so nobody else may.
bool is_reserved(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames = {"connect",       "connect_error",
                                                      "disconnect",    "disconnecting",
                                                      "newListener",   "removeListener"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::string head(char type, std::size_t attachments, std::string_view nsp,
                 std::optional<std::uint64_t> id, std::size_t room) {
  std::string text;
  text.reserve(32 + nsp.size() + room);
  text.append("4").push_back(type);
  if (attachments > 0) text.append(std::to_string(attachments)).push_back('-');
  if (nsp != "/") text.append(nsp).push_back(',');
  if (id) text.append(std::to_string(*id));
  return text;
}

std::vector<Frame> with_attachments(std::string text, std::span<const std::string> attachments) {
  std::vector<Frame> frames;
  frames.reserve(1 + attachments.size());
  frames.push_back(text_frame(std::move(text)));
  for (const auto& bytes : attachments) frames.push_back(binary_frame(bytes));
  return frames;
}

}  // namespace

SocketDecoder::Step SocketDecoder::text(std::string_view message) {
  if (awaited_ > 0 || !parse(message) || !check()) {
    awaited_ = 0;
    return Step::failed;
  }
  return awaited_ > 0 ? Step::more : Step::packet;
}

SocketDecoder::Step SocketDecoder::binary(std::string_view message) {
  if (awaited_ == 0 || message.size() > limits_.packet_bytes - bytes_) return Step::failed;
  bytes_ += message.size();
  packet_.attachments.emplace_back(message);
  return --awaited_ > 0 ? Step::more : Step::packet;
}

bool SocketDecoder::parse(std::string_view message) {
  packet_ = {};
  bytes_ = message.size();
  if (message.empty() || message.size() > limits_.packet_bytes) return false;
  const char type = message.front();
  message.remove_prefix(1);
  const bool is_binary = type == '5' || type == '6';
  if (type < '0' || type > '6') return false;
  packet_.type = is_binary ? (type == '5' ? SocketPacketType::event : SocketPacketType::ack)
                           : static_cast<SocketPacketType>(type - '0');
  if (is_binary) {
    const auto count = take_number(message, 3);
    if (!count || *count > limits_.attachments || message.empty() || message.front() != '-') {
      return false;
    }
    message.remove_prefix(1);
    awaited_ = *count;
  }
  if (!message.empty() && message.front() == '/') {
    const auto end = std::min(message.find(','), message.size());
    if (end > limits_.namespace_bytes) return false;
    packet_.nsp = message.substr(0, end);
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  if (!message.empty() && is_digit(message.front())) {
    packet_.id = take_number(message, kAckDigits);
    if (!packet_.id) return false;
  }
  if (message.empty()) return true;
  auto document = sdk::json::Document::parse(
      message, {.bytes = limits_.packet_bytes,
                .depth = limits_.json_depth,
                .nodes = limits_.json_nodes,
                .duplicates = sdk::json::Duplicates::first_wins});
  if (!document) return false;
  packet_.data = *std::move(document);
  // Rare, and text that only looks like one is found out below.
  const bool may_have_placeholders = message.find("_placeholder") != std::string_view::npos;
  return (awaited_ == 0 && !may_have_placeholders) || check_placeholders();
}

bool SocketDecoder::check() const {
  const Value data = packet_.data ? packet_.data->root() : Value();
  switch (packet_.type) {
    case SocketPacketType::connect:
      return !packet_.data || data.is_object();
    case SocketPacketType::disconnect:
      return !packet_.data;
    case SocketPacketType::event: {
      const Value name = data.at(0);
      return data.is_array() && (name.is_number() || (name.is_string() && !is_reserved(*name.text())));
    }
    case SocketPacketType::ack:
      return data.is_array();
    case SocketPacketType::connect_error:
      return false;  // the server's to say
  }
  return false;
}

// Each names an attachment that comes; in a packet without any, there is none.
bool SocketDecoder::check_placeholders() const {
  std::vector<Value> open{packet_.data->root()};
  while (!open.empty()) {
    const Value value = open.back();
    open.pop_back();
    if (value.is_array()) {
      for (const Value element : value.elements()) open.push_back(element);
    } else if (value.is_object()) {
      if (value["_placeholder"].boolean().value_or(false)) {
        const auto number = value["num"].integer();
        if (!number || *number < 0 || static_cast<std::uint64_t>(*number) >= awaited_) return false;
      }
      for (const auto& [name, member] : value.members()) open.push_back(member);
    }
  }
  return true;
}

Frame connect_frame(std::string_view nsp, std::string_view json) {
  return text_frame(head('0', 0, nsp, std::nullopt, json.size()).append(json));
}

Frame connect_error_frame(std::string_view nsp, std::string_view json) {
  return text_frame(head('4', 0, nsp, std::nullopt, json.size()).append(json));
}

Frame disconnect_frame(std::string_view nsp) {
  return text_frame(head('1', 0, nsp, std::nullopt, 0));
}

std::vector<Frame> event_frames(std::string_view nsp, std::string_view name,
                                std::string_view arguments, std::optional<std::uint64_t> id,
                                std::span<const std::string> attachments) {
  std::string text = head(attachments.empty() ? '2' : '5', attachments.size(), nsp, id,
                          name.size() + arguments.size());
  sdk::json::Writer quoted;
  text.append("[").append(quoted.value(name).take());
  if (!arguments.empty()) text.append(",").append(arguments);
  return with_attachments(std::move(text.append("]")), attachments);
}

std::vector<Frame> ack_frames(std::string_view nsp, std::uint64_t id, std::string_view arguments,
                              std::span<const std::string> attachments) {
  std::string text =
      head(attachments.empty() ? '3' : '6', attachments.size(), nsp, id, arguments.size());
  text.append("[").append(arguments).append("]");
  return with_attachments(std::move(text), attachments);
}

}  // namespace gateway::realtime
