// Who may begin a live session, and which sessions there are: asked on the reactor's thread before
// a connection is taken over, so that a refusal is an ordinary answer.
//
// A client is an address as auth::network_of counts it. State is this process's own and bounded.
// Internally locked; any thread.
#ifndef GATEWAY_REALTIME_GATE_H_
#define GATEWAY_REALTIME_GATE_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace gateway::realtime {

struct GateLimits {
  double handshakes_per_minute = 20;  // of one network, in the long run
  double handshake_burst = 40;
  std::size_t sessions_per_network = 50;
  std::size_t sessions = 20'000;   // of this process
  std::size_t networks = 100'000;  // remembered
  // Times as much for loopback: tests, demonstrations, and a proxy nobody told us to trust.
  double loopback_room = 50;
};

class Gate {
 public:
  enum class Answer {
    welcome,
    too_many_handshakes,
    too_many_sessions,  // of this network
    full,               // of the process
  };

  explicit Gate(GateLimits limits) : limits_(limits) {}

  // Welcome: the place is taken until `leave`.
  Answer enter(const std::string& network, std::int64_t now_ms);
  void leave(const std::string& network);

  // The session ids that requests may name.
  void add(const std::string& sid);
  void remove(const std::string& sid);
  bool knows(const std::string& sid) const;

  std::size_t sessions() const;

 private:
  struct Network {
    double tokens = 0;
    std::int64_t filled_ms = 0;
    std::size_t sessions = 0;
    double room = 1;
  };
  double tokens_at(const Network& network, std::int64_t now_ms) const;
  void forget_idle(std::int64_t now_ms);

  const GateLimits limits_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Network> networks_;
  std::unordered_set<std::string> sids_;
  std::size_t sessions_ = 0;
  std::int64_t swept_ms_ = INT64_MIN;
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_GATE_H_
