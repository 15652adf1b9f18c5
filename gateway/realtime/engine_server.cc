#include "gateway/realtime/engine_server.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/auth/random.h"
#include "gateway/base/log.h"
#include "gateway/realtime/websocket.h"

namespace gateway::realtime {

namespace {

constexpr std::size_t kSidLength = 20;
// A frame that has arrived is looked at before a request that came behind it.
constexpr int kTurnsForFrames = 16;

bool is_websocket(const http::Request& request) {
  return request.method == "GET" &&
         sdk::equals_ignoring_case(request.header("upgrade"), "websocket") &&
         sdk::lower_ascii(request.header("connection")).find("upgrade") != std::string::npos;
}

// Accepts and closes: for a second WebSocket of a session that has one.
class Refuser final : public WebSocket::Owner {
 public:
  void on_open(WebSocket& socket) override { socket.close(); }
  void on_frame(WebSocket&, bool, std::string_view) override {}
  void on_written(WebSocket&) override {}
  void on_ended(WebSocket&) override {}
};

const std::shared_ptr<WebSocket::Owner>& refuser() {
  static const std::shared_ptr<WebSocket::Owner> owner = std::make_shared<Refuser>();
  return owner;
}

}  // namespace

struct EngineServer::Instruments {
  explicit Instruments(Metrics& metrics)
      : sessions(metrics.gauge("backchannel_realtime_sessions", "Live sessions")),
        upgrades(metrics.counter("backchannel_realtime_upgrades_total",
                                 "Sessions that went from polling to a WebSocket")),
        received(metrics.counter("backchannel_realtime_messages_total", "Messages of live sessions",
                                 {{"direction", "in"}})),
        sent(metrics.counter("backchannel_realtime_messages_total", "Messages of live sessions",
                             {{"direction", "out"}})) {
    for (std::size_t i = 0; i < kReasons; ++i) {
      closed[i] = &metrics.counter("backchannel_realtime_closed_total",
                                   "Live sessions that ended, by reason",
                                   {{"reason", std::string(to_string(static_cast<Reason>(i)))}});
    }
    const std::array<const char*, 4> answers = {"", "handshakes", "sessions", "full"};
    for (std::size_t i = 1; i < answers.size(); ++i) {
      refused[i] = &metrics.counter("backchannel_realtime_refused_total",
                                    "Handshakes turned away by a limit", {{"limit", answers[i]}});
    }
  }

  Gauge& sessions;
  Counter& upgrades;
  Counter& received;
  Counter& sent;
  std::array<Counter*, kReasons> closed{};
  std::array<Counter*, 4> refused{};
};

// A polling request on its way to the loop.
struct EngineServer::Call {
  std::string method;
  std::string sid;  // empty: a handshake
  std::string origin;
  std::string network;  // of a handshake
  std::string ip;
  std::string body;
  bool is_octets = false;
  bool has_waited = false;
  std::uint64_t ticket = 0;
  http::Reply reply;

  void answer(const Cors& cors, http::Response response) {
    allow_origin(response, cors, origin);
    reply.send(std::move(response));
  }
};

class EngineServer::Peer final : public EngineConnection,
                                 public Session::Wire,
                                 public WebSocket::Owner,
                                 public Timed,
                                 public std::enable_shared_from_this<Peer> {
 public:
  Peer(EngineServer& server, std::string sid, Handshake handshake, std::string network)
      : server_(server),
        timer_(server.loop_, *this),
        sid_(std::move(sid)),
        handshake_(std::move(handshake)),
        network_(std::move(network)) {}

  // Out of the table: what it holds of the server goes back.
  void leave() {
    timer_.cancel();
    if (std::exchange(is_counted_, false)) server_.instruments_->sessions.add(-1);
    server_.gate_.leave(network_);
  }
  // The server ends.
  void abandon() {
    leave();
    handler_ = nullptr;
    if (socket_) socket_->drop();
    drop_probe();
  }
  bool is_open() const { return session_ && session_->is_open(); }
  bool has_socket() const { return socket_ != nullptr; }

  const std::string& sid() const { return sid_; }

  void begin(Transport transport) {
    const std::int64_t now = server_.loop_.now_ms();
    session_.emplace(server_.options_.session, *this, transport, sid_, now);
    handler_ = server_.open_(*this, now);
    server_.instruments_->sessions.add(1);
    is_counted_ = true;
    if (transport == Transport::websocket) flush();
    settle();
  }

  // A WebSocket without a session before it.
  bool open_socket(int fd, const http::Request& head, std::string bytes) {
    socket_ = WebSocket::take(server_.loop_, fd, head, std::move(bytes),
                              server_.options_.session.max_payload, weak_from_this());
    return socket_ != nullptr;
  }

  void open_probe(int fd, const http::Request& head, std::string bytes) {
    catch_up();
    const bool is_wanted = session_ && session_->attach_probe(now_ms());
    auto socket = WebSocket::take(
        server_.loop_, fd, head, std::move(bytes), server_.options_.session.max_payload,
        is_wanted ? weak_from_this() : std::weak_ptr<WebSocket::Owner>(refuser()));
    if (is_wanted) {
      probe_ = std::move(socket);
      if (!probe_) session_->probe_ended();
    }
    settle();
  }

  bool has_frames_before_requests() const {
    return session_ && session_->is_upgrading() && probe_ && probe_->has_input();
  }

  void request(Call call) {
    const auto& cors = server_.options_.cors;
    catch_up();
    if (!session_ || session_->is_over()) {
      call.answer(cors, error_answer(EngineError::unknown_sid));
    } else if (session_->transport() != Transport::polling) {
      call.answer(cors, error_answer(EngineError::bad_request));
    } else if (call.method == "GET" && session_->is_upgrading() && !call.has_waited && !late_) {
      call.has_waited = true;
      late_ = std::make_unique<Call>(std::move(call));
      late_due_ms_ = now_ms() + server_.options_.upgrade_grace_ms;
    } else if (call.method == "GET") {
      poll(std::move(call));
    } else if (call.method != "POST") {
      call.answer(cors, {405, {{"Allow", "GET, POST, OPTIONS"}}, ""});
    } else if (call.is_octets) {
      session_->bad_request();
      call.answer(cors, error_answer(EngineError::bad_request));
    } else {
      const bool is_right = session_->post(call.body);
      call.answer(cors, is_right ? post_answer() : error_answer(EngineError::bad_request));
    }
    settle();
  }

  void poll_gone(std::uint64_t ticket) {
    if (!session_) return;
    catch_up();
    // Nobody reads what is answered now.
    if (held_ && held_->ticket == ticket) {
      session_->poll_aborted();
      held_ = nullptr;
    } else if (late_ && late_->ticket == ticket) {
      late_ = nullptr;
      session_->bad_request();
    }
    settle();
  }

  // EngineConnection
  const Handshake& handshake() const override { return handshake_; }
  bool send(std::span<const Frame> frames, Session::Delivery delivery) override {
    const bool is_sent = session_->send(frames, delivery);
    if (is_sent) server_.instruments_->sent.add();
    return is_sent;
  }
  void close(Reason reason, Session::Flush flush) override {
    catch_up();
    session_->close(reason, flush);
    settle();
  }
  std::int64_t now_ms() const override { return server_.loop_.now_ms(); }
  void wake() override { settle(); }

  // Session::Wire
  void answer_poll(std::string payload) override {
    const auto held = std::exchange(held_, nullptr);
    if (held) held->answer(server_.options_.cors, payload_answer(std::move(payload)));
  }
  void flush() override {
    if (!socket_ || socket_->is_writing()) return;
    if (const Frame* frame = session_->front()) socket_->write(*frame);
  }
  void close_socket(bool at_once) override {
    if (!socket_) return;
    if (at_once) {
      std::exchange(socket_, nullptr)->drop();
    } else {
      socket_->close();
    }
  }
  void send_to_probe(std::string_view packet) override {
    if (probe_ && !probe_->is_writing()) probe_->write(text_frame(std::string(packet)));
  }
  void drop_probe() override {
    if (const auto probe = std::exchange(probe_, nullptr)) probe->drop();
  }
  void take_probe() override {
    socket_ = std::move(probe_);
    // The answer to the probe may still be under way; it was none of the session's frames.
    writes_own_ = !socket_->is_writing();
    server_.instruments_->upgrades.add();
  }
  void on_message(bool is_binary, std::string_view data) override {
    server_.instruments_->received.add();
    if (handler_) handler_->on_message(is_binary, data, now_ms());
  }
  void on_closed(Reason reason) override {
    server_.instruments_->closed[static_cast<std::size_t>(reason)]->add();
    // Later: whoever sends to many must not find them leaving meanwhile.
    server_.loop_.post([self = shared_from_this(), reason] {
      if (const auto handler = std::exchange(self->handler_, nullptr)) handler->on_closed(reason);
      self->settle();
    });
  }

  // WebSocket::Owner
  void on_open(WebSocket& socket) override {
    if (&socket == socket_.get()) begin(Transport::websocket);
  }
  void on_frame(WebSocket& socket, bool is_binary, std::string_view bytes) override {
    const auto self = shared_from_this();
    if (&socket == probe_.get()) {
      session_->probe_frame(is_binary, bytes, now_ms());
    } else if (&socket == socket_.get() && session_) {
      session_->frame(is_binary, bytes, now_ms());
    }
    settle();
  }
  void on_written(WebSocket& socket) override {
    if (&socket != socket_.get()) return;
    if (std::exchange(writes_own_, true)) session_->written();
    flush();
    settle();
  }
  void on_ended(WebSocket& socket) override {
    const auto self = shared_from_this();
    if (&socket == probe_.get()) {
      probe_ = nullptr;
      session_->probe_ended();
    } else if (&socket == socket_.get()) {
      socket_ = nullptr;
      if (!session_) return server_.remove(*this);
      session_->socket_ended();
    }
    settle();
  }

  // Timed
  void on_time(std::int64_t now) override {
    const auto self = shared_from_this();
    if (session_) session_->tick(now);
    if (handler_ && session_->is_open()) handler_->tick(now);
    settle();
  }

 private:
  // A deadline that has passed counts, even where its timer has not come yet.
  void catch_up() {
    if (session_) session_->tick(now_ms());
  }

  void poll(Call call) {
    if (session_->holds_poll()) {
      session_->poll();
      call.answer(server_.options_.cors, error_answer(EngineError::bad_request));
      return;
    }
    held_ = std::make_unique<Call>(std::move(call));
    session_->poll();
  }

  void settle() {
    if (!session_) return;
    if (late_ && (!session_->is_upgrading() || now_ms() >= late_due_ms_)) {
      const auto late = std::exchange(late_, nullptr);
      return request(std::move(*late));
    }
    if (session_->is_over() && !handler_) return server_.remove(*this);
    const bool is_open = session_->is_open() && handler_;
    timer_.at(std::min({session_->deadline(), is_open ? handler_->deadline() : INT64_MAX,
                        late_ ? late_due_ms_ : INT64_MAX}));
  }

  EngineServer& server_;
  Timer timer_;
  const std::string sid_;
  const Handshake handshake_;
  const std::string network_;
  std::optional<Session> session_;
  std::unique_ptr<EngineHandler> handler_;
  std::shared_ptr<WebSocket> socket_;
  std::shared_ptr<WebSocket> probe_;
  std::unique_ptr<Call> held_;  // the GET that waits for something to be said
  std::unique_ptr<Call> late_;  // one that came while the client upgrades
  std::int64_t late_due_ms_ = 0;
  bool is_counted_ = false;
  bool writes_own_ = true;
};

EngineServer::EngineServer(EngineOptions options, Loop& loop, Metrics& metrics, Open open)
    : options_(std::move(options)),
      loop_(loop),
      open_(std::move(open)),
      instruments_(std::make_unique<Instruments>(metrics)),
      gate_(options_.gate) {}

EngineServer::~EngineServer() {
  for (const auto& [sid, peer] : peers_) peer->abandon();
}

std::string EngineServer::new_sid() const {
  auto bytes = auth::random_bytes(kSidLength * 3 / 4);
  if (!bytes) throw std::runtime_error(bytes.error().message);
  const auto& tag = options_.node_tag;
  return tag + sdk::base64url(*bytes).substr(std::min(tag.size(), kSidLength / 2));
}

std::optional<http::Response> EngineServer::refuse_entry(const std::string& network) {
  const auto answer = gate_.enter(network, loop_.now_ms());
  if (answer == Gate::Answer::welcome) return std::nullopt;
  instruments_->refused[static_cast<std::size_t>(answer)]->add();
  switch (answer) {
    case Gate::Answer::too_many_handshakes:
      return error_answer(EngineError::forbidden, "Too many handshakes");
    case Gate::Answer::too_many_sessions:
      return error_answer(EngineError::forbidden, "Too many sessions");
    case Gate::Answer::full:
    case Gate::Answer::welcome:
      break;
  }
  return http::Response{503, {{"Retry-After", "5"}}, ""};
}

bool EngineServer::takes_upgrade(const http::Request& head) {
  const auto asked = read_request(head, true);
  if (draining_ || !asked.request || !asked.request->is_version_4) return false;
  if (!asked.request->sid.empty()) return gate_.knows(asked.request->sid);
  return !refuse_entry(auth::network_of(options_.proxies.client_of(head)));
}

void EngineServer::upgraded(http::Request&& head, int fd, std::string bytes_behind_head) {
  auto asked = read_request(head, true);
  loop_.post([this, head = std::move(head), request = *std::move(asked.request), fd,
              bytes = std::move(bytes_behind_head)]() mutable {
    on_upgraded(std::move(head), std::move(request), fd, std::move(bytes));
  });
}

void EngineServer::on_upgraded(http::Request head, EngineRequest asked, int fd, std::string bytes) {
  if (!asked.sid.empty()) {
    if (const auto peer = find(asked.sid)) {
      peer->open_probe(fd, head, std::move(bytes));
    } else {
      ::close(fd);
    }
    return;
  }
  const auto ip = options_.proxies.client_of(head);
  const auto peer = std::make_shared<Peer>(
      *this, new_sid(), Handshake{ip, std::string(head.header("origin"))}, auth::network_of(ip));
  if (!peer->open_socket(fd, head, std::move(bytes))) return peer->leave();
  peers_.emplace(peer->sid(), peer);
  gate_.add(peer->sid());
}

http::Headers EngineServer::refusal_headers(const http::Request& head) const {
  http::Response response;
  allow_origin(response, options_.cors, head.header("origin"));
  return std::move(response.headers);
}

void EngineServer::handle(http::Request&& request, http::Reply&& reply) {
  const auto origin = std::string(request.header("origin"));
  const auto answer = [&](http::Response response) {
    allow_origin(response, options_.cors, origin);
    reply.send(std::move(response));
  };
  if (request.method == "OPTIONS") return answer(preflight_answer(request));
  // Also to those who have a session: the loop may not be there any more to answer.
  if (draining_) return answer({503, {{"Retry-After", "1"}}, ""});
  const bool is_upgrade = is_websocket(request);
  auto asked = read_request(request, is_upgrade);
  if (!asked.request) return answer(error_answer(asked.error));
  auto& wanted = *asked.request;
  if (!wanted.sid.empty() && !gate_.knows(wanted.sid)) {
    return answer(error_answer(EngineError::unknown_sid));
  }
  if (!wanted.is_version_4) return answer(error_answer(EngineError::unsupported_version));
  Call call;
  call.ip = options_.proxies.client_of(request);
  call.network = auth::network_of(call.ip);
  if (wanted.sid.empty() || is_upgrade) {
    auto refusal = refuse_entry(call.network);
    // An upgrade comes here only because it has been refused, whatever has changed since.
    if (is_upgrade && !refusal) {
      gate_.leave(call.network);
      refusal = error_answer(EngineError::forbidden);
    }
    if (refusal) return answer(*std::move(refusal));
  }
  call.ticket = tickets_.fetch_add(1) + 1;
  if (request.method == "GET" && !wanted.sid.empty()) {
    reply.on_gone([this, sid = wanted.sid, ticket = call.ticket] {
      loop_.post([this, sid, ticket] { on_poll_gone(sid, ticket); });
    });
  }
  call.method = std::move(request.method);
  call.sid = std::move(wanted.sid);
  call.origin = origin;
  call.is_octets = request.header("content-type").substr(0, 24) == "application/octet-stream";
  call.body = std::move(request.body);
  call.reply = std::move(reply);
  loop_.post([this, call = std::move(call)]() mutable { on_call(std::move(call), 0); });
}

void EngineServer::on_call(Call call, int turns) {
  if (call.sid.empty()) {
    const auto peer =
        std::make_shared<Peer>(*this, new_sid(), Handshake{call.ip, call.origin}, call.network);
    peers_.emplace(peer->sid(), peer);
    gate_.add(peer->sid());
    peer->begin(Transport::polling);
    peer->request(std::move(call));
    return;
  }
  const auto peer = find(call.sid);
  if (!peer) {
    call.answer(options_.cors, error_answer(EngineError::unknown_sid));
  } else if (peer->has_frames_before_requests() && turns < kTurnsForFrames) {
    loop_.post(
        [this, call = std::move(call), turns]() mutable { on_call(std::move(call), turns + 1); });
  } else {
    peer->request(std::move(call));
  }
}

void EngineServer::on_poll_gone(const std::string& sid, std::uint64_t ticket) {
  if (const auto peer = find(sid)) peer->poll_gone(ticket);
}

std::shared_ptr<EngineServer::Peer> EngineServer::find(const std::string& sid) const {
  const auto found = peers_.find(sid);
  return found == peers_.end() ? nullptr : found->second;
}

void EngineServer::remove(Peer& peer) {
  gate_.remove(peer.sid());
  const auto found = peers_.find(peer.sid());
  if (found == peers_.end()) return;
  peer.leave();
  // Dies when the call that ended it is back.
  loop_.post([kept = std::move(found->second)] {});
  peers_.erase(found);
}

void EngineServer::drain(std::chrono::milliseconds spread) {
  constexpr std::int64_t kStepMs = 10;
  constexpr std::int64_t kPatienceMs = 1'000;
  draining_ = true;
  const auto steps = static_cast<std::size_t>(std::max<std::int64_t>(spread.count() / kStepMs, 1));
  const std::size_t share = gate_.sessions() / steps + 1;
  const std::int64_t ends = loop_.now_ms() + spread.count() + kPatienceMs;
  const auto left = std::make_shared<std::atomic<std::size_t>>(1);
  // Asked again and again: who is there changes on the other thread, and a server drains once.
  while (left->load() > 0 && loop_.now_ms() < ends) {
    loop_.post([this, share, left] { *left = close_some(share); });
    std::this_thread::sleep_for(std::chrono::milliseconds(kStepMs));
  }
}

std::size_t EngineServer::close_some(std::size_t most) {
  std::vector<std::shared_ptr<Peer>> leaving;
  std::size_t left = 0;
  for (const auto& [sid, peer] : peers_) {
    // A polling client that is between two requests is not waited for.
    if (peer->is_open() || peer->has_socket()) ++left;
    if (peer->is_open() && leaving.size() < most) leaving.push_back(peer);
  }
  for (const auto& peer : leaving) peer->close(Reason::shutting_down, Session::Flush::yes);
  return left;
}

}  // namespace gateway::realtime
