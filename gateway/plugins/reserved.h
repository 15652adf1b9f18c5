// Names that a connector leaves to the gateway: what it says under them is refused or dropped.
//
// Pure functions, any thread.
#ifndef GATEWAY_PLUGINS_RESERVED_H_
#define GATEWAY_PLUGINS_RESERVED_H_

#include <string_view>

namespace gateway::plugins {

// Headers that frame or route a request; who makes the call writes them. RFC 9110 section 7.6.1.
bool is_reserved_header(std::string_view lower_name);

// Members of the attachment object of the API, beside which an attachment's `extra` is shown.
bool is_attachment_member(std::string_view name);

}  // namespace gateway::plugins

#endif  // GATEWAY_PLUGINS_RESERVED_H_
