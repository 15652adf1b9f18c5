// One Engine.IO 4 session: handshake, polling, heartbeat, upgrade to a WebSocket, closing, and a
// bounded queue of what goes out. Pure: requests, frames and time in; answers and frames out by
// Wire. Needs no socket and no clock.
//
// Rules of the reference server (engine.io 6.6, https://github.com/socketio/socket.io, read
// 2026-11-20), except where they are known to hurt: its queue has no bound, the heartbeat of a
// session that upgrades may be forgotten, and a polling client waits up to 100 ms for its upgrade.
//
// Owned by one peer of the EngineServer, used on its thread. Wire may be called from within every
// method, and may call send and close back from on_message.
#ifndef GATEWAY_REALTIME_ENGINE_SESSION_H_
#define GATEWAY_REALTIME_ENGINE_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/realtime/engine_codec.h"
#include "gateway/realtime/reason.h"

namespace gateway::realtime {

struct SessionLimits {
  std::int64_t ping_interval_ms = 25'000;
  std::int64_t ping_timeout_ms = 20'000;
  std::int64_t upgrade_timeout_ms = 10'000;
  // A polling client that is closed hears it by its next GET, if that comes in time.
  std::int64_t close_timeout_ms = 30'000;
  std::size_t max_payload = 100'000;  // of a POST or a WebSocket message, told to the client
  std::size_t out_bytes = 256u << 10;
  std::size_t out_packets = 1024;
};

enum class Transport { polling, websocket };

class Session {
 public:
  class Wire {
   public:
    virtual ~Wire() = default;
    // The held GET, 200.
    virtual void answer_poll(std::string payload) = 0;
    // Frames wait for the WebSocket: see front.
    virtual void flush() = 0;
    // The WebSocket shall close, with a closing handshake or at once.
    virtual void close_socket(bool at_once) = 0;
    // The second WebSocket of a session that tries to upgrade.
    virtual void send_to_probe(std::string_view packet) = 0;
    virtual void drop_probe() = 0;
    // It is the session's only transport from now on.
    virtual void take_probe() = 0;
    virtual void on_message(bool is_binary, std::string_view data) = 0;
    // Once. The session sends nothing of the application's any more, except what was queued.
    virtual void on_closed(Reason reason) = 0;
  };

  // `sid` is told to the client; the open packet is queued.
  Session(const SessionLimits& limits, Wire& wire, Transport transport, std::string_view sid,
          std::int64_t now_ms);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Polling. False: to be answered 400; the session may have been closed for it.
  bool poll();
  bool post(std::string_view payload);
  // The client gave up the GET that was held.
  void poll_aborted();
  // A request that breaks a rule: closes.
  void bad_request() { close(Reason::transport_error, Flush::no); }

  // The WebSocket.
  void frame(bool is_binary, std::string_view bytes, std::int64_t now_ms);
  void socket_ended();
  // What is to be written now, one at a time; stays queued and counted until `written`.
  const Frame* front() const { return begin_ < queue_.size() ? &queue_[begin_] : nullptr; }
  void written();

  // The probing WebSocket. False: there may be none now; close that one.
  bool attach_probe(std::int64_t now_ms);
  void probe_frame(bool is_binary, std::string_view bytes, std::int64_t now_ms);
  void probe_ended();
  // The client has been told that it may upgrade and must not poll meanwhile.
  bool is_upgrading() const { return probe_ == Probe::answered; }

  enum class Delivery { must, may_drop };
  // The frames of one message, kept together. `may_drop`: only if nothing waits. False: not sent;
  // with Delivery::must that has closed the session.
  bool send(std::span<const Frame> frames, Delivery delivery);
  enum class Flush { no, yes };
  void close(Reason reason, Flush flush);

  // Time passes. To be called when `deadline` is due and before every request.
  void tick(std::int64_t now_ms);
  std::int64_t deadline() const;

  Transport transport() const { return transport_; }
  bool is_open() const { return state_ == State::open; }
  // Nothing is left to say; the session can be forgotten.
  bool is_over() const { return state_ == State::over; }
  bool holds_poll() const { return poll_held_; }
  std::size_t queued_bytes() const { return queued_bytes_; }
  std::size_t queued_packets() const { return queue_.size() - begin_; }

 private:
  enum class State { open, closing, over };
  enum class Probe { none, attached, answered };

  // False where the session ended with it.
  bool packet(const EnginePacket& packet, std::int64_t now_ms);
  void enqueue(Frame frame);
  void flush();
  void answer_poll();
  void leave_polling();
  void drop_probe();
  void finish();

  const SessionLimits& limits_;
  Wire& wire_;
  State state_ = State::open;
  Transport transport_;
  Probe probe_ = Probe::none;
  bool poll_held_ = false;
  bool awaits_pong_ = false;
  bool client_left_ = false;
  std::vector<Frame> queue_;  // those before begin_ have been written
  std::size_t begin_ = 0;
  std::size_t queued_bytes_ = 0;
  std::int64_t now_ms_ = 0;
  std::int64_t heartbeat_ms_ = 0;  // a ping is due, or its pong
  std::int64_t probe_deadline_ms_ = 0;
  std::int64_t close_deadline_ms_ = 0;
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_ENGINE_SESSION_H_
