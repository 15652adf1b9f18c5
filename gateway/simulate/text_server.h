// A TCP server for dialogs in text, with or without TLS.
//
// One thread with an Asio loop, which asks the protocols; start and stop from one other thread.
#ifndef GATEWAY_SIMULATE_TEXT_SERVER_H_
#define GATEWAY_SIMULATE_TEXT_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::simulate {

// One connection's side of a dialog. After each call of receive the server looks at `next`.
class TextProtocol {
 public:
  enum class Next {
    read,
    start_tls,  // once the answer is written
    close,      // once the answer is written
    drop,       // at once, with a reset
  };
  virtual ~TextProtocol() = default;
  virtual std::string greeting() = 0;
  // What to answer to these bytes; may be nothing yet.
  virtual std::string receive(std::string_view bytes) = 0;
  // TLS begins now.
  virtual void secured() = 0;
  Next next = Next::read;
};

class TextServer {
 public:
  struct Listener {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: chosen by the kernel, see port()
    bool implicit_tls = false;
    std::function<std::unique_ptr<TextProtocol>()> open;
  };

  TextServer();
  ~TextServer();
  TextServer(const TextServer&) = delete;
  TextServer& operator=(const TextServer&) = delete;

  // PEM; needed before start where a protocol or listener uses TLS.
  Result<> use_certificate(const std::string& certificate, const std::string& private_key);
  Result<> start(std::vector<Listener> listeners);
  void stop();
  std::uint16_t port(std::size_t listener) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_TEXT_SERVER_H_
