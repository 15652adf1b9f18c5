// The edge with live traffic behind it, on a port of the kernel's choice, and an application that
// writes down what it hears.
#ifndef TESTS_REALTIME_LIVE_SERVER_H_
#define TESTS_REALTIME_LIVE_SERVER_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/http/server.h"
#include "gateway/realtime/server.h"
#include "tests/http/http_client.h"

namespace live {

namespace http = gateway::http;
namespace realtime = gateway::realtime;

class RecordingApp final : public realtime::App {
 public:
  void on_connect(realtime::ConnectRequest&& request, realtime::Connect&& connect) override {
    {
      const std::lock_guard lock(mutex_);
      ip_ = request.ip;
      origin_ = request.origin;
    }
    realtime::Permission permission;
    permission.rooms = {"all"};
    permission.attachments = 2;
    permission.events_per_second = permission.event_burst = 1e6;
    connect.accept(std::move(permission));
  }
  void on_connected(realtime::Socket& socket) override {
    const std::lock_guard lock(mutex_);
    id_ = socket.id();
    ++connected;
  }
  void on_event(realtime::Socket& socket, realtime::Event&& event) override {
    {
      const std::lock_guard lock(mutex_);
      events_.append(event.name).append(event.argument(0).dump()).append(";");
    }
    if (event.name == "echo") {
      socket.emit({.event = "back",
                   .arguments = event.argument(0).dump(),
                   .attachments = std::move(event.attachments)});
    }
  }
  void on_disconnect(realtime::Socket&, realtime::Reason reason) override {
    const std::lock_guard lock(mutex_);
    ends_.append(to_string(reason)).append(";");
  }

  std::string events() const { return read(events_); }
  std::string ends() const { return read(ends_); }
  std::string id() const { return read(id_); }
  std::string ip() const { return read(ip_); }
  std::string origin() const { return read(origin_); }

  std::atomic<int> connected{0};

 private:
  std::string read(const std::string& text) const {
    const std::lock_guard lock(mutex_);
    return text;
  }

  mutable std::mutex mutex_;
  std::string events_, ends_, id_, ip_, origin_;  // guarded by mutex_
};

class LiveServer final : public http::App {
 public:
  explicit LiveServer(realtime::ServerOptions options = {})
      : live(std::move(options), app, metrics) {
    gateway::log::set_level(gateway::log::Level::off);
    edge_ = std::make_unique<http::Server>(http::ServerOptions{}, *this, metrics);
    live.start();
    if (const auto started = edge_->start(); !started) {
      throw std::runtime_error(started.error().message);
    }
  }
  ~LiveServer() override { stop(); }
  // As the program ends.
  void stop() {
    live.stop();
    if (edge_) edge_->drain(std::chrono::seconds(5));
    edge_ = nullptr;
  }

  std::size_t body_limit(const http::Request&) override { return live.body_limit(); }
  void handle(http::Request&& request, http::Reply&& reply) override {
    // Proxies ask.
    if (request.path == "/readyz") return reply.send(http::Response::text(200, "ready"));
    if (request.path != live.path()) return reply.send(http::Response::text(404, ""));
    live.handle(std::move(request), std::move(reply));
  }
  bool takes_upgrade(const http::Request& head) override {
    return head.path == live.path() && live.takes_upgrade(head);
  }
  void upgraded(http::Request&& head, int fd, std::string bytes) override {
    live.upgraded(std::move(head), fd, std::move(bytes));
  }

  std::uint16_t port() const { return edge_->port(); }
  double closed(const std::string& reason) {
    return metrics.counter("backchannel_realtime_closed_total", "", {{"reason", reason}}).value();
  }
  double dropped() { return metrics.counter("backchannel_http_replies_dropped_total", "").value(); }

  gateway::Metrics metrics;
  RecordingApp app;
  realtime::Server live;

 private:
  std::unique_ptr<http::Server> edge_;
};

}  // namespace live

#endif  // TESTS_REALTIME_LIVE_SERVER_H_
