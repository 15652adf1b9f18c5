// A server with the probe application, for black-box probes of the edge, through proxies too:
//   edge_probe_server [--port N] [--reactors N] [--head-timeout-ms N] [--body-timeout-ms N]
//                     [--idle-timeout-ms N] [--write-timeout-ms N] [--connections N]
//                     [--buffered-bytes N] [--port-file FILE]
// Prints "port N" when it serves; SIGTERM or SIGINT drains for at most 8 s and prints what was cut
// off and dropped. Exit status 0 if neither was.
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/http/server.h"
#include "tests/http/edge_probe_app.h"

namespace {

// False for an unknown option.
bool set_option(gateway::http::ServerOptions& options, std::string_view name, unsigned long value) {
  const auto milliseconds = std::chrono::milliseconds(value);
  if (name == "--port") {
    options.port = static_cast<std::uint16_t>(value);
  } else if (name == "--reactors") {
    options.reactors = static_cast<int>(value);
  } else if (name == "--head-timeout-ms") {
    options.limits.head_timeout = milliseconds;
  } else if (name == "--body-timeout-ms") {
    options.limits.body_timeout = milliseconds;
  } else if (name == "--idle-timeout-ms") {
    options.limits.idle_timeout = milliseconds;
  } else if (name == "--write-timeout-ms") {
    options.limits.write_timeout = milliseconds;
  } else if (name == "--connections") {
    options.limits.connections = value;
  } else if (name == "--buffered-bytes") {
    options.limits.buffered_bytes = value;
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  gateway::http::ServerOptions options;
  std::string port_file;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) {
      std::fprintf(stderr, "%s: no option, or one without a value\n", argv[i]);
      return 2;
    }
    if (std::string_view(argv[i]) == "--port-file") {
      port_file = argv[i + 1];
    } else if (!set_option(options, argv[i], std::strtoul(argv[i + 1], nullptr, 10))) {
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  gateway::log::set_level(gateway::log::Level::error);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  gateway::Metrics metrics;
  probe::App app;
  gateway::http::Server server(options, app, metrics);
  if (const auto started = server.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  std::printf("port %u\n", static_cast<unsigned>(server.port()));
  std::fflush(stdout);
  if (!port_file.empty()) std::ofstream(port_file) << server.port() << '\n';

  int signal = 0;
  sigwait(&signals, &signal);
  app.release_held();
  const auto cut_off = server.drain(std::chrono::seconds(8));
  const double dropped = metrics.counter("backchannel_http_replies_dropped_total", "").value();
  std::printf("cut off %zu, dropped %.0f\n", cut_off, dropped);
  return cut_off == 0 && dropped == 0 ? 0 : 1;
}
