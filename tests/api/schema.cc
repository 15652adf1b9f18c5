#include "tests/api/schema.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <regex>
#include <stdexcept>
#include <utility>

namespace api_test {
namespace {

using sdk::json::Type;
using sdk::json::Value;

constexpr std::array<std::string_view, 22> kKnown = {"$ref",
                                                     "type",
                                                     "properties",
                                                     "required",
                                                     "additionalProperties",
                                                     "items",
                                                     "enum",
                                                     "const",
                                                     "oneOf",
                                                     "format",
                                                     "pattern",
                                                     "minLength",
                                                     "maxLength",
                                                     "minimum",
                                                     "maximum",
                                                     "maxItems",
                                                     "description",
                                                     "default",
                                                     "examples",
                                                     "title",
                                                     "contentMediaType",
                                                     "nullable"};

bool is_of(Value value, std::string_view type) {
  switch (value.type()) {
    case Type::null:
      return type == "null";
    case Type::boolean:
      return type == "boolean";
    case Type::string:
      return type == "string";
    case Type::array:
      return type == "array";
    case Type::object:
      return type == "object";
    case Type::number:
      return type == "number" || (type == "integer" && value.integer());
    case Type::absent:
      return false;
  }
  return false;
}

bool equal(Value a, Value b) { return a.exists() && b.exists() && a.dump() == b.dump(); }

bool has_format(std::string_view text, std::string_view format) {
  static const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  static const std::regex time("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z");
  const std::string copy(text);
  if (format == "uuid") return std::regex_match(copy, uuid);
  if (format == "date-time") return std::regex_match(copy, time);
  return format == "email";
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

sdk::json::Document parse(std::string_view json) {
  sdk::json::Limits limits;
  limits.duplicates = sdk::json::Duplicates::refuse;
  auto parsed = sdk::json::Document::parse(json, limits);
  if (!parsed) throw std::runtime_error("no JSON: " + parsed.error().reason);
  return std::move(*parsed);
}

}  // namespace

const OpenApi& OpenApi::document() {
  static const OpenApi document = [] {
    std::ifstream file(BACKCHANNEL_SOURCE_DIR "/schemas/api/openapi.json");
    return OpenApi(std::string{std::istreambuf_iterator<char>(file), {}});
  }();
  return document;
}

OpenApi::OpenApi(std::string_view json) : document_(parse(json)) {}

std::vector<std::pair<std::string, std::string>> OpenApi::operations() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& [path, methods] : root()["paths"].members()) {
    for (const auto& [method, operation] : methods.members()) {
      std::string name(method);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      all.emplace_back(name + " " + std::string(path), operation["operationId"].text_or(""));
    }
  }
  return all;
}

Value OpenApi::resolve(Value value) const {
  while (const auto reference = value["$ref"].text()) {
    value = root();
    std::string_view rest = reference->substr(2);  // behind "#/"
    while (!rest.empty()) {
      const auto slash = rest.find('/');
      value = value[rest.substr(0, slash)];
      rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    }
    if (!value.exists()) throw std::runtime_error("dangling " + std::string(*reference));
  }
  return value;
}

std::vector<std::string> OpenApi::judge(std::string_view method, std::string_view pattern,
                                        int status, std::string_view content_type,
                                        std::string_view body) const {
  const auto operation = root()["paths"][pattern][lower(method)];
  if (!operation.exists()) return {"the document has no such operation"};
  const auto response = resolve(operation["responses"][std::to_string(status)]);
  if (!response.exists()) return {"status " + std::to_string(status) + " is not documented"};
  const auto content = response["content"];
  if (!content.exists()) {
    return body.empty() ? std::vector<std::string>() : std::vector<std::string>{"a body came"};
  }
  const auto media = content_type.substr(0, content_type.find(';'));
  auto described = content[media];
  if (!described.exists()) described = content["*/*"];
  if (!described.exists()) return {"content type " + std::string(media) + " is not documented"};
  if (media != "application/json") return {};
  const auto json = parse(body);
  return judge(described["schema"], json.root());
}

std::vector<std::string> OpenApi::judge(Value schema, Value value) const {
  std::vector<std::string> complaints;
  check(schema, value, "body", complaints);
  return complaints;
}

void OpenApi::check(Value given, Value value, const std::string& where,
                    std::vector<std::string>& complaints) const {
  const auto schema = resolve(given);
  for (const auto& [keyword, unused] : schema.members()) {
    if (std::find(kKnown.begin(), kKnown.end(), keyword) == kKnown.end()) {
      complaints.push_back(where + ": unknown keyword " + std::string(keyword));
    }
  }
  if (const auto choices = schema["oneOf"]; choices.exists()) {
    int fitting = 0;
    std::vector<std::string> why;
    for (const auto choice : choices.elements()) {
      std::vector<std::string> inner;
      check(choice, value, where, inner);
      if (inner.empty()) ++fitting;
      why.insert(why.end(), inner.begin(), inner.end());
    }
    if (fitting != 1) {
      complaints.push_back(where + ": fits " + std::to_string(fitting) + " of the choices");
      if (fitting == 0) complaints.insert(complaints.end(), why.begin(), why.end());
    }
    return;
  }
  if (const auto type = schema["type"]; type.exists()) {
    bool fits = type.is_string() && is_of(value, *type.text());
    for (const auto one : type.elements()) fits = fits || is_of(value, one.text_or(""));
    if (!fits) {
      complaints.push_back(where + ": is of another type: " + value.dump());
      return;
    }
  }
  if (const auto constant = schema["const"]; constant.exists() && !equal(constant, value)) {
    complaints.push_back(where + ": is not " + constant.dump());
  }
  if (const auto choices = schema["enum"]; choices.exists()) {
    const auto all = choices.elements();
    if (std::none_of(all.begin(), all.end(), [&](Value one) { return equal(one, value); })) {
      complaints.push_back(where + ": is none of the values: " + value.dump());
    }
  }
  if (const auto text = value.text()) {
    if (const auto format = schema["format"].text(); format && !has_format(*text, *format)) {
      complaints.push_back(where + ": is no " + std::string(*format) + ": " + std::string(*text));
    }
    if (const auto pattern = schema["pattern"].text()) {
      if (!std::regex_search(std::string(*text), std::regex(std::string(*pattern)))) {
        complaints.push_back(where + ": does not match");
      }
    }
  }
  if (value.is_array()) {
    std::size_t index = 0;
    for (const auto element : value.elements()) {
      check(schema["items"], element, where + "[" + std::to_string(index++) + "]", complaints);
    }
  }
  if (value.is_object()) {
    for (const auto name : schema["required"].elements()) {
      if (!value[name.text_or("")].exists()) {
        complaints.push_back(where + ": lacks " + std::string(name.text_or("")));
      }
    }
    for (const auto& [name, member] : value.members()) {
      const auto property = schema["properties"][name];
      const auto path = where + "." + std::string(name);
      if (property.exists()) {
        check(property, member, path, complaints);
      } else if (!schema["additionalProperties"].boolean().value_or(false)) {
        complaints.push_back(path + ": is not in the schema");
      }
    }
  }
}

}  // namespace api_test
