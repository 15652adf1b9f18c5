// What mail servers say, line by line, and what may be said to them: pure, no I/O.
//
// SmtpDialog and ImapDialog are fed the lines of one call in the order they come and know what they
// mean for it. Used by MailTransfer on its thread; fuzzed in tests/fuzz/mail_dialog_fuzz.cc.
//
// Replies: RFC 5321 4.2, RFC 3501 2.2 and 7. Response codes: RFC 5530.
#ifndef GATEWAY_OUTBOUND_MAIL_DIALOG_H_
#define GATEWAY_OUTBOUND_MAIL_DIALOG_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/values.h"
#include "gateway/base/result.h"

namespace gateway::outbound {

// What a mail call's headers say, checked; see gwc_call in connector_abi.h.
struct MailParams {
  std::string mail_from;
  std::vector<std::string> rcpt_to;  // empty: only log in
  std::string username;
  std::string password;
  std::string bearer;
  bool clear_text = false;  // "tls" = "none"
};
// Errc::invalid_argument: a header that is no parameter, is there twice, or would say more to the
// server than it should (line ends, angle brackets, blanks in an address).
Result<MailParams> read_smtp_params(const connector::Pairs& headers);
Result<MailParams> read_imap_params(const connector::Pairs& headers);

// An IMAP command that can be sent as it stands. Errc::invalid_argument: control characters, a
// literal, or a command that is the client's own (LOGIN, STARTTLS, LOGOUT, IDLE, APPEND, ...).
Result<> check_imap_command(std::string_view command);
// Whether it changes which mailbox is selected.
bool selects_mailbox(std::string_view command);

// Every line end as CR LF: a bare one is not dot-stuffed, and servers disagree about where a
// message with one ends.
std::string with_crlf(std::string text);

class SmtpDialog {
 public:
  // `bytes` bounds what is kept of the lines.
  SmtpDialog(std::size_t recipients, std::size_t bytes) : recipients_(recipients), bytes_(bytes) {}

  // The login is over: what comes now answers MAIL, each RCPT, DATA and the message, in that order.
  void begin();
  // False where the server says more than is kept.
  bool line(std::string_view whole);

  // Of the last reply that is complete; 0: there was none.
  int code() const { return code_; }
  bool begun() const { return begun_; }
  // The last reply ended the call: no later one can make it succeed.
  bool refused() const;
  // The reply to the message itself has come.
  bool concluded() const { return begun_ && replies_ == recipients_ + 3; }
  // The lines so far; once begun, of the transaction alone.
  const std::string& lines() const { return lines_; }
  // What was said to each recipient that was asked about: "250 2.1.5 Ok".
  const std::vector<std::string>& recipients() const { return recipient_replies_; }

 private:
  const std::size_t recipients_;
  const std::size_t bytes_;
  bool begun_ = false;
  bool one_accepted_ = false;
  std::size_t replies_ = 0;
  int code_ = 0;
  std::string lines_;
  std::vector<std::string> recipient_replies_;
};

class ImapDialog {
 public:
  explicit ImapDialog(std::size_t bytes) : bytes_(bytes) {}

  // False where the server says more than is kept.
  bool line(std::string_view whole);

  // The last tagged NO or BAD, without its tag; empty where there was none.
  const std::string& refusal() const { return refusal_; }
  // RFC 5530 3: the server cannot tell now whether the credentials are good.
  bool unavailable() const;
  // A line announced a literal, whose lines then look like the server's own.
  bool has_literal() const { return has_literal_; }

 private:
  const std::size_t bytes_;
  std::size_t seen_ = 0;
  std::string refusal_;
  bool has_literal_ = false;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_MAIL_DIALOG_H_
