#include "gateway/http/server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/http/driver.h"
#include "gateway/http/shard.h"

namespace gateway::http {

namespace {

constexpr int kBacklog = 4096;
constexpr int kFdReserve = 256;    // for the database, the platforms' sockets and files
constexpr int kLeastReserve = 64;  // where the process may have few

int highest_connection_fd() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return 1 << 20;
  const int limit = static_cast<int>(std::min<rlim_t>(files.rlim_cur, 1 << 20));
  return limit - std::min(kFdReserve, std::max(kLeastReserve, limit / 4)) - 1;
}

Error cannot_listen(const ServerOptions& options, const char* reason) {
  return fail(Errc::unavailable, "cannot listen on " + options.address + " port " +
                                     std::to_string(options.port) + ": " + reason);
}

Result<UniqueFd> open_listener(const ServerOptions& options) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code =
      ::getaddrinfo(options.address.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (code != 0) return cannot_listen(options, ::gai_strerror(code));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> address(found, ::freeaddrinfo);
  UniqueFd listener(::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  // Accepted sockets inherit TCP_NODELAY.
  if (!listener || ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::setsockopt(listener.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      ::bind(listener.get(), address->ai_addr, address->ai_addrlen) != 0 ||
      ::listen(listener.get(), kBacklog) != 0) {
    return cannot_listen(options, std::strerror(errno));
  }
  return listener;
}

std::uint16_t port_of(int listener) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

void App::upgraded(Request&&, int fd, std::string) { ::close(fd); }

struct Server::State {
  State(ServerOptions o, App& app, Metrics& metrics)
      : options(std::move(o)), edge(std::make_shared<Edge>(app, options.limits, metrics)) {}

  void stop() {
    for (auto& driver : drivers) driver->stop();
    for (auto& thread : threads) thread.join();
    threads.clear();
    drivers.clear();
    shards.clear();
  }

  const ServerOptions options;
  const std::shared_ptr<Edge> edge;
  std::vector<std::shared_ptr<Shard>> shards;
  std::vector<std::unique_ptr<Driver>> drivers;
  std::vector<std::thread> threads;
  std::uint16_t port = 0;
};

Server::Server(ServerOptions options, App& app, Metrics& metrics)
    : state_(std::make_unique<State>(std::move(options), app, metrics)) {}

Server::~Server() { state_->stop(); }

Result<> Server::start() {
  auto& state = *state_;
  auto listener = open_listener(state.options);
  if (!listener) return std::move(listener).error();
  state.port = port_of(listener->get());
  state.edge->highest_fd = highest_connection_fd();
  const int reactors = std::max(state.options.reactors, 1);
  try {
    for (int i = 0; i < reactors; ++i) {
      state.shards.push_back(std::make_shared<Shard>(state.edge));
      state.drivers.push_back(std::make_unique<Driver>(state.shards.back()));
    }
    state.edge->listening = true;
    state.drivers.front()->listen(
        *std::move(listener), [shards = state.shards, turn = std::size_t{0}]() mutable -> Shard& {
          return *shards[turn++ % shards.size()];
        });
    for (auto& driver : state.drivers) {
      state.threads.emplace_back([&driver = *driver] {
        ::pthread_setname_np(::pthread_self(), "http");
        driver.run();
      });
    }
  } catch (const std::exception& fault) {
    return fail(Errc::unavailable, std::string("cannot start the reactors: ") + fault.what());
  }
  return {};
}

std::uint16_t Server::port() const { return state_->port; }

std::size_t Server::drain(std::chrono::milliseconds deadline) {
  auto& edge = *state_->edge;
  if (state_->threads.empty()) return 0;
  edge.draining = true;
  for (auto& shard : state_->shards) shard->post({});
  {
    std::unique_lock lock(edge.mutex);
    edge.ended.wait_for(lock, deadline,
                        [&] { return !edge.listening.load() && edge.connections.load() == 0; });
  }
  state_->stop();
  return edge.cut_off.load();
}

}  // namespace gateway::http
