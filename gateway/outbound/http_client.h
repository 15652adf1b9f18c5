// Makes the calls connectors ask for: HTTP on one libcurl multi handle, driven by the outbound
// thread; mail (smtp, imap) on the threads of a MailClient, whose header tells its answers.
//
// Sends at most once: libcurl's silent repetition of a request on a stale connection is refused
// once a byte has left. `Response::not_sent` is true only where it is certain that no byte of the
// request left this machine (resolving, connecting, the TLS handshake or the egress policy failed).
//
// All methods belong to one thread, except wake. Completions run inside poll or cancel, never
// inside start. A call that is still under way when the client goes away is dropped without
// completion.
#ifndef GATEWAY_OUTBOUND_HTTP_CLIENT_H_
#define GATEWAY_OUTBOUND_HTTP_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "connectors/sdk/values.h"
#include "gateway/base/metrics.h"
#include "gateway/base/result.h"
#include "gateway/base/task.h"
#include "gateway/outbound/egress.h"
#include "gateway/outbound/mail_client.h"

namespace gateway::outbound {

// What a call may ask for at most, and from which size on it is big: has more time, and counts
// against BigAnswers.
inline constexpr std::int64_t kMaxAnswerBytes = 40 << 20;
inline constexpr std::int64_t kBigAnswerBytes = 1 << 20;

struct HttpLimits {
  std::chrono::milliseconds connect{3'000};
  std::chrono::milliseconds total{15'000};
  std::chrono::milliseconds big_total{60'000};  // where body or answer may be big
  std::size_t answer_bytes = 1u << 20;  // where the call names no limit; what is beyond is cut off
  std::size_t answer_header_bytes = 64u << 10;
  std::size_t request_bytes = 40u << 20;
  std::string ca_file;  // PEM, in place of the system's file; its folder of them stays
  MailLimits mail;
};

class HttpClient {
 public:
  using Completion = Task<void(connector::Response)>;
  HttpClient(const EgressPolicy& policy, Metrics& metrics, HttpLimits limits = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Errc::invalid_argument: the call cannot be made as it stands (its URL, a header); nothing was
  // sent and the completion is not called.
  Result<> start(connector::Call call, Completion completion);
  // A call takes no longer than this, counted from start.
  std::chrono::milliseconds time_limit(const connector::Call& call) const;
  // What is kept of its answer.
  std::size_t answer_limit(const connector::Call& call) const;
  // The host it names; empty where it cannot be made.
  std::string host_of(const connector::Call& call) const;
  // Drives all calls; returns when something happened, after `wait`, or when woken.
  void poll(std::chrono::milliseconds wait);
  // Makes poll return now. Any thread.
  void wake();
  // Ends every call now; each is answered status 0.
  void cancel();
  std::size_t in_flight() const;

 private:
  struct Transfer;
  struct Impl;
  void finish(Transfer& transfer, int result);
  void count(const MailClient::Collected& collected);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_HTTP_CLIENT_H_
