// The API's document, and a judge of answers by it: the subset of JSON Schema that the document
// uses. A keyword the judge does not know makes it complain, so that nothing passes unjudged.
#ifndef TESTS_API_SCHEMA_H_
#define TESTS_API_SCHEMA_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/json.h"

namespace api_test {

class OpenApi {
 public:
  // schemas/api/openapi.json of the source tree.
  static const OpenApi& document();
  explicit OpenApi(std::string_view json);

  sdk::json::Value root() const { return document_.root(); }
  // "GET /healthz" -> operationId.
  std::vector<std::pair<std::string, std::string>> operations() const;

  // What is wrong with an answer of the operation; empty: nothing.
  std::vector<std::string> judge(std::string_view method, std::string_view pattern, int status,
                                 std::string_view content_type, std::string_view body) const;
  std::vector<std::string> judge(sdk::json::Value schema, sdk::json::Value value) const;

 private:
  sdk::json::Value resolve(sdk::json::Value value) const;
  void check(sdk::json::Value given, sdk::json::Value value, const std::string& where,
             std::vector<std::string>& complaints) const;
  sdk::json::Document document_;
};

}  // namespace api_test

#endif  // TESTS_API_SCHEMA_H_
