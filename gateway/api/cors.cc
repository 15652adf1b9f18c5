#include "gateway/api/cors.h"

#include <algorithm>

namespace gateway::api {
namespace {

constexpr const char* kExposed = "X-Request-Id, Retry-After, Link, Idempotent-Replayed";

}  // namespace

http::Headers cors_headers(const Route& route, std::string_view origin,
                           const std::vector<std::string>& listed) {
  if (route.origins == Origins::none) return {};
  if (route.origins == Origins::any) {
    return {{"Access-Control-Allow-Origin", "*"}, {"Access-Control-Expose-Headers", kExposed}};
  }
  // The answer differs by origin even where this request names none.
  http::Headers headers{{"Vary", "Origin"}};
  if (origin.empty()) return headers;
  if (std::find(listed.begin(), listed.end(), "*") != listed.end()) {
    headers.emplace_back("Access-Control-Allow-Origin", "*");
  } else if (std::find(listed.begin(), listed.end(), origin) != listed.end()) {
    headers.emplace_back("Access-Control-Allow-Origin", origin);
  } else {
    return headers;
  }
  headers.emplace_back("Access-Control-Expose-Headers", kExposed);
  return headers;
}

}  // namespace gateway::api
