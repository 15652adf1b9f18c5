// The calls each operation takes at the Bot API. Pure, any thread.
#ifndef CONNECTORS_TELEGRAM_PLAN_H_
#define CONNECTORS_TELEGRAM_PLAN_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace telegram {

connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                     const connector::Event& input, std::span<const connector::Response> so_far);

}  // namespace telegram

#endif  // CONNECTORS_TELEGRAM_PLAN_H_
