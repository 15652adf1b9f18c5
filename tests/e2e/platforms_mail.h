// Text message and mail providers beside the gateway under test, and channels of theirs.
//
// One set for the whole test program, made with the gateway and gone behind it. Belongs to the main
// thread.
#ifndef TESTS_E2E_PLATFORMS_MAIL_H_
#define TESTS_E2E_PLATFORMS_MAIL_H_

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/simulate/mail_simulator.h"
#include "gateway/simulate/sms_simulator.h"
#include "tests/e2e/gateway.h"

namespace e2e {

class MailPlatforms {
 public:
  static MailPlatforms& instance();
  ~MailPlatforms();

  gateway::simulate::SmsSimulator& sms() { return sms_; }
  // All providers, and mail servers that demand STARTTLS: mail.simulated.example, 587 and 143.
  gateway::simulate::MailSimulator& mail() { return mail_; }
  // Mail servers with TLS from the first byte: secure.simulated.example, 465 and 993.
  gateway::simulate::MailSimulator& secure() { return secure_; }

  // For BACKCHANNEL_UPSTREAMS and BACKCHANNEL_CA_FILE.
  std::string upstreams() const;
  const std::filesystem::path& certificates() const { return certificates_; }

 private:
  MailPlatforms();
  gateway::simulate::SmsSimulator sms_;
  gateway::simulate::MailSimulator mail_;
  gateway::simulate::MailSimulator secure_;
  std::filesystem::path certificates_;
};

// A channel of any type, made over REST by a tenant of its own.
struct Line {
  Tenant tenant = Tenant::make();
  std::string id;
  std::string path;  // of its webhook

  // Makes it and waits until its registration is in `state`; the answer to the call.
  Answer connect(const std::string& type, const std::string& config,
                 const std::string& state = "active");
  std::string registration() const;
  std::string url() const;  // of its webhook, as platforms are told
  // Posts to its webhook; `behind` follows the path.
  HttpClient::Answer post(const HttpClient::Headers& headers, const std::string& body,
                          const std::string& behind = {}) const;
  // Rows of a table of the gateway that belong to it.
  int rows(const std::string& table) const;
  bool has_no_rows() const;

  // A job of the registrar is due now: 3 check, 4 poll.
  void run_job(int operation) const;
  // Changes what the connector asked to keep, as if time had passed.
  void set_state(const std::vector<std::pair<std::string, std::string>>& changes) const;

  Answer talk() const;  // the only conversation, with its messages; status 0 where there is not one
  // Waits for the only conversation to have so many messages.
  bool has_messages(std::size_t count, std::chrono::milliseconds patience = 30s) const;

  // An agent's message to the only conversation; its id.
  std::string answer(const std::string& text, const std::string& further = {}) const;
  // "status" and "error" of a message.
  std::string fact(const std::string& message, const std::string& name) const;
  bool becomes(const std::string& message, const std::string& status,
               std::chrono::milliseconds patience = 60s) const;
};

// The bytes behind a signed address the gateway gave out.
HttpClient::Answer fetch_file(std::string_view url);

}  // namespace e2e

#endif  // TESTS_E2E_PLATFORMS_MAIL_H_
