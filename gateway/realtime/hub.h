// Socket.IO without I/O: sockets in namespaces and rooms, acks, and what a client may say when.
//
// A Client stands above one Engine.IO session and has a Socket for each namespace it joined; the
// Hub knows them all. Everything is for the loop's thread. Frames go down by EngineConnection,
// which never calls back from inside.
#ifndef GATEWAY_REALTIME_HUB_H_
#define GATEWAY_REALTIME_HUB_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/base/task.h"
#include "gateway/realtime/app.h"
#include "gateway/realtime/engine_server.h"
#include "gateway/realtime/socketio_codec.h"

namespace gateway::realtime {

struct HubLimits {
  CodecLimits codec;
  std::int64_t connect_timeout_ms = 10'000;  // without any namespace
  int connect_failures = 3;
  std::size_t sockets_per_group = 2'000;
  std::size_t acks = 64;  // of the server's own that a socket may owe
  std::size_t pending_packets = 256;  // while a CONNECT is being decided
  std::size_t pending_bytes = 256u << 10;
};

struct HubOptions {
  HubLimits limits;
  std::vector<std::string> namespaces = {"/"};
  bool recovery = false;
};

// Called with the answer's array, or with nothing where none came.
using AckCallback = std::function<void(const sdk::json::Document* answer)>;

class Hub {
 public:
  // `on_loop` runs work on the loop's thread, at once where it is called there. `new_id` makes
  // secrets nobody can guess.
  using OnLoop = std::function<void(Task<void()>)>;
  using NewId = std::function<std::string()>;
  Hub(HubOptions options, App& app, OnLoop on_loop, NewId new_id);
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  std::unique_ptr<EngineHandler> open(EngineConnection& connection, std::int64_t now_ms);

  // Any thread: only the encoding.
  Parcel encode(const Emission& emission) const;

  // Everybody in any of the rooms, once, except the socket with that id.
  void emit(const std::string& nsp, std::span<const std::string> rooms, const Parcel& parcel,
            std::string_view except = {});
  std::shared_ptr<Socket> find(const std::string& id) const;
  std::vector<std::shared_ptr<Socket>> members(const std::string& nsp,
                                               const std::string& room) const;
  std::size_t sockets() const { return sockets_.size(); }

 private:
  friend class Ack;
  friend class Client;
  friend class Connect;
  friend class Socket;
  struct Room {
    std::string name;
    std::vector<Socket*> members;
  };
  struct Namespace {
    std::string name;
    std::unordered_map<std::string, std::unique_ptr<Room>> rooms;
  };

  Namespace* find_namespace(std::string_view name);
  const Room* find_room(const std::string& nsp, const std::string& room) const;

  const HubOptions options_;
  App& app_;
  const OnLoop on_loop_;
  const NewId new_id_;
  std::vector<Namespace> namespaces_;
  std::unordered_map<std::string, std::shared_ptr<Socket>> sockets_;  // connected ones, by id
  std::unordered_map<std::string, std::size_t> groups_;
  std::uint64_t round_ = 0;  // of emit
};

class Socket : public std::enable_shared_from_this<Socket> {
 public:
  Socket(Hub& hub, Client& client, Hub::Namespace& nsp, const Handshake& handshake);

  const std::string& id() const { return id_; }
  const std::string& pid() const { return pid_; }  // empty without recovery
  const std::string& nsp() const { return namespace_.name; }
  const Handshake& handshake() const { return handshake_; }
  bool is_connected() const { return state_ == State::connected; }
  template <class T>
  T* context() const {
    return static_cast<T*>(context_.get());
  }

  // False: it has as many as it may.
  bool join(const std::string& room);
  void leave(std::string_view room);
  bool is_in(std::string_view room) const;
  std::vector<std::string> rooms() const;

  void emit(const Emission& emission);
  // False, and no call: too many are owed already.
  bool emit_with_ack(const Emission& emission, std::int64_t timeout_ms, AckCallback callback);
  void disconnect(Disconnect how, Reason reason);
  // From now on; replaces Permission::lifetime_ms.
  void set_lifetime(std::optional<std::int64_t> lifetime_ms);

 private:
  friend class Ack;
  friend class Client;
  friend class Connect;
  friend class Hub;
  enum class State { connecting, connected, gone };
  struct Pending {
    std::uint64_t id = 0;
    std::int64_t deadline_ms = 0;
    AckCallback callback;
  };
  // A bucket for what is served, and one ten times as large for what is borne.
  struct Bucket {
    double tokens = 0;
    std::int64_t filled_ms = 0;
    bool take(double rate, double burst, std::int64_t now_ms);
  };

  void deliver(const Parcel& parcel);
  void send(std::span<const Frame> frames, bool is_volatile);
  void listen(const std::vector<std::string>& rooms);
  void accept(Permission permission);
  void refuse(const Refusal& refusal);
  void leave_rooms();
  void end(Reason reason);
  void on_ack(std::uint64_t id, const sdk::json::Document& answer);
  void tick(std::int64_t now_ms);
  std::int64_t deadline() const;

  Hub& hub_;
  Client* client_;
  Hub::Namespace& namespace_;
  const Handshake handshake_;
  State state_ = State::connecting;
  std::string id_;
  std::string pid_;
  std::string group_;
  std::shared_ptr<void> context_;
  std::vector<Hub::Room*> rooms_;
  std::size_t max_rooms_ = 0;
  std::size_t attachments_ = 0;
  double rate_ = 0;
  double burst_ = 0;
  Bucket served_;
  Bucket borne_;
  std::int64_t expires_ms_ = INT64_MAX;
  std::uint64_t next_ack_ = 0;
  std::vector<Pending> acks_;
  std::vector<Parcel> waiting_;  // while connecting
  std::size_t waiting_bytes_ = 0;
  std::uint64_t round_ = 0;  // the last emit that reached it
};

class Client final : public EngineHandler {
 public:
  Client(Hub& hub, EngineConnection& connection, std::int64_t now_ms);
  ~Client() override;

  void on_message(bool is_binary, std::string_view data, std::int64_t now_ms) override;
  void on_closed(Reason reason) override;
  void tick(std::int64_t now_ms) override;
  std::int64_t deadline() const override;

 private:
  friend class Socket;
  void on_packet(SocketPacket packet);
  void on_connect(SocketPacket packet);
  void on_event(const std::shared_ptr<Socket>& socket, SocketPacket packet);
  std::shared_ptr<Socket> find(std::string_view nsp) const;
  // Out of the list; the socket has ended.
  void remove(const Socket& socket);
  void refuse(const std::string& nsp, const Refusal& refusal);
  void fail(Reason reason);

  Hub& hub_;
  EngineConnection& connection_;
  SocketDecoder decoder_;
  std::vector<std::shared_ptr<Socket>> sockets_;
  std::int64_t now_ms_ = 0;  // of the message being heard
  std::int64_t connect_deadline_ms_;  // INT64_MAX while it has a namespace
  int failures_ = 0;
  bool is_failed_ = false;
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_HUB_H_
