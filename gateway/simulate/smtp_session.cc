#include "gateway/simulate/smtp_session.h"

#include <algorithm>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

constexpr std::size_t kLineBytes = 12'288;  // of AUTH's answers, the longest; RFC 4954
constexpr std::size_t kMailBytes = 35u << 20;
constexpr std::size_t kRecipients = 100;
constexpr int kErrors = 20;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

bool begins(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && sdk::equals_ignoring_case(text.substr(0, word.size()), word);
}

// The address of "<a@b> SIZE=1" and what follows it; absent where the brackets or the address are
// wrong. An empty address is a legal sender.
bool read_path(std::string_view text, std::string& address, std::string& parameters) {
  text = sdk::trim(text);
  if (text.empty() || text.front() != '<') return false;
  const std::size_t close = text.find('>');
  if (close == std::string_view::npos) return false;
  address = text.substr(1, close - 1);
  parameters = sdk::trim(text.substr(close + 1));
  if (address.empty()) return true;
  const std::size_t at = address.rfind('@');
  return at != std::string::npos && at > 0 && at + 1 < address.size() &&
         address.find_first_of(" <>\t") == std::string::npos;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

}  // namespace

SmtpSession::SmtpSession(SmtpSink& sink, bool offers_tls, bool in_tls)
    : sink_(sink), offers_tls_(offers_tls) {
  envelope_.tls = in_tls;
}

std::string SmtpSession::greeting() { return "220 mx.simulated.example ESMTP ready\r\n"; }

void SmtpSession::secured() {
  // RFC 3207: what was said before does not count.
  buffer_.clear();
  envelope_ = {};
  envelope_.tls = true;
  greeted_ = false;
  forget_mail();
}

void SmtpSession::forget_mail() {
  envelope_.from.clear();
  envelope_.to.clear();
  envelope_.smtputf8 = false;
  has_sender_ = false;
  data_.clear();
  bare_ending_ = false;
  too_large_ = false;
}

std::string SmtpSession::receive(std::string_view bytes) {
  buffer_ += bytes;
  std::string answers;
  std::size_t begin = 0;
  while (next == Next::read) {
    const std::size_t end = buffer_.find('\n', begin);
    if (end == std::string::npos) break;
    std::string_view text(buffer_.data() + begin, end - begin);
    begin = end + 1;
    const bool bare = text.empty() || text.back() != '\r';
    if (!bare) text.remove_suffix(1);
    if (expects_ == Expects::data) {
      bare_ending_ |= bare || text.find('\r') != std::string_view::npos;
    } else if (bare) {
      answers += "500 5.5.2 Error: bare <LF> received\r\n";
      continue;
    }
    answers += line(text);
  }
  // What was sent in the clear behind STARTTLS is not listened to.
  buffer_.erase(0, next == Next::read ? begin : buffer_.size());
  if (expects_ != Expects::data && buffer_.size() > kLineBytes) {
    next = Next::close;
    answers += "500 5.5.6 Line too long\r\n";
  } else if (expects_ == Expects::data && buffer_.size() > kMailBytes) {
    next = Next::drop;
  }
  return answers;
}

std::string SmtpSession::line(std::string_view text) {
  switch (expects_) {
    case Expects::command: {
      std::string answer = command(text);
      if (!answer.empty() && answer.front() == '5' && ++errors_ > kErrors) {
        next = Next::close;
        return "421 4.7.0 Too many errors\r\n";
      }
      return answer;
    }
    case Expects::data:
      if (text == ".") return finish_data();
      if (!text.empty() && text.front() == '.') text.remove_prefix(1);
      if (data_.size() + text.size() > kMailBytes) {
        too_large_ = true;
        data_.clear();
      }
      if (!too_large_) {
        data_ += text;
        data_ += "\r\n";
      }
      return {};
    case Expects::auth_plain: {
      expects_ = Expects::command;
      const std::string decoded = sdk::from_base64(text).value_or("");
      const std::size_t first = decoded.find('\0');
      const std::size_t second = first == std::string::npos ? first : decoded.find('\0', first + 1);
      if (second == std::string::npos) return "501 5.5.2 Cannot decode the answer\r\n";
      return finish_auth(decoded.substr(first + 1, second - first - 1), decoded.substr(second + 1));
    }
    case Expects::auth_user: {
      const auto user = sdk::from_base64(text);
      if (!user) {
        expects_ = Expects::command;
        return "501 5.5.2 Cannot decode the answer\r\n";
      }
      auth_user_ = *user;
      expects_ = Expects::auth_password;
      return "334 UGFzc3dvcmQ6\r\n";
    }
    case Expects::auth_password: {
      expects_ = Expects::command;
      const auto password = sdk::from_base64(text);
      if (!password) return "501 5.5.2 Cannot decode the answer\r\n";
      return finish_auth(auth_user_, *password);
    }
  }
  return {};
}

std::string SmtpSession::hello(bool extended) {
  greeted_ = true;
  forget_mail();
  if (!extended) return "250 mx.simulated.example\r\n";
  std::string out = "250-mx.simulated.example\r\n250-PIPELINING\r\n250-SIZE " +
                    std::to_string(kMailBytes) + "\r\n";
  if (offers_tls_ && !envelope_.tls) out += "250-STARTTLS\r\n";
  return out +
         "250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n";
}

std::string SmtpSession::command(std::string_view text) {
  const std::string verb = upper(text.substr(0, text.find(' ')));
  const std::string_view arguments =
      verb.size() < text.size() ? sdk::trim(text.substr(verb.size())) : std::string_view();
  if (verb == "EHLO" || verb == "HELO") {
    if (arguments.empty()) return "501 5.5.4 Syntax: " + verb + " hostname\r\n";
    return hello(verb == "EHLO");
  }
  if (verb == "NOOP") return "250 2.0.0 Ok\r\n";
  if (verb == "RSET") {
    forget_mail();
    return "250 2.0.0 Ok\r\n";
  }
  if (verb == "QUIT") {
    next = Next::close;
    return "221 2.0.0 Bye\r\n";
  }
  if (verb == "VRFY") return "252 2.0.0 Send some mail\r\n";
  if (!greeted_) return "503 5.5.1 Error: send HELO/EHLO first\r\n";
  if (verb == "STARTTLS") {
    if (!offers_tls_ || envelope_.tls) return "502 5.5.1 Error: command not implemented\r\n";
    next = Next::start_tls;
    return "220 2.0.0 Ready to start TLS\r\n";
  }
  if (verb == "AUTH") return auth(arguments);
  if (begins(text, "MAIL FROM:")) return mail(text.substr(10));
  if (begins(text, "RCPT TO:")) return rcpt(text.substr(8));
  if (verb == "DATA") {
    if (!has_sender_) return "503 5.5.1 Error: need MAIL command\r\n";
    if (envelope_.to.empty()) return "503 5.5.1 Error: need RCPT command\r\n";
    expects_ = Expects::data;
    return "354 End data with <CR><LF>.<CR><LF>\r\n";
  }
  return "502 5.5.2 Error: command not recognized\r\n";
}

std::string SmtpSession::auth(std::string_view arguments) {
  if (!envelope_.user.empty()) return "503 5.5.1 Error: already authenticated\r\n";
  if (has_sender_) return "503 5.5.1 Error: MAIL transaction in progress\r\n";
  const std::string mechanism = upper(arguments.substr(0, arguments.find(' ')));
  const std::string_view initial = mechanism.size() < arguments.size()
                                       ? sdk::trim(arguments.substr(mechanism.size()))
                                       : std::string_view();
  if (mechanism == "PLAIN") {
    expects_ = Expects::auth_plain;
    return initial.empty() ? "334 \r\n" : line(initial);
  }
  if (mechanism == "LOGIN") {
    expects_ = Expects::auth_user;
    return initial.empty() ? "334 VXNlcm5hbWU6\r\n" : line(initial);
  }
  return "504 5.5.4 Unrecognized authentication type\r\n";
}

std::string SmtpSession::finish_auth(const std::string& user, const std::string& password) {
  if (!sink_.login(user, password)) {
    return "535 5.7.8 Error: authentication failed: authentication failure\r\n";
  }
  envelope_.user = user;
  return "235 2.7.0 Authentication successful\r\n";
}

std::string SmtpSession::mail(std::string_view arguments) {
  if (has_sender_) return "503 5.5.1 Error: nested MAIL command\r\n";
  if (sink_.demands_login() && envelope_.user.empty()) {
    return "530 5.7.0 Authentication required\r\n";
  }
  std::string address, parameters;
  if (!read_path(arguments, address, parameters)) return "501 5.1.7 Bad sender address syntax\r\n";
  for (std::string_view rest = parameters; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(' '));
    rest = one.size() < rest.size() ? sdk::trim(rest.substr(one.size())) : std::string_view();
    if (begins(one, "SIZE=")) {
      if (one.size() > 13 || std::stoull("0" + std::string(one.substr(5))) > kMailBytes) {
        return "552 5.3.4 Message size exceeds fixed limit\r\n";
      }
    } else if (begins(one, "SMTPUTF8")) {
      envelope_.smtputf8 = true;
    } else if (!begins(one, "BODY=") && !begins(one, "AUTH=")) {
      return "555 5.5.4 Unsupported option: " + std::string(one) + "\r\n";
    }
  }
  if (!is_ascii(address) && !envelope_.smtputf8) {
    return "553 5.6.7 The address needs SMTPUTF8\r\n";
  }
  const std::string reply = sink_.sender(address);
  if (reply.front() == '2') {
    envelope_.from = address;
    has_sender_ = true;
  }
  return reply + "\r\n";
}

std::string SmtpSession::rcpt(std::string_view arguments) {
  if (!has_sender_) return "503 5.5.1 Error: need MAIL command\r\n";
  std::string address, parameters;
  if (!read_path(arguments, address, parameters) || address.empty()) {
    return "501 5.1.3 Bad recipient address syntax\r\n";
  }
  if (!parameters.empty()) return "555 5.5.4 Unsupported option: " + parameters + "\r\n";
  if (!is_ascii(address) && !envelope_.smtputf8) {
    return "553 5.6.7 The address needs SMTPUTF8\r\n";
  }
  if (envelope_.to.size() == kRecipients) return "452 4.5.3 Error: too many recipients\r\n";
  const std::string reply = sink_.recipient(address);
  if (reply.front() == '2') envelope_.to.push_back(address);
  return reply + "\r\n";
}

std::string SmtpSession::finish_data() {
  expects_ = Expects::command;
  std::string answer;
  if (too_large_) {
    answer = "552 5.3.4 Error: message file too big\r\n";
  } else if (bare_ending_) {
    answer = "550 5.5.2 Error: bare <LF> or <CR> in the message\r\n";
  } else {
    const SmtpSink::Outcome outcome = sink_.take(envelope_, std::move(data_));
    if (outcome.drops) next = Next::drop;
    answer = outcome.reply + "\r\n";
  }
  forget_mail();
  return answer;
}

}  // namespace gateway::simulate
