// What an application of live traffic sees: who wants to connect, what they say, and how to answer.
//
// Threads: the callbacks of App and everything of Socket are for the loop's thread; Connect, Ack
// and the methods of Server (server.h) are for any. JSON that goes out is text: `arguments` are
// values with commas between, without brackets, and may be empty.
#ifndef GATEWAY_REALTIME_APP_H_
#define GATEWAY_REALTIME_APP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/realtime/engine_codec.h"
#include "gateway/realtime/reason.h"

namespace gateway::realtime {

class Client;
class Hub;
class Socket;

// An event as it is said to many: encoded once, shared by all.
struct Parcel {
  std::vector<Frame> frames;
  bool is_volatile = false;
  std::string offset;
};

struct Emission {
  std::string event;
  std::string arguments;
  // Of the event log, appended as the last argument where recovery is on, and then for every event
  // of the log. A client takes any last argument that is text for an offset: events without one
  // must not end with text.
  std::string offset = {};
  // What the client quotes instead where this is said out of turn, so that it does not go back.
  std::string resume = {};
  std::vector<std::string> attachments = {};
  // Dropped for those who have anything waiting: news that is worth nothing late.
  bool is_volatile = false;
  std::string nsp = "/";
};

// What one socket may.
struct Permission {
  std::vector<std::string> rooms;
  // Sockets are counted by it, see HubLimits::sockets_per_group; empty: not counted.
  std::string group = {};
  // The transport is closed behind it, so that the client comes again with a new token.
  std::optional<std::int64_t> lifetime_ms = std::nullopt;
  double events_per_second = 10;
  double event_burst = 30;
  std::size_t max_rooms = 50;
  std::size_t attachments = 0;  // of one event
  std::shared_ptr<void> context = nullptr;

  // Connection state recovery: who it was, and what it has missed, in order. The events are sent
  // before the client hears that it is connected. They must fit into its queue, see SessionLimits;
  // a client that has missed more is better not recovered, so that it reads the log by REST.
  struct Recovered {
    std::string id;  // empty: a new one
    std::string pid;
  };
  std::optional<Recovered> recovered = std::nullopt;
  std::vector<Emission> missed = {};
};

struct Refusal {
  std::string message;
  std::string data = {};  // JSON, or empty
};

// One CONNECT packet.
struct ConnectRequest {
  std::string nsp;
  std::optional<sdk::json::Document> auth;  // absent: the client sent none
  std::string ip;
  std::string origin;
  std::string pid;  // where the client wants to take up again, behind `offset`
  std::string offset;
};

// The right and duty to answer a CONNECT, once. Move-only; any one thread at a time, but not while
// the Server is being destroyed; later it does nothing. Where the client has gone the answer is
// dropped; destroyed unanswered it refuses.
class Connect {
 public:
  Connect() = default;
  Connect(Connect&& other) noexcept
      : hub_(std::exchange(other.hub_, nullptr)), socket_(std::move(other.socket_)) {}
  Connect& operator=(Connect&& other) noexcept;
  ~Connect();

  // Begins to collect what is said in these rooms, before the application looks up what the client
  // has missed: nothing falls between. What has the offset of a missed event is left out.
  void listen(std::vector<std::string> rooms);
  void accept(Permission permission);
  void refuse(Refusal refusal);
  bool valid() const { return hub_ != nullptr; }

 private:
  friend class Client;
  Connect(Hub& hub, std::weak_ptr<Socket> socket) : hub_(&hub), socket_(std::move(socket)) {}
  Hub* hub_ = nullptr;
  std::weak_ptr<Socket> socket_;
};

// The answer to an event that asked for one. As Connect, but it need not be given.
class Ack {
 public:
  Ack() = default;
  Ack(Ack&& other) noexcept
      : hub_(std::exchange(other.hub_, nullptr)),
        socket_(std::move(other.socket_)),
        id_(other.id_) {}
  Ack& operator=(Ack&& other) noexcept {
    hub_ = std::exchange(other.hub_, nullptr);
    socket_ = std::move(other.socket_);
    id_ = other.id_;
    return *this;
  }
  // Whether the client asked for an answer and has none yet.
  bool is_wanted() const { return hub_ != nullptr; }
  void send(std::string arguments, std::vector<std::string> attachments = {});

 private:
  friend class Client;
  Ack(Hub& hub, std::weak_ptr<Socket> socket, std::uint64_t id)
      : hub_(&hub), socket_(std::move(socket)), id_(id) {}
  Hub* hub_ = nullptr;
  std::weak_ptr<Socket> socket_;
  std::uint64_t id_ = 0;
};

struct Event {
  std::string name;
  sdk::json::Document data;  // the array, with the name in front
  std::vector<std::string> attachments;
  Ack ack;
  // Absent where there are fewer.
  sdk::json::Value argument(std::size_t index) const { return data.root().at(index + 1); }
  std::size_t arguments() const { return data.root().size() - 1; }
};

enum class Disconnect {
  leave_namespace,  // the client does not come again by itself
  close_transport,  // it does
};

class App {
 public:
  virtual ~App() = default;
  // Answer by `connect`, now or later.
  virtual void on_connect(ConnectRequest&& request, Connect&& connect) = 0;
  // Its CONNECT has been answered.
  virtual void on_connected(Socket&) {}
  virtual void on_event(Socket& socket, Event&& event) = 0;
  // Has left its rooms. For those who were connected only.
  virtual void on_disconnect(Socket&, Reason) {}
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_APP_H_
