#include "gateway/simulate/text_server.h"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <optional>
#include <set>
#include <thread>
#include <utility>

namespace gateway::simulate {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

class Connection;

}  // namespace

struct TextServer::State {
  struct Port {
    Listener wanted;
    tcp::acceptor acceptor;
  };
  asio::io_context loop{1};
  asio::ssl::context tls{asio::ssl::context::tls_server};
  std::deque<Port> ports;
  std::set<Connection*> connections;
  std::thread thread;

  void accept(Port& port);
};

namespace {

// One dialog; keeps itself alive by the operation it waits for.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::unique_ptr<TextProtocol> protocol, asio::ssl::context& tls,
             std::set<Connection*>& all)
      : socket_(std::move(socket)), protocol_(std::move(protocol)), tls_(tls), all_(all) {
    all_.insert(this);
  }
  ~Connection() { all_.erase(this); }

  void begin(bool implicit_tls) {
    if (implicit_tls) return secure(true);
    write(protocol_->greeting());
  }

  void close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void secure(bool greets) {
    stream_.emplace(socket_, tls_);
    stream_->async_handshake(asio::ssl::stream_base::server,
                             [self = shared_from_this(), greets](boost::system::error_code error) {
                               if (error) return self->close();
                               self->protocol_->secured();
                               if (greets) return self->write(self->protocol_->greeting());
                               self->read();
                             });
  }

  void read() {
    const auto done = [self = shared_from_this()](boost::system::error_code error,
                                                  std::size_t size) {
      if (error) return self->close();
      self->write(self->protocol_->receive({self->chunk_.data(), size}));
    };
    if (stream_) {
      stream_->async_read_some(asio::buffer(chunk_), done);
    } else {
      socket_.async_read_some(asio::buffer(chunk_), done);
    }
  }

  void write(std::string text) {
    if (protocol_->next == TextProtocol::Next::drop) {
      boost::system::error_code ignored;
      socket_.set_option(asio::socket_base::linger(true, 0), ignored);
      return close();
    }
    if (text.empty()) return follow();
    answer_ = std::move(text);
    const auto done = [self = shared_from_this()](boost::system::error_code error, std::size_t) {
      if (error) return self->close();
      self->follow();
    };
    if (stream_) {
      asio::async_write(*stream_, asio::buffer(answer_), done);
    } else {
      asio::async_write(socket_, asio::buffer(answer_), done);
    }
  }

  void follow() {
    switch (std::exchange(protocol_->next, TextProtocol::Next::read)) {
      case TextProtocol::Next::start_tls:
        return secure(false);
      case TextProtocol::Next::close: {
        boost::system::error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
        return close();
      }
      default:
        return read();
    }
  }

  tcp::socket socket_;
  std::optional<asio::ssl::stream<tcp::socket&>> stream_;
  std::unique_ptr<TextProtocol> protocol_;
  asio::ssl::context& tls_;
  std::set<Connection*>& all_;
  std::array<char, 16'384> chunk_{};
  std::string answer_;
};

}  // namespace

void TextServer::State::accept(Port& port) {
  port.acceptor.async_accept([this, &port](boost::system::error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Connection>(std::move(socket), port.wanted.open(), tls, connections)
          ->begin(port.wanted.implicit_tls);
    }
    accept(port);
  });
}

TextServer::TextServer() : state_(std::make_unique<State>()) {}

TextServer::~TextServer() { stop(); }

Result<> TextServer::use_certificate(const std::string& certificate,
                                     const std::string& private_key) {
  boost::system::error_code error;
  state_->tls.use_certificate_chain(asio::buffer(certificate), error);
  if (!error) {
    state_->tls.use_private_key(asio::buffer(private_key), asio::ssl::context::pem, error);
  }
  if (error) return fail(Errc::invalid_argument, "the certificate: " + error.message());
  return {};
}

Result<> TextServer::start(std::vector<Listener> listeners) {
  for (Listener& listener : listeners) {
    boost::system::error_code error;
    const auto ip = asio::ip::make_address(listener.address, error);
    if (error) return fail(Errc::invalid_argument, "not an IP address: " + listener.address);
    const tcp::endpoint endpoint(ip, listener.port);
    const std::string name = listener.address + ":" + std::to_string(listener.port);
    auto& acceptor =
        state_->ports.emplace_back(State::Port{std::move(listener), tcp::acceptor(state_->loop)})
            .acceptor;
    const auto step = [&](auto&& action) {
      if (!error) action();
    };
    step([&] { acceptor.open(endpoint.protocol(), error); });
    step([&] { acceptor.set_option(asio::socket_base::reuse_address(true), error); });
    step([&] { acceptor.bind(endpoint, error); });
    step([&] { acceptor.listen(asio::socket_base::max_listen_connections, error); });
    if (error) {
      return fail(Errc::unavailable, "cannot listen on " + name + ": " + error.message());
    }
  }
  for (State::Port& port : state_->ports) state_->accept(port);
  state_->thread = std::thread([this] { state_->loop.run(); });
  return {};
}

void TextServer::stop() {
  if (!state_->thread.joinable()) return;
  asio::post(state_->loop, [this] {
    boost::system::error_code ignored;
    for (State::Port& port : state_->ports) port.acceptor.close(ignored);
    const std::set<Connection*> connections = state_->connections;
    for (Connection* connection : connections) connection->close();
  });
  // The loop ends when the last connection has let go.
  state_->thread.join();
}

std::uint16_t TextServer::port(std::size_t listener) const {
  boost::system::error_code ignored;
  return listener < state_->ports.size()
             ? state_->ports[listener].acceptor.local_endpoint(ignored).port()
             : std::uint16_t{0};
}

}  // namespace gateway::simulate
