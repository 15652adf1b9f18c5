// Writes down what a Session does with its transports, as one text: "poll(4a) flush closed(...)".
// Takes frames for the WebSocket at once, unless told to stall.
#ifndef TESTS_REALTIME_RECORDING_WIRE_H_
#define TESTS_REALTIME_RECORDING_WIRE_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/realtime/engine_session.h"

namespace live {

class RecordingWire final : public gateway::realtime::Session::Wire {
 public:
  void answer_poll(std::string payload) override { note("poll(" + visible(payload) + ")"); }
  void flush() override {
    while (!stalls && !writes_ && session != nullptr && session->front() != nullptr) {
      writes_ = true;
      note((session->front()->is_binary ? "binary(" : "ws(") + *session->front()->bytes + ")");
      session->written();
      writes_ = false;
    }
  }
  void close_socket(bool at_once) override { note(at_once ? "drop" : "close"); }
  void send_to_probe(std::string_view packet) override {
    note("probe(" + std::string(packet) + ")");
  }
  void drop_probe() override { note("drop-probe"); }
  void take_probe() override { note("upgraded"); }
  void on_message(bool is_binary, std::string_view data) override {
    note((is_binary ? "got-binary(" : "got(") + std::string(data) + ")");
    if (hears) hears(data);
  }
  void on_closed(gateway::realtime::Reason reason) override {
    note("closed(" + std::string(to_string(reason)) + ")");
  }

  std::string take() { return std::exchange(text_, {}); }

  gateway::realtime::Session* session = nullptr;
  bool stalls = false;
  std::function<void(std::string_view)> hears;

 private:
  static std::string visible(std::string_view payload) {
    std::string text;
    for (const char c : payload) text.push_back(c == '\x1e' ? '|' : c);
    return text;
  }
  void note(const std::string& what) {
    if (!text_.empty()) text_.push_back(' ');
    text_.append(what);
  }

  std::string text_;
  bool writes_ = false;
};

}  // namespace live

#endif  // TESTS_REALTIME_RECORDING_WIRE_H_
