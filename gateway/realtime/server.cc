#include "gateway/realtime/server.h"

#include <stdexcept>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "gateway/auth/random.h"

namespace gateway::realtime {

namespace {

constexpr std::size_t kIdBytes = 15;  // 20 characters

std::string new_id() {
  auto bytes = auth::random_bytes(kIdBytes);
  if (!bytes) throw std::runtime_error(bytes.error().message);
  return sdk::base64url(*bytes);
}

// A packet comes in messages of at most that size, and is no larger with its attachments.
HubOptions with_packet_limit(HubOptions options, std::size_t bytes) {
  options.limits.codec.packet_bytes = bytes;
  return options;
}

}  // namespace

Server::Server(ServerOptions options, App& app, Metrics& metrics)
    : hub_(with_packet_limit(std::move(options.hub), options.engine.session.max_payload), app, [this](Task<void()> work) { run(std::move(work)); },
           new_id),
      engine_(std::move(options.engine), loop_, metrics,
              [this](EngineConnection& connection, std::int64_t now_ms) {
                return hub_.open(connection, now_ms);
              }) {}

Server::~Server() { stop(); }

void Server::start() {
  loop_.start();
  runs_ = true;
}

void Server::stop(std::chrono::milliseconds spread) {
  if (!std::exchange(runs_, false)) return;
  engine_.drain(spread);
  loop_.stop();
}

void Server::run(Task<void()> work) {
  if (loop_.on_own_thread()) {
    work();
  } else {
    loop_.post(std::move(work));
  }
}

void Server::with_socket(std::string socket_id, Task<void(Socket&)> work) {
  run([this, id = std::move(socket_id), work = std::move(work)]() mutable {
    if (const auto socket = hub_.find(id)) work(*socket);
  });
}

void Server::emit(std::vector<std::string> rooms, const Emission& emission, std::string except) {
  run([this, nsp = emission.nsp, rooms = std::move(rooms), parcel = hub_.encode(emission),
       except = std::move(except)] { hub_.emit(nsp, rooms, parcel, except); });
}

void Server::emit_to(std::string socket_id, const Emission& emission) {
  with_socket(std::move(socket_id), [emission](Socket& socket) { socket.emit(emission); });
}

void Server::emit_with_ack(std::string socket_id, Emission emission,
                           std::chrono::milliseconds timeout, AckCallback callback) {
  run([this, id = std::move(socket_id), emission = std::move(emission), timeout,
       callback = std::move(callback)]() mutable {
    const auto socket = hub_.find(id);
    if (!socket || !socket->emit_with_ack(emission, timeout.count(), callback)) callback(nullptr);
  });
}

void Server::join(std::string socket_id, std::string room) {
  with_socket(std::move(socket_id),
              [room = std::move(room)](Socket& socket) { socket.join(room); });
}

void Server::leave(std::string socket_id, std::string room) {
  with_socket(std::move(socket_id),
              [room = std::move(room)](Socket& socket) { socket.leave(room); });
}

void Server::empty_room(std::string nsp, std::string room) {
  run([this, nsp = std::move(nsp), room = std::move(room)] {
    for (const auto& socket : hub_.members(nsp, room)) socket->leave(room);
  });
}

void Server::disconnect(std::string socket_id, Disconnect how, Reason reason) {
  with_socket(std::move(socket_id),
              [how, reason](Socket& socket) { socket.disconnect(how, reason); });
}

void Server::disconnect_room(std::string nsp, std::string room, Disconnect how, Reason reason) {
  run([this, nsp = std::move(nsp), room = std::move(room), how, reason] {
    for (const auto& socket : hub_.members(nsp, room)) socket->disconnect(how, reason);
  });
}

void Server::set_lifetime(std::string socket_id, std::optional<std::int64_t> lifetime_ms) {
  with_socket(std::move(socket_id),
              [lifetime_ms](Socket& socket) { socket.set_lifetime(lifetime_ms); });
}

}  // namespace gateway::realtime
