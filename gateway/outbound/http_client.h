// Makes the HTTP calls connectors ask for: one libcurl multi handle, driven by the outbound thread.
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
#include <memory>
#include <vector>

#include "connectors/sdk/values.h"
#include "gateway/base/metrics.h"
#include "gateway/base/result.h"
#include "gateway/base/task.h"
#include "gateway/outbound/egress.h"

namespace gateway::outbound {

struct HttpLimits {
  std::chrono::milliseconds connect{3'000};
  std::chrono::milliseconds total{15'000};
  std::size_t answer_bytes = 1u << 20;  // what comes behind is cut off
  std::size_t answer_header_bytes = 64u << 10;
  std::size_t request_bytes = 32u << 20;
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
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_HTTP_CLIENT_H_
