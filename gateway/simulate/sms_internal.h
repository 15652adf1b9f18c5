// What the sources of SmsSimulator share; included by them alone.
#ifndef GATEWAY_SIMULATE_SMS_INTERNAL_H_
#define GATEWAY_SIMULATE_SMS_INTERNAL_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gateway/simulate/sms_simulator.h"

namespace gateway::simulate {

struct SmsSimulator::Twilio {
  struct Number {
    std::string sid;  // PN...
    std::string account;
    std::string phone;
    std::string sms_url, sms_method = "POST", fallback_url, fallback_method = "POST";
    std::string application_sid;
    std::string service_sid;
  };
  struct Service {
    std::string sid;  // MG...
    std::string account;
    std::string inbound_url, inbound_method = "POST", fallback_url, fallback_method = "POST";
    std::string status_callback;
    bool number_webhook = false;  // UseInboundWebhookOnNumber
  };
  struct Account {
    std::string sid;
    std::string auth_token;
    std::map<std::string, std::string> api_keys;  // SK... -> secret
  };
  struct Message {
    std::string sid;
    std::string account;
    std::string from, to, body;
    std::string service_sid;
    std::string status;
    std::string direction;
    std::string status_callback;
    std::int64_t at_ms = 0;
    int segments = 1;
    int error_code = 0;
    std::vector<std::string> media;  // paths
  };
  std::map<std::string, Account> accounts;
  std::map<std::string, Number> numbers;    // by phone
  std::map<std::string, Service> services;  // by sid
  std::map<std::string, Message> messages;  // by sid

  Number* number_by_sid(const std::string& account, const std::string& sid) {
    for (auto& [phone, number] : numbers) {
      if (number.sid == sid && number.account == account) return &number;
    }
    return nullptr;
  }
  // Where an inbound message of the number goes: the service's URL wins unless it defers.
  struct Target {
    std::string url, method, fallback;
  };
  Target target(const Number& number) const {
    const auto service = services.find(number.service_sid);
    if (service != services.end() && !service->second.number_webhook) {
      const Service& s = service->second;
      return {s.inbound_url, s.inbound_method, s.fallback_url};
    }
    if (!number.application_sid.empty()) return {};
    return {number.sms_url, number.sms_method, number.fallback_url};
  }
};

struct SmsSimulator::Vonage {
  struct Application {
    std::string id;
    std::string json;  // the object as it was put
    std::string public_key_pem;
    std::string inbound_url, status_url;
  };
  struct Account {
    std::string api_key, api_secret, signature_secret;
    std::string sig_method;
    bool sms_api = false;
    std::string mo_url, dr_url;  // callbacks of the SMS API
    std::map<std::string, Application> applications;
  };
  struct Number {
    std::string account;
    std::string msisdn;
    std::string country = "US";
    std::string application;
    std::string mo_url;
  };
  std::map<std::string, Account> accounts;
  std::map<std::string, Number> numbers;  // by msisdn
};

struct SmsSimulator::Telnyx {
  struct Profile {
    std::string id;
    std::string account;
    std::string webhook_url, failover_url, version = "2";
    std::string name = "Simulated profile";
  };
  struct Number {
    std::string id;
    std::string account;
    std::string phone;
    std::string profile;
  };
  std::set<std::string> api_keys;
  std::map<std::string, Profile> profiles;
  std::map<std::string, Number> numbers;        // by phone
  std::map<std::string, std::string> messages;  // id -> payload
  KeyPair key;
};

struct SmsSimulator::Plivo {
  struct Application {
    std::string id;
    std::string account;
    std::string name;
    std::string message_url, message_method = "POST";
  };
  struct Number {
    std::string account;
    std::string application;
  };
  struct Account {
    std::string auth_token;
    bool v3 = true;
  };
  std::map<std::string, Account> accounts;  // by auth id
  std::map<std::string, Application> applications;
  std::map<std::string, Number> numbers;  // by phone
};

struct SmsSimulator::Sinch {
  struct Plan {
    std::string token;
    std::string webhook_secret;
    std::string callback_url;
  };
  std::map<std::string, Plan> plans;
  std::map<std::string, std::string> numbers;  // phone -> plan
  std::map<std::string, std::string> batches;  // plan/id -> JSON
};

struct SmsSimulator::Bird {
  struct Workspace {
    std::string organization;
    std::string access_key;
  };
  struct Channel {
    std::string workspace;
    std::string phone;
  };
  struct Subscription {
    std::string id;
    std::string workspace;
    std::string event;
    std::string url;
    std::string signing_key;
    std::vector<std::pair<std::string, std::string>> filters;  // key, value
    std::string created_at;
    bool takes(std::string_view channel) const {
      for (const auto& [key, value] : filters) {
        if (key == "channelId" && value != channel) return false;
      }
      return true;
    }
  };
  std::map<std::string, Workspace> workspaces;
  std::map<std::string, Channel> channels;
  std::map<std::string, Subscription> subscriptions;
  std::map<std::string, std::string> messages;  // id -> JSON

  std::string channel_of(std::string_view phone) const {
    for (const auto& [id, channel] : channels) {
      if (channel.phone == phone) return id;
    }
    return {};
  }
};

// Milliseconds of a provider between the states of a message.
inline constexpr std::int64_t kSmsStateEveryMs = 400;
inline constexpr std::int64_t kSmsReplyAfterMs = 2'000;

// "user:secret" of HTTP basic; empty parts where there is none.
std::pair<std::string, std::string> basic_of(const HttpRequest& request);
std::string bearer_token(const HttpRequest& request);
std::vector<std::string> path_parts(std::string_view path);
// '+' and 7 to 15 digits.
bool is_e164(std::string_view phone);
std::string digits_only(std::string_view text);
// An http or https URL, as files to be sent are named.
bool is_web(std::string_view url);
// "2026-11-20T09:00:00.123Z" and "Fri, 20 Nov 2026 09:00:00 +0000".
std::string iso_ms(std::int64_t unix_ms);
std::string rfc2822(std::int64_t unix_ms);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_SMS_INTERNAL_H_
