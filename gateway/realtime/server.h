// Live traffic for Socket.IO clients (v3 and v4: Engine.IO 4, Socket.IO 5) behind the HTTP edge.
//
// Threads. One loop thread owns every session, socket, room and timer, so rooms need no locks and
// each room has one order. The edge's reactors only look at a request, answer what is wrong by
// itself, and post the rest. The application's callbacks run on the loop's thread and must not
// wait: what needs the database is handed to a worker with its Connect or Ack, which may be
// answered from there. Everything below may be called from any thread; calls from one thread keep
// their order.
//
// Owned by the application's root, which also calls handle, takes_upgrade and upgraded for the
// requests that are for `path`. Order of ending: stop (held polls are answered), then the edge's
// drain, then this, then the App.
#ifndef GATEWAY_REALTIME_SERVER_H_
#define GATEWAY_REALTIME_SERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/base/metrics.h"
#include "gateway/http/server.h"
#include "gateway/realtime/app.h"
#include "gateway/realtime/engine_server.h"
#include "gateway/realtime/hub.h"
#include "gateway/realtime/loop.h"

namespace gateway::realtime {

struct ServerOptions {
  EngineOptions engine;
  HubOptions hub;
};

class Server {
 public:
  Server(ServerOptions options, App& app, Metrics& metrics);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start();
  // Closes the sessions spread over that time, then ends the thread. Requests get 503 from the
  // beginning.
  void stop(std::chrono::milliseconds spread = {});

  // From http::App, for requests whose path is path().
  const std::string& path() const { return engine_.path(); }
  std::size_t body_limit() const { return engine_.body_limit(); }
  bool takes_upgrade(const http::Request& head) { return engine_.takes_upgrade(head); }
  http::Headers refusal_headers(const http::Request& head) const {
    return engine_.refusal_headers(head);
  }
  void handle(http::Request&& request, http::Reply&& reply) {
    engine_.handle(std::move(request), std::move(reply));
  }
  void upgraded(http::Request&& head, int fd, std::string bytes_behind_head) {
    engine_.upgraded(std::move(head), fd, std::move(bytes_behind_head));
  }

  // Everybody in any of the rooms, once, except the socket with that id.
  void emit(std::vector<std::string> rooms, const Emission& emission, std::string except = {});
  void emit_to(std::string socket_id, const Emission& emission);
  // `callback` is called on the loop's thread, once; with nothing where the socket is gone, owes
  // too many answers or does not answer in time.
  void emit_with_ack(std::string socket_id, Emission emission, std::chrono::milliseconds timeout,
                     AckCallback callback);
  void join(std::string socket_id, std::string room);
  void leave(std::string socket_id, std::string room);
  // Everybody out of a room.
  void empty_room(std::string nsp, std::string room);
  void disconnect(std::string socket_id, Disconnect how, Reason reason);
  void disconnect_room(std::string nsp, std::string room, Disconnect how, Reason reason);
  void set_lifetime(std::string socket_id, std::optional<std::int64_t> lifetime_ms);
  // Runs work on the loop's thread; at once where this is it.
  void run(Task<void()> work);
  // For callbacks of the App.
  Hub& hub() { return hub_; }
  std::size_t sessions() const { return engine_.sessions(); }

 private:
  void with_socket(std::string socket_id, Task<void(Socket&)> work);

  Loop loop_;
  Hub hub_;
  EngineServer engine_;
  bool runs_ = false;
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_SERVER_H_
