// One client's connection: reads requests one after the other, hands each to the App, writes the
// answer, and knows when to give up.
//
// Everything in it is touched on its reactor's thread only. The object itself may die on the thread
// of the last Reply, so its destructor frees memory and nothing else; `gone` has let go of the
// rest. Owned by the driver's table and by the Replies that are due.
#ifndef GATEWAY_HTTP_CONN_H_
#define GATEWAY_HTTP_CONN_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/http/framer.h"
#include "gateway/http/message.h"
#include "gateway/http/server.h"
#include "gateway/http/shard.h"

namespace gateway::http {

class Conn : public std::enable_shared_from_this<Conn> {
 public:
  Conn(std::shared_ptr<Shard> shard, int fd, std::string peer);
  Conn(const Conn&) = delete;
  Conn& operator=(const Conn&) = delete;

  int fd() const { return fd_; }

  // From the driver.
  // False while enough waits unread; the client may then only be watched for leaving.
  bool wants_input() const;
  // Bytes were left unread; they are asked for again when they are wanted.
  void pause() { paused_ = true; }
  void resume_if_paused();
  void input(std::string_view bytes);
  void end_of_input();
  void writable();
  void tick();
  // The descriptor is closed, or somebody else's: lets go of everything.
  void gone();
  // True where a request is being served or read that has not been answered.
  bool owes_an_answer() const;

  // From Reply and the inbox.
  void answer(std::uint64_t number, Response response);
  void answer_dropped(std::uint64_t number);
  void set_gone_callback(std::uint64_t number, std::function<void()> callback);
  // Goes on with the requests that wait in the backlog.
  void go_on();
  void go_on_later();
  bool is_running() const { return running_; }
  // Ends the connection at once.
  void leave();
  const std::shared_ptr<Shard>& shard() const { return shard_; }

 private:
  enum class State {
    read,    // a request, or nothing yet
    busy,    // an answer is due
    write,   // an answer is going out
    linger,  // everything is said; waits for the client to close, so that it can read it all
    gone,
  };

  void run(std::string_view& bytes);
  void run_backlog();
  void take_step(Framer::Step step, std::string_view& bytes);
  void on_head(std::string_view rest);
  void on_request(std::string_view& rest);
  void hand_over(std::string_view& rest);
  void refuse(int status, std::string_view detail, Refused reason);
  void add_application_headers(Response& response);
  void send_response(Response response);
  void flush();
  void wait_for_room();
  void answer_is_out();
  std::string_view body() const;
  void linger();
  void set_read_deadline();
  std::size_t backlog_bytes() const { return backlog_.size() - backlog_begin_; }
  // Brings Edge::buffered and large_buffered up to date. False: one has grown over its limit.
  bool recharge();

  const std::shared_ptr<Shard> shard_;
  const int fd_;
  const std::string peer_;
  Framer framer_;
  State state_ = State::read;
  std::uint64_t number_ = 0;      // of the request being read or answered
  std::int64_t deadline_ms_ = 0;  // 0: none
  Framer::Phase timed_phase_ = Framer::Phase::idle;
  std::int64_t phase_began_ms_ = 0;

  std::string backlog_;  // bytes behind the request being answered
  std::size_t backlog_begin_ = 0;
  std::size_t request_bytes_ = 0;  // of the request the App has
  std::size_t charged_ = 0;        // of Edge::buffered
  std::size_t charged_large_ = 0;  // of Edge::large_buffered

  std::string head_;  // of the answer going out
  std::string body_;
  std::shared_ptr<const std::string> shared_body_;  // instead of body_
  std::size_t written_ = 0;                         // of head and body

  std::function<void()> gone_callback_;
  bool in_app_ = false;       // inside App::handle of this connection's request
  bool paused_ = false;       // the driver left bytes unread
  bool running_ = false;      // inside run
  bool yielded_ = false;      // a go_on item is under way
  bool head_came_ = false;    // of the request being read
  bool head_only_ = false;    // the request was a HEAD
  bool keep_alive_ = false;   // what the request allows
  bool close_after_ = false;  // what the answer said
  bool client_ended_ = false;
  bool wants_write_ = false;
};

}  // namespace gateway::http

#endif  // GATEWAY_HTTP_CONN_H_
