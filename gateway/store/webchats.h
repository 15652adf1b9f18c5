// Webchat configurations (schemas/sql/0007_visitors.sql). Free functions on the caller's Session,
// on its thread.
#ifndef GATEWAY_STORE_WEBCHATS_H_
#define GATEWAY_STORE_WEBCHATS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/domain/embed.h"
#include "gateway/store/channels.h"
#include "gateway/store/pg.h"

namespace gateway::store {

struct Webchat {
  domain::EmbedId id;
  domain::BusinessId business;
  domain::ChannelId channel;
  domain::UserId created_by;
  std::vector<std::string> allowed_domains;
  std::optional<Uuid> icon;  // a file of the business that nothing else names
  std::string icon_name;
  bool is_enabled = true;
  std::string fields;  // JSON object: what is only kept and shown
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
};

struct NewWebchat {
  domain::EmbedId id;
  NewChannel channel;  // its own
  domain::UserId created_by;
  std::vector<std::string> allowed_domains;
  bool is_enabled = true;
  std::string fields;
};
struct WebchatChange {
  std::optional<std::vector<std::string>> allowed_domains;
  std::optional<bool> is_enabled;
  std::string fields = "{}";  // JSON object of what changes; null removes
};
// What becomes of the icon: the file `from` is copied to a new one, `to`, or without them there is
// no icon any more.
struct IconChange {
  std::optional<Uuid> from;
  Uuid to;
};

struct WebchatCreated {
  std::optional<PlanRefusal> refusal;  // set: nothing was written
  std::optional<Webchat> webchat;      // absent beside: the icon's file is gone
};
Result<WebchatCreated> create_webchat(Session& db, const domain::Plans& plans,
                                      const NewWebchat& webchat,
                                      const std::optional<IconChange>& icon);

enum class WebchatUpdate { done, gone, icon_gone };
struct WebchatUpdated {
  WebchatUpdate outcome = WebchatUpdate::done;
  std::optional<Webchat> webchat;  // of done
};
Result<WebchatUpdated> update_webchat(Session& db, domain::BusinessId business,
                                      const domain::EmbedId& id, const WebchatChange& change,
                                      const std::optional<IconChange>& icon);

// Of this business.
Result<std::optional<Webchat>> find_webchat(Session& db, domain::BusinessId business,
                                            const domain::EmbedId& id);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_WEBCHATS_H_
