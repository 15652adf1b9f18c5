#include <algorithm>
#include <array>
#include <regex>

#include "connectors/sdk/text.h"
#include "gateway/plugins/connector.h"

namespace gateway::plugins {
namespace {

namespace json = sdk::json;
using json::Value;

// std::regex recurses with the length of the text, so it only ever sees short ones.
constexpr std::size_t kMaxPatternedBytes = 512;
constexpr std::size_t kMaxPatternBytes = 256;
constexpr json::Limits kSchemaLimits{64u << 10, 16, 2'000, json::Duplicates::refuse};

// `wanted` by name: what the schema may say about a value of each type, besides the annotations.
struct TypeRule {
  std::string_view name;
  std::array<std::string_view, 5> keywords;
};
constexpr std::array<TypeRule, 5> kTypes{{
    {"object", {"properties", "required", "additionalProperties", "", ""}},
    {"string", {"enum", "minLength", "maxLength", "pattern", ""}},
    {"integer", {"enum", "minimum", "maximum", "", ""}},
    {"number", {"minimum", "maximum", "", "", ""}},
    {"boolean", {"", "", "", "", ""}},
}};
constexpr std::array<std::string_view, 10> kAnnotations{
    "$schema", "$id",      "type",      "title",  "description",
    "default", "examples", "writeOnly", "format", "x-deployment-default"};

const TypeRule* rule_of(Value schema) {
  const std::string_view type = schema["type"].text_or("");
  for (const TypeRule& rule : kTypes) {
    if (rule.name == type) return &rule;
  }
  return nullptr;
}

std::string joined(std::string_view prefix, std::string_view name) {
  std::string path(prefix);
  if (!path.empty()) path += '.';
  path += name;
  return path;
}

bool compiles(std::string_view pattern) {
  try {
    const std::regex regex(pattern.begin(), pattern.end(), std::regex::ECMAScript);
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

// Empty where the schema is one we can apply completely; a keyword that would be ignored is a
// mistake its author should hear of.
// Empty where "x-setup" is right.
std::string complaint_about_setup(Value root, std::optional<ManualSetup>& setup) {
  const Value given = root["x-setup"];
  if (!given.exists()) return {};
  setup.emplace();
  setup->keyed_unless = given["keyed_unless"].text_or("");
  for (const Value field : given["fields"].elements()) {
    setup->fields.emplace_back(field.text_or(""));
  }
  std::vector<std::string> names = setup->fields;
  if (!setup->keyed_unless.empty()) names.push_back(setup->keyed_unless);
  for (const std::string& name : names) {
    if (root["properties"][name].exists()) continue;
    return "\"x-setup\" names \"" + sdk::sanitize(name, 100) + "\", which is no property";
  }
  return {};
}

std::string complaint_about(Value schema, const std::string& path,
                            std::vector<std::string>& secrets, connector::Pairs& defaults) {
  const std::string where = path.empty() ? "the schema" : "\"" + path + "\"";
  if (!schema.is_object()) return where + " is no object";
  const TypeRule* rule = rule_of(schema);
  if (rule == nullptr) return where + " has no type this gateway knows";
  for (const auto& [keyword, value] : schema.members()) {
    const bool known =
        (path.empty() && keyword == "x-setup") ||
        std::find(kAnnotations.begin(), kAnnotations.end(), keyword) != kAnnotations.end() ||
        std::find(rule->keywords.begin(), rule->keywords.end(), keyword) != rule->keywords.end();
    if (!known) return where + " uses \"" + std::string(keyword) + "\", which is not supported";
  }
  if (schema["pattern"].exists()) {
    const auto pattern = schema["pattern"].text();
    const auto longest = schema["maxLength"].integer();
    if (!pattern || pattern->size() > kMaxPatternBytes || !compiles(*pattern)) {
      return where + " has a pattern that is no regular expression";
    }
    if (!longest || *longest > static_cast<std::int64_t>(kMaxPatternedBytes)) {
      return where + " has a pattern and needs a maxLength of at most 512";
    }
  }
  if (schema["enum"].exists() && schema["enum"].size() == 0) return where + " allows no value";
  if (schema["writeOnly"].boolean().value_or(false)) secrets.push_back(path);
  if (const auto setting = schema["x-deployment-default"].text()) {
    defaults.emplace_back(path, *setting);
  }
  if (rule->name != "object") return {};
  if (schema["additionalProperties"].boolean().value_or(true)) {
    return where + " must say \"additionalProperties\": false";
  }
  for (const Value name : schema["required"].elements()) {
    if (!schema["properties"][name.text_or("")].exists()) {
      return where + " requires \"" + std::string(name.text_or("")) +
             "\", which it does not define";
    }
  }
  for (const auto& [name, property] : schema["properties"].members()) {
    if (name.empty() || name.find('.') != std::string_view::npos) {
      return where + " has a property whose name is empty or has a dot";
    }
    std::string complaint = complaint_about(property, joined(path, name), secrets, defaults);
    if (!complaint.empty()) return complaint;
  }
  return {};
}

std::int64_t code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::string characters(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " character" : " characters");
}

bool is_one_of(Value allowed, Value value) {
  const std::vector<Value> all = allowed.elements();
  return std::any_of(all.begin(), all.end(), [&](Value one) {
    return one.type() == value.type() && one.digits() == value.digits();
  });
}

std::string complaint_about_string(Value schema, std::string_view text) {
  const std::int64_t length = code_points(text);
  const std::int64_t least = schema["minLength"].integer().value_or(0);
  const std::int64_t most = schema["maxLength"].integer().value_or(INT64_MAX);
  if (least > 0 && length == 0) return "must not be empty";
  if (length < least) return "must have at least " + characters(least);
  if (length > most) return "must have at most " + characters(most);
  if (const auto pattern = schema["pattern"].text()) {
    if (text.size() > kMaxPatternedBytes) return "is too long";
    const std::regex regex(pattern->begin(), pattern->end(), std::regex::ECMAScript);
    if (!std::regex_search(text.begin(), text.end(), regex)) return "does not have the right form";
  }
  return {};
}

std::string complaint_about_number(Value schema, double number) {
  if (const auto least = schema["minimum"].number(); least && number < *least) {
    return "must be at least " + std::string(schema["minimum"].digits().value_or(""));
  }
  if (const auto most = schema["maximum"].number(); most && number > *most) {
    return "must be at most " + std::string(schema["maximum"].digits().value_or(""));
  }
  return {};
}

// For anything but objects.
std::string complaint_about_value(Value schema, std::string_view type, Value value) {
  if (type == "string" && !value.is_string()) return "must be a string";
  if (type == "boolean" && !value.boolean()) return "must be true or false";
  if (type == "integer" && !value.integer()) return "must be a whole number";
  if (type == "number" && !value.number()) return "must be a number";
  if (const Value allowed = schema["enum"]; allowed.exists() && !is_one_of(allowed, value)) {
    std::string message = "must be one of";
    for (const Value one : allowed.elements()) {
      message += message.back() == 'f' ? " " : ", ";
      message += one.digits().value_or("");
    }
    return message;
  }
  if (type == "string") return complaint_about_string(schema, *value.text());
  if (value.is_number()) return complaint_about_number(schema, value.number().value_or(0));
  return {};
}

// Recurses as deep as the schema, which parse() bounded, never as deep as the value.
void check(Value schema, Value value, const std::string& field, std::vector<FieldError>& errors) {
  const std::string_view type = schema["type"].text_or("");
  if (type != "object") {
    std::string complaint = complaint_about_value(schema, type, value);
    if (!complaint.empty()) errors.push_back({field, std::move(complaint)});
    return;
  }
  if (!value.is_object()) {
    errors.push_back({field, "must be an object"});
    return;
  }
  for (const Value name : schema["required"].elements()) {
    if (!value[name.text_or("")].exists()) {
      errors.push_back({joined(field, name.text_or("")), "is required"});
    }
  }
  for (const auto& [name, member] : value.members()) {
    const Value property = schema["properties"][name];
    if (property.exists()) {
      check(property, member, joined(field, name), errors);
    } else {
      errors.push_back({joined(field, sdk::sanitize(name, 100)), "is not a known field"});
    }
  }
}

void flatten_into(connector::Pairs& pairs, const std::string& prefix, Value value, int depth) {
  constexpr int kMaxDepth = 16;
  for (const auto& [name, member] : value.members()) {
    const std::string path = joined(prefix, name);
    if (member.is_object() && depth < kMaxDepth) {
      flatten_into(pairs, path, member, depth + 1);
    } else if (const auto text = member.text()) {
      pairs.emplace_back(path, *text);
    } else if (!member.is_null()) {
      pairs.emplace_back(path, member.dump());
    }
  }
}

}  // namespace

Result<ConfigSchema> ConfigSchema::parse(std::string_view json_schema) {
  auto document = json::Document::parse(json_schema, kSchemaLimits);
  if (!document) {
    return fail(Errc::invalid_argument, "the config schema " + document.error().reason);
  }
  ConfigSchema schema;
  schema.text_ = json_schema;
  schema.document_ = std::make_shared<const json::Document>(*std::move(document));
  const Value root = schema.document_->root();
  if (root["type"].text_or("") != "object") {
    return fail(Errc::invalid_argument, "the config schema is not of type object");
  }
  std::string complaint =
      complaint_about(root, "", schema.secret_fields_, schema.deployment_defaults_);
  if (complaint.empty()) complaint = complaint_about_setup(root, schema.manual_setup_);
  if (!complaint.empty()) {
    return fail(Errc::invalid_argument, "config schema: " + std::move(complaint));
  }
  return schema;
}

std::vector<FieldError> ConfigSchema::validate(Value config) const {
  std::vector<FieldError> errors;
  if (document_ != nullptr) check(document_->root(), config, "config", errors);
  return errors;
}

connector::Pairs flatten(Value config) {
  connector::Pairs pairs;
  flatten_into(pairs, "", config, 0);
  return pairs;
}

connector::Pairs last_facts(std::string_view metadata) {
  connector::Pairs extra;
  const auto document = sdk::json::Document::parse(metadata);
  if (!document) return extra;
  for (const auto& [name, value] : document->root().members()) {
    const std::string as = "last." + std::string(name);
    if (as == "last.message" || as == "last.sent_ms") continue;
    if (value.is_string()) {
      extra.emplace_back(as, value.text_or(""));
    } else if (value.is_number()) {
      extra.emplace_back(as, value.digits().value_or(""));
    } else if (const auto flag = value.boolean()) {
      extra.emplace_back(as, *flag ? "true" : "false");
    }
  }
  return extra;
}

}  // namespace gateway::plugins
