#include "tests/http/edge_probe_app.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string_view>

namespace probe {

namespace http = gateway::http;

namespace {

std::shared_ptr<const std::string> make_big() {
  std::string text(App::kBigBytes, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i / 7 % 26);
  return std::make_shared<const std::string>(std::move(text));
}

std::string value_of_c(const http::Request& request) {
  const std::string_view query = request.query;
  return query.substr(0, 2) == "c=" ? std::string(query.substr(2)) : std::string();
}

// Blocking is fine here: the echo thread serves nothing but tests.
bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      pollfd room{fd, POLLOUT, 0};
      if (errno != EAGAIN || ::poll(&room, 1, 1000) <= 0) return false;
      continue;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

App::App()
    : big_(make_big()),
      echo_bell_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      worker_([this] { answer_jobs(); }),
      echo_([this] { echo_sockets(); }) {}

App::~App() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  ::eventfd_write(echo_bell_, 1);
  worker_.join();
  echo_.join();
  ::close(echo_bell_);
}

std::size_t App::body_limit(const http::Request& head) {
  if (head.path == "/limit_throws") throw std::runtime_error("on purpose");
  return head.path == "/limited" ? kSmallBodyLimit : kBodyLimit;
}

http::Headers App::refusal_headers(const http::Request& head) {
  if (head.path == "/limit_throws") throw std::runtime_error("on purpose");
  return {{"X-Refused-Path", head.path}};
}

void App::handle(http::Request&& request, http::Reply&& reply) {
  handled.fetch_add(1);
  const std::string_view path = request.path;
  if (path == "/healthz") {
    reply.send(http::Response::text(200, "ok"));
  } else if (path == "/body" || path == "/limited") {
    reply.send(http::Response::text(200, std::to_string(request.body.size())));
  } else if (path == "/echo") {
    if (records_echoes) {
      const std::lock_guard lock(mutex_);
      echoed_.push_back(value_of_c(request));
    }
    reply.send(http::Response::text(200, value_of_c(request)));
  } else if (path == "/async") {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back({std::move(reply), value_of_c(request)});
    }
    changed_.notify_all();
  } else if (path == "/big") {
    reply.send({.shared_body = big_});
  } else if (path == "/big_copy") {
    reply.send(http::Response::text(200, *big_));
  } else if (path == "/hold") {
    reply.on_gone([this] { gone.fetch_add(1); });
    const std::lock_guard lock(mutex_);
    held_.push_back(std::move(reply));
    held.fetch_add(1);
  } else if (path == "/block") {
    std::unique_lock lock(mutex_);
    blocked_ = true;
    changed_.wait(lock, [this] { return !blocked_; });
    lock.unlock();
    reply.send(http::Response::text(200, "unblocked"));
  } else if (path == "/throw") {
    throw std::runtime_error("secret internal text");
  } else if (path == "/throw_int") {
    throw 42;
  } else if (path == "/drop") {
    const http::Reply forgotten = std::move(reply);
  } else if (path == "/injected") {
    http::Response response = http::Response::text(200, "x");
    response.headers.emplace_back("X-A", "a\r\nX-B: b");
    reply.send(std::move(response));
  } else if (path == "/empty") {
    reply.send({.status = 204, .body = "must not be sent"});
  } else if (path == "/close") {
    reply.send({.body = "bye", .close = true});
  } else if (path == "/peer") {
    reply.send(http::Response::text(200, request.peer));
  } else {
    reply.send(http::Response::json(404, "{\"detail\":\"Not found\"}"));
  }
}

bool App::takes_upgrade(const http::Request& head) {
  return head.path == "/socket" || head.path == "/socket.io/";
}

void App::upgraded(http::Request&&, int fd, std::string bytes_behind_head) {
  upgrades.fetch_add(1);
  {
    const std::lock_guard lock(mutex_);
    new_.emplace_back(fd, std::move(bytes_behind_head));
  }
  ::eventfd_write(echo_bell_, 1);
}

std::size_t App::release_held() {
  std::vector<http::Reply> replies;
  {
    const std::lock_guard lock(mutex_);
    replies.swap(held_);
  }
  for (auto& reply : replies) reply.send(http::Response::text(200, "released"));
  return replies.size();
}

std::vector<std::string> App::echoed() const {
  const std::lock_guard lock(mutex_);
  return echoed_;
}

void App::unblock() {
  {
    const std::lock_guard lock(mutex_);
    blocked_ = false;
  }
  changed_.notify_all();
}

void App::hold_async(bool on) {
  {
    const std::lock_guard lock(mutex_);
    hold_async_ = on;
  }
  changed_.notify_all();
}

void App::answer_jobs() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || (!jobs_.empty() && !hold_async_); });
    std::vector<Job> jobs;
    jobs.swap(jobs_);
    const bool last = stop_;
    lock.unlock();
    for (auto& job : jobs) job.reply.send(http::Response::text(200, std::move(job.text)));
    if (last) return;
    lock.lock();
  }
}

void App::echo_sockets() {
  std::vector<pollfd> waits{{echo_bell_, POLLIN, 0}};
  std::array<char, 4096> buffer;
  while (true) {
    ::poll(waits.data(), waits.size(), -1);
    eventfd_t rings = 0;
    ::eventfd_read(echo_bell_, &rings);
    std::vector<std::pair<int, std::string>> sockets;
    {
      const std::lock_guard lock(mutex_);
      if (stop_) break;
      sockets.swap(new_);
    }
    for (std::size_t i = 1; i < waits.size(); ++i) {
      if (waits[i].revents == 0) continue;
      const auto got = ::recv(waits[i].fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      if (got > 0 && send_all(waits[i].fd, {buffer.data(), static_cast<std::size_t>(got)})) {
        continue;
      }
      ::close(waits[i].fd);
      waits[i] = waits.back();
      waits.pop_back();
      --i;
    }
    for (auto& [fd, bytes] : sockets) {
      const std::string text =
          "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
          "Upgrade: websocket\r\n\r\n" +
          bytes;
      if (send_all(fd, text)) {
        waits.push_back({fd, POLLIN, 0});
      } else {
        ::close(fd);
      }
    }
  }
  for (std::size_t i = 1; i < waits.size(); ++i) ::close(waits[i].fd);
}

}  // namespace probe
