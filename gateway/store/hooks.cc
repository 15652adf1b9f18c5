#include "gateway/store/hooks.h"

namespace gateway::store {

Result<std::optional<Hook>> resolve_hook(Session& db, Vault& vault, domain::ChannelId channel) {
  static constexpr const char* kResolve =
      "select tenant_id, type, config_sealed, secret_sealed, state_sealed, is_active, revision "
      "from resolve_hook($1)";
  auto rows = db.run(Scope::none(), Query{kResolve, {channel}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Hook>();
  Hook hook;
  hook.tenant = rows->id<domain::BusinessId>(0, 0);
  hook.channel = channel;
  hook.type = rows->text(0, 1);
  hook.is_active = rows->boolean(0, 5);
  hook.revision = static_cast<int>(rows->integer(0, 6));
  auto config = vault.open(db, hook.tenant, kChannelConfig, channel.get(), rows->bytes(0, 2));
  if (!config) return std::move(config).error();
  hook.config = std::move(*config);
  auto secret = vault.open(db, hook.tenant, kChannelSecret, channel.get(), rows->bytes(0, 3));
  if (!secret) return std::move(secret).error();
  hook.secret = std::move(*secret);
  if (!rows->is_null(0, 4)) {
    auto state = vault.open(db, hook.tenant, kChannelState, channel.get(), rows->bytes(0, 4));
    if (!state) return std::move(state).error();
    hook.state = std::move(*state);
  }
  return std::optional<Hook>(std::move(hook));
}

}  // namespace gateway::store
