// Which form of a body a client takes (Accept-Encoding; RFC 9110, 12.5.3; read 2026-11-21). Pure
// function, any thread.
#ifndef GATEWAY_API_CONTENT_CODING_H_
#define GATEWAY_API_CONTENT_CODING_H_

#include <string_view>

namespace gateway::api {

enum class ContentCoding { identity, gzip, brotli };

// "gzip", "br"; empty for identity, which has no name on the wire.
std::string_view to_string(ContentCoding coding);

// The best of the three by the client's weights, at equal ones the smallest. Identity where the
// client says nothing, and where it refuses everything: a body is more use to it than a 406.
ContentCoding preferred_coding(std::string_view accept_encoding);

}  // namespace gateway::api

#endif  // GATEWAY_API_CONTENT_CODING_H_
