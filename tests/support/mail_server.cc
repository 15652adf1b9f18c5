#include "tests/support/mail_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include "connectors/sdk/crypto.h"

namespace test_support {
namespace {

std::string plain_proof(const std::string& user, const std::string& password) {
  std::string proof(1, '\0');
  proof += user;
  proof += '\0';
  return sdk::base64(proof + password);
}

}  // namespace

MailConnection::~MailConnection() {
  if (tls_ != nullptr) SSL_free(tls_);
}

std::optional<std::string> MailConnection::line() {
  std::size_t end = 0;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    char chunk[4096];
    const auto got = tls_ != nullptr ? static_cast<ssize_t>(SSL_read(tls_, chunk, sizeof chunk))
                                     : recv(socket_, chunk, sizeof chunk, 0);
    if (got <= 0) return std::nullopt;
    buffer_.append(chunk, static_cast<std::size_t>(got));
  }
  std::string text = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

bool MailConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent =
        tls_ != nullptr
            ? static_cast<ssize_t>(SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())))
            : send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool MailConnection::start_tls(ssl_ctx_st* context) {
  buffer_.clear();
  tls_ = SSL_new(context);
  SSL_set_fd(tls_, socket_);
  return SSL_accept(tls_) == 1;
}

void MailConnection::reset() {
  const linger now{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void MailConnection::wait_for_end() {
  pollfd fd{socket_, POLLRDHUP, 0};
  while (!stopping_ && poll(&fd, 1, 50) == 0) continue;
}

MailServer::MailServer() {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot listen on the loopback interface");
  }
  port_ = ntohs(address.sin_port);
}

MailServer::~MailServer() { close(listener_); }

void MailServer::begin() {
  listening_ = std::thread([this] {
    while (!stopping_) {
      const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      const int number = ++connections_;
      const std::lock_guard lock(mutex_);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket, number] {
        {
          MailConnection connection(socket, stopping_);
          serve(connection, number);
        }
        const std::lock_guard done(mutex_);
        sockets_.remove(socket);
        close(socket);
      });
    }
  });
}

void MailServer::stop() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  listening_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
}

std::vector<MailServer::Said> MailServer::said() const {
  const std::lock_guard lock(mutex_);
  return said_;
}

int MailServer::count(std::string_view begin) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(
      said_.begin(), said_.end(), [&](const Said& said) { return said.line.find(begin) == 0; }));
}

std::optional<std::string> MailServer::hear(MailConnection& connection, int number) {
  auto line = connection.line();
  if (!line) return std::nullopt;
  const std::lock_guard lock(mutex_);
  said_.push_back({number, connection.is_tls(), *line});
  return line;
}

bool MailServer::obey(MailConnection& connection, std::string_view told) {
  if (told == kReset) connection.reset();
  if (told == kSilence) connection.wait_for_end();
  if (told == kReset || told == kClose || told == kSilence) return false;
  return connection.write(told);
}

std::string MailServer::ask(const Rule& rule, const std::string& command) {
  if (!rule) return {};
  const std::lock_guard lock(mutex_);
  return rule(command);
}

// SMTP -----------------------------------------------------------------------------------------

SmtpServer::SmtpServer(SmtpRules rules) : rules_(std::move(rules)) { begin(); }

SmtpServer::~SmtpServer() { stop(); }

std::vector<ReceivedMail> SmtpServer::mails() const {
  const std::lock_guard lock(mutex_);
  return mails_;
}

std::string SmtpServer::authenticate(MailConnection& connection, int number,
                                     const std::string& command) {
  if (command == "AUTH PLAIN") {
    connection.write("334 \r\n");
    const auto proof = hear(connection, number);
    const bool good = proof && *proof == plain_proof(rules_.user, rules_.password);
    return good ? "235 2.7.0 welcome\r\n" : "535 5.7.8 authentication failed\r\n";
  }
  if (command == "AUTH LOGIN") {
    connection.write("334 VXNlcm5hbWU6\r\n");
    const auto user = hear(connection, number);
    connection.write("334 UGFzc3dvcmQ6\r\n");
    const auto password = hear(connection, number);
    const bool good = user && password && *user == sdk::base64(rules_.user) &&
                      *password == sdk::base64(rules_.password);
    return good ? "235 2.7.0 welcome\r\n" : "535 5.7.8 authentication failed\r\n";
  }
  if (command == "AUTH XOAUTH2") {
    connection.write("334 \r\n");
    const auto proof = hear(connection, number);
    const std::string wanted = sdk::base64("user=" + rules_.user +
                                           "\x01"
                                           "auth=Bearer " +
                                           rules_.password + "\x01\x01");
    return proof && *proof == wanted ? "235 2.7.0 welcome\r\n" : "535 5.7.8 no\r\n";
  }
  return "504 5.5.4 unknown mechanism\r\n";
}

bool SmtpServer::take_message(MailConnection& connection, int number, ReceivedMail& mail) {
  for (;;) {
    auto line = hear(connection, number);
    if (!line) return false;
    if (*line == ".") break;
    if (line->starts_with('.')) line->erase(0, 1);
    mail.text += *line + "\r\n";
  }
  const std::string told = ask(rules_.rule, "<message>");
  if (told.empty() || told.starts_with('2')) {
    const std::lock_guard lock(mutex_);
    mails_.push_back(mail);
  }
  mail = {};
  return obey(connection, told.empty() ? "250 2.0.0 Ok: queued as Q1\r\n" : told);
}

void SmtpServer::serve(MailConnection& connection, int number) {
  if (rules_.implicit_tls && !connection.start_tls(rules_.tls.get())) return;
  const std::string greeting = ask(rules_.rule, "<greeting>");
  if (!obey(connection, greeting.empty() ? "220 mail.test ESMTP\r\n" : greeting)) return;
  ReceivedMail mail;
  while (const auto command = hear(connection, number)) {
    const std::string told = ask(rules_.rule, *command);
    if (!told.empty()) {
      if (!obey(connection, told)) return;
      continue;
    }
    std::string reply = "250 2.0.0 Ok\r\n";
    if (command->starts_with("EHLO")) {
      reply = "250-mail.test\r\n250-SIZE 60000000\r\n";
      if (rules_.tls && rules_.offers_starttls && !connection.is_tls()) reply += "250-STARTTLS\r\n";
      if (!rules_.mechanisms.empty()) reply += "250-AUTH " + rules_.mechanisms + "\r\n";
      reply += "250 8BITMIME\r\n";
    } else if (*command == "STARTTLS") {
      if (!connection.write("220 2.0.0 go ahead\r\n")) return;
      if (!connection.start_tls(rules_.tls.get())) return;
      continue;
    } else if (command->starts_with("AUTH")) {
      reply = authenticate(connection, number, *command);
    } else if (command->starts_with("MAIL FROM:")) {
      mail.from = command->substr(10);
    } else if (command->starts_with("RCPT TO:")) {
      mail.to.push_back(command->substr(8));
    } else if (*command == "DATA") {
      if (!connection.write("354 go\r\n") || !take_message(connection, number, mail)) return;
      continue;
    } else if (*command == "QUIT") {
      connection.write("221 2.0.0 bye\r\n");
      return;
    }
    if (!connection.write(reply)) return;
  }
}

// IMAP -----------------------------------------------------------------------------------------

ImapServer::ImapServer(ImapRules rules) : rules_(std::move(rules)) { begin(); }

ImapServer::~ImapServer() { stop(); }

std::string ImapServer::ordinary(MailConnection& connection, int number, const std::string& tag,
                                 const std::string& command) {
  if (command == "CAPABILITY") {
    const bool starttls = rules_.tls && rules_.offers_starttls && !connection.is_tls();
    return "* CAPABILITY IMAP4rev1 " + rules_.capabilities + (starttls ? " STARTTLS" : "") +
           "\r\n" + tag + " OK\r\n";
  }
  if (command == "AUTHENTICATE PLAIN") {
    connection.write("+ \r\n");
    const auto proof = hear(connection, number);
    const bool good = proof && *proof == plain_proof(rules_.user, rules_.password);
    return tag + (good ? " OK welcome\r\n" : " NO [AUTHENTICATIONFAILED] wrong\r\n");
  }
  if (command.starts_with("LOGIN ")) {
    const bool good = command == "LOGIN " + rules_.user + " " + rules_.password ||
                      command == "LOGIN \"" + rules_.user + "\" \"" + rules_.password + "\"";
    return tag + (good ? " OK welcome\r\n" : " NO [AUTHENTICATIONFAILED] wrong\r\n");
  }
  if (command.starts_with("SELECT") || command.starts_with("EXAMINE")) {
    return "* FLAGS (\\Seen)\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 77] valid\r\n"
           "* OK [UIDNEXT 9] next\r\n" +
           tag + " OK done\r\n";
  }
  if (command == "LOGOUT") return "* BYE\r\n" + tag + " OK bye\r\n";
  return tag + " BAD unknown command\r\n";
}

void ImapServer::serve(MailConnection& connection, int number) {
  if (rules_.implicit_tls && !connection.start_tls(rules_.tls.get())) return;
  const std::string greeting = ask(rules_.rule, "<greeting>");
  if (!obey(connection, greeting.empty() ? "* OK mail.test ready\r\n" : greeting)) return;
  while (const auto whole = hear(connection, number)) {
    const std::string tag = whole->substr(0, whole->find(' '));
    const std::string command = whole->substr(std::min(whole->size(), tag.size() + 1));
    std::string told = ask(rules_.rule, command);
    if (told.empty() && command == "STARTTLS") {
      if (!connection.write(tag + " OK go ahead\r\n")) return;
      if (!connection.start_tls(rules_.tls.get())) return;
      continue;
    }
    if (told.empty()) told = ordinary(connection, number, tag, command);
    if (told.starts_with('$')) told.replace(0, 1, tag);
    for (auto at = told.find("\n$"); at != std::string::npos; at = told.find("\n$", at)) {
      told.replace(at + 1, 1, tag);
    }
    if (!obey(connection, told)) return;
  }
}

}  // namespace test_support
