// Updates of the Bot API as normalized events. Pure, any thread.
#ifndef CONNECTORS_TELEGRAM_RECEIVE_H_
#define CONNECTORS_TELEGRAM_RECEIVE_H_

#include "connectors/sdk/connector.h"

namespace telegram {

connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request);

// The cloud server hands out no file above this (https://core.telegram.org/bots/api#getfile, read
// 2026-11-20).
inline constexpr std::int64_t kMaxDownloadBytes = 20 << 20;

}  // namespace telegram

#endif  // CONNECTORS_TELEGRAM_RECEIVE_H_
