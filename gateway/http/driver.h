// The seam to Pistache: one Aio::Reactor that multiplexes the sockets of one shard.
//
// Of the library only its reactor runs: epoll and the dispatch of its events. Accepting, reading,
// writing and closing are done here and in Conn, because the library's transport can hand an answer
// to the wrong client. Owned by the Server; run and everything behind it is its own thread's.
#ifndef GATEWAY_HTTP_DRIVER_H_
#define GATEWAY_HTTP_DRIVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "gateway/http/shard.h"

namespace gateway::http {

class Driver {
 public:
  // `place` says which of the server's shards takes the next accepted connection.
  using Place = std::function<Shard&()>;

  explicit Driver(std::shared_ptr<Shard> shard);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Before run: this driver accepts.
  void listen(UniqueFd listener, Place place);
  // The calling thread becomes the reactor's; returns after stop, when every connection is closed.
  void run();
  // Any thread.
  void stop();

  void adopt(UniqueFd fd, std::string peer);
  // removeFd, close, out of the table, Conn::gone; exactly once for each.
  void close(Conn& conn);
  // The same without closing; the descriptor is the caller's.
  int detach(Conn& conn);
  // What is unread is reported again, and with `read_and_write` also room to write.
  enum class Watch { read, read_and_write };
  void watch(Conn& conn, Watch watch);

 private:
  class Poller;
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::http

#endif  // GATEWAY_HTTP_DRIVER_H_
