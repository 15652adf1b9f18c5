// A platform for tests: an HTTP/1.1 server on a port of the loopback interface that answers as
// told, or breaks as told, and remembers what it was asked.
//
//   HttpServer platform([](const HttpRequest& request) { return HttpAnswer{.body = "ok"}; });
//   ... platform.origin() ...
//
// The handler runs on the server's threads, one call at a time. Other methods: any thread.
#ifndef TESTS_SUPPORT_HTTP_SERVER_H_
#define TESTS_SUPPORT_HTTP_SERVER_H_

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace test_support {

struct HttpRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;  // names lower-case
  std::string body;

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

struct HttpAnswer {
  enum class Fault {
    none,
    reset,       // instead of an answer, a reset
    close,       // instead of an answer, an orderly end
    silence,     // no answer while the connection lasts
    short_body,  // an end before the body is complete
    reset_in_body,
    endless,  // a body that does not end
  };
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  Fault fault = Fault::none;
  bool close = false;  // after this answer
};

class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequest&)>;
  // What happens to a connection before anything is read.
  enum class Accept { serve, reset, reset_at_first_byte, close_idle, ignore };

  explicit HttpServer(Handler handler, Accept accept = Accept::serve);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string origin() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  void set_handler(Handler handler);
  void set_accept(Accept accept) { accept_ = accept; }
  int connections() const { return connections_; }
  std::vector<HttpRequest> requests() const;
  // Requests whose target begins so.
  int count(std::string_view target) const;

 private:
  void listen_loop();
  void serve(int socket);
  bool answer(int socket, const HttpAnswer& next);

  Handler handler_;
  std::atomic<Accept> accept_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  std::vector<HttpRequest> requests_;  // guarded by mutex_
  std::list<int> sockets_;             // guarded by mutex_
  std::vector<std::thread> threads_;   // guarded by mutex_
  std::thread listening_;
};

// A port of the loopback interface on which nobody listens.
int closed_port();

}  // namespace test_support

#endif  // TESTS_SUPPORT_HTTP_SERVER_H_
