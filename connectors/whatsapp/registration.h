// Where Meta delivers a number's messages: setting it, looking at it, taking it back.
// https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/override (read
// 2026-11-21). Pure, any thread.
#ifndef CONNECTORS_WHATSAPP_REGISTRATION_H_
#define CONNECTORS_WHATSAPP_REGISTRATION_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace whatsapp {

connector::Step register_webhook(const connector::Channel& channel,
                                 std::span<const connector::Response> so_far);
connector::Step unregister_webhook(const connector::Channel& channel,
                                   std::span<const connector::Response> so_far);
connector::Step check(const connector::Channel& channel,
                      std::span<const connector::Response> so_far);

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_REGISTRATION_H_
