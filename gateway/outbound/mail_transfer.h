// One mail connection and the calls made over it, one after the other: submitting a message by
// SMTP, or an IMAP command. Blocking; libcurl's easy interface.
//
// A connection is kept for the next call with the same server, credentials and protection, and with
// nothing else. Before a server may ask for them, credentials wait for TLS: smtp and imap demand
// STARTTLS, except in clear text to a destination the operator has chosen.
//
// The answer (see also gwc_call in connector_abi.h):
//   SMTP  200, 401, or the code of the reply that ended the call. The body is the server's lines,
//         from its answer to MAIL on; "rcpt-to" headers repeat the reply to each recipient, in the
//         order of the call. A message goes out where at least one recipient was accepted. Without
//         sender and recipients the call only logs in.
//   IMAP  200, 401, or 400 with the server's words: NO, BAD, a mailbox that was renumbered, or a
//         message that is gone. The body is the untagged lines of a command, or the message.
//   Both  0 where no answer came; not_sent unless SMTP had begun with the message itself.
//
// perform belongs to one thread; cut may be called from any.
#ifndef GATEWAY_OUTBOUND_MAIL_TRANSFER_H_
#define GATEWAY_OUTBOUND_MAIL_TRANSFER_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "connectors/sdk/values.h"
#include "gateway/base/result.h"
#include "gateway/outbound/egress.h"
#include "gateway/outbound/mail_dialog.h"

namespace gateway::outbound {

bool is_mail_scheme(std::string_view scheme);  // smtp, smtps, imap, imaps

// A mail call that can be made.
struct MailCall {
  connector::Call call;
  EgressPolicy::Target target;
  MailParams params;
  std::string key;  // of the connection it may use: a digest, so that no credential is kept in it
  std::size_t answer_bytes = 0;
  std::chrono::steady_clock::time_point deadline;
  std::chrono::milliseconds connect{0};  // at most this long until the login is over
  std::string ca_file;                   // empty: the system's certificates
  std::atomic<bool> cancelled{false};
  bool egress_refused = false;  // set by perform

  bool is_smtp() const { return target.scheme.starts_with("smtp"); }
};

// Errc::invalid_argument: the call cannot be made as it stands.
Result<> check_mail_call(MailCall& mail);

class MailTransfer {
 public:
  explicit MailTransfer(const EgressPolicy& policy);
  ~MailTransfer();
  MailTransfer(const MailTransfer&) = delete;
  MailTransfer& operator=(const MailTransfer&) = delete;

  connector::Response perform(MailCall& mail);
  // Key of the connection that is open, or "".
  const std::string& kept() const { return key_; }
  // Ends it; the server is told and not waited for.
  void close();
  // Makes a perform on another thread end soon.
  void cut();

 private:
  struct Handle;
  struct Exchange;
  connector::Response exchange(MailCall& mail);

  const EgressPolicy& policy_;
  std::unique_ptr<Handle> handle_;
  std::string key_;
  bool selected_ = false;  // libcurl has chosen a mailbox on the connection
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_MAIL_TRANSFER_H_
