// A WebSocket client for tests: one frame in, one frame out, with deadlines only. One thread.
#ifndef TESTS_REALTIME_WS_CLIENT_H_
#define TESTS_REALTIME_WS_CLIENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/http/http_client.h"

namespace live {

class WsClient {
 public:
  // Asks for the upgrade, with `behind` in the same segment. `headers` are whole lines.
  WsClient(std::uint16_t port, const std::string& target, std::string_view headers = {},
           std::string_view behind = {}, int receive_buffer = 0)
      : client_(port, receive_buffer) {
    client_.send(probe::get(target, std::string(headers) +
                                        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                        "Sec-WebSocket-Version: 13\r\n"
                                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") +
                 std::string(behind));
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      const auto byte = client_.bytes(1);
      if (!byte) return;
      head += *byte;
    }
    status_ = std::stoi(head.substr(9, 3));
  }

  int status() const { return status_; }
  bool is_open() const { return status_ == 101; }

  static std::string frame(std::string_view bytes, int opcode = 1) {
    std::string text;
    text.push_back(static_cast<char>(0x80 | opcode));
    if (bytes.size() < 126) {
      text.push_back(static_cast<char>(0x80 | bytes.size()));
    } else if (bytes.size() < 65536) {
      text.push_back(static_cast<char>(0x80 | 126));
      text.push_back(static_cast<char>(bytes.size() >> 8));
      text.push_back(static_cast<char>(bytes.size() & 0xff));
    } else {
      text.push_back(static_cast<char>(0x80 | 127));
      for (int shift = 56; shift >= 0; shift -= 8) {
        text.push_back(static_cast<char>((bytes.size() >> shift) & 0xff));
      }
    }
    // A mask of zeros changes nothing, and the server cannot know.
    text.append(4, '\0');
    return text.append(bytes);
  }
  bool say(std::string_view text) { return client_.send(frame(text)); }
  bool say_binary(std::string_view bytes) { return client_.send(frame(bytes, 2)); }
  bool send_raw(std::string_view bytes) { return client_.send(bytes); }

  // The next data frame, binary with "+" in front; nothing at a close, the end, or in time.
  std::optional<std::string> hear(probe::milliseconds patience = probe::kPatience) {
    const auto head = client_.bytes(2, patience);
    if (!head) return std::nullopt;
    const int opcode = (*head)[0] & 0x0f;
    std::uint64_t size = static_cast<unsigned char>((*head)[1]);
    if (size >= 126) {
      const auto more = client_.bytes(size == 126 ? 2 : 8);
      if (!more) return std::nullopt;
      size = 0;
      for (const char c : *more) size = size << 8 | static_cast<unsigned char>(c);
    }
    const auto data = client_.bytes(static_cast<std::size_t>(size));
    if (!data) return std::nullopt;
    if (opcode == 8) {
      close_code_ = data->size() < 2 ? 1005
                                     : static_cast<unsigned char>((*data)[0]) << 8 |
                                           static_cast<unsigned char>((*data)[1]);
      return std::nullopt;
    }
    return (opcode == 2 ? "+" : "") + *data;
  }
  // 0: no close frame has come.
  int close_code() const { return close_code_; }
  bool ends() { return client_.ends(); }
  void close() { client_.close(); }

 private:
  probe::Client client_;
  int status_ = 0;
  int close_code_ = 0;
};

}  // namespace live

#endif  // TESTS_REALTIME_WS_CLIENT_H_
