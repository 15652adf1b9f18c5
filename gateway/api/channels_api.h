// Channels: connect a platform, look after the connection, take it down.
//
// A channel's row is committed before its platform hears of it, and no worker waits while the
// platform thinks: the answer is given when the registration's outcome comes.
#ifndef GATEWAY_API_CHANNELS_API_H_
#define GATEWAY_API_CHANNELS_API_H_

#include <string>
#include <string_view>

#include "gateway/api/call.h"
#include "gateway/api/context.h"
#include "gateway/store/channels.h"

namespace gateway::api {

Answer list_channels(const ApiContext& context, store::Session& db, const Call& call);
Answer list_channel_types(const ApiContext& context, store::Session& db, const Call& call);
Answer show_channel(const ApiContext& context, store::Session& db, const Call& call);
void create_channel(const ApiContext& context, store::Session& db, const CallPtr& call);
void update_channel(const ApiContext& context, store::Session& db, const CallPtr& call);
Answer delete_channel(const ApiContext& context, store::Session& db, const Call& call);

// A row to insert: new id, `config` sealed, and a minted secret of 32 random bytes in hex.
Result<store::NewChannel> seal_channel(const ApiContext& context, store::Session& db,
                                       domain::BusinessId business, std::string_view type,
                                       std::string_view config);

}  // namespace gateway::api

#endif  // GATEWAY_API_CHANNELS_API_H_
