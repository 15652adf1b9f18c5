// One connection to a simulated mail server that takes mail: RFC 5321 with 8BITMIME, SIZE,
// PIPELINING, SMTPUTF8, STARTTLS, AUTH PLAIN and LOGIN.
//
// No I/O: bytes in, replies out. Belongs to one thread; the sink may be asked from it at any time.
#ifndef GATEWAY_SIMULATE_SMTP_SESSION_H_
#define GATEWAY_SIMULATE_SMTP_SESSION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulate/text_server.h"

namespace gateway::simulate {

struct SmtpEnvelope {
  std::string user;  // who authenticated; empty: nobody
  std::string from;
  std::vector<std::string> to;
  bool smtputf8 = false;
  bool tls = false;
};

// What the server does with what it is told.
class SmtpSink {
 public:
  // What follows the end of a mail.
  struct Outcome {
    std::string reply = "250 2.0.0 Ok: queued";
    bool drops = false;  // the connection ends instead of a reply
  };
  virtual ~SmtpSink() = default;
  virtual bool login(const std::string& user, const std::string& password) = 0;
  virtual bool demands_login() = 0;
  // The reply to MAIL or RCPT: "250 2.1.5 Ok", or a refusal.
  virtual std::string sender(const std::string& address) = 0;
  virtual std::string recipient(const std::string& address) = 0;
  virtual Outcome take(const SmtpEnvelope& envelope, std::string bytes) = 0;
};

class SmtpSession final : public TextProtocol {
 public:
  SmtpSession(SmtpSink& sink, bool offers_tls, bool in_tls);

  std::string greeting() override;
  std::string receive(std::string_view bytes) override;
  void secured() override;

 private:
  enum class Expects { command, auth_plain, auth_user, auth_password, data };

  std::string line(std::string_view text);
  std::string command(std::string_view text);
  std::string hello(bool extended);
  std::string mail(std::string_view arguments);
  std::string rcpt(std::string_view arguments);
  std::string auth(std::string_view arguments);
  std::string finish_auth(const std::string& user, const std::string& password);
  std::string finish_data();
  void forget_mail();

  SmtpSink& sink_;
  const bool offers_tls_;
  std::string buffer_;
  std::string data_;
  std::string auth_user_;
  SmtpEnvelope envelope_;
  Expects expects_ = Expects::command;
  bool greeted_ = false;
  bool has_sender_ = false;
  bool bare_ending_ = false;  // a CR or LF alone in the mail
  bool too_large_ = false;
  int errors_ = 0;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_SMTP_SESSION_H_
