// The simulator's HTTP side: a small server that can also misbehave on purpose.
//
// One thread with an Asio loop, which calls the handlers; start and stop from one other thread. An
// answer may be given later and from any thread. It is no part of the gateway's edge: that one
// never resets a connection in the middle of an answer.
//
// One server may stand for several hosts of a platform, each on a port of its own: a gateway whose
// upstreams are redirected keeps paths and queries, but its Host header names the simulator.
#ifndef GATEWAY_SIMULATE_API_SERVER_H_
#define GATEWAY_SIMULATE_API_SERVER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::simulate {

struct HttpRequest {
  std::string host;  // the one the port stands for: "graph.facebook.com"
  std::string method;
  std::string path;   // not decoded
  std::string query;  // not decoded
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;  // names lower-case
  std::string body;
};

struct HttpReply {
  enum class Cut {
    none,
    reset,         // the connection is reset instead of an answer
    reset_midway,  // half of the answer leaves, then the connection is reset
  };
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds delay{};
  Cut cut = Cut::none;
};

class ApiServer {
 public:
  // Answers one request; the first call counts.
  using Respond = std::function<void(HttpReply reply)>;
  struct Handlers {
    // The head has come. False resets the connection before a byte of the body is read.
    std::function<bool(const HttpRequest& head)> admit;
    std::function<void(const HttpRequest& request, Respond respond)> handle;
  };
  struct Listener {
    std::string host;
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: chosen by the kernel, see port()
  };

  explicit ApiServer(Handlers handlers);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  Result<> start(const std::vector<Listener>& listeners);
  void stop();
  // Of the listener with this index; 0 before start.
  std::uint16_t port(std::size_t listener = 0) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_API_SERVER_H_
