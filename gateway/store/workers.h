// Threads that do blocking database work for others; each owns one Session.
//
// The queue is bounded: a full one refuses at once, so that overload becomes 503 and not memory.
// post from any thread; construction, stop and destruction from one.
#ifndef GATEWAY_STORE_WORKERS_H_
#define GATEWAY_STORE_WORKERS_H_

#include <cstddef>
#include <memory>
#include <string>

#include "gateway/base/task.h"
#include "gateway/store/pg.h"

namespace gateway::store {

class Workers {
 public:
  using Job = Task<void(Session&)>;
  Workers(std::string name, int threads, std::size_t queue_capacity, SessionOptions options);
  // As stop().
  ~Workers();
  // Finishes what is queued and joins the threads; refuses jobs from now on. To be called before
  // anything goes that jobs name. May be repeated.
  void stop();
  // False where the queue is full or the pool is stopping; the job is then left as it was.
  [[nodiscard]] bool post(Job&& job);
  std::size_t queued() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::store

#endif  // GATEWAY_STORE_WORKERS_H_
