// Which pages of a browser may read an answer: that of a handler, or one the edge gives itself.
#ifndef GATEWAY_API_CORS_H_
#define GATEWAY_API_CORS_H_

#include <string>
#include <string_view>
#include <vector>

#include "gateway/api/router.h"
#include "gateway/http/message.h"

namespace gateway::api {

// Headers of any answer on this route to a request of this Origin, empty where it has none.
// `listed` are the exact origins that routes of Origins::listed answer; "*" among them admits all.
http::Headers cors_headers(const Route& route, std::string_view origin,
                           const std::vector<std::string>& listed);

}  // namespace gateway::api

#endif  // GATEWAY_API_CORS_H_
