// Mail servers for tests: an SMTP and an IMAP server on a port of the loopback interface, with and
// without TLS, that answer as told or break as told, and remember every line they were sent.
//
//   SmtpServer server({.tls = ca.server("IP:127.0.0.1")});
//   ... server.port() ... server.mails() ...
//
// Rules are asked on the server's threads, one at a time. Other methods: any thread.
#ifndef TESTS_SUPPORT_MAIL_SERVER_H_
#define TESTS_SUPPORT_MAIL_SERVER_H_

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace test_support {

// One client's connection, as a session sees it.
class MailConnection {
 public:
  MailConnection(int socket, const std::atomic<bool>& stopping)
      : socket_(socket), stopping_(stopping) {}
  MailConnection(const MailConnection&) = delete;
  MailConnection& operator=(const MailConnection&) = delete;
  ~MailConnection();

  // Without its line end; absent where the client has gone.
  std::optional<std::string> line();
  bool write(std::string_view bytes);
  bool start_tls(ssl_ctx_st* context);
  bool is_tls() const { return tls_ != nullptr; }
  void reset();         // the connection ends with a reset
  void wait_for_end();  // and says nothing until then

 private:
  const int socket_;
  const std::atomic<bool>& stopping_;
  ssl_st* tls_ = nullptr;
  std::string buffer_;
};

// What a rule says instead of an ordinary reply; "" is the ordinary one.
inline constexpr std::string_view kReset = "!reset";
inline constexpr std::string_view kClose = "!close";
inline constexpr std::string_view kSilence = "!silence";

class MailServer {
 public:
  struct Said {
    int connection = 0;  // from 1
    bool tls = false;
    std::string line;
  };
  using Rule = std::function<std::string(const std::string& command)>;

  virtual ~MailServer();
  MailServer(const MailServer&) = delete;
  MailServer& operator=(const MailServer&) = delete;

  int port() const { return port_; }
  int connections() const { return connections_; }
  std::vector<Said> said() const;
  // Lines that begin so, whoever said them.
  int count(std::string_view begin) const;

 protected:
  MailServer();
  void begin();  // at the end of a constructor
  void stop();   // at the beginning of a destructor
  virtual void serve(MailConnection& connection, int number) = 0;
  std::optional<std::string> hear(MailConnection& connection, int number);
  // False where the connection is to end.
  bool obey(MailConnection& connection, std::string_view told);
  // One at a time.
  std::string ask(const Rule& rule, const std::string& command);

  mutable std::mutex mutex_;
  std::atomic<bool> stopping_{false};

 private:
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::vector<Said> said_;            // guarded by mutex_
  std::list<int> sockets_;            // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
  std::thread listening_;
};

struct SmtpRules {
  std::shared_ptr<ssl_ctx_st> tls = nullptr;
  bool implicit_tls = false;
  bool offers_starttls = true;  // where there is a context
  std::string mechanisms = "PLAIN LOGIN";
  std::string user = "agent@shop.example";
  std::string password = "mail-canary-31";
  // Asked for each command, for "<greeting>" and, behind the last dot, for "<message>".
  MailServer::Rule rule = nullptr;
};

struct ReceivedMail {
  std::string from;
  std::vector<std::string> to;
  std::string text;  // as it was before dot-stuffing
};

class SmtpServer final : public MailServer {
 public:
  explicit SmtpServer(SmtpRules rules);
  ~SmtpServer() override;
  std::vector<ReceivedMail> mails() const;

 private:
  void serve(MailConnection& connection, int number) override;
  bool take_message(MailConnection& connection, int number, ReceivedMail& mail);
  std::string authenticate(MailConnection& connection, int number, const std::string& command);

  const SmtpRules rules_;
  std::vector<ReceivedMail> mails_;  // guarded by mutex_
};

struct ImapRules {
  std::shared_ptr<ssl_ctx_st> tls = nullptr;
  bool implicit_tls = false;
  bool offers_starttls = true;
  std::string capabilities = "AUTH=PLAIN";
  std::string user = "agent@shop.example";
  std::string password = "mail-canary-31";
  // Asked for each command without its tag, and for "<greeting>"; "$" at the beginning of a line
  // stands for the tag.
  MailServer::Rule rule = nullptr;
};

// A mailbox INBOX with UIDVALIDITY 77 and no messages but those a rule shows.
class ImapServer final : public MailServer {
 public:
  explicit ImapServer(ImapRules rules);
  ~ImapServer() override;

 private:
  void serve(MailConnection& connection, int number) override;
  std::string ordinary(MailConnection& connection, int number, const std::string& tag,
                       const std::string& command);

  const ImapRules rules_;
};

}  // namespace test_support

#endif  // TESTS_SUPPORT_MAIL_SERVER_H_
