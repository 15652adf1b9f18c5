// What a message says: text, attachments and facts of one message object, whoever wrote it.
// https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
// (read 2026-11-21). Pure, any thread.
#ifndef CONNECTORS_WHATSAPP_CONTENT_H_
#define CONNECTORS_WHATSAPP_CONTENT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"

namespace whatsapp {

// Fills text, reply_to, attachments and extra. `errors` are those of the delivery around the
// message: they say why one has no content.
void set_content(connector::Event& event, sdk::json::Value message, sdk::json::Value errors);

// Facts of the first error, and all of them as JSON where there are more.
void add_errors(connector::Pairs& extra, sdk::json::Value errors);

// Every scalar below `value`, under dotted names; lists as JSON.
void add_scalars(connector::Pairs& extra, std::string_view prefix, sdk::json::Value value);

void add(connector::Pairs& extra, std::string_view name, std::string value);
// A string as it is, a number by its digits, a boolean as 1 or 0; empty for everything else.
std::string scalar(sdk::json::Value value);
// Unix seconds, as a string or a number; 0 for what is no time.
std::int64_t milliseconds(sdk::json::Value seconds);

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_CONTENT_H_
