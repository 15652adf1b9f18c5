// An HTTP client for tests: every byte of a request is the test's own, answers are parsed strictly.
//
// Blocking, one connection that stays open, every wait has a deadline. One thread at a time. Failed
// expectations are exceptions: a test that cannot talk has failed.
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H_
#define TESTS_SUPPORT_HTTP_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/text.h"

namespace test_support {

class HttpClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  struct Answer {
    int status = 0;
    Headers headers;  // names lower-case
    std::string body;

    std::string header(std::string_view lower_name) const {
      for (const auto& [name, value] : headers) {
        if (name == lower_name) return value;
      }
      return {};
    }
  };

  // No answer came: refused, reset, ended early, or too late.
  struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
  };

  explicit HttpClient(std::uint16_t port,
                      std::chrono::milliseconds patience = std::chrono::seconds(30))
      : port_(port), patience_(patience) {}
  ~HttpClient() { close(); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Content-Length and Host are added. Opens a connection where there is none.
  Answer call(const std::string& method, const std::string& target, const Headers& headers = {},
              std::string_view body = {}) {
    std::string request =
        method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) + "\r\n";
    for (const auto& [name, value] : headers) request += name + ": " + value + "\r\n";
    if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
      request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    request += "\r\n";
    request += body;
    // A server may end an idle connection; only then is a second try the same request.
    const bool fresh = fd_ < 0;
    try {
      send(request);
      return read_answer(method == "HEAD");
    } catch (const Error&) {
      if (fresh || got_bytes_) throw;
      close();
      send(request);
      return read_answer(method == "HEAD");
    }
  }

  void send(std::string_view bytes) {
    if (fd_ < 0) connect();
    got_bytes_ = false;
    deadline_ = std::chrono::steady_clock::now() + patience_;
    while (!bytes.empty()) {
      wait(POLLOUT);
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) give_up("send");
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  Answer read_answer(bool head_only = false) {
    Answer answer;
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) fill();
    parse_head(std::string_view(buffer_).substr(0, end), answer);
    buffer_.erase(0, end + 4);
    if (answer.status / 100 == 1) return read_answer(head_only);
    const std::string length = answer.header("content-length");
    if (head_only || answer.status == 204 || answer.status == 304) {
      // No body whatever the head says.
    } else if (!length.empty()) {
      const std::size_t size = std::stoull(length);
      while (buffer_.size() < size) fill();
      answer.body = buffer_.substr(0, size);
      buffer_.erase(0, size);
    } else if (sdk::equals_ignoring_case(answer.header("transfer-encoding"), "chunked")) {
      read_chunks(answer.body);
    } else {
      throw Error("an answer without length");
    }
    if (sdk::equals_ignoring_case(answer.header("connection"), "close")) close();
    return answer;
  }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    buffer_.clear();
  }
  bool connected() const { return fd_ >= 0; }
  std::uint16_t port() const { return port_; }

 private:
  void connect() {
    deadline_ = std::chrono::steady_clock::now() + patience_;
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      give_up("connect");
    }
    wait(POLLOUT);
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      errno = error;
      give_up("connect");
    }
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  void wait(short events) {
    pollfd item{fd_, events, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline_ - std::chrono::steady_clock::now());
    const int ready = left.count() <= 0 ? 0 : poll(&item, 1, static_cast<int>(left.count()));
    if (ready > 0 || (ready < 0 && errno == EINTR)) return;
    errno = ETIMEDOUT;
    give_up("wait");
  }

  void fill() {
    char chunk[16384];
    while (true) {
      wait(POLLIN);
      const ssize_t got = recv(fd_, chunk, sizeof chunk, 0);
      if (got > 0) {
        buffer_.append(chunk, static_cast<std::size_t>(got));
        got_bytes_ = true;
        return;
      }
      if (got == 0) {
        close();
        throw Error("the connection ended without an answer");
      }
      if (errno != EAGAIN && errno != EINTR) give_up("recv");
    }
  }

  void parse_head(std::string_view head, Answer& answer) {
    if (head.substr(0, 9) != "HTTP/1.1 ") throw Error("not HTTP: " + std::string(head));
    answer.status = std::stoi(std::string(head.substr(9, 3)));
    for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;) {
      at += 2;
      const std::size_t end = head.find("\r\n", at);
      const std::string_view line = head.substr(at, end == std::string_view::npos ? end : end - at);
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) throw Error("a header without colon");
      answer.headers.emplace_back(sdk::lower_ascii(line.substr(0, colon)),
                                  std::string(sdk::trim(line.substr(colon + 1))));
      at = end;
    }
  }

  void read_chunks(std::string& body) {
    while (true) {
      std::size_t end = 0;
      while ((end = buffer_.find("\r\n")) == std::string::npos) fill();
      const std::size_t size = std::stoull(buffer_.substr(0, end), nullptr, 16);
      while (buffer_.size() < end + 2 + size + 2) fill();
      body += buffer_.substr(end + 2, size);
      buffer_.erase(0, end + 2 + size + 2);
      if (size == 0) return;
    }
  }

  [[noreturn]] void give_up(const char* what) {
    const std::string reason = std::string(what) + ": " + std::strerror(errno);
    close();
    throw Error(reason);
  }

  std::uint16_t port_;
  std::chrono::milliseconds patience_;
  std::chrono::steady_clock::time_point deadline_;
  int fd_ = -1;
  bool got_bytes_ = false;
  std::string buffer_;
};

}  // namespace test_support

#endif  // TESTS_SUPPORT_HTTP_CLIENT_H_
