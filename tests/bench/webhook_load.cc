// Closed-loop load: N keep-alive connections, on each a fixed number of requests under way, the
// next leaving when an answer comes. Only 200s count.
//
//   bench_webhook_load --port 8080 --path /api/v1/webhooks/telegram/ID --secret S
//     [--connections 64] [--pipeline 1] [--seconds 5] [--chats 10000] [--first 1] [--once-per-chat]
//   bench_webhook_load --port 8080 --get /healthz [--connections 64] [--pipeline 1] [--seconds 5]
//
// One thread. Updates have fresh ids from --first on and chats in a shuffled order; --once-per-chat
// sends one update to every chat and ends, which makes all conversations known. Prints one JSON
// object; the exit code is 1 where an answer was no 200 or a connection broke.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/update.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::uint16_t port = 0;
  std::string path;
  std::string secret;
  std::string get;
  int connections = 64;
  int pipeline = 1;
  double seconds = 5;
  std::int64_t chats = 10'000;
  std::int64_t first = 1;
  bool once_per_chat = false;
};

struct Connection {
  int fd = -1;
  std::string out;
  std::size_t written = 0;
  std::string in;
  std::deque<Clock::time_point> sent;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options) {
    if (!options.get.empty()) {
      fixed_ = "GET " + options.get + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    }
    date_ = std::chrono::duration_cast<std::chrono::seconds>(
                std::chrono::system_clock::now().time_since_epoch())
                .count();
  }

  int run() {
    epoll_ = epoll_create1(0);
    for (int i = 0; i < options_.connections; ++i) {
      connections_.push_back(std::make_unique<Connection>());
      if (!open(*connections_.back())) return broken("connect");
    }
    const auto begin = Clock::now();
    end_ = begin + std::chrono::duration_cast<Clock::duration>(
                       std::chrono::duration<double>(options_.seconds));
    for (auto& connection : connections_) {
      for (int i = 0; i < options_.pipeline; ++i) queue(*connection);
      if (!flush(*connection)) return broken("send");
    }
    while (under_way_ > 0) {
      epoll_event events[256];
      const int ready = epoll_wait(epoll_, events, 256, 10'000);
      if (ready == 0) return broken("no answer for 10 s");
      for (int i = 0; i < ready; ++i) {
        auto& connection = *static_cast<Connection*>(events[i].data.ptr);
        if ((events[i].events & EPOLLIN) != 0 && !receive(connection)) return broken("receive");
        if (!flush(connection)) return broken("send");
      }
    }
    report(std::chrono::duration<double>(last_ - begin).count());
    return others_ == 0 && !latencies_.empty() ? 0 : 1;
  }

 private:
  bool open(Connection& connection) {
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return false;
    }
    const int on = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection.fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = &connection;
    return epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) == 0;
  }

  bool more() const {
    return options_.once_per_chat ? count_ < options_.chats : Clock::now() < end_;
  }

  // Adds the next request, where there is one.
  void queue(Connection& connection) {
    if (!more()) return;
    if (!fixed_.empty()) {
      connection.out += fixed_;
    } else {
      // A multiplier without common factor with the modulus visits every chat before any twice.
      const std::int64_t chat = (count_ * 7'919) % options_.chats;
      bench::write_update(body_, options_.first + count_, chat,
                          1 + (options_.first + count_) / options_.chats, date_);
      connection.out +=
          "POST " + options_.path +
          " HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Telegram-Bot-Api-Secret-Token: " + options_.secret +
          "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body_.size()) +
          "\r\nConnection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\n\r\n";
      connection.out += body_;
    }
    ++count_;
    ++under_way_;
    connection.sent.push_back(Clock::now());
  }

  bool flush(Connection& connection) {
    while (connection.written < connection.out.size()) {
      const ssize_t sent = send(connection.fd, connection.out.data() + connection.written,
                                connection.out.size() - connection.written, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      connection.written += static_cast<std::size_t>(sent);
    }
    connection.out.clear();
    connection.written = 0;
    return true;
  }

  bool receive(Connection& connection) {
    char chunk[65536];
    while (true) {
      const ssize_t got = recv(connection.fd, chunk, sizeof chunk, 0);
      if (got == 0) return false;
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      connection.in.append(chunk, static_cast<std::size_t>(got));
      if (!take_answers(connection)) return false;
    }
  }

  bool take_answers(Connection& connection) {
    std::size_t begin = 0;
    while (true) {
      const std::size_t end = connection.in.find("\r\n\r\n", begin);
      if (end == std::string::npos) break;
      const std::string_view head(connection.in.data() + begin, end - begin);
      std::size_t at = head.find("Content-Length: ");
      if (at == std::string_view::npos) at = head.find("content-length: ");
      const std::size_t length =
          at == std::string_view::npos ? 0 : std::stoul(std::string(head.substr(at + 16, 12)));
      if (connection.in.size() < end + 4 + length) break;
      if (head.size() < 12 || connection.sent.empty()) return false;
      last_ = Clock::now();
      if (head.substr(9, 3) == "200") {
        latencies_.push_back(
            std::chrono::duration_cast<std::chrono::microseconds>(last_ - connection.sent.front())
                .count());
      } else {
        ++others_;
        ++by_status_[std::string(head.substr(9, 3))];
      }
      connection.sent.pop_front();
      --under_way_;
      queue(connection);
      begin = end + 4 + length;
    }
    connection.in.erase(0, begin);
    return true;
  }

  int broken(const char* what) {
    std::fprintf(stderr, "webhook_load: %s failed: %s\n", what, std::strerror(errno));
    return 1;
  }

  double percentile(double share) {
    if (latencies_.empty()) return 0;
    const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), latencies_.begin() + at, latencies_.end());
    return static_cast<double>(latencies_[static_cast<std::size_t>(at)]) / 1'000;
  }

  void report(double seconds) {
    std::string statuses;
    for (const auto& [status, count] : by_status_) {
      statuses += (statuses.empty() ? "\"" : ",\"") + status + "\":" + std::to_string(count);
    }
    std::printf(
        "{\"ok\":%zu,\"others\":%lld,\"by_status\":{%s},\"seconds\":%.3f,\"per_second\":%.0f,"
        "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"sent\":%lld}\n",
        latencies_.size(), static_cast<long long>(others_), statuses.c_str(), seconds,
        static_cast<double>(latencies_.size()) / seconds, percentile(0.5), percentile(0.99),
        percentile(1), static_cast<long long>(count_));
  }

  const Options& options_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::string fixed_;
  std::string body_;
  std::int64_t date_ = 0;
  std::int64_t count_ = 0;
  std::int64_t under_way_ = 0;
  std::int64_t others_ = 0;
  std::map<std::string, std::int64_t> by_status_;
  std::vector<std::int64_t> latencies_;  // microseconds
  Clock::time_point end_;
  Clock::time_point last_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Closed-loop load of signed Telegram webhooks");
  app.add_option("--port", options.port)->required();
  app.add_option("--path", options.path);
  app.add_option("--secret", options.secret);
  app.add_option("--get", options.get);
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 10'000));
  app.add_option("--pipeline", options.pipeline)->check(CLI::Range(1, 64));
  app.add_option("--seconds", options.seconds)->check(CLI::PositiveNumber);
  app.add_option("--chats", options.chats)->check(CLI::PositiveNumber);
  app.add_option("--first", options.first);
  app.add_flag("--once-per-chat", options.once_per_chat);
  CLI11_PARSE(app, argc, argv);
  if (options.path.empty() == options.get.empty()) {
    std::fprintf(stderr, "webhook_load: give either --path or --get\n");
    return 2;
  }
  return Load(options).run();
}
