// A webhook that records what it is sent and answers as it is told.
//
// Owns one thread that serves its connections by poll; methods may be called from any thread.
#ifndef TESTS_SIMULATE_WEBHOOK_STUB_H_
#define TESTS_SIMULATE_WEBHOOK_STUB_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace test_support {

struct Delivered {
  std::string head;  // request line and headers, byte for byte
  std::string body;
};

class WebhookStub {
 public:
  WebhookStub();
  ~WebhookStub();

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/hook") const;
  // The answers of the next requests, whole; then again 200 without a body.
  void answer_next(std::string raw_answer);
  // While held, requests are read and not answered.
  void hold(bool held);
  // Waits until `count` requests have come.
  std::vector<Delivered> wait_for(std::size_t count,
                                  std::chrono::seconds patience = std::chrono::seconds(20));

 private:
  void serve();
  bool read_requests(int fd);
  void answer_due();

  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::uint16_t port_ = 0;
  std::map<int, std::string> connections_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Delivered> seen_;
  std::deque<std::string> answers_;
  std::deque<int> unanswered_;
  bool held_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace test_support

#endif  // TESTS_SIMULATE_WEBHOOK_STUB_H_
