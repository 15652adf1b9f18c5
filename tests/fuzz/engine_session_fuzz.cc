// A session and the Socket.IO hub above it, driven by bytes: requests, frames, probes, time, and an
// application that talks back. Whatever comes, a GET is answered once, messages keep their order
// and come once, the queue stays within its bounds, and the end is announced once.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/log.h"
#include "gateway/realtime/hub.h"

namespace {

using namespace gateway::realtime;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

SessionLimits session_limits() {
  return {.ping_interval_ms = 300,
          .ping_timeout_ms = 200,
          .upgrade_timeout_ms = 100,
          .close_timeout_ms = 1000,
          .max_payload = 1000,
          .out_bytes = 500,
          .out_packets = 20};
}

class FuzzApp final : public App {
 public:
  void on_connect(ConnectRequest&& request, Connect&& connect) override {
    if (request.auth && request.auth->root()["no"].exists()) return connect.refuse({"no"});
    if (request.auth && request.auth->root()["later"].exists()) {
      later = std::move(connect);
      return;
    }
    Permission permission;
    permission.rooms = {"all"};
    permission.attachments = 2;
    connect.accept(std::move(permission));
  }
  void on_event(Socket& socket, Event&& event) override {
    if (event.name == "join") socket.join(event.argument(0).dump());
    if (event.name == "leave") socket.leave(event.argument(0).dump());
    if (event.name == "out") socket.disconnect(Disconnect::leave_namespace, Reason::server_leave);
    if (event.name == "close") socket.disconnect(Disconnect::close_transport, Reason::expired);
    if (event.name == "ask") {
      socket.emit_with_ack({"ask", "1"}, 100, [](const sdk::json::Document*) {});
    }
    event.ack.send("1");
  }
  void on_disconnect(Socket& socket, Reason) override { require(socket.rooms().empty(), "rooms"); }

  Connect later;
};

// The peer of engine_server.cc, without its sockets.
class Peer final : public EngineConnection, public Session::Wire {
 public:
  Peer(Hub& hub, Transport transport, const std::int64_t& now)
      : now_(now),
        session_(limits_, *this, transport, "the-sid", now),
        handler_(hub.open(*this, now)) {}

  const Handshake& handshake() const override { return handshake_; }
  bool send(std::span<const Frame> frames, Session::Delivery delivery) override {
    const bool is_sent = session_.send(frames, delivery);
    require(session_.queued_packets() <= limits_.out_packets + 12, "few packets wait");
    return is_sent;
  }
  void close(Reason reason, Session::Flush flush) override { session_.close(reason, flush); }
  std::int64_t now_ms() const override { return now_; }
  void wake() override {}

  void answer_poll(std::string payload) override {
    require(held_, "only a held GET is answered");
    held_ = false;
    PacketReader reader(payload, PacketReader::Unit::payload);
    EnginePacket packet;
    while (reader.next(packet)) heard(packet.is_binary ? "" : packet.data);
    require(!reader.failed(), "what we write can be read");
  }
  void flush() override {}
  void close_socket(bool) override { closing_ = true; }
  void send_to_probe(std::string_view packet) override {
    require(probe_ && packet == "3probe", "a probe is answered");
  }
  void drop_probe() override {
    require(probe_, "one probe is dropped");
    probe_ = false;
  }
  void take_probe() override {
    require(probe_ && !upgraded_, "one probe is taken");
    probe_ = false;
    upgraded_ = true;
  }
  void on_message(bool is_binary, std::string_view data) override {
    require(session_.is_open(), "nothing is heard behind the end");
    handler_->on_message(is_binary, data, now_);
  }
  void on_closed(Reason reason) override {
    require(!closed_, "the end comes once");
    closed_ = reason;
  }

  // What the loop does behind each call.
  void settle() {
    if (closed_ && handler_) {
      handler_->on_closed(*closed_);
      handler_ = nullptr;
    }
    require(!session_.is_over() || closed_.has_value(), "an end has a reason");
    require(held_ == session_.holds_poll(), "held here and there");
  }
  void poll() {
    if (held_) {
      require(!session_.poll(), "two GETs");
    } else {
      held_ = true;
      if (!session_.poll()) held_ = false;
    }
  }
  void abort_poll() {
    held_ = false;
    session_.poll_aborted();
  }
  void write() {
    if (const Frame* frame = session_.front()) {
      if (!frame->is_binary) heard(std::string_view(*frame->bytes).substr(1));
      session_.written();
    }
  }
  void attach() {
    const bool is_wanted = session_.attach_probe(now_);
    require(!is_wanted || !probe_, "one probe at a time");
    probe_ = probe_ || is_wanted;
  }
  void probe(bool is_binary, std::string_view bytes) {
    if (probe_) session_.probe_frame(is_binary, bytes, now_);
  }
  void probe_ended() {
    if (std::exchange(probe_, false)) session_.probe_ended();
  }
  void tick() {
    session_.tick(now_);
    if (handler_ && session_.is_open()) handler_->tick(now_);
  }
  Session& session() { return session_; }

 private:
  // Numbered broadcasts: never one twice, never an earlier behind a later.
  void heard(std::string_view packet) {
    constexpr std::string_view kNews = R"(2["n",)";
    if (!packet.starts_with(kNews)) return;
    const auto number = std::stol(std::string(packet.substr(kNews.size())));
    require(number > last_, "in order, once");
    last_ = number;
  }

  const SessionLimits limits_ = session_limits();
  const std::int64_t& now_;
  Handshake handshake_;
  Session session_;
  std::unique_ptr<EngineHandler> handler_;
  std::optional<Reason> closed_;
  bool held_ = false;
  bool probe_ = false;
  bool upgraded_ = false;
  bool closing_ = false;
  long last_ = -1;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gateway::log::set_level(gateway::log::Level::off);
  if (size < 1) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::int64_t now = 0;
  int ids = 0;
  long number = 0;
  HubOptions options;
  options.recovery = (rest.front() & 2) != 0;
  options.namespaces = {"/", "/b"};
  FuzzApp app;
  Hub hub(
      options, app, [](gateway::Task<void()> work) { work(); },
      [&ids] { return "id" + std::to_string(++ids); });
  const std::vector<std::string> all = {"all"};
  {
    const bool is_polling = (rest.front() & 1) == 0;
    Peer peer(hub, is_polling ? Transport::polling : Transport::websocket, now);
    rest.remove_prefix(1);
    while (!rest.empty()) {
      const char what = rest.front();
      rest.remove_prefix(1);
      const auto end = rest.find('\n');
      const auto text = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      switch (what) {
        case 'g':
          peer.poll();
          break;
        case 'p':
          peer.session().post(text);
          break;
        case 'a':
          peer.abort_poll();
          break;
        case 'f':
          if (peer.session().transport() == Transport::websocket) {
            peer.session().frame(false, text, now);
          }
          break;
        case 'b':
          if (peer.session().transport() == Transport::websocket) {
            peer.session().frame(true, text, now);
          }
          break;
        case 'w':
          if (peer.session().transport() == Transport::websocket) peer.write();
          break;
        case 'x':
          peer.session().socket_ended();
          break;
        case 'u':
          peer.attach();
          break;
        case 'q':
          peer.probe(false, text);
          break;
        case 'r':
          peer.probe(true, text);
          break;
        case 'v':
          peer.probe_ended();
          break;
        case 't':
          now += text.empty() ? 100 : static_cast<unsigned char>(text.front());
          peer.tick();
          break;
        case 'e':
          hub.emit("/", all, hub.encode({"n", std::to_string(number++)}));
          break;
        case 'l':
          app.later.accept({.rooms = {"all"}});
          break;
        case 'c':
          peer.close(Reason::forced_close, Session::Flush::yes);
          break;
        default:
          break;
      }
      peer.settle();
    }
  }
  require(hub.sockets() == 0, "nobody stays behind");
  return 0;
}
