#include "gateway/realtime/engine_session.h"

#include <algorithm>
#include <utility>

#include "connectors/sdk/json.h"

namespace gateway::realtime {

namespace {

constexpr std::int64_t kLastPollMs = 1'000;

// Made once, because a ping goes to everybody.
const Frame& ping_frame() {
  static const Frame frame = text_frame("2");
  return frame;
}

std::string open_packet(const SessionLimits& limits, Transport transport, std::string_view sid) {
  sdk::json::Writer out;
  out.object().member("sid", sid).key("upgrades").array();
  if (transport == Transport::polling) out.value("websocket");
  out.end()
      .member("pingInterval", limits.ping_interval_ms)
      .member("pingTimeout", limits.ping_timeout_ms)
      .member("maxPayload", limits.max_payload)
      .end();
  return "0" + out.take();
}

}  // namespace

Session::Session(const SessionLimits& limits, Wire& wire, Transport transport, std::string_view sid,
                 std::int64_t now_ms)
    : limits_(limits),
      wire_(wire),
      transport_(transport),
      now_ms_(now_ms),
      heartbeat_ms_(now_ms + limits.ping_interval_ms) {
  enqueue(text_frame(open_packet(limits, transport, sid)));
}

bool Session::poll() {
  if (state_ == State::over || transport_ != Transport::polling) return false;
  if (poll_held_) {
    // Two GETs at a time would race for the packets.
    close(Reason::transport_error, Flush::no);
    return false;
  }
  poll_held_ = true;
  if (state_ == State::closing || front() != nullptr) {
    answer_poll();
  } else if (probe_ == Probe::answered) {
    // The client waits for this GET to end before it upgrades.
    poll_held_ = false;
    wire_.answer_poll("6");
  }
  return true;
}

bool Session::post(std::string_view payload) {
  if (state_ == State::over || transport_ != Transport::polling) return false;
  if (state_ == State::closing) return true;
  PacketReader reader(payload, PacketReader::Unit::payload);
  EnginePacket next;
  while (reader.next(next)) {
    if (next.type == PacketType::close) {
      leave_polling();
      return true;
    }
    // What the application does with a message may end the session; the request was right.
    if (!packet(next, now_ms_)) return next.type == PacketType::message;
  }
  if (!reader.failed()) return true;
  close(Reason::parse_error, Flush::no);
  return false;
}

void Session::leave_polling() {
  if (std::exchange(poll_held_, false)) {
    wire_.answer_poll("6");
    return close(Reason::transport_close, Flush::no);
  }
  // The GET of a client that closes may have been overtaken by its POST on another connection.
  client_left_ = true;
  close(Reason::transport_close, Flush::yes);
  close_deadline_ms_ = now_ms_ + kLastPollMs;
}

void Session::poll_aborted() {
  if (!std::exchange(poll_held_, false)) return;
  close(Reason::transport_error, Flush::no);
}

void Session::frame(bool is_binary, std::string_view bytes, std::int64_t now_ms) {
  if (state_ != State::open) return;
  if (is_binary) {
    wire_.on_message(true, bytes);
    return;
  }
  PacketReader reader(bytes, PacketReader::Unit::frame);
  EnginePacket next;
  if (!reader.next(next)) {
    close(Reason::parse_error, Flush::no);
  } else if (next.type == PacketType::close) {
    close(Reason::transport_close, Flush::no);
  } else {
    packet(next, now_ms);
  }
}

bool Session::packet(const EnginePacket& packet, std::int64_t now_ms) {
  switch (packet.type) {
    case PacketType::message:
      wire_.on_message(packet.is_binary, packet.data);
      break;
    case PacketType::pong:
      // Only the heartbeat's own answer moves it: other traffic does not.
      if (std::exchange(awaits_pong_, false)) heartbeat_ms_ = now_ms + limits_.ping_interval_ms;
      break;
    case PacketType::ping:
      // Since version 4 the server asks.
      close(Reason::transport_error, Flush::no);
      break;
    case PacketType::open:
    case PacketType::close:
    case PacketType::upgrade:
    case PacketType::noop:
      break;
  }
  return state_ == State::open;
}

void Session::socket_ended() {
  if (transport_ != Transport::websocket) return;
  close(Reason::transport_close, Flush::no);
  finish();
}

void Session::written() {
  if (begin_ == queue_.size()) return;
  queued_bytes_ -= queue_[begin_].bytes->size();
  queue_[begin_++] = {};
  if (begin_ == queue_.size()) {
    queue_.clear();
    begin_ = 0;
    // An idle session holds no memory for a burst of long ago.
    if (queue_.capacity() > 16) queue_.shrink_to_fit();
    if (state_ == State::closing) wire_.close_socket(false);
  } else if (begin_ > 64 && begin_ > queue_.size() / 2) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
}

bool Session::attach_probe(std::int64_t now_ms) {
  if (state_ != State::open || transport_ != Transport::polling || probe_ != Probe::none) {
    return false;
  }
  probe_ = Probe::attached;
  probe_deadline_ms_ = now_ms + limits_.upgrade_timeout_ms;
  return true;
}

void Session::probe_frame(bool is_binary, std::string_view bytes, std::int64_t now_ms) {
  if (state_ != State::open || probe_ == Probe::none) return;
  if (!is_binary && bytes == "2probe") {
    probe_ = Probe::answered;
    wire_.send_to_probe("3probe");
    if (std::exchange(poll_held_, false)) wire_.answer_poll("6");
    return;
  }
  if (is_binary || probe_ != Probe::answered || bytes != "5") {
    // The session lives on by polling.
    drop_probe();
    return;
  }
  now_ms_ = std::max(now_ms_, now_ms);
  probe_ = Probe::none;
  if (std::exchange(poll_held_, false)) wire_.answer_poll("6");
  transport_ = Transport::websocket;
  wire_.take_probe();
  flush();
}

void Session::probe_ended() { probe_ = Probe::none; }

void Session::drop_probe() {
  if (std::exchange(probe_, Probe::none) != Probe::none) wire_.drop_probe();
}

void Session::enqueue(Frame frame) {
  queued_bytes_ += frame.bytes->size();
  queue_.push_back(std::move(frame));
}

bool Session::send(std::span<const Frame> frames, Delivery delivery) {
  if (state_ != State::open) return false;
  const bool is_idle = front() == nullptr;
  if (delivery == Delivery::may_drop &&
      (!is_idle || (transport_ == Transport::polling && !poll_held_))) {
    return false;
  }
  if (!is_idle) {
    std::size_t bytes = queued_bytes_;
    for (const auto& frame : frames) bytes += frame.bytes->size();
    if (bytes > limits_.out_bytes || queued_packets() + frames.size() > limits_.out_packets) {
      if (delivery == Delivery::must) close(Reason::too_slow, Flush::no);
      return false;
    }
  }
  for (const auto& frame : frames) enqueue(frame);
  flush();
  return true;
}

void Session::flush() {
  if (front() == nullptr) return;
  if (transport_ == Transport::websocket) {
    wire_.flush();
  } else if (poll_held_) {
    answer_poll();
  }
}

void Session::answer_poll() {
  std::string payload;
  payload.reserve(queued_bytes_ + queued_packets() + 2);
  for (std::size_t i = begin_; i < queue_.size(); ++i) append_to_payload(payload, queue_[i]);
  queue_ = {};
  begin_ = queued_bytes_ = 0;
  const bool is_last = state_ == State::closing;
  if (is_last && client_left_) {
    payload = "6";
  } else if (is_last) {
    payload.append(payload.empty() ? "1" : "\x1e" "1");
  }
  poll_held_ = false;
  wire_.answer_poll(std::move(payload));
  if (is_last) finish();
}

void Session::close(Reason reason, Flush flush) {
  if (state_ != State::open) return;
  drop_probe();
  state_ = State::closing;
  if (flush == Flush::no) {
    // The one being written stays with its writer.
    queue_ = {};
    begin_ = queued_bytes_ = 0;
  }
  if (transport_ == Transport::websocket) {
    close_deadline_ms_ = now_ms_ + limits_.close_timeout_ms;
    // Who does not read would not read a closing handshake either.
    const bool at_once = reason == Reason::ping_timeout || reason == Reason::too_slow;
    if (front() == nullptr) wire_.close_socket(at_once);
    if (at_once) finish();
  } else if (poll_held_) {
    answer_poll();
  } else if (flush == Flush::yes) {
    close_deadline_ms_ = now_ms_ + limits_.close_timeout_ms;
  } else {
    finish();
  }
  wire_.on_closed(reason);
}

void Session::finish() {
  state_ = State::over;
  queue_ = {};
  begin_ = queued_bytes_ = 0;
}

void Session::tick(std::int64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  if (state_ == State::closing) {
    if (now_ms_ < close_deadline_ms_) return;
    if (transport_ == Transport::websocket) wire_.close_socket(true);
    finish();
    return;
  }
  if (state_ == State::over) return;
  if (probe_ != Probe::none && now_ms_ >= probe_deadline_ms_) drop_probe();
  while (state_ == State::open && now_ms_ >= heartbeat_ms_) {
    if (awaits_pong_) {
      close(Reason::ping_timeout, Flush::no);
    } else {
      awaits_pong_ = true;
      // From when it was due: a timer that came late gives nobody more time.
      heartbeat_ms_ += limits_.ping_timeout_ms;
      send(std::span(&ping_frame(), 1), Delivery::must);
    }
  }
}

std::int64_t Session::deadline() const {
  switch (state_) {
    case State::open:
      return probe_ == Probe::none ? heartbeat_ms_ : std::min(heartbeat_ms_, probe_deadline_ms_);
    case State::closing:
      return close_deadline_ms_;
    case State::over:
      break;
  }
  return INT64_MAX;
}

}  // namespace gateway::realtime
