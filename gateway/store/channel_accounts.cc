#include "gateway/store/channel_accounts.h"

namespace gateway::store {

Result<std::vector<AccountChannel>> resolve_accounts(Session& db, std::string_view type,
                                                     const std::vector<std::string>& accounts) {
  static constexpr const char* kResolve =
      "select account, channel_id from resolve_accounts($1, $2)";
  auto rows = db.run(Scope::none(), Query{kResolve, {type, accounts}});
  if (!rows) return std::move(rows).error();
  std::vector<AccountChannel> found;
  for (int i = 0; i < rows->size(); ++i) {
    found.push_back({std::string(rows->text(i, 0)), rows->id<domain::ChannelId>(i, 1)});
  }
  return found;
}

Result<> replace_channel_accounts(Transaction& transaction, domain::ChannelId channel,
                                  std::string_view type, const std::vector<std::string>& accounts) {
  static constexpr const char* kReplace = "select channel_accounts_replace($1, $2, $3)";
  auto rows = transaction.run({kReplace, {channel, type, accounts}});
  if (!rows) return std::move(rows).error();
  return {};
}

}  // namespace gateway::store
