// What the sources of MailSimulator share; included by them alone.
#ifndef GATEWAY_SIMULATE_MAIL_INTERNAL_H_
#define GATEWAY_SIMULATE_MAIL_INTERNAL_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gateway/simulate/mail_simulator.h"

namespace gateway::simulate {

// A mail on its way in.
struct MailSimulator::Arrival {
  std::string to;    // of the envelope, "+tag" and all
  std::string from;  // of the envelope; empty for bounces
  std::string bytes;
  MailView view;
};

struct MailSimulator::Mailgun {
  struct Route {
    std::string id;
    std::string account;
    std::int64_t priority = 0;
    std::string description;
    std::string expression;
    std::vector<std::string> actions;
  };
  struct Account {
    std::string api_key;
    std::string signing_key;
    std::set<std::string> domains;
    // Event webhooks by domain and event ("permanent_fail").
    std::map<std::pair<std::string, std::string>, std::set<std::string>> webhooks;
  };
  std::map<std::string, Account> accounts;  // by API key
  std::vector<Route> routes;

  static bool matches(const Route& route, const Arrival& arrival);
  // Where the routes send a mail, in the order of their priority, with the account's key.
  std::vector<std::pair<std::string, std::string>> targets(const Arrival& arrival) const;
};

struct MailSimulator::Postmark {
  struct Webhook {
    std::string id;
    std::string url;
    std::string stream;
    std::string user, password;
    Headers headers;
    std::set<std::string> triggers;  // "Bounce", "Delivery", "SpamComplaint"
  };
  struct Server {
    std::string token;
    std::string hash;  // of the inbound address
    std::string address;
    std::string inbound_hook;
    std::string inbound_domain;
    bool raw_email = false;
    std::int64_t spam_threshold = 0;
    std::vector<Webhook> webhooks;
  };
  std::map<std::string, Server> servers;  // by token
};

struct MailSimulator::SendGrid {
  struct Setting {
    std::string account;
    std::string hostname;
    std::string url;
    bool spam_check = false;
    bool send_raw = false;
    std::string policy;
  };
  struct Policy {
    std::string id;
    std::string name;
    bool signs = false;
    KeyPair key;
  };
  std::set<std::string> api_keys;
  std::map<std::string, Setting> settings;  // by host name
  std::map<std::string, Policy> policies;   // by id
  struct EventWebhook {
    std::string account;
    std::string url;
    bool enabled = true;
  };
  // What events about a mail need beside it.
  struct Origin {
    std::string account;
    Members custom_args;
  };
  std::map<std::string, EventWebhook> event_webhooks;  // by id
  std::map<std::string, Origin> origins;               // by message id
  bool event_signed = false;
  KeyPair event_key;
};

struct MailSimulator::Ses {
  struct Topic {
    std::string arn;
    std::string address;
    std::optional<std::string> object_prefix;
    std::map<std::string, std::string> endpoints;  // confirmed: ARN of the subscription -> URL
    std::map<std::string, std::string> pending;    // token -> URL
    std::map<std::string, std::string> attributes;
  };
  std::map<std::string, std::string> keys;  // access key -> secret
  std::map<std::string, Topic> topics;      // by ARN
  struct Object {
    std::string bytes;
    std::int64_t modified_ms = 0;
  };
  std::map<std::string, Object> objects;  // of the bucket, by key
  std::optional<KeyPair> key;
  std::string certificate;
  std::string certificate_path;
};

// Milliseconds of a provider until it knows what became of a mail.
inline constexpr std::int64_t kMailEventAfterMs = 400;
inline constexpr std::int64_t kMailReplyAfterMs = 2'000;

// "a+tag@b" as "a@b", in lower case.
std::string plain_address(std::string_view address);
std::string domain_of(std::string_view address);
// Name and address of a mailbox; the name decoded.
std::pair<std::string, std::string> mailbox_of(std::string_view text);
// The words a mail's text has above what it quotes.
std::string unquoted(const std::string& text);
HttpReply mail_json(std::string body, int status = 200);
HttpReply s3_error(int status, std::string_view code, std::string_view message);
// "user:password" of https://user:password@host; empty where there is none.
std::string userinfo_of(std::string_view url);
std::string without_userinfo(std::string_view url);
// The base64 value of an Authorization header of a URL's userinfo, added to a call.
void add_basic(HttpCall& call, std::string_view userinfo, Defect defect);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_MAIL_INTERNAL_H_
