// The outgoing side of a simulated platform: HTTP requests beside each other on one thread.
//
// Owns a thread with a libcurl multi handle between start and stop. `due` and the callbacks run on
// it, without any lock of this class; the other methods may be called from any thread. What is
// under way at stop is given up without a callback.
#ifndef GATEWAY_SIMULATE_TRANSFERS_H_
#define GATEWAY_SIMULATE_TRANSFERS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway::simulate {

using Headers = std::vector<std::pair<std::string, std::string>>;
// First value, by lower-case name; empty where there is none.
std::string_view header(const Headers& headers, std::string_view lower_name);

struct HttpCall {
  std::string method = "POST";
  std::string url;
  Headers headers;  // the only ones sent beside Host and Content-Length
  std::string body;
  std::string accept_encoding;  // empty: none
  std::chrono::milliseconds timeout{60'000};
  bool follows_redirects = false;
};

struct HttpOutcome {
  enum class Failure { none, connect, timeout, other };
  int status = 0;  // 0: no answer came
  Failure failure = Failure::none;
  std::string error;  // where no answer came
  Headers headers;    // names lower-case
  std::string body;   // at most 64 KiB
  std::int64_t latency_us = 0;
};

class Transfers {
 public:
  using Done = std::function<void(HttpOutcome outcome)>;
  struct Started {
    HttpCall call;
    Done done;
  };
  // What is to start now; lowers `next_ms` to the milliseconds until it wants to be asked again.
  using Due = std::function<std::vector<Started>(std::int64_t now_ms, std::int64_t& next_ms)>;

  explicit Transfers(Due due);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  void start();
  void stop();
  // Something became due.
  void wake();
  // Starts one call at once.
  void fetch(HttpCall call, Done done);

  // The clock `due` is asked by.
  static std::int64_t now_ms();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_TRANSFERS_H_
