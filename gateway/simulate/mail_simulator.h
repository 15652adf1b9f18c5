// Email for tests and demonstrations: customers who write and answer, a mail server that takes what
// is submitted, mailboxes over IMAP, and the inbound webhooks and sending APIs of Mailgun,
// Postmark, SendGrid and Amazon SES.
//
//   MailSimulator mail;
//   mail.start();
//   mail.add_postmark({.server_token = "...", .address = "support@acme.example"});
//   // the gateway, started with BACKCHANNEL_UPSTREAMS=<upstreams_setting(mail.upstreams())>, sets
//   // the server's InboundHookUrl
//   mail.write("support@acme.example", "ana", "Order 4417", "Where is it?");
//   mail.wait_idle(std::chrono::seconds(10));
//   mail.mails();                      // what the gateway sent
//   mail.reply(mail.mails().back().number, "ana", "Thank you!");
//
// Who writes to an address reaches every mailbox of that address, with or without "+tag".
//
// Facts: documentation.mailgun.com receive-forward-store, postmarkapp.com/developer,
// twilio.com/docs/sendgrid parsing-email, docs.aws.amazon.com sns verify-signature, ses and s3
// (read 2026-11-20).
#ifndef GATEWAY_SIMULATE_MAIL_SIMULATOR_H_
#define GATEWAY_SIMULATE_MAIL_SIMULATOR_H_

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulate/imap_session.h"
#include "gateway/simulate/keys.h"
#include "gateway/simulate/mail_text.h"
#include "gateway/simulate/members.h"
#include "gateway/simulate/params.h"
#include "gateway/simulate/people.h"
#include "gateway/simulate/platform.h"
#include "gateway/simulate/smtp_session.h"
#include "gateway/simulate/text_server.h"
#include "gateway/simulate/urls.h"

namespace gateway::simulate {

enum class MailTls { none, starttls, implicit };

struct MailOptions : PlatformOptions {
  UrlRules urls = UrlRules::loopback;
  std::uint16_t smtp_port = 0;  // 0: chosen by the kernel
  std::uint16_t imap_port = 0;
  MailTls tls = MailTls::none;
  // The host the gateway is told, for upstreams(): smtp://mail.simulated.example:587, imap .. :143
  // (465 and 993 with implicit TLS).
  std::string host = "mail.simulated.example";
  // Nobody may send without having logged in.
  bool demands_login = false;
  std::string region = "us-east-1";       // of SES, SNS and S3
  std::string bucket = "simulated-mail";  // of S3
};

// A mail the gateway sent, by whatever way.
struct SentMail {
  std::int64_t number = 0;
  std::string by;  // "smtp", "mailgun", "postmark", "sendgrid", "ses"
  std::string id;  // the provider's; empty for SMTP
  SmtpEnvelope envelope;
  std::string bytes;  // as it was submitted, or as the provider made it
  MailView view;
  std::vector<std::string> problems;  // what a careful receiver would object to
};

class MailSimulator final : public Platform, private SmtpSink {
 public:
  explicit MailSimulator(MailOptions options = {});
  ~MailSimulator() override;

  Result<> start() override;
  void stop() override;
  Upstreams upstreams() const override;
  std::uint16_t smtp_port() const { return mail_server_.port(0); }
  std::uint16_t imap_port() const { return mail_server_.port(1); }
  // Of the mail server; whoever uses its TLS has to trust it.
  std::string certificate_pem() const { return certificate_; }

  // Mailboxes ------------------------------------------------------------------------------------

  // The mail's bytes are posted as message/rfc822, as a mail server's pipe does it.
  struct NewRaw {
    std::string address;
    std::string url;
    Headers headers = {};
    std::string recipient_parameter = "rcpt";  // of the query; empty: none
    std::string sender_parameter = "sender";
  };
  void add_raw(const NewRaw& mailbox);
  struct NewMailgun {
    std::string api_key;
    std::string signing_key;
    std::string domain;
  };
  void add_mailgun(const NewMailgun& account);
  struct NewPostmark {
    std::string server_token;
    std::string address;  // forwarded to the server's inbound address
  };
  void add_postmark(const NewPostmark& server);
  struct NewSendGrid {
    std::string api_key;
  };
  void add_sendgrid(const NewSendGrid& account);
  struct NewSes {
    std::string access_key;
    std::string secret_key;
    std::string topic_arn;
    std::string address;
    // The receipt rule stores mails in the bucket under this; absent: SNS carries them.
    std::optional<std::string> object_prefix = {};
  };
  void add_ses(const NewSes& topic);
  // As if what is in the bucket had been written so much earlier.
  void age_objects(std::chrono::milliseconds by);
  struct NewImap {
    std::string address;
    std::string user;
    std::string password;
  };
  void add_imap(const NewImap& mailbox);
  // May log in to send.
  void add_smtp_user(const std::string& user, const std::string& password);
  ImapStore& imap() { return imap_; }

  // Where mail to this address goes now; empty: nowhere by webhook.
  std::string webhook_of(const std::string& address) const;
  bool wait_webhook(const std::string& address, std::chrono::milliseconds patience) const;

  // People ---------------------------------------------------------------------------------------

  // The Message-ID, with its brackets.
  std::string write(const std::string& to, std::string_view who, const std::string& subject,
                    const std::string& text);
  // An answer as a mail program writes it, to the sender of a mail the gateway sent.
  std::string reply(std::int64_t number, std::string_view who, std::string_view text);
  // A delivery status notification for a mail, to its envelope's sender; "" where there is none.
  std::string bounce(std::int64_t number, const std::string& status = "5.1.1");
  // Bytes as they are.
  void deliver(const std::string& to, const std::string& envelope_from, std::string bytes);
  // Anything else in the control API's shorthand (GET /_simulate/mail/ describes it); JSON.
  Result<std::string> act(std::string_view wish);

  // What has happened ----------------------------------------------------------------------------

  std::vector<SentMail> mails(std::int64_t after = 0) const;
  bool wait_mail(std::chrono::milliseconds patience, std::size_t count) const;

  // Trouble --------------------------------------------------------------------------------------

  // What becomes of mail to an address: at RCPT ("550 5.1.1 User unknown"), or behind the mail.
  struct MailRule {
    std::string recipient_reply = {};
    std::string data_reply = {};
    bool drops_after_dot = false;  // taken, and the connection ends without a reply
    int count = 1'000'000;
  };
  void set_rule(const std::string& address, MailRule rule);

 protected:
  Answer answer(const HttpRequest& request, ApiCall& record) override;
  HttpReply refusal(const CallFault& fault, const HttpRequest& request) override;
  std::string account_of(const HttpRequest& request) const override;
  std::optional<Answer> control(const ControlRequest& request) override;
  void forget() override;

 private:
  struct Mailgun;
  struct Postmark;
  struct SendGrid;
  struct Ses;
  struct Arrival;  // a mail on its way in

  // SmtpSink
  bool login(const std::string& user, const std::string& password) override;
  bool demands_login() override { return mail_.demands_login; }
  std::string sender(const std::string& address) override;
  std::string recipient(const std::string& address) override;
  Outcome take(const SmtpEnvelope& envelope, std::string bytes) override;

  void insert(const NewMailgun& wanted);
  void insert(const NewPostmark& wanted);
  void insert(const NewSendGrid& wanted);
  void insert(const NewSes& wanted);
  void arrive(const std::string& to, const std::string& envelope_from, std::string bytes);
  void keep(SentMail mail);
  void settle(const SentMail& mail);
  std::string write_locked(Draft draft, const std::string& to, std::string_view who);
  std::string reply_locked(std::int64_t number, std::string_view who, std::string_view text,
                           const std::vector<MailFile>& files);
  std::string bounce_locked(std::int64_t number, const std::string& status);
  Result<std::string> act_locked(sdk::json::Value wish);
  std::string webhook_locked(const std::string& address) const;
  std::string mint_message_id(std::string_view domain);
  std::optional<MailRule> rule_for(const std::string& address, bool use_up);
  const SentMail* find_mail(std::int64_t number) const;
  bool is_gone(const SentMail& mail) const;

  // The providers (mail_mailgun.cc, mail_postmark.cc, mail_sendgrid.cc, mail_ses.cc).
  Answer mailgun(const HttpRequest& request, ApiCall& record);
  HttpReply mailgun_send(const HttpRequest& request, const Params& params,
                         const std::string& domain, bool mime);
  void mailgun_arrive(const Arrival& arrival);
  void mailgun_event(const SentMail& mail, std::string_view what);
  Answer postmark(const HttpRequest& request, ApiCall& record);
  HttpReply postmark_send(sdk::json::Value body, const std::string& token);
  void postmark_arrive(const Arrival& arrival);
  void postmark_event(const SentMail& mail, bool bounced);
  Answer sendgrid(const HttpRequest& request, ApiCall& record);
  HttpReply sendgrid_send(sdk::json::Value body, const std::string& key);
  void sendgrid_arrive(const Arrival& arrival);
  void sendgrid_event(const SentMail& mail, bool bounced);
  void sendgrid_post(const std::string& id, const std::string& url, std::string body);
  Answer ses(const HttpRequest& request, ApiCall& record);
  HttpReply s3(const HttpRequest& request, ApiCall& record) const;
  HttpReply s3_list(const HttpRequest& request) const;
  HttpReply sns(const Params& params, ApiCall& record);
  void ses_arrive(const Arrival& arrival);
  void ses_event(const SentMail& mail, bool bounced);
  void sns_post(const std::string& topic_arn, const std::string& type, const std::string& endpoint,
                std::string subject, std::string message, std::string token);

  const MailOptions mail_;
  std::map<std::string, NewRaw> raw_;              // by address
  std::map<std::string, std::string> imap_users_;  // address -> user
  std::map<std::string, std::string> smtp_users_;
  std::unique_ptr<Mailgun> mailgun_;
  std::unique_ptr<Postmark> postmark_;
  std::unique_ptr<SendGrid> sendgrid_;
  std::unique_ptr<Ses> ses_;
  std::map<std::string, MailRule> rules_;
  std::vector<SentMail> mails_;
  std::int64_t mail_count_ = 0;
  ImapStore imap_;
  KeyPair server_key_;
  std::string certificate_;
  TextServer mail_server_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_MAIL_SIMULATOR_H_
