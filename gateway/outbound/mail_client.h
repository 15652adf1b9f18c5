// Makes the mail calls of HttpClient: a few threads, each with a MailTransfer.
//
// Threads, because libcurl's SMTP and IMAP wait inside themselves (for the reply to a message, for
// the one to QUIT; lib/smtp.c smtp_done and smtp_disconnect in 7.88.1): on the outbound thread one
// slow mail server would hold up all platforms. They start when the first mail call is made.
//
// At most two calls share credentials at a time, so that one slow account leaves threads to others;
// the rest wait in order, and what waited too long is answered as not sent. A call goes to the
// thread that has its connection open.
//
// All methods belong to one thread, the one that polls; completions run inside collect and cancel.
#ifndef GATEWAY_OUTBOUND_MAIL_CLIENT_H_
#define GATEWAY_OUTBOUND_MAIL_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "connectors/sdk/values.h"
#include "gateway/base/result.h"
#include "gateway/base/task.h"
#include "gateway/outbound/egress.h"

namespace gateway::outbound {

struct MailLimits {
  std::chrono::milliseconds connect{20'000};  // servers greet late on purpose
  std::chrono::milliseconds total{60'000};    // with the time it waits for a thread
  std::size_t threads = 8;
  std::size_t per_account = 2;
  std::size_t waiting = 256;  // calls beyond are answered as not sent
  std::string ca_file;        // PEM, in place of the system's file; its folder of them stays
};

class MailClient {
 public:
  using Completion = Task<void(connector::Response)>;
  // `ended` is called on a thread of the client when there is something to collect.
  MailClient(const EgressPolicy& policy, MailLimits limits, std::function<void()> ended);
  // Calls that are under way are dropped without completion.
  ~MailClient();
  MailClient(const MailClient&) = delete;
  MailClient& operator=(const MailClient&) = delete;

  // Errc::invalid_argument: the call cannot be made as it stands; the completion is not called.
  // `answer_bytes` bounds what is kept of an IMAP answer.
  Result<> start(connector::Call call, EgressPolicy::Target target, std::size_t answer_bytes,
                 Completion completion);
  // Runs the completions of what has ended; says how many, and how many the policy refused.
  struct Collected {
    int ended = 0;
    int refused = 0;
  };
  Collected collect();
  // Ends every call and waits for that, a second or so.
  Collected cancel();
  std::size_t in_flight() const;

 private:
  struct Job;
  struct Worker;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_MAIL_CLIENT_H_
