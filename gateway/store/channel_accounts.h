// Which channels stand for which accounts of a platform: the way from a callback URL that several
// channels share to the channels a delivery is for. Free functions on the caller's session, on its
// thread.
#ifndef GATEWAY_STORE_CHANNEL_ACCOUNTS_H_
#define GATEWAY_STORE_CHANNEL_ACCOUNTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "gateway/domain/ids.h"
#include "gateway/store/pg.h"

namespace gateway::store {

struct AccountChannel {
  std::string account;
  domain::ChannelId channel;
  bool operator==(const AccountChannel&) const = default;
};

// Ordered by account and channel, at most 4096. Crosses tenants: only for deliveries, which prove
// themselves to each channel by what its connector verifies.
Result<std::vector<AccountChannel>> resolve_accounts(Session& db, std::string_view type,
                                                     const std::vector<std::string>& accounts);

// The channel stands for these accounts and no others. Nothing happens where it is gone.
Result<> replace_channel_accounts(Transaction& transaction, domain::ChannelId channel,
                                  std::string_view type, const std::vector<std::string>& accounts);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_CHANNEL_ACCOUNTS_H_
