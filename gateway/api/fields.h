// Reads the members of a request's JSON body and collects everything that is wrong with them.
//
// Names that are not asked for are ignored and therefore never stored. A value of the stack, used
// by one handler.
#ifndef GATEWAY_API_FIELDS_H_
#define GATEWAY_API_FIELDS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/api/respond.h"
#include "gateway/http/message.h"

namespace gateway::api {

struct TextRule {
  std::size_t min = 1;    // characters (code points), after trimming
  std::size_t max = 200;  // characters
  bool lines = false;     // may have line breaks and tabs
};

class Fields {
 public:
  // A body that is no JSON object is one error, of the field "body".
  explicit Fields(const http::Request& request);

  bool has(std::string_view name) const { return root_[name].exists(); }
  sdk::json::Value operator[](std::string_view name) const { return root_[name]; }

  // Required; empty where it is missing or wrong.
  std::string text(std::string_view name, TextRule rule);
  // Absent where it is missing or null, or wrong.
  std::optional<std::string> maybe_text(std::string_view name, TextRule rule);
  // Absent where it is missing or wrong; null is wrong.
  std::optional<bool> maybe_boolean(std::string_view name);
  // JSON of an object of at most 16 KiB and 8 levels; absent where it is missing or wrong.
  std::optional<std::string> maybe_object(std::string_view name);

  void wrong(std::string_view field, std::string_view message);
  void add(std::vector<FieldError> errors);
  bool valid() const { return errors_.empty(); }
  std::vector<FieldError> take_errors() { return std::move(errors_); }

 private:
  std::optional<std::string> read(std::string_view name, sdk::json::Value value, TextRule rule);
  std::optional<sdk::json::Document> document_;
  sdk::json::Value root_;
  std::vector<FieldError> errors_;
};

std::size_t characters(std::string_view utf8);

}  // namespace gateway::api

#endif  // GATEWAY_API_FIELDS_H_
