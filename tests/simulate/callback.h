// A gateway's callback URL in a test: remembers what a platform sent and answers as the test says.
//
// Methods may be called from any thread.
#ifndef TESTS_SIMULATE_CALLBACK_H_
#define TESTS_SIMULATE_CALLBACK_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "gateway/simulate/api_server.h"
#include "tests/support/http_client.h"
#include "tests/support/http_server.h"

namespace test_support {

using Received = HttpRequest;

class Callback {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequest&)>;

  // Without a handler of its own: 200, and the challenge of a Meta handshake.
  explicit Callback(Handler handler = {})
      : handler_(std::move(handler)),
        server_([this](const HttpRequest& request) { return answer(request); }) {}

  std::string url(const std::string& path = "/hook") const { return server_.origin() + path; }

  void set_handler(Handler handler) {
    const std::lock_guard lock(mutex_);
    handler_ = std::move(handler);
  }

  // Waits until so many POSTs have come; those that did.
  std::vector<HttpRequest> posts(std::size_t count,
                                 std::chrono::seconds patience = std::chrono::seconds(20)) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return posts_.size() >= count; });
    return posts_;
  }
  std::vector<HttpRequest> gets() const {
    const std::lock_guard lock(mutex_);
    return gets_;
  }

 private:
  HttpAnswer answer(const HttpRequest& request) {
    Handler handler;
    {
      const std::lock_guard lock(mutex_);
      (request.method == "GET" ? gets_ : posts_).push_back(request);
      handler = handler_;
    }
    changed_.notify_all();
    if (handler) return handler(request);
    const std::size_t mark = request.target.find('?');
    if (request.method != "GET" || mark == std::string::npos) return {};
    const auto query = sdk::parse_form(request.target.substr(mark + 1));
    return {.body = std::string(sdk::find(query, "hub.challenge").value_or(""))};
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Handler handler_;
  std::vector<HttpRequest> gets_;
  std::vector<HttpRequest> posts_;
  HttpServer server_;
};

// A parsed body that lives as long as the answer it came in.
class Json {
 public:
  explicit Json(const std::string& text) : document_(sdk::json::Document::parse(text)) {}
  sdk::json::Value operator[](std::string_view name) const { return root()[name]; }
  sdk::json::Value root() const { return document_ ? document_->root() : sdk::json::Value(); }

 private:
  sdk::Expected<sdk::json::Document, sdk::json::ParseError> document_;
};

}  // namespace test_support

#endif  // TESTS_SIMULATE_CALLBACK_H_
