// Channels of a business and the plan's hold on them. Free functions on the caller's Session, on
// its thread.
//
// Plan limits are exact under any race, also between gateways: the count is a conditional update of
// the business's counter row in the transaction that inserts or deletes the channel.
#ifndef GATEWAY_STORE_CHANNELS_H_
#define GATEWAY_STORE_CHANNELS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/secret.h"
#include "gateway/domain/conversation.h"
#include "gateway/domain/ids.h"
#include "gateway/domain/plan.h"
#include "gateway/store/pg.h"
#include "gateway/store/vault.h"

namespace gateway::store {

struct Channel {
  domain::ChannelId id;
  domain::BusinessId business;
  std::string type;
  Secret config;  // JSON object as the caller sent it
  Secret secret;  // minted with the row; empty in the public list, like config
  bool is_active = true;
  std::int64_t revision = 0;
  domain::RegistrationState registration = domain::RegistrationState::pending;
  std::optional<std::string> registration_error;
  std::optional<std::int64_t> registration_checked_ms;
  std::optional<Secret> instructions;  // JSON object: what a human enters at the platform
  std::int64_t created_ms = 0;
};

struct NewChannel {
  domain::ChannelId id;
  domain::BusinessId business;
  std::string type;
  Bytes config_sealed;
  Bytes secret_sealed;
  bool is_active = true;
  domain::RegistrationState registration = domain::RegistrationState::pending;
};

// Why the plan does not allow it: the values of the 402 bodies.
struct PlanRefusal {
  enum class Kind { feature_locked, limit_exceeded };
  Kind kind = Kind::limit_exceeded;
  std::string plan;     // as shown: "Free"
  std::string feature;  // "integrations", "channels", "messages"
  std::int64_t current = 0;
  std::int64_t limit = 0;
};

// In `transaction`, uncounted: for callers that count themselves.
Result<> insert_channel(Transaction& transaction, const NewChannel& channel);

// Whether the business's plan covers the type; absent: it does.
Result<std::optional<PlanRefusal>> check_channel_type(Session& db, const domain::Plans& plans,
                                                      domain::BusinessId business,
                                                      std::string_view type);
// Absent: created and counted.
Result<std::optional<PlanRefusal>> create_channel(Session& db, const domain::Plans& plans,
                                                  const NewChannel& channel);
// In the caller's transaction, which is to be given up where the plan refuses.
Result<std::optional<PlanRefusal>> create_channel(Transaction& transaction,
                                                  const domain::Plans& plans,
                                                  const NewChannel& channel);

// What tells where else a business can be written to: of its active channels on platforms.
struct ChannelFace {
  std::string type;
  Secret config;  // JSON object
  Secret state;   // JSON object, what the connector asked to keep; may be empty
};
Result<std::vector<ChannelFace>> list_channel_faces(Session& db, Vault& vault,
                                                    domain::BusinessId business);

// Oldest first; `only_active` for the public list, which leaves configurations sealed (empty).
Result<std::vector<Channel>> list_channels(Session& db, Vault& vault, domain::BusinessId business);
Result<std::vector<Channel>> list_active_channels(Session& db, domain::BusinessId business);
Result<std::optional<Channel>> find_channel(Session& db, Vault& vault, domain::BusinessId business,
                                            domain::ChannelId id);

// The next state of a channel that was read before.
struct ChannelEdit {
  std::string type;
  std::optional<Bytes> config_sealed;  // absent: as it is
  bool is_active = true;
  domain::RegistrationState registration = domain::RegistrationState::pending;
  bool unregister_old = false;      // the platform still knows the present webhook
  bool checks_plan = false;         // re-activation or another type
  bool keeps_registration = false;  // nothing the platform knows of has changed
};
enum class ChannelUpdate { done, gone, changed_meanwhile };
struct ChannelUpdated {
  ChannelUpdate outcome = ChannelUpdate::done;
  std::optional<PlanRefusal> refusal;  // set: nothing was written
};
Result<ChannelUpdated> update_channel(Session& db, const domain::Plans& plans,
                                      const Channel& present, const ChannelEdit& change);

// False: no such channel of this business. The platform's webhook is taken back by a job that is
// written in the same transaction.
Result<bool> delete_channel(Session& db, domain::BusinessId business, domain::ChannelId id);
// A channel its platform refused at once: nothing is registered there. Only at `revision`.
Result<bool> delete_refused_channel(Session& db, domain::BusinessId business, domain::ChannelId id,
                                    std::int64_t revision);

Result<bool> has_widget(Session& db, domain::BusinessId business, domain::WidgetId id);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_CHANNELS_H_
