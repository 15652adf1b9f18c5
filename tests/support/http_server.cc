#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace test_support {
namespace {

int listen_on_loopback(int& port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (socket < 0 || bind(socket, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(socket, 128) != 0 ||
      getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot listen on the loopback interface");
  }
  port = ntohs(address.sin_port);
  return socket;
}

void reset(int socket) {
  const linger now{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

int closed_port() {
  int port = 0;
  close(listen_on_loopback(port));
  return port;
}

HttpServer::HttpServer(Handler handler, Accept accept)
    : handler_(std::move(handler)), accept_(accept) {
  listener_ = listen_on_loopback(port_);
  listening_ = std::thread([this] { listen_loop(); });
}

HttpServer::~HttpServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  listening_.join();
  close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
}

void HttpServer::set_handler(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

std::vector<HttpRequest> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

int HttpServer::count(std::string_view target) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(
      std::count_if(requests_.begin(), requests_.end(), [&](const HttpRequest& request) {
        return std::string_view(request.target).substr(0, target.size()) == target;
      }));
}

void HttpServer::listen_loop() {
  while (!stopping_) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    ++connections_;
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket] {
      serve(socket);
      const std::lock_guard done(mutex_);
      sockets_.remove(socket);
      close(socket);
    });
  }
}

void HttpServer::serve(int socket) {
  const auto wait_for_end = [&] {
    pollfd fd{socket, POLLRDHUP, 0};
    while (!stopping_ && poll(&fd, 1, 50) == 0) continue;
  };
  const Accept accept = accept_;
  if (accept == Accept::reset) return reset(socket);
  if (accept == Accept::close_idle) return;
  if (accept == Accept::ignore) return wait_for_end();

  std::string buffer;
  char chunk[16 * 1024];
  const auto read_more = [&] {
    const auto got = recv(socket, chunk, sizeof chunk, 0);
    if (got <= 0) return false;
    buffer.append(chunk, static_cast<std::size_t>(got));
    return true;
  };
  while (!stopping_) {
    std::size_t head = 0;
    while ((head = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return;
      if (accept_ == Accept::reset_at_first_byte) return reset(socket);
    }
    HttpRequest request;
    std::size_t line_end = buffer.find("\r\n");
    const std::string first = buffer.substr(0, line_end);
    const auto blank = first.find(' ');
    request.method = first.substr(0, blank);
    request.target = first.substr(blank + 1, first.rfind(' ') - blank - 1);
    std::size_t length = 0;
    while (line_end < head) {
      const std::size_t begin = line_end + 2;
      line_end = buffer.find("\r\n", begin);
      const std::string line = buffer.substr(begin, line_end - begin);
      const auto colon = line.find(':');
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const auto value = line.find_first_not_of(' ', colon + 1);
      request.headers.emplace_back(name, value == std::string::npos ? "" : line.substr(value));
      if (name == "content-length") {
        const auto& text = request.headers.back().second;
        std::from_chars(text.data(), text.data() + text.size(), length);
      }
    }
    buffer.erase(0, head + 4);
    while (buffer.size() < length) {
      if (!read_more()) return;
    }
    request.body = buffer.substr(0, length);
    buffer.erase(0, length);
    HttpAnswer next;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      next = handler_(request);
    }
    if (next.fault == HttpAnswer::Fault::silence) return wait_for_end();
    if (!answer(socket, next)) return;
  }
}

bool HttpServer::answer(int socket, const HttpAnswer& next) {
  using Fault = HttpAnswer::Fault;
  if (next.fault == Fault::reset) {
    reset(socket);
    return false;
  }
  if (next.fault == Fault::close) return false;
  std::string head = "HTTP/1.1 " + std::to_string(next.status) + " X\r\n";
  for (const auto& [name, value] : next.headers) head += name + ": " + value + "\r\n";
  if (next.fault == Fault::endless) {
    if (!send_all(socket, head + "\r\n")) return false;
    const std::string block(64 * 1024, 'x');
    while (!stopping_ && send_all(socket, block)) continue;
    return false;
  }
  const bool cut = next.fault == Fault::short_body || next.fault == Fault::reset_in_body;
  head += "Content-Length: " + std::to_string(next.body.size() + (cut ? 10 : 0)) + "\r\n";
  if (next.close) head += "Connection: close\r\n";
  if (!send_all(socket, head + "\r\n" + next.body)) return false;
  if (next.fault == Fault::reset_in_body) reset(socket);
  return !cut && !next.close;
}

}  // namespace test_support
