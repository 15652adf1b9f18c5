// The HTTP edge: strict framing and connections on Pistache's reactor, one port for everything.
//
// bytes -> Driver (reactor) -> Conn (state machine) -> Framer (sans-I/O) -> App::handle(Request,
// Reply)
//                                                         Reply::send, any thread -> the same Conn
// An answer belongs to a connection object and a request number, never to a descriptor, so it
// cannot reach another client.
#ifndef GATEWAY_HTTP_SERVER_H_
#define GATEWAY_HTTP_SERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "gateway/base/metrics.h"
#include "gateway/base/result.h"
#include "gateway/http/message.h"

namespace gateway::http {

class Conn;

// The right and duty to answer one request, exactly once. Move-only; any one thread at a time.
// Destroyed unanswered it answers 500 and is counted as dropped: each of those is a bug.
class Reply {
 public:
  Reply() = default;
  Reply(Reply&&) noexcept;
  Reply& operator=(Reply&&) noexcept;
  ~Reply();
  // Answers. On the reactor's own thread at once, from any other through its inbox. Silently
  // dropped where the client is gone.
  void send(Response response);
  bool valid() const { return conn_ != nullptr; }
  // `gone` runs on the reactor's thread, at most once, if the client leaves while the answer is
  // due. Only inside App::handle; it must not own this Reply and should only post.
  void on_gone(std::function<void()> gone);

 private:
  friend class Conn;
  Reply(std::shared_ptr<Conn> conn, std::uint64_t number);
  std::shared_ptr<Conn> conn_;
  std::uint64_t number_ = 0;
};

// What stands behind the edge. All methods run on a reactor's thread and must not block.
class App {
 public:
  virtual ~App() = default;
  // The head has come and announces a body; the largest this request may have, in bytes.
  virtual std::size_t body_limit(const Request& head) = 0;
  // The edge refuses a request whose head has come (its body is too large, too slow, malformed):
  // what the answer's head has to say beside, as who may read it.
  virtual Headers refusal_headers(const Request&) { return {}; }
  // A whole request. Exceptions become 500.
  virtual void handle(Request&& request, Reply&& reply) = 0;
  // True where this upgrade request shall leave the reactor; false: it is an ordinary request.
  virtual bool takes_upgrade(const Request&) { return false; }
  // The socket is the application's now, with bytes that came behind the head; it closes `fd`.
  virtual void upgraded(Request&& head, int fd, std::string bytes_behind_head);
};

struct Limits {
  std::size_t head_bytes = 16u << 10;
  std::size_t header_lines = 100;
  std::size_t target_bytes = 4u << 10;
  // Requests in flight, whole process; above: 503. Those that have grown large are counted apart,
  // so that a few of them leave the others their room.
  std::size_t buffered_bytes = 64u << 20;
  std::size_t large_request_bytes = 1u << 20;
  std::size_t large_buffered_bytes = 256u << 20;
  std::size_t connections = 0;  // 0: descriptor limit less 256
  std::chrono::milliseconds head_timeout{5'000};
  std::chrono::milliseconds body_timeout{10'000};  // and a second more for each 64 KiB that came
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds write_timeout{30'000};  // without any progress
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: chosen by the kernel, see Server::port
  int reactors = 1;
  Limits limits;
};

// Owns its reactor threads. start, drain and the destructor from one thread.
class Server {
 public:
  Server(ServerOptions options, App& app, Metrics& metrics);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds and starts the reactors. Errc::unavailable names the address and the system's reason.
  Result<> start();
  std::uint16_t port() const;
  // Stops accepting, closes idle connections, lets every answer due go out with Connection: close,
  // and returns when none is in flight or the deadline has passed; then stops the reactors.
  // Returns the number of requests that were cut off.
  std::size_t drain(std::chrono::milliseconds deadline);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace gateway::http

#endif  // GATEWAY_HTTP_SERVER_H_
