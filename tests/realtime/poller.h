// What live traffic's tests say to a server, by polling and by WebSocket. One thread.
#ifndef TESTS_REALTIME_POLLER_H_
#define TESTS_REALTIME_POLLER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "connectors/sdk/json.h"
#include "gateway/realtime/server.h"
#include "tests/http/http_client.h"
#include "tests/realtime/ws_client.h"

namespace live {

inline const std::string kPolling = "/socket.io/?EIO=4&transport=polling";
inline const std::string kWebSocket = "/socket.io/?EIO=4&transport=websocket";

inline std::string with_sid(const std::string& target, const std::string& sid) {
  return target + "&sid=" + sid;
}

// A limit for networks that no test meets by accident, and none of its own for loopback, from which
// all tests come.
inline gateway::realtime::ServerOptions open_gate() {
  gateway::realtime::ServerOptions options;
  options.engine.gate = {1e9, 1e9, 100'000, 100'000, 1000};
  options.engine.gate.loopback_room = 1;
  return options;
}

inline std::string sid_of(std::string_view open_packet) {
  const auto parsed = sdk::json::Document::parse(open_packet.substr(1));
  return parsed ? std::string(parsed->root()["sid"].text_or("")) : "";
}

// A client that polls, one request after the other on one connection.
class Poller {
 public:
  explicit Poller(std::uint16_t port, std::string_view headers = {})
      : client_(port), headers_(headers) {
    const auto opened = ask(probe::get(kPolling, headers_));
    if (opened && opened->status == 200) sid_ = sid_of(opened->body);
    last_ = opened;
  }
  const std::string& sid() const { return sid_; }
  std::string poll() { return body(ask(probe::get(with_sid(kPolling, sid_), headers_))); }
  std::string post(std::string_view payload) {
    return body(ask(probe::post(with_sid(kPolling, sid_), payload)));
  }
  std::optional<probe::Answer> ask(const std::string& request) {
    if (!client_.send(request)) return std::nullopt;
    return client_.answer();
  }
  const std::optional<probe::Answer>& last() const { return last_; }
  probe::Client& client() { return client_; }

 private:
  std::string body(std::optional<probe::Answer> answer) {
    last_ = std::move(answer);
    if (!last_) return "none";
    return last_->status == 200 ? last_->body : std::to_string(last_->status) + " " + last_->body;
  }
  probe::Client client_;
  std::string headers_;
  std::string sid_;
  std::optional<probe::Answer> last_;
};

// Connected to "/".
inline std::string connect(Poller& poller) {
  poller.post("40");
  return poller.poll();
}
inline void connect(WsClient& client) {
  client.hear();
  client.say("40");
  client.hear();
}

}  // namespace live

#endif  // TESTS_REALTIME_POLLER_H_
