#include "gateway/realtime/loop_impl.h"

#include "gateway/realtime/websocket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket.hpp>
#include <optional>

namespace gateway::realtime {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

using Error = boost::system::error_code;
using Executor = asio::io_context::executor_type;
using Tcp = asio::basic_stream_socket<asio::ip::tcp, Executor>;

constexpr unsigned kUserTimeoutMs = 30'000;
// What a connection keeps for its next message.
constexpr std::size_t kIdleBuffer = 2048;

// A socket whose first bytes have been read already, with the request.
class Prefixed {
 public:
  using executor_type = Executor;
  using next_layer_type = Tcp;
  using lowest_layer_type = Tcp;

  Prefixed(Tcp socket, std::string bytes) : socket_(std::move(socket)), bytes_(std::move(bytes)) {}

  executor_type get_executor() { return socket_.get_executor(); }
  Tcp& next_layer() { return socket_; }
  const Tcp& next_layer() const { return socket_; }
  bool has_bytes() const { return !bytes_.empty(); }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    if (bytes_.empty()) return socket_.async_read_some(buffers, std::forward<Handler>(handler));
    const std::size_t count = asio::buffer_copy(buffers, asio::buffer(bytes_));
    bytes_.erase(0, count);
    if (bytes_.empty()) bytes_.shrink_to_fit();
    // An operation may not complete inside the call that began it; a wait for nothing completes
    // behind it.
    return asio::async_initiate<Handler, void(Error, std::size_t)>(
        [count, executor = get_executor()](auto done) {
          asio::post(executor, beast::bind_front_handler(std::move(done), Error(), count));
        },
        handler);
  }

  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return socket_.async_write_some(buffers, std::forward<Handler>(handler));
  }

  // Beast finds these by the type of their argument.
  friend void beast_close_socket(Prefixed& stream) {
    Error ignored;
    stream.socket_.close(ignored);
  }
  template <class Handler>
  friend void async_teardown(beast::role_type role, Prefixed& stream, Handler&& handler) {
    websocket::async_teardown(role, stream.socket_, std::forward<Handler>(handler));
  }

 private:
  Tcp socket_;
  std::string bytes_;
};

class Socket final : public WebSocket, public std::enable_shared_from_this<Socket> {
 public:
  Socket(Tcp socket, std::string bytes, std::size_t max_message, std::weak_ptr<Owner> owner)
      : stream_(std::move(socket), std::move(bytes)), owner_(std::move(owner)) {
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = std::chrono::seconds(10);
    // The heartbeat above knows when a client is gone.
    timeout.idle_timeout = websocket::stream_base::none();
    timeout.keep_alive_pings = false;
    stream_.set_option(timeout);
    stream_.auto_fragment(false);
    stream_.write_buffer_bytes(1024);
    stream_.read_message_max(max_message);
  }

  void accept(const http::Request& head) {
    beast::http::request<beast::http::empty_body> request;
    request.method(beast::http::verb::get);
    request.target(head.target);
    request.version(11);
    for (const auto& [name, value] : head.headers) request.insert(name, value);
    stream_.async_accept(request, [self = shared_from_this()](const Error& error) {
      if (error) return self->end();
      if (self->is_over_) return;
      self->is_open_ = true;
      if (const auto owner = self->owner_.lock()) owner->on_open(*self);
      self->read();
      self->close_if_due();
    });
  }

  void write(const Frame& frame) override {
    written_ = frame;
    is_writing_ = true;
    stream_.text(!frame.is_binary);
    stream_.async_write(asio::buffer(*written_.bytes),
                        [self = shared_from_this()](const Error& error, std::size_t) {
                          self->written_ = {};
                          self->is_writing_ = false;
                          if (error) return self->end();
                          if (self->close_if_due()) return;
                          if (const auto owner = self->owner()) owner->on_written(*self);
                        });
  }

  bool is_writing() const override { return is_writing_ || !is_open_; }

  void close() override {
    is_close_due_ = true;
    close_if_due();
  }

  void drop() override {
    is_over_ = true;
    beast_close_socket(stream_.next_layer());
  }

  bool has_input() const override {
    if (stream_.next_layer().has_bytes()) return true;
    Error error;
    return stream_.next_layer().next_layer().available(error) > 0 && !error;
  }

 private:
  std::shared_ptr<Owner> owner() const { return is_over_ ? nullptr : owner_.lock(); }

  void read() {
    stream_.async_read(buffer_, [self = shared_from_this()](const Error& error, std::size_t) {
      if (error) return self->end();
      const auto bytes = self->buffer_.cdata();
      if (const auto owner = self->owner()) {
        owner->on_frame(*self, self->stream_.got_binary(),
                        {static_cast<const char*>(bytes.data()), bytes.size()});
      }
      self->buffer_.consume(bytes.size());
      if (self->buffer_.capacity() > kIdleBuffer) self->buffer_ = beast::flat_buffer();
      if (!self->is_over_) self->read();
    });
  }

  // True where nothing may be written any more.
  bool close_if_due() {
    if (!is_close_due_) return false;
    if (is_open_ && !is_writing_ && !is_closing_ && !is_over_) {
      is_closing_ = true;
      stream_.async_close(websocket::close_code::normal,
                          [self = shared_from_this()](const Error&) { self->end(); });
    }
    return true;
  }

  void end() {
    if (const auto owner = this->owner()) {
      is_over_ = true;
      owner->on_ended(*this);
    }
    is_over_ = true;
    beast_close_socket(stream_.next_layer());
  }

  websocket::stream<Prefixed, false> stream_;
  std::weak_ptr<Owner> owner_;
  beast::flat_buffer buffer_;
  Frame written_;
  bool is_open_ = false;
  bool is_writing_ = false;
  bool is_close_due_ = false;
  bool is_closing_ = false;
  bool is_over_ = false;
};

}  // namespace

std::shared_ptr<WebSocket> WebSocket::take(Loop& loop, int fd, const http::Request& head,
                                           std::string bytes_behind_head, std::size_t max_message,
                                           std::weak_ptr<Owner> owner) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // What the kernel could not deliver for so long is not delivered any more.
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof kUserTimeoutMs);
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  Tcp tcp(loop.impl().context);
  Error error;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
      tcp.assign(address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), fd,
                 error)) {
    ::close(fd);
    return nullptr;
  }
  auto socket = std::make_shared<Socket>(std::move(tcp), std::move(bytes_behind_head), max_message,
                                         std::move(owner));
  socket->accept(head);
  return socket;
}

}  // namespace gateway::realtime
