// The application behind the edge in its tests and probes: small routes that show what an edge can
// get wrong. Used by edge_test.cc and edge_probe_server.cc.
//
//   GET  /healthz      2 bytes
//   POST /body         the body's size; limit 1 MiB
//   POST /limited      the same; limit 8 KiB
//   GET  /echo?c=...   the value of c, answered inside the handler
//   GET  /async?c=...  the same, from another thread
//   GET  /big          20 MB; /big_copy the same as a string of its own
//   GET  /hold         answered by release_held, or never
//   GET  /block        keeps the reactor inside the handler until unblock
//   GET  /throw /drop /injected   handlers that do wrong
//   any upgrade to a WebSocket on /socket and /socket.io/: the socket echoes bytes from then on
#ifndef TESTS_HTTP_EDGE_PROBE_APP_H_
#define TESTS_HTTP_EDGE_PROBE_APP_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/http/server.h"

namespace probe {

class App final : public gateway::http::App {
 public:
  static constexpr std::size_t kBodyLimit = 1 << 20;
  static constexpr std::size_t kSmallBodyLimit = 8192;
  static constexpr std::size_t kBigBytes = 20'000'000;

  App();
  ~App() override;

  std::size_t body_limit(const gateway::http::Request& head) override;
  gateway::http::Headers refusal_headers(const gateway::http::Request& head) override;
  void handle(gateway::http::Request&& request, gateway::http::Reply&& reply) override;
  bool takes_upgrade(const gateway::http::Request& head) override;
  void upgraded(gateway::http::Request&& head, int fd, std::string bytes_behind_head) override;

  // Answers every held request; returns how many.
  std::size_t release_held();
  // What /echo was asked for so far, in the order of handling.
  std::vector<std::string> echoed() const;
  // Lets the reactor out of /block.
  void unblock();
  // The worker lets its answers wait from now on, or sends them again.
  void hold_async(bool on);

  std::atomic<std::size_t> handled{0};
  std::atomic<std::size_t> held{0};
  std::atomic<std::size_t> gone{0};
  std::atomic<std::size_t> upgrades{0};
  std::atomic<bool> records_echoes{false};

 private:
  struct Job {
    gateway::http::Reply reply;
    std::string text;
  };
  void answer_jobs();
  void echo_sockets();

  const std::shared_ptr<const std::string> big_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Job> jobs_;                         // guarded by mutex_
  std::vector<gateway::http::Reply> held_;        // guarded by mutex_
  std::vector<std::pair<int, std::string>> new_;  // guarded by mutex_; sockets for the echo thread
  std::vector<std::string> echoed_;               // guarded by mutex_
  bool blocked_ = false;                          // guarded by mutex_
  bool hold_async_ = false;                       // guarded by mutex_
  bool stop_ = false;                             // guarded by mutex_
  int echo_bell_ = -1;
  std::thread worker_;
  std::thread echo_;
};

}  // namespace probe

#endif  // TESTS_HTTP_EDGE_PROBE_APP_H_
