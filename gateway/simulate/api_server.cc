#include "gateway/simulate/api_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr std::uint64_t kBodyLimit = 64u << 20;
constexpr std::chrono::minutes kAnswerPatience{10};

std::string to_std(boost::beast::string_view text) { return {text.data(), text.size()}; }

class Session;

}  // namespace

struct ApiServer::State {
  Handlers handlers;
  asio::io_context loop{1};
  struct Port {
    std::string host;
    tcp::acceptor acceptor;
  };
  std::deque<Port> ports;
  std::set<Session*> sessions;
  std::thread thread;

  Result<> listen(const Listener& wanted);
  void accept(Port& port);
};

namespace {

// One connection; keeps itself alive by the operation it waits for.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const std::string& host, ApiServer::Handlers& handlers,
          std::set<Session*>& all)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        host_(host),
        handlers_(handlers),
        all_(all) {
    all_.insert(this);
  }
  ~Session() { all_.erase(this); }

  void read_head() {
    parser_.emplace();
    parser_->body_limit(kBodyLimit);
    request_ = {};
    auto self = shared_from_this();
    http::async_read_header(socket_, buffer_, *parser_,
                            [self](boost::system::error_code error, std::size_t) {
                              if (!error) self->on_head();
                            });
  }

  void close() {
    boost::system::error_code ignored;
    timer_.cancel(ignored);
    socket_.close(ignored);
  }

 private:
  void on_head() {
    const auto& head = parser_->get();
    request_.host = host_;
    request_.method = to_std(head.method_string());
    const std::string target = to_std(head.target());
    const std::size_t mark = target.find('?');
    request_.path = target.substr(0, mark);
    if (mark != std::string::npos) request_.query = target.substr(mark + 1);
    request_.content_type = to_std(head[http::field::content_type]);
    for (const auto& field : head) {
      request_.headers.emplace_back(sdk::lower_ascii(to_std(field.name_string())),
                                    to_std(field.value()));
    }
    if (!handlers_.admit(request_)) return reset();
    auto self = shared_from_this();
    if (boost::beast::iequals(head[http::field::expect], "100-continue")) {
      text_ = "HTTP/1.1 100 Continue\r\n\r\n";
      asio::async_write(socket_, asio::buffer(text_),
                        [self](boost::system::error_code error, std::size_t) {
                          if (!error) self->read_body();
                        });
      return;
    }
    read_body();
  }

  void read_body() {
    auto self = shared_from_this();
    http::async_read(socket_, buffer_, *parser_,
                     [self](boost::system::error_code error, std::size_t) {
                       if (!error) self->on_request();
                     });
  }

  void on_request() {
    request_.body = std::move(parser_->get().body());
    keep_alive_ = parser_->get().keep_alive();
    // Weak: an answer that never comes must not keep the connection open behind the loop's end.
    handlers_.handle(request_, [weak = weak_from_this(), number = ++requests_,
                                executor = socket_.get_executor()](HttpReply reply) {
      asio::post(executor, [weak, number, reply = std::move(reply)]() mutable {
        const auto self = weak.lock();
        if (!self || self->requests_ != number || self->answering_ == number) return;
        self->answering_ = number;
        self->reply_ = std::move(reply);
        self->on_reply();
      });
    });
    await_answer();
  }

  // Somebody has to own the session until its answer comes; the timer does.
  void await_answer() {
    timer_.expires_after(kAnswerPatience);
    timer_.async_wait([self = shared_from_this()](boost::system::error_code) {});
  }

  void on_reply() {
    boost::system::error_code ignored;
    timer_.cancel(ignored);
    if (!socket_.is_open()) return;
    if (reply_.delay.count() == 0) return answer();
    timer_.expires_after(reply_.delay);
    timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
      if (!error) self->answer();
    });
  }

  void answer() {
    if (reply_.cut == HttpReply::Cut::reset) return reset();
    http::response<http::string_body> response;
    response.result(static_cast<unsigned>(reply_.status));
    response.version(11);
    response.set(http::field::server, "nginx/1.18.0");
    response.set(http::field::content_type, reply_.content_type);
    for (const auto& [name, value] : reply_.headers) response.set(name, value);
    response.body() = std::move(reply_.body);
    response.keep_alive(keep_alive_);
    response.prepare_payload();
    std::ostringstream text;
    text << response;
    text_ = std::move(text).str();
    const bool midway = reply_.cut == HttpReply::Cut::reset_midway;
    const std::size_t size = midway ? text_.size() / 2 : text_.size();
    asio::async_write(
        socket_, asio::buffer(text_.data(), size),
        [self = shared_from_this(), midway](boost::system::error_code error, std::size_t) {
          if (error) return;
          if (midway) return self->reset();
          if (self->keep_alive_) return self->read_head();
          boost::system::error_code ignored;
          self->socket_.shutdown(tcp::socket::shutdown_send, ignored);
        });
  }

  // RST instead of FIN.
  void reset() {
    boost::system::error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  std::string host_;
  ApiServer::Handlers& handlers_;
  std::set<Session*>& all_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  HttpRequest request_;
  HttpReply reply_;
  std::string text_;
  bool keep_alive_ = false;
  std::uint64_t requests_ = 0;   // number of the request that is read or answered
  std::uint64_t answering_ = 0;  // number of the last one that got its answer
};

}  // namespace

void ApiServer::State::accept(Port& port) {
  port.acceptor.async_accept([this, &port](boost::system::error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Session>(std::move(socket), port.host, handlers, sessions)->read_head();
    }
    accept(port);
  });
}

Result<> ApiServer::State::listen(const Listener& wanted) {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(wanted.address, error);
  if (error) return fail(Errc::invalid_argument, "not an IP address: " + wanted.address);
  const auto step = [&](auto&& action) {
    if (!error) action();
  };
  tcp::acceptor& acceptor = ports.emplace_back(Port{wanted.host, tcp::acceptor(loop)}).acceptor;
  const tcp::endpoint endpoint(ip, wanted.port);
  step([&] { acceptor.open(endpoint.protocol(), error); });
  step([&] { acceptor.set_option(asio::socket_base::reuse_address(true), error); });
  step([&] { acceptor.bind(endpoint, error); });
  step([&] { acceptor.listen(asio::socket_base::max_listen_connections, error); });
  if (error) {
    return fail(Errc::unavailable, "cannot listen on " + wanted.address + ":" +
                                       std::to_string(wanted.port) + ": " + error.message());
  }
  return {};
}

ApiServer::ApiServer(Handlers handlers) : state_(std::make_unique<State>()) {
  state_->handlers = std::move(handlers);
}

ApiServer::~ApiServer() { stop(); }

Result<> ApiServer::start(const std::vector<Listener>& listeners) {
  for (const Listener& listener : listeners) {
    if (auto listening = state_->listen(listener); !listening) return listening.error();
  }
  for (State::Port& port : state_->ports) state_->accept(port);
  state_->thread = std::thread([this] { state_->loop.run(); });
  return {};
}

void ApiServer::stop() {
  if (!state_->thread.joinable()) return;
  asio::post(state_->loop, [this] {
    boost::system::error_code ignored;
    for (State::Port& port : state_->ports) port.acceptor.close(ignored);
    const std::set<Session*> sessions = state_->sessions;
    for (Session* session : sessions) session->close();
  });
  // The loop ends when the last session has let go.
  state_->thread.join();
}

std::uint16_t ApiServer::port(std::size_t listener) const {
  boost::system::error_code ignored;
  return listener < state_->ports.size()
             ? state_->ports[listener].acceptor.local_endpoint(ignored).port()
             : std::uint16_t{0};
}

}  // namespace gateway::simulate
