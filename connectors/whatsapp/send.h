// Messages of ours: what one becomes at the Cloud API, and the marks that are no message.
// https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
// (read 2026-11-21). Pure, any thread.
#ifndef CONNECTORS_WHATSAPP_SEND_H_
#define CONNECTORS_WHATSAPP_SEND_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace whatsapp {

connector::Step send(const connector::Channel& channel, const connector::Event& input,
                     std::span<const connector::Response> so_far);

// Typing and read marks.
connector::Step signal(const connector::Channel& channel, const connector::Event& input,
                       std::span<const connector::Response> so_far);

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_SEND_H_
