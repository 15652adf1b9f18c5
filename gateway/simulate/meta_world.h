// What exists at the simulated Meta: apps, WhatsApp business accounts and their numbers, Instagram
// accounts, tokens, media, messages.
//
// Plain values; MetaSimulator owns and guards them.
#ifndef GATEWAY_SIMULATE_META_WORLD_H_
#define GATEWAY_SIMULATE_META_WORLD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gateway::simulate {

// Where an app has asked for the events of one object ("whatsapp_business_account", "instagram").
struct MetaSubscription {
  std::string callback_url;
  std::string verify_token;
  std::set<std::string> fields;
};

struct MetaApp {
  std::string id;
  std::string secret;           // 32 hex digits, used as text
  bool requires_proof = false;  // "Require App Secret": appsecret_proof on every call
  std::map<std::string, MetaSubscription> subscriptions;
};

struct WhatsAppAccount {
  std::string id;
  std::string name;
  // Apps that get its events; the value overrides the app's callback URL where it is not empty.
  std::map<std::string, std::string> subscribed_apps;
};

struct WhatsAppMessage {
  std::string json;
  std::string wa_id;  // of the other side
  bool inbound = false;
  bool read = false;  // by the business
};

struct WhatsAppNumber {
  std::string id;  // phone_number_id
  std::string waba_id;
  std::string app_id;
  std::string display_number;
  std::string verified_name;
  std::string override_url;
  bool registered = true;
  std::map<std::string, std::int64_t> last_inbound_ms;  // by wa_id or user id
  std::map<std::string, WhatsAppMessage> messages;      // by wamid
  std::set<std::string> undeliverable;                  // numbers that are not on WhatsApp
};

struct InstagramMessage {
  std::string text;
  std::string igsid;  // of the other side
  bool inbound = false;
  bool deleted = false;
};

// A comment on a post of the account.
struct InstagramComment {
  std::string igsid;  // whose
  std::int64_t at_ms = 0;
  bool answered = false;  // in private, which is possible once
};

struct InstagramAccount {
  std::string user_id;  // 17 digits: what webhooks name
  std::string app_scoped_id;
  std::string username;
  std::string app_id;
  std::string page_id;  // empty: Instagram Login
  std::set<std::string> subscribed_fields;
  std::map<std::string, std::int64_t> last_inbound_ms;  // by scoped id
  std::map<std::string, std::string> people;            // scoped id -> key of the person
  std::map<std::string, InstagramMessage> messages;     // by mid
  std::map<std::string, InstagramComment> comments;     // by id
};

// A token and what it may touch.
struct MetaToken {
  std::string app_id;
  std::set<std::string> assets;  // numbers, accounts, pages
  bool instagram = false;        // of Instagram Login: for graph.instagram.com alone
  bool revoked = false;
  bool manages = true;  // has whatsapp_business_management
  std::int64_t issued_ms = 0;
};

struct MetaMedia {
  std::string owner;  // phone number id
  std::string mime_type;
  std::string bytes;
  std::string path;  // of its URL at the time
  std::int64_t url_until_ms = 0;
};

struct MetaWorld {
  std::map<std::string, MetaApp> apps;
  std::map<std::string, WhatsAppAccount> accounts;
  std::map<std::string, WhatsAppNumber> numbers;
  std::map<std::string, InstagramAccount> instagram;
  std::map<std::string, MetaToken> tokens;
  std::map<std::string, MetaMedia> media;
  std::map<std::string, std::string> files;  // path below the media host -> bytes
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_META_WORLD_H_
