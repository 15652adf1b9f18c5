// Engine.IO 4 behind the HTTP edge: polling by held replies, WebSockets by take-over, both ends of
// the upgrade between them, and who may come in at all.
//
//   reactor's thread                               loop's thread
//   http::App::handle ---- request, Reply --post-> peer -> Session -> EngineHandler
//   http::App::upgraded -- socket, head ---post--> WebSocket ^
//
// What can be refused by the request alone is answered on the reactor's thread.
#ifndef GATEWAY_REALTIME_ENGINE_SERVER_H_
#define GATEWAY_REALTIME_ENGINE_SERVER_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "gateway/auth/client_ip.h"
#include "gateway/base/metrics.h"
#include "gateway/http/server.h"
#include "gateway/realtime/engine_request.h"
#include "gateway/realtime/engine_session.h"
#include "gateway/realtime/gate.h"
#include "gateway/realtime/loop.h"

namespace gateway::realtime {

// What is known of a client before it has said anything.
struct Handshake {
  std::string ip;
  std::string origin;  // empty: not a browser, or a page of the same origin by polling
};

// One session, as what stands above sees it. Loop's thread.
class EngineConnection {
 public:
  virtual ~EngineConnection() = default;
  virtual const Handshake& handshake() const = 0;
  // As Session::send and close; on_closed comes later, never from inside.
  virtual bool send(std::span<const Frame> frames, Session::Delivery delivery) = 0;
  virtual void close(Reason reason, Session::Flush flush) = 0;
  virtual std::int64_t now_ms() const = 0;
  // The handler's deadline has come nearer, outside of a call to it.
  virtual void wake() = 0;
};

// What stands above one session. Loop's thread.
class EngineHandler {
 public:
  virtual ~EngineHandler() = default;
  virtual void on_message(bool is_binary, std::string_view data, std::int64_t now_ms) = 0;
  // Last; the connection is not to be used any more.
  virtual void on_closed(Reason reason) = 0;
  // As Session::tick and deadline. The deadline is looked at behind every other call.
  virtual void tick(std::int64_t now_ms) = 0;
  virtual std::int64_t deadline() const = 0;
};

struct EngineOptions {
  std::string path = "/socket.io/";
  // Begins every session id, so that a proxy can send polling requests to the right node.
  std::string node_tag = "0";
  SessionLimits session;
  // So long a GET waits while its client upgrades: the end of the upgrade comes on another
  // connection and may be overtaken. A client that waits for its GET, so that it can end the
  // upgrade, hardly notices.
  std::int64_t upgrade_grace_ms = 10;
  GateLimits gate;
  Cors cors;
  auth::TrustedProxies proxies;
};

class EngineServer {
 public:
  using Open = std::function<std::unique_ptr<EngineHandler>(EngineConnection&, std::int64_t)>;

  // `open` is called on the loop's thread for each session.
  EngineServer(EngineOptions options, Loop& loop, Metrics& metrics, Open open);
  ~EngineServer();
  EngineServer(const EngineServer&) = delete;
  EngineServer& operator=(const EngineServer&) = delete;

  // The parts of http::App, for requests whose path is `path`. Any thread.
  const std::string& path() const { return options_.path; }
  std::size_t body_limit() const { return options_.session.max_payload; }
  // Of a refusal before the request gets here.
  http::Headers refusal_headers(const http::Request& head) const;
  bool takes_upgrade(const http::Request& head);
  void handle(http::Request&& request, http::Reply&& reply);
  void upgraded(http::Request&& head, int fd, std::string bytes_behind_head);

  // Lets nobody in any more and closes the sessions one after the other within `spread`, so that
  // not all clients come to another node at once; returns when all have gone, or a second later.
  // The loop still runs, and is stopped before this is destroyed. Not from the loop's thread.
  void drain(std::chrono::milliseconds spread);

  std::size_t sessions() const { return gate_.sessions(); }
  struct Instruments;

 private:
  class Peer;
  friend class Peer;
  struct Call;

  std::string new_sid() const;
  // Welcome: nothing, and the place is taken.
  std::optional<http::Response> refuse_entry(const std::string& network);
  void on_call(Call call, int turns);
  void on_upgraded(http::Request head, EngineRequest asked, int fd, std::string bytes);
  void on_poll_gone(const std::string& sid, std::uint64_t ticket);
  std::shared_ptr<Peer> find(const std::string& sid) const;
  void remove(Peer& peer);
  // Returns how many were not closed to the end.
  std::size_t close_some(std::size_t most);

  const EngineOptions options_;
  Loop& loop_;
  const Open open_;
  const std::unique_ptr<Instruments> instruments_;
  Gate gate_;
  std::atomic<bool> draining_{false};
  std::atomic<std::uint64_t> tickets_{0};

  // The loop's.
  std::unordered_map<std::string, std::shared_ptr<Peer>> peers_;
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_ENGINE_SERVER_H_
