// Where else a business can be written to, for people who look at its widget.
#ifndef GATEWAY_API_CHANNEL_LINKS_H_
#define GATEWAY_API_CHANNEL_LINKS_H_

#include <optional>
#include <string>

#include "gateway/store/channels.h"

namespace gateway::api {

// The public address of a channel ("https://t.me/acme_bot"); absent where it is not known. Pure.
std::optional<std::string> public_link(const store::ChannelFace& channel);

}  // namespace gateway::api

#endif  // GATEWAY_API_CHANNEL_LINKS_H_
