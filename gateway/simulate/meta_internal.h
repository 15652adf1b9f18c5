// What the sources of MetaSimulator share; included by them alone.
#ifndef GATEWAY_SIMULATE_META_INTERNAL_H_
#define GATEWAY_SIMULATE_META_INTERNAL_H_

#include <functional>
#include <string>
#include <vector>

#include "gateway/simulate/meta_simulator.h"

namespace gateway::simulate {

// One call of the Graph API, taken apart.
struct MetaSimulator::Call {
  const HttpRequest& request;
  ApiCall& record;
  Params params;
  std::vector<std::string> path;  // behind the version: id and edge
  std::string token;
  const MetaToken* rights = nullptr;  // of a user, page or system user; null: the app's own token
  std::string app_id;                 // whose token it is
  bool on_instagram = false;          // graph.instagram.com

  bool is(std::string_view method) const { return request.method == method; }
  std::string edge() const { return path.size() > 1 ? path[1] : std::string(); }
};

// One thing that happened to a number or an account.
struct MetaSimulator::Change {
  Party party = Party::none;
  std::string account;  // number or Instagram account
  std::string field;    // "messages", "smb_message_echoes", "message_reactions", ...
  // WhatsApp: "messages", "statuses", "message_echoes", or empty where `item` is the whole value.
  // Instagram: "messaging", "standby" or "changes".
  std::string list;
  std::string contact;  // JSON of the entry in `contacts`, if any
  std::string item;     // JSON
  std::string id;       // of the message
};

// Where a change goes.
struct MetaSimulator::Outgoing {
  std::string url;
  std::string app_id;
};

inline constexpr std::string_view kWhatsAppObject = "whatsapp_business_account";
inline constexpr std::string_view kInstagramObject = "instagram";
inline constexpr std::int64_t kDayMs = 24 * 3'600'000;

// Fields that follow an override of the callback URL; the others always go to the app's.
// https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/override
bool follows_override(std::string_view field);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_META_INTERNAL_H_
