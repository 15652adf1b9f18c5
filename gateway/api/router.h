// The URL table: which route a method and a path name. Sans-I/O; immutable after construction,
// const methods from any thread.
//
// A path matches with and without its trailing slash. Segments are percent-decoded once, after the
// path was cut at its slashes; a segment that then holds NUL, '/' or broken UTF-8 refuses the whole
// path, so that no id can pretend to be a path. Literal segments win over parameters.
#ifndef GATEWAY_API_ROUTER_H_
#define GATEWAY_API_ROUTER_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway::api {

enum class Access {
  open,            // nobody has to say who they are
  user,            // a person's access token
  visitor,         // a visitor's token, of the embed the path names
  operator_token,  // the operator's token; without one configured the route does not exist
  platform,        // the delivery itself is verified by a connector
};
enum class Runs { reactor, workers };
enum class Origins {
  none,    // no browser of another site has business here
  any,     // public: readable from every origin, without credentials
  listed,  // the dashboards named in the settings
};

// What a body has to be.
enum class Accepts { json, multipart };

struct Route {
  std::string_view method;
  std::string_view pattern;    // "/api/v1/channels/{channel_id}", written as documented
  std::string_view operation;  // operationId of schemas/api/openapi.json
  Access access = Access::user;
  Runs runs = Runs::workers;
  Origins origins = Origins::listed;
  Accepts accepts = Accepts::json;
  // The largest body, where it is larger than that of other routes; only for a caller whose token
  // holds, so that nobody else can fill the memory.
  std::size_t body_bytes = 0;
  // The same of a caller without a token; counted by address.
  std::size_t anonymous_body_bytes = 0;
};

class Params {
 public:
  void add(std::string_view name, std::string value) {
    values_.emplace_back(name, std::move(value));
  }
  // Empty where the pattern has no such name.
  std::string_view operator[](std::string_view name) const {
    for (const auto& [key, value] : values_) {
      if (key == name) return value;
    }
    return {};
  }
  const std::vector<std::pair<std::string_view, std::string>>& all() const { return values_; }

 private:
  std::vector<std::pair<std::string_view, std::string>> values_;
};

struct Match {
  enum class Kind { found, unknown_path, unknown_method, malformed };
  Kind kind = Kind::unknown_path;
  std::size_t route = 0;  // index into the table, where found
  Params params;
  std::vector<std::size_t> siblings;  // all routes of the path, where the path is known
};

class Router {
 public:
  static constexpr std::size_t kMaxSegments = 12;

  // `routes` outlives the router.
  explicit Router(std::span<const Route> routes);
  // HEAD is served by the GET route.
  Match match(std::string_view method, std::string_view path) const;
  // "GET, HEAD, OPTIONS": what the siblings allow.
  std::string allowed(const Match& match) const;

 private:
  struct Pattern {
    std::vector<std::string_view> segments;
    std::size_t literals = 0;
  };
  std::span<const Route> routes_;
  std::vector<Pattern> patterns_;
};

}  // namespace gateway::api

#endif  // GATEWAY_API_ROUTER_H_
