// Whether this process can serve: asks the database three times a second on a connection of its
// own, so that /readyz answers from memory and turns within a second.
//
// Owns its thread. ready and drain from any thread.
#ifndef GATEWAY_API_READINESS_H_
#define GATEWAY_API_READINESS_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "gateway/base/clock.h"
#include "gateway/store/pg.h"

namespace gateway::api {

class Readiness {
 public:
  Readiness(store::SessionOptions database, const Clock& clock);
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  bool database_answers() const;
  bool draining() const { return draining_.load(); }
  bool ready() const { return !draining() && database_answers(); }
  // From now on not ready: the process is about to stop.
  void drain() { draining_.store(true); }

 private:
  void watch(store::SessionOptions database);
  const Clock& clock_;
  std::atomic<bool> draining_{false};
  std::atomic<std::int64_t> answered_ms_;  // steady clock; the last good answer
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace gateway::api

#endif  // GATEWAY_API_READINESS_H_
