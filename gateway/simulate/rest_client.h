// A caller of the gateway's REST API: JSON in, JSON out, one call at a time.
//
// Blocking, over libcurl; one connection that stays open. Belongs to one thread.
#ifndef GATEWAY_SIMULATE_REST_CLIENT_H_
#define GATEWAY_SIMULATE_REST_CLIENT_H_

#include <chrono>
#include <memory>
#include <string>

#include "connectors/sdk/json.h"
#include "gateway/base/result.h"

namespace gateway::simulate {

struct RestAnswer {
  int status = 0;
  std::string body;
  // Absent members where the body is no JSON.
  sdk::json::Value json() const;
  std::shared_ptr<const sdk::json::Document> document;
};

class RestClient {
 public:
  explicit RestClient(std::string base_url);
  ~RestClient();
  RestClient(const RestClient&) = delete;
  RestClient& operator=(const RestClient&) = delete;

  // Sent as a bearer from now on.
  void set_token(std::string token);
  // Errc::unavailable where no answer came. An empty body sends none.
  Result<RestAnswer> call(const std::string& method, const std::string& path,
                          const std::string& json_body = {},
                          std::chrono::milliseconds patience = std::chrono::seconds(30));

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_REST_CLIENT_H_
