// What the protocols' own test suites and the bench ask of a server, made of the gateway's library:
//   realtime-conformance PORT            for the suites of socketio/socket.io, docs/*-test-suite
//   realtime-conformance PORT --bench    rooms and events as documented, ordinary heartbeat
// Prints {"pid":...,"port":...} when it serves; SIGTERM or SIGINT ends it.
//
// For the suites: /engine.io/ echoes each message; /socket.io/ has the namespaces / and /custom,
// emits "auth" with the CONNECT payload, echoes "message" as "message-back" and acknowledges
// "message-with-ack" with its arguments.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/http/server.h"
#include "gateway/realtime/server.h"

namespace {

namespace http = gateway::http;
using namespace gateway::realtime;  // NOLINT: a program of its own

// The arguments of an event as text, placeholders and all.
std::string arguments_of(const Event& event) {
  std::string text;
  for (std::size_t i = 0; i < event.arguments(); ++i) {
    if (i > 0) text.push_back(',');
    text.append(event.argument(i).dump());
  }
  return text;
}

class SuiteApp final : public App {
 public:
  void on_connect(ConnectRequest&& request, Connect&& connect) override {
    Permission permission;
    permission.attachments = 10;
    permission.events_per_second = permission.event_burst = 1e6;
    permission.context = std::make_shared<std::string>(
        request.auth ? request.auth->root().dump() : std::string("{}"));
    connect.accept(std::move(permission));
  }
  void on_connected(Socket& socket) override {
    socket.emit({"auth", *socket.context<std::string>()});
  }
  void on_event(Socket& socket, Event&& event) override {
    if (socket.nsp() != "/") return;
    if (event.name == "message") {
      socket.emit({.event = "message-back",
                   .arguments = arguments_of(event),
                   .attachments = std::move(event.attachments)});
    } else if (event.name == "message-with-ack") {
      event.ack.send(arguments_of(event), std::move(event.attachments));
    }
  }
};

// join_conversation and client_message, and new_message for everybody in the conversation.
class BenchApp final : public App {
 public:
  explicit BenchApp(Hub*& hub) : hub_(hub) {}
  void on_connect(ConnectRequest&&, Connect&& connect) override {
    Permission permission;
    permission.events_per_second = permission.event_burst = 1e6;
    connect.accept(std::move(permission));
  }
  void on_event(Socket& socket, Event&& event) override {
    const auto message = event.argument(0);
    const std::string id = message["conversation_id"].dump();
    const std::string room = "conversation_" + id;
    if (event.name == "join_conversation") {
      socket.join(room);
    } else if (event.name == "client_message") {
      sdk::json::Writer out;
      out.object()
          .member("id", ++last_)
          .member("content", message["content"])
          .member("sender_type", "customer")
          .key("conversation_id")
          .raw(id)
          .member("created_at", gateway::iso8601(clock_.now_ms()))
          .end();
      const auto parcel = hub_->encode({"new_message", out.take()});
      hub_->emit("/", std::span(&room, 1), parcel);
    }
  }

 private:
  Hub*& hub_;
  gateway::SystemClock clock_;
  std::int64_t last_ = 0;
};

class Echo final : public EngineHandler {
 public:
  explicit Echo(EngineConnection& connection) : connection_(connection) {}
  void on_message(bool is_binary, std::string_view data, std::int64_t) override {
    const Frame frame = is_binary ? binary_frame(std::string(data))
                                  : text_frame("4" + std::string(data));
    connection_.send(std::span(&frame, 1), Session::Delivery::must);
  }
  void on_closed(Reason) override {}
  void tick(std::int64_t) override {}
  std::int64_t deadline() const override { return INT64_MAX; }

 private:
  EngineConnection& connection_;
};

class Front final : public http::App {
 public:
  Front(EngineServer& echo, Server& live) : echo_(echo), live_(live) {}
  std::size_t body_limit(const http::Request&) override { return live_.body_limit(); }
  void handle(http::Request&& request, http::Reply&& reply) override {
    if (request.path == echo_.path()) {
      echo_.handle(std::move(request), std::move(reply));
    } else if (request.path == live_.path()) {
      live_.handle(std::move(request), std::move(reply));
    } else {
      reply.send(http::Response::json(404, R"({"detail":"Not found"})"));
    }
  }
  bool takes_upgrade(const http::Request& head) override {
    if (head.path == echo_.path()) return echo_.takes_upgrade(head);
    return head.path == live_.path() && live_.takes_upgrade(head);
  }
  void upgraded(http::Request&& head, int fd, std::string bytes) override {
    if (head.path == echo_.path()) {
      echo_.upgraded(std::move(head), fd, std::move(bytes));
    } else {
      live_.upgraded(std::move(head), fd, std::move(bytes));
    }
  }

 private:
  EngineServer& echo_;
  Server& live_;
};

ServerOptions options_for(bool is_bench) {
  ServerOptions options;
  options.engine.gate = {1e9, 1e9, 100'000, 100'000, 1000};
  if (is_bench) return options;
  options.engine.session.ping_interval_ms = 300;
  options.engine.session.ping_timeout_ms = 200;
  options.engine.session.max_payload = 1'000'000;
  options.hub.limits.connect_timeout_ms = 1000;
  options.hub.namespaces = {"/", "/custom"};
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "realtime-conformance PORT [--bench]\n");
    return 2;
  }
  const bool is_bench = argc > 2 && std::string_view(argv[2]) == "--bench";
  gateway::log::set_level(gateway::log::Level::warn);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  gateway::Metrics metrics;
  const ServerOptions options = options_for(is_bench);
  Hub* hub = nullptr;
  SuiteApp suite;
  BenchApp bench(hub);
  Server live(options, is_bench ? static_cast<App&>(bench) : suite, metrics);
  hub = &live.hub();
  EngineOptions echo_options = options.engine;
  echo_options.path = "/engine.io/";
  Loop echo_loop;
  EngineServer echo(echo_options, echo_loop, metrics,
                    [](EngineConnection& connection, std::int64_t) {
                      return std::make_unique<Echo>(connection);
                    });
  Front front(echo, live);
  http::ServerOptions edge_options;
  edge_options.port = static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10));
  http::Server edge(edge_options, front, metrics);
  live.start();
  echo_loop.start();
  if (const auto started = edge.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  std::printf("{\"pid\":%d,\"port\":%u}\n", static_cast<int>(::getpid()),
              static_cast<unsigned>(edge.port()));
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  live.stop();
  echo.drain(std::chrono::milliseconds(0));
  const auto cut_off = edge.drain(std::chrono::seconds(5));
  echo_loop.stop();
  const double dropped = metrics.counter("backchannel_http_replies_dropped_total", "").value();
  std::printf("cut off %zu, dropped %.0f\n", cut_off, dropped);
  return cut_off == 0 && dropped == 0 ? 0 : 1;
}
