// The simulator's HTTP side: a small server that can also misbehave on purpose.
//
// One thread with an Asio loop, which calls the handler; start and stop from one other thread. It
// is no part of the gateway's edge: that one never resets a connection in the middle of an answer.
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
  std::string method;
  std::string path;   // not decoded
  std::string query;  // not decoded
  std::string content_type;
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
  struct Handlers {
    // The head has come. False resets the connection before a byte of the body is read.
    std::function<bool(const HttpRequest& head)> admit;
    std::function<HttpReply(const HttpRequest& request)> handle;
  };

  explicit ApiServer(Handlers handlers);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Port 0: chosen by the kernel, see port().
  Result<> start(const std::string& address, std::uint16_t port);
  void stop();
  std::uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_API_SERVER_H_
