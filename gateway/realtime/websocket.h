// A WebSocket taken over from the HTTP edge, on the loop's thread. Beast stays in websocket.cc.
//
// Its owner is called until disown, drop or on_ended; the object keeps itself alive while an
// operation is under way. No permessage-deflate: a pair of windows costs 300 KiB per connection,
// and what is not inflated cannot be a bomb.
#ifndef GATEWAY_REALTIME_WEBSOCKET_H_
#define GATEWAY_REALTIME_WEBSOCKET_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/http/message.h"
#include "gateway/realtime/engine_codec.h"
#include "gateway/realtime/loop.h"

namespace gateway::realtime {

class WebSocket {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The opening handshake is done.
    virtual void on_open(WebSocket& socket) = 0;
    virtual void on_frame(WebSocket& socket, bool is_binary, std::string_view bytes) = 0;
    // What write was given is with the kernel; the next may be written.
    virtual void on_written(WebSocket& socket) = 0;
    // Closed by either side, broken, or over a limit. The last call.
    virtual void on_ended(WebSocket& socket) = 0;
  };

  // `fd` is taken, whatever happens; null where it is no socket any more. `max_message` in bytes:
  // above it the connection closes with 1009, and with 1007 for text that is not UTF-8.
  static std::shared_ptr<WebSocket> take(Loop& loop, int fd, const http::Request& head,
                                         std::string bytes_behind_head, std::size_t max_message,
                                         std::weak_ptr<Owner> owner);
  virtual ~WebSocket() = default;

  // One at a time: not before on_open, nor between write and on_written.
  virtual void write(const Frame& frame) = 0;
  virtual bool is_writing() const = 0;
  // Closing handshake, behind what is being written; on_ended follows.
  virtual void close() = 0;
  // Ends the connection now; no more calls.
  virtual void drop() = 0;
  // Bytes of the client that have not been looked at.
  virtual bool has_input() const = 0;
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_WEBSOCKET_H_
