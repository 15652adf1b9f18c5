#include "tests/simulate/webhook_stub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "connectors/sdk/text.h"

namespace test_support {
namespace {

std::size_t content_length(const std::string& head) {
  const std::string lower = sdk::lower_ascii(head);
  const std::size_t at = lower.find("\r\ncontent-length:");
  return at == std::string::npos ? 0 : std::stoull(lower.substr(at + 17));
}

}  // namespace

WebhookStub::WebhookStub() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 128) != 0 || pipe(wake_) != 0) {
    throw std::runtime_error("cannot listen");
  }
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

WebhookStub::~WebhookStub() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (write(wake_[1], "x", 1) == 1) thread_.join();
  for (const auto& [fd, bytes] : connections_) close(fd);
  for (const int fd : {listener_, wake_[0], wake_[1]}) close(fd);
}

std::string WebhookStub::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

void WebhookStub::answer_next(std::string raw_answer) {
  const std::lock_guard lock(mutex_);
  answers_.push_back(std::move(raw_answer));
}

void WebhookStub::hold(bool held) {
  const std::lock_guard lock(mutex_);
  held_ = held;
  if (write(wake_[1], "x", 1) != 1) throw std::runtime_error("cannot wake the stub");
}

std::vector<Delivered> WebhookStub::wait_for(std::size_t count, std::chrono::seconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return seen_.size() >= count; });
  return seen_;
}

void WebhookStub::serve() {
  while (true) {
    std::vector<pollfd> items{{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    for (const auto& [fd, bytes] : connections_) items.push_back({fd, POLLIN, 0});
    poll(items.data(), items.size(), -1);
    if (items[0].revents != 0) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) connections_[fd];
    }
    if (items[1].revents != 0) {
      char byte = 0;
      if (read(wake_[0], &byte, 1) != 1) return;
    }
    for (std::size_t i = 2; i < items.size(); ++i) {
      if (items[i].revents == 0 || read_requests(items[i].fd)) continue;
      close(items[i].fd);
      connections_.erase(items[i].fd);
      const std::lock_guard lock(mutex_);
      unanswered_.erase(std::remove(unanswered_.begin(), unanswered_.end(), items[i].fd),
                        unanswered_.end());
    }
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    answer_due();
  }
}

bool WebhookStub::read_requests(int fd) {
  char chunk[65536];
  const ssize_t got = recv(fd, chunk, sizeof chunk, 0);
  if (got <= 0) return false;
  std::string& bytes = connections_[fd];
  bytes.append(chunk, static_cast<std::size_t>(got));
  std::size_t end = 0;
  while ((end = bytes.find("\r\n\r\n")) != std::string::npos) {
    const std::string head = bytes.substr(0, end + 2);
    const std::size_t length = content_length(head);
    if (bytes.size() < end + 4 + length) break;
    const std::lock_guard lock(mutex_);
    seen_.push_back({head, bytes.substr(end + 4, length)});
    unanswered_.push_back(fd);
    bytes.erase(0, end + 4 + length);
    changed_.notify_all();
  }
  return true;
}

void WebhookStub::answer_due() {
  while (!held_ && !unanswered_.empty()) {
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    if (!answers_.empty()) {
      answer = std::move(answers_.front());
      answers_.pop_front();
    }
    const ssize_t sent = ::send(unanswered_.front(), answer.data(), answer.size(), MSG_NOSIGNAL);
    static_cast<void>(sent);
    unanswered_.pop_front();
  }
}

}  // namespace test_support
