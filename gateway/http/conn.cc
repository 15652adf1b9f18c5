#include "gateway/http/conn.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <exception>
#include <utility>

#include "gateway/base/log.h"
#include "gateway/http/driver.h"

namespace gateway::http {

namespace {

constexpr std::size_t kBacklogBytes = 64 << 10;  // unread behind a request that is being served
constexpr std::size_t kWriteBytesPerTurn = 1 << 20;
constexpr unsigned kRequestsPerTurn = 32;              // of one pipelining client
constexpr std::size_t kBodyBytesPerSecond = 64 << 10;  // a body as fast as this may go on and on
constexpr std::int64_t kLingerMs = 1'000;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kInternalError = "The request could not be processed.";

// `sentence` is ours and holds nothing that JSON escapes.
Response failure(int status, std::string_view sentence) {
  return Response::json(status, "{\"detail\":\"" + std::string(sentence) + "\"}");
}

Refused reason_of(int status) {
  switch (status) {
    case 408:
      return Refused::timeout;
    case 413:
    case 414:
    case 431:
      return Refused::size;
    case 500:
    case 503:
      return Refused::busy;
    default:
      return Refused::framing;
  }
}

// What would end a header line early may not come from a handler.
bool is_writable(const Response& response) {
  if (response.status < 200 || response.status > 599) return false;
  return std::all_of(response.headers.begin(), response.headers.end(), [](const auto& header) {
    constexpr std::string_view kBreaks("\r\n\0", 3);
    return !header.first.empty() && header.first.find_first_of(": \r\n") == std::string::npos &&
           header.second.find_first_of(kBreaks) == std::string::npos;
  });
}

bool has_no_body(int status) { return status == 204 || status == 304; }

// Sets what one connection has of a total. False: the total has grown over its limit.
bool charge(std::atomic<std::size_t>& total, std::size_t& charged, std::size_t held,
            std::size_t limit) {
  const std::size_t before = std::exchange(charged, held);
  if (held > before) return total.fetch_add(held - before) + (held - before) <= limit;
  if (held < before) total.fetch_sub(before - held);
  return true;
}

}  // namespace

Reply::Reply(std::shared_ptr<Conn> conn, std::uint64_t number)
    : conn_(std::move(conn)), number_(number) {}

Reply::Reply(Reply&& other) noexcept
    : conn_(std::move(other.conn_)), number_(std::exchange(other.number_, 0)) {}

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    Reply previous(std::move(*this));
    conn_ = std::move(other.conn_);
    number_ = std::exchange(other.number_, 0);
  }
  return *this;
}

Reply::~Reply() {
  const auto conn = std::move(conn_);
  if (!conn) return;
  const auto shard = conn->shard();
  if (!shard->on_own_thread()) {
    shard->post({.kind = Shard::Item::Kind::drop, .conn = conn, .number = number_});
    return;
  }
  conn->answer_dropped(number_);
  if (!conn->is_running()) conn->go_on_later();
}

void Reply::send(Response response) {
  const auto conn = std::move(conn_);
  if (!conn) return;
  // The shard may otherwise end with its last connection while this thread rings its bell.
  const auto shard = conn->shard();
  if (!shard->on_own_thread()) {
    shard->post({.kind = Shard::Item::Kind::answer,
                 .conn = conn,
                 .number = number_,
                 .response = std::move(response)});
    return;
  }
  conn->answer(number_, std::move(response));
  // Another connection's pipeline is not run from inside this handler.
  if (!conn->is_running()) conn->go_on_later();
}

void Reply::on_gone(std::function<void()> gone) {
  if (conn_) conn_->set_gone_callback(number_, std::move(gone));
}

Conn::Conn(std::shared_ptr<Shard> shard, int fd, std::string peer)
    : shard_(std::move(shard)),
      fd_(fd),
      peer_(std::move(peer)),
      framer_(shard_->edge().limits),
      deadline_ms_(shard_->now_ms() + shard_->edge().limits.head_timeout.count()) {}

bool Conn::wants_input() const {
  switch (state_) {
    case State::linger:
      return true;
    case State::gone:
      return false;
    case State::read:
      if (!yielded_) return true;
      break;
    case State::busy:
    case State::write:
      break;
  }
  return !client_ended_ && backlog_bytes() < kBacklogBytes &&
         shard_->edge().buffered.load() <= shard_->edge().limits.buffered_bytes;
}

void Conn::input(std::string_view bytes) {
  if (state_ == State::linger || state_ == State::gone) return;
  if (state_ == State::read && !yielded_) {
    run(bytes);
    if (state_ == State::linger || state_ == State::gone) return;
  }
  if (bytes.empty()) return;
  // Moves each byte at most once for each that was served.
  if (backlog_begin_ > backlog_.size() / 2) backlog_.erase(0, std::exchange(backlog_begin_, 0));
  backlog_.append(bytes);
  recharge();
}

void Conn::run(std::string_view& bytes) {
  running_ = true;
  unsigned served = 0;
  while (state_ == State::read && !bytes.empty()) {
    if (served == kRequestsPerTurn) {
      go_on_later();
      break;
    }
    const auto step = framer_.feed(bytes);
    if (step == Framer::Step::done) ++served;
    take_step(step, bytes);
  }
  running_ = false;
  if (state_ != State::read) return;
  request_bytes_ = framer_.buffered();
  if (recharge()) {
    set_read_deadline();
  } else {
    refuse(503, "The server is busy.", Refused::busy);
  }
}

void Conn::run_backlog() {
  std::string bytes = std::exchange(backlog_, {});
  std::string_view rest(bytes);
  rest.remove_prefix(std::exchange(backlog_begin_, 0));
  run(rest);
  if (state_ == State::linger || state_ == State::gone || rest.empty()) return;
  backlog_begin_ = bytes.size() - rest.size();
  backlog_ = std::move(bytes);
  recharge();
}

void Conn::take_step(Framer::Step step, std::string_view& bytes) {
  switch (step) {
    case Framer::Step::more:
      return;
    case Framer::Step::head:
      return on_head(bytes);
    case Framer::Step::done:
      return on_request(bytes);
    case Framer::Step::refused:
      const auto& refusal = framer_.refusal();
      return refuse(refusal.status, refusal.detail, reason_of(refusal.status));
  }
}

void Conn::on_head(std::string_view rest) {
  head_came_ = true;
  std::size_t limit = 0;
  try {
    limit = shard_->edge().app.body_limit(framer_.request());
  } catch (const std::exception& fault) {
    log::error("http", "fault in a handler", {{"what", fault.what()}});
    return refuse(500, kInternalError, Refused::busy);
  }
  if (!framer_.allow_body(limit)) {
    const auto& refusal = framer_.refusal();
    return refuse(refusal.status, refusal.detail, reason_of(refusal.status));
  }
  if (!framer_.expects_continue() || !rest.empty()) return;
  const auto sent = ::send(fd_, kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  // No answer is under way, so the socket's buffer has room unless the connection is broken.
  if (sent != static_cast<ssize_t>(kContinue.size())) leave();
}

void Conn::on_request(std::string_view& rest) {
  auto& app = shard_->edge().app;
  auto& request = framer_.request();
  request.peer = peer_;
  keep_alive_ = framer_.keep_alive();
  head_only_ = request.method == "HEAD";
  request_bytes_ = framer_.buffered();
  head_came_ = true;
  if (!recharge()) return refuse(503, "The server is busy.", Refused::busy);
  if (framer_.is_websocket()) {
    bool taken = false;
    try {
      taken = app.takes_upgrade(request);
    } catch (const std::exception& fault) {
      log::error("http", "fault in a handler", {{"what", fault.what()}});
      return refuse(500, kInternalError, Refused::busy);
    }
    if (taken) return hand_over(rest);
  }
  state_ = State::busy;
  deadline_ms_ = 0;
  Reply reply(shared_from_this(), ++number_);
  in_app_ = true;
  try {
    app.handle(std::move(request), std::move(reply));
  } catch (const std::exception& fault) {
    log::error("http", "fault in a handler", {{"what", fault.what()}});
    if (reply.valid()) reply.send(failure(500, kInternalError));
  } catch (...) {
    log::error("http", "fault in a handler", {{"what", "not a std::exception"}});
    if (reply.valid()) reply.send(failure(500, kInternalError));
  }
  in_app_ = false;
}

void Conn::hand_over(std::string_view& rest) {
  Request head = std::move(framer_.request());
  std::string bytes(std::exchange(rest, {}));
  const int fd = shard_->driver().detach(*this);
  shard_->edge().app.upgraded(std::move(head), fd, std::move(bytes));
}

void Conn::refuse(int status, std::string_view detail, Refused reason) {
  shard_->edge().instruments.count_refusal(reason);
  keep_alive_ = false;
  head_only_ = framer_.request().method == "HEAD";
  auto response = failure(status, detail);
  if (head_came_) add_application_headers(response);
  send_response(std::move(response));
}

void Conn::add_application_headers(Response& response) {
  try {
    for (auto& header : shard_->edge().app.refusal_headers(framer_.request())) {
      response.headers.push_back(std::move(header));
    }
  } catch (const std::exception& fault) {
    log::error("http", "fault in a handler", {{"what", fault.what()}});
  }
}

void Conn::answer(std::uint64_t number, Response response) {
  if (state_ != State::busy || number != number_) return;
  gone_callback_ = nullptr;
  send_response(std::move(response));
}

void Conn::answer_dropped(std::uint64_t number) {
  if (state_ != State::busy || number != number_) return;
  shard_->edge().instruments.dropped.add();
  log::error("http", "a request was dropped by its handler");
  answer(number, failure(500, kInternalError));
}

void Conn::set_gone_callback(std::uint64_t number, std::function<void()> callback) {
  if (shard_->on_own_thread() && in_app_ && state_ == State::busy && number == number_) {
    gone_callback_ = std::move(callback);
  }
}

void Conn::go_on_later() {
  if (yielded_ || state_ == State::gone || (!running_ && backlog_bytes() == 0 && !paused_)) return;
  yielded_ = true;
  shard_->post({.kind = Shard::Item::Kind::go_on, .conn = shared_from_this()});
}

void Conn::go_on() {
  yielded_ = false;
  if (state_ == State::read && backlog_bytes() > 0) run_backlog();
  resume_if_paused();
}

void Conn::resume_if_paused() {
  if (paused_ && wants_input()) {
    paused_ = false;
    shard_->driver().watch(*this,
                           wants_write_ ? Driver::Watch::read_and_write : Driver::Watch::read);
  }
}

void Conn::send_response(Response response) {
  if (!is_writable(response)) {
    log::error("http", "an answer could not be written", {{"status", response.status}});
    response = failure(500, kInternalError);
  }
  auto& edge = shard_->edge();
  close_after_ = response.close || !keep_alive_ || client_ended_ || edge.draining.load();
  const int status = response.status;
  edge.instruments.count_answer(status);

  head_.clear();
  head_.reserve(256);
  head_.append("HTTP/1.1 ").append(std::to_string(status)).append(" ");
  head_.append(reason_phrase(status)).append("\r\nDate: ").append(shard_->date()).append("\r\n");
  for (const auto& [name, value] : response.headers) {
    head_.append(name).append(": ").append(value).append("\r\n");
  }
  const std::size_t held =
      response.shared_body ? response.shared_body->size() : response.body.size();
  const std::size_t size = head_only_ ? response.length.value_or(held) : held;
  if (!has_no_body(status)) {
    head_.append("Content-Length: ").append(std::to_string(size)).append("\r\n");
  }
  head_.append(close_after_ ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n");
  if (!has_no_body(status) && !head_only_) {
    body_ = std::move(response.body);
    shared_body_ = std::move(response.shared_body);
  }
  written_ = 0;
  state_ = State::write;
  deadline_ms_ = shard_->now_ms() + edge.limits.write_timeout.count();
  flush();
}

std::string_view Conn::body() const { return shared_body_ ? *shared_body_ : body_; }

void Conn::flush() {
  std::size_t budget = kWriteBytesPerTurn;
  const std::string_view body = this->body();
  const std::size_t total = head_.size() + body.size();
  while (written_ < total) {
    if (budget == 0) return wait_for_room();
    std::array<iovec, 2> parts{};
    std::size_t count = 0;
    if (written_ < head_.size()) {
      parts[count++] = {head_.data() + written_, head_.size() - written_};
    }
    const std::size_t body_begin = written_ - std::min(written_, head_.size());
    if (body_begin < body.size()) {
      // sendmsg reads only, but iovec is for both directions.
      parts[count++] = {const_cast<char*>(body.data()) + body_begin,
                        std::min(budget, body.size() - body_begin)};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const auto sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return leave();
      return wait_for_room();
    }
    const auto bytes = static_cast<std::size_t>(sent);
    written_ += bytes;
    budget -= std::min(budget, bytes);
    deadline_ms_ = shard_->now_ms() + shard_->edge().limits.write_timeout.count();
  }
  answer_is_out();
}

void Conn::wait_for_room() {
  wants_write_ = true;
  shard_->driver().watch(*this, Driver::Watch::read_and_write);
}

void Conn::answer_is_out() {
  head_.clear();
  body_ = {};
  shared_body_ = nullptr;
  request_bytes_ = 0;
  recharge();
  if (std::exchange(wants_write_, false)) shard_->driver().watch(*this, Driver::Watch::read);
  if (close_after_) return linger();
  state_ = State::read;
  framer_.next();
  head_came_ = false;
  timed_phase_ = Framer::Phase::idle;
  // "Out" means that the kernel has it: up to 4 MB may still be on their way to a slow client, so
  // the next request gets the time of an idle connection.
  deadline_ms_ = shard_->now_ms() + shard_->edge().limits.idle_timeout.count();
}

// Closing with unread bytes makes the kernel send RST, and the client would lose the answer.
void Conn::linger() {
  if (client_ended_) return leave();
  state_ = State::linger;
  backlog_ = {};
  backlog_begin_ = 0;
  recharge();
  ::shutdown(fd_, SHUT_WR);
  deadline_ms_ = shard_->now_ms() + kLingerMs;
  resume_if_paused();
}

void Conn::end_of_input() {
  switch (state_) {
    case State::write:
      client_ended_ = close_after_ = true;
      return;
    case State::read:
    case State::busy:
    case State::linger:
      return leave();
    case State::gone:
      return;
  }
}

void Conn::writable() {
  if (state_ != State::write) return;
  flush();
  go_on();
}

void Conn::set_read_deadline() {
  const auto& limits = shard_->edge().limits;
  const auto phase = framer_.phase();
  if (phase != timed_phase_) {
    timed_phase_ = phase;
    phase_began_ms_ = shard_->now_ms();
  }
  if (phase == Framer::Phase::head) {
    deadline_ms_ = phase_began_ms_ + limits.head_timeout.count();
  } else if (phase == Framer::Phase::body) {
    const auto earned = framer_.buffered() / kBodyBytesPerSecond * 1'000;
    deadline_ms_ =
        phase_began_ms_ + limits.body_timeout.count() + static_cast<std::int64_t>(earned);
  }
}

void Conn::tick() {
  const bool idle = state_ == State::read && !yielded_ && framer_.phase() == Framer::Phase::idle;
  if (idle && shard_->edge().draining.load()) return linger();
  if (state_ == State::gone || deadline_ms_ == 0 || shard_->now_ms() < deadline_ms_) return;
  if (state_ == State::read && !yielded_ && !idle) {
    return refuse(408, "The request did not come in time.", Refused::timeout);
  }
  if (!yielded_) leave();
}

void Conn::gone() {
  const bool due = state_ == State::busy;
  state_ = State::gone;
  const auto callback = std::exchange(gone_callback_, nullptr);
  head_ = {};
  body_ = {};
  shared_body_ = nullptr;
  backlog_ = {};
  backlog_begin_ = request_bytes_ = 0;
  recharge();
  if (due && callback) {
    try {
      callback();
    } catch (const std::exception& fault) {
      log::error("http", "fault in a handler", {{"what", fault.what()}});
    }
  }
}

bool Conn::owes_an_answer() const {
  return state_ == State::busy || state_ == State::write ||
         (state_ == State::read && framer_.phase() == Framer::Phase::body);
}

void Conn::leave() {
  if (state_ != State::gone) shard_->driver().close(*this);
}

bool Conn::recharge() {
  auto& edge = shard_->edge();
  const bool is_large = request_bytes_ > edge.limits.large_request_bytes;
  const std::size_t small = backlog_bytes() + (is_large ? 0 : request_bytes_);
  const bool fits = charge(edge.buffered, charged_, small, edge.limits.buffered_bytes);
  return charge(edge.large_buffered, charged_large_, is_large ? request_bytes_ : 0,
                edge.limits.large_buffered_bytes) &&
         fits;
}

}  // namespace gateway::http
