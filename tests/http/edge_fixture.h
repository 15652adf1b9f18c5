// A server on a port of the kernel's choice with the probe application behind it.
#ifndef TESTS_HTTP_EDGE_FIXTURE_H_
#define TESTS_HTTP_EDGE_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/http/server.h"
#include "tests/http/edge_probe_app.h"
#include "tests/http/http_client.h"

namespace probe {

// Short enough for tests that wait for them to pass, long enough for a loaded machine.
inline gateway::http::ServerOptions short_limits() {
  gateway::http::ServerOptions options;
  options.limits.head_timeout = milliseconds(600);
  options.limits.body_timeout = milliseconds(900);
  options.limits.idle_timeout = milliseconds(1200);
  options.limits.write_timeout = milliseconds(900);
  return options;
}

class Edge {
 public:
  explicit Edge(gateway::http::ServerOptions options = {})
      : server_(std::make_unique<gateway::http::Server>(std::move(options), app, metrics)) {
    gateway::log::set_level(gateway::log::Level::off);
    if (const auto started = server_->start(); !started) {
      throw std::runtime_error(started.error().message);
    }
  }

  std::uint16_t port() const { return server_->port(); }
  Client client(int receive_buffer = 0) const { return Client(port(), receive_buffer); }
  gateway::http::Server& server() { return *server_; }
  void end() { server_.reset(); }

  double dropped() { return metrics.counter("backchannel_http_replies_dropped_total", "").value(); }
  double connections() { return metrics.gauge("backchannel_http_connections", "").value(); }
  double refused(const std::string& reason) {
    return metrics.counter("backchannel_http_refused_total", "", {{"reason", reason}}).value();
  }
  double answered(const std::string& status_class) {
    return metrics.counter("backchannel_http_requests_total", "", {{"class", status_class}})
        .value();
  }

  gateway::Metrics metrics;
  App app;

 private:
  std::unique_ptr<gateway::http::Server> server_;
};

}  // namespace probe

#endif  // TESTS_HTTP_EDGE_FIXTURE_H_
