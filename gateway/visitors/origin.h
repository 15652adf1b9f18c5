// Which web pages may embed what: the Origin of a browser's request against the pages that a widget
// or webchat names. It stops other sites' pages from using an id; it proves nothing, because
// programs write what they like there. Pure functions, any thread.
//
// An entry is a host ("acme.com", "*.acme.com", "acme.com:8443") or an origin
// ("https://acme.com"), as page_entry of gateway/api/host_name.h makes it: lower case, punycode, no
// path. "*." stands for every host below the name, not for itself. A host without a port means any
// port of it; an origin means exactly its scheme and port. The loopback names of one machine are
// one host.
#ifndef GATEWAY_VISITORS_ORIGIN_H_
#define GATEWAY_VISITORS_ORIGIN_H_

#include <span>
#include <string>
#include <string_view>

namespace gateway::visitors {

// `origin`: the header's value, not empty. False also for "null" and what is no origin.
bool is_page_of(std::string_view origin, std::span<const std::string> entries);

}  // namespace gateway::visitors

#endif  // GATEWAY_VISITORS_ORIGIN_H_
