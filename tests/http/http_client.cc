#include "tests/http/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace probe {

namespace {

std::string header(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
    const auto line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        ::strncasecmp(line.data(), name.data(), name.size()) == 0) {
      const auto value = line.substr(name.size() + 1);
      return std::string(value.substr(std::min(value.find_first_not_of(' '), value.size())));
    }
  }
  return {};
}

// Whole chunks at the front of `text`: their bytes and how much of the text they take.
std::optional<std::pair<std::string, std::size_t>> dechunk(std::string_view text) {
  std::string body;
  for (std::size_t at = 0;;) {
    const auto end = text.find("\r\n", at);
    if (end == text.npos) return std::nullopt;
    const auto size = std::stoul(std::string(text.substr(at, end - at)), nullptr, 16);
    if (text.size() < end + 2 + size + 2) return std::nullopt;
    body += text.substr(end + 2, size);
    at = end + 2 + size + 2;
    if (size == 0) return std::pair(body, at);
  }
}

}  // namespace

Client::Client(std::uint16_t port, int receive_buffer)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (receive_buffer > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int code = errno;
    ::close(fd_);
    throw std::system_error(code, std::generic_category(), "connect");
  }
}

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      ended_(other.ended_),
      was_reset_(other.was_reset_) {}

Client::~Client() { close(); }

void Client::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Client::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      was_reset_ = true;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Client::read_more(steady_clock::time_point until) {
  while (!ended_) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
    pollfd wait{fd_, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::max<long>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    std::array<char, 65536> piece;
    const auto got = ::recv(fd_, piece.data(), piece.size(), 0);
    if (got > 0) {
      buffer_.append(piece.data(), static_cast<std::size_t>(got));
      return true;
    }
    ended_ = true;
    was_reset_ = was_reset_ || got < 0;
  }
  return false;
}

std::optional<Answer> Client::answer(Body body, milliseconds patience) {
  const auto until = steady_clock::now() + patience;
  while (true) {
    const auto end = buffer_.find("\r\n\r\n");
    if (end != buffer_.npos) {
      Answer answer;
      answer.head = buffer_.substr(0, end + 2);
      if (!answer.head.starts_with("HTTP/1.") || answer.head.size() < 12) return std::nullopt;
      answer.status = std::stoi(answer.head.substr(9, 3));
      if (answer.status < 200 && answer.status != 101) {
        buffer_.erase(0, end + 4);
        continue;
      }
      answer.says_close = ::strcasecmp(header(answer.head, "connection").c_str(), "close") == 0;
      std::size_t taken = end + 4;
      bool whole = true;
      if (body == Body::none || answer.status == 101 || answer.status == 204) {
        // No body follows.
      } else if (!header(answer.head, "transfer-encoding").empty()) {
        const auto chunks = dechunk(std::string_view(buffer_).substr(taken));
        whole = chunks.has_value();
        if (whole) {
          answer.body = chunks->first;
          taken += chunks->second;
        }
      } else {
        const auto length = header(answer.head, "content-length");
        const std::size_t size = length.empty() ? 0 : std::stoul(length);
        whole = buffer_.size() - taken >= size;
        if (whole) {
          answer.body = buffer_.substr(taken, size);
          taken += size;
        }
      }
      if (whole) {
        buffer_.erase(0, taken);
        return answer;
      }
    }
    if (!read_more(until)) return std::nullopt;
  }
}

std::optional<std::string> Client::bytes(std::size_t size, milliseconds patience) {
  const auto until = steady_clock::now() + patience;
  while (buffer_.size() < size) {
    if (!read_more(until)) return std::nullopt;
  }
  std::string taken = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return taken;
}

bool Client::ends(milliseconds patience) {
  const auto until = steady_clock::now() + patience;
  while (read_more(until)) {
  }
  return ended_;
}

bool Client::is_silent(milliseconds time) {
  return !read_more(steady_clock::now() + time) && !ended_ && buffer_.empty();
}

std::string get(std::string_view target, std::string_view headers) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) + "\r\n";
}

std::string post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

bool eventually(const std::function<bool()>& holds, milliseconds patience) {
  const auto until = steady_clock::now() + patience;
  while (!holds()) {
    if (steady_clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return true;
}

Outcome run_vector(std::uint16_t port, const Vector& vector, const std::vector<std::size_t>& cuts,
                   milliseconds patience) {
  Client client(port);
  const std::string_view bytes = vector.bytes;
  std::size_t begin = 0;
  bool open = true;
  for (std::size_t i = 0; i <= cuts.size() && open; ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    open = client.send(bytes.substr(begin, end - begin));
    begin = end;
  }
  if (open) client.send(kCanary);

  Outcome outcome;
  const bool head_first = vector.name == "HEAD";
  while (outcome.statuses.size() < vector.requests + 1) {
    const bool head = head_first && outcome.statuses.empty();
    const auto answer =
        client.answer(head ? Client::Body::none : Client::Body::as_announced, patience);
    if (!answer) break;
    outcome.statuses.push_back(answer->status);
    if (answer->says_close) {
      client.ends(patience);
      break;
    }
  }
  outcome.closed = client.ended();
  outcome.rest = !client.rest().empty();
  return outcome;
}

bool Outcome::is(const Vector& vector) const {
  if (rest) return false;
  const bool ok = statuses.size() == vector.requests + 1 && !closed;
  const bool close = statuses.size() == 1 && closed;
  const bool refuse = close && statuses[0] >= 400 && statuses[0] < 600;
  switch (vector.verdict) {
    case Verdict::ok:
      return ok;
    case Verdict::close:
      return close && !refuse;
    case Verdict::refuse:
      return refuse;
    case Verdict::either:
      return ok || close;
  }
  return false;
}

std::string Outcome::text() const {
  std::string text;
  for (const int status : statuses) text += std::to_string(status) + " ";
  return text + (closed ? "closed" : "open") + (rest ? ", bytes left over" : "");
}

}  // namespace probe
