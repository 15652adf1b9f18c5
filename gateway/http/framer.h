// Bytes in, requests out: RFC 9112 framing without exception and without I/O.
//
// A raw scan sees every byte of a head once, so the verdict depends on the bytes alone and never on
// how they were cut into segments; only a whole head, or a whole chunk head, reaches the parser
// derived from Boost.Beast's basic_parser, and the checks that parser lacks come behind it.
// Owned by one Conn and used on its reactor's thread. Needs no socket and no clock.
#ifndef GATEWAY_HTTP_FRAMER_H_
#define GATEWAY_HTTP_FRAMER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/http/message.h"
#include "gateway/http/server.h"

namespace gateway::http {

class Framer {
 public:
  enum class Step {
    more,     // all bytes taken, the request is not whole yet
    head,     // a body is announced: call allow_body, then feed on
    done,     // request() is whole; call next() before feeding on
    refused,  // see refusal(); nothing behind these bytes may be looked at
  };
  enum class Phase { idle, head, body, done, refused };

  // Why a request is refused. `detail` has static storage.
  struct Refusal {
    int status = 0;
    std::string_view detail;
  };

  explicit Framer(const Limits& limits);  // kept by reference
  explicit Framer(Limits&&) = delete;
  ~Framer();
  Framer(const Framer&) = delete;
  Framer& operator=(const Framer&) = delete;

  // Takes bytes from the front of `bytes`; what is left belongs to the next request.
  Step feed(std::string_view& bytes);
  // The answer to Step::head. False: the announced length is over it, and the request refused.
  bool allow_body(std::size_t limit);
  // Ready for the next request on this connection.
  void next();

  Phase phase() const { return phase_; }
  const Refusal& refusal() const { return refusal_; }
  // Complete behind `head`, except for the body. The caller may move it out behind `done`.
  Request& request() { return request_; }
  const Request& request() const { return request_; }
  bool keep_alive() const { return keep_alive_; }
  // The client waits for "100 Continue" before it sends the body.
  bool expects_continue() const { return expects_continue_; }
  // A WebSocket handshake by its head: GET, HTTP/1.1, no body, both tokens.
  bool is_websocket() const { return is_websocket_; }
  // Bytes held here: an unfinished head and the body so far.
  std::size_t buffered() const { return pending_.size() + request_.body.size(); }

 private:
  struct Parser;
  enum class Scan { go_on, empty_line, whole, bad };

  // Where the scan of a raw head stands.
  struct HeadScan {
    std::size_t bytes = 0;
    std::size_t lines = 0;
    std::size_t column = 0;
    bool after_cr = false;
    bool skipped_empty_line = false;
  };
  // Where the scan of a chunk head stands; the CRLF behind a chunk's data opens the next head.
  struct ChunkScan {
    enum class At { data_cr, data_lf, size, extension, size_lf, line, trailer, line_lf, last_lf };
    At at = At::size;
    std::size_t bytes = 0;
    std::size_t digits = 0;
    std::size_t extension_bytes = 0;
    std::uint64_t size = 0;
  };

  Scan scan_head(char c);
  Scan scan_chunk_head(char c);
  Step take_head(std::string_view& bytes);
  Step parse_head(std::string_view head);
  Step take_body(std::string_view& bytes);
  Step take_chunk_head(std::string_view& bytes);
  Step take_data(std::string_view& bytes);
  Step refuse(int status, std::string_view detail);

  // Checks behind the parser; each false has called refuse.
  bool check_target();
  bool check_host();
  bool check_length_and_coding();
  bool check_expectation();
  void read_connection_tokens();

  const Limits& limits_;
  std::unique_ptr<Parser> parser_;
  Phase phase_ = Phase::idle;
  HeadScan head_scan_;
  ChunkScan chunk_scan_;
  std::string pending_;  // an unfinished head or chunk head
  Request request_;
  Refusal refusal_;
  std::uint64_t body_limit_ = 0;
  std::uint64_t length_ = 0;      // announced by Content-Length
  std::uint64_t chunk_left_ = 0;  // data of this chunk still to come
  bool chunked_ = false;
  bool http11_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool is_websocket_ = false;
};

}  // namespace gateway::http

#endif  // GATEWAY_HTTP_FRAMER_H_
