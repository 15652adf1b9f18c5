// The calls each operation takes at the Graph API. Pure, any thread.
#ifndef CONNECTORS_WHATSAPP_PLAN_H_
#define CONNECTORS_WHATSAPP_PLAN_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace whatsapp {

connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                     const connector::Event& input, std::span<const connector::Response> so_far);

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_PLAN_H_
