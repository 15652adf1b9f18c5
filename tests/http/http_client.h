// A raw HTTP client for tests of the edge: sends what it is told, cuts where it is told, and waits
// with deadlines only. One thread at a time.
#ifndef TESTS_HTTP_HTTP_CLIENT_H_
#define TESTS_HTTP_HTTP_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/http/framing_vectors.h"

namespace probe {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

inline constexpr milliseconds kPatience{10'000};

struct Answer {
  int status = 0;
  std::string head;  // with the status line
  std::string body;
  bool says_close = false;
};

class Client {
 public:
  enum class Body { as_announced, none };

  // Connects to 127.0.0.1. `receive_buffer` 0: the system's.
  explicit Client(std::uint16_t port, int receive_buffer = 0);
  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;
  ~Client();

  // False where the connection is broken.
  bool send(std::string_view bytes);
  // The next answer, behind any 1xx; nothing where the connection ends or the time is over.
  std::optional<Answer> answer(Body body = Body::as_announced, milliseconds patience = kPatience);
  // Reads until `size` bytes are there.
  std::optional<std::string> bytes(std::size_t size, milliseconds patience = kPatience);
  // Whether the server ends the connection in time; what comes before that is kept in rest().
  bool ends(milliseconds patience = kPatience);
  // Whether nothing at all comes for that long.
  bool is_silent(milliseconds time);
  // Ends with RST, as a crashed client does.
  void reset();
  void close();

  int fd() const { return fd_; }
  const std::string& rest() const { return buffer_; }
  bool ended() const { return ended_; }
  // Ended by RST rather than FIN.
  bool was_reset() const { return was_reset_; }

 private:
  // False at the end of the stream or of the time.
  bool read_more(steady_clock::time_point until);

  int fd_ = -1;
  std::string buffer_;
  bool ended_ = false;
  bool was_reset_ = false;
};

std::string get(std::string_view target, std::string_view headers = {});
std::string post(std::string_view target, std::string_view body);

// Asks again and again, with pauses of a millisecond.
bool eventually(const std::function<bool()>& holds, milliseconds patience = kPatience);

// What came back for a vector and the canary behind it.
struct Outcome {
  std::vector<int> statuses;
  bool closed = false;
  bool rest = false;  // bytes that are no whole answer

  bool is(const Vector& vector) const;
  std::string text() const;
};
// Sends the vector in the given pieces and the canary behind it.
Outcome run_vector(std::uint16_t port, const Vector& vector, const std::vector<std::size_t>& cuts,
                   milliseconds patience = kPatience);

}  // namespace probe

#endif  // TESTS_HTTP_HTTP_CLIENT_H_
