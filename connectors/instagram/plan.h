// The calls each operation takes at the Graph API. Pure, any thread.
#ifndef CONNECTORS_INSTAGRAM_PLAN_H_
#define CONNECTORS_INSTAGRAM_PLAN_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace instagram {

connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                     const connector::Event& input, std::span<const connector::Response> so_far);

}  // namespace instagram

#endif  // CONNECTORS_INSTAGRAM_PLAN_H_
