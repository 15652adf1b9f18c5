#include "gateway/api/fields.h"

#include <algorithm>

#include "connectors/sdk/text.h"

namespace gateway::api {
namespace {

constexpr std::size_t kMaxObjectBytes = 16u << 10;
constexpr std::size_t kMaxObjectDepth = 8;

std::size_t depth_of(sdk::json::Value value) {
  std::size_t deepest = 0;
  for (const auto element : value.elements()) deepest = std::max(deepest, depth_of(element));
  for (const auto& [name, member] : value.members()) deepest = std::max(deepest, depth_of(member));
  return value.is_array() || value.is_object() ? deepest + 1 : 0;
}

bool has_control(std::string_view text, bool lines) {
  return std::any_of(text.begin(), text.end(), [lines](char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (lines && (c == '\n' || c == '\t' || c == '\r')) return false;
    return byte < 0x20 || byte == 0x7f;
  });
}

}  // namespace

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Fields::Fields(const http::Request& request) {
  auto parsed = sdk::json::Document::parse(request.body, sdk::json::kApiLimits);
  if (!parsed) {
    wrong("body", request.body.empty() ? "must be a JSON object, and is empty"
                                       : "is no JSON this service reads: " + parsed.error().reason);
    return;
  }
  document_ = std::move(*parsed);
  root_ = document_->root();
  if (!root_.is_object()) wrong("body", "must be a JSON object");
}

std::optional<std::string> Fields::read(std::string_view name, sdk::json::Value value,
                                        TextRule rule) {
  const auto raw = value.text();
  if (!raw) {
    wrong(name, "must be text");
    return std::nullopt;
  }
  if (has_control(*raw, rule.lines)) {
    wrong(name, "must not have control characters");
    return std::nullopt;
  }
  const auto text = rule.lines ? *raw : sdk::trim(*raw);
  const auto length = characters(text);
  if (length < rule.min) {
    wrong(name, rule.min == 1 ? "must not be empty"
                              : "must have at least " + std::to_string(rule.min) + " characters");
    return std::nullopt;
  }
  if (length > rule.max) {
    wrong(name, "must have at most " + std::to_string(rule.max) + " characters");
    return std::nullopt;
  }
  return std::string(text);
}

std::string Fields::text(std::string_view name, TextRule rule) {
  if (!root_.is_object()) return {};
  const auto value = root_[name];
  if (!value.exists() || value.is_null()) {
    wrong(name, "is required");
    return {};
  }
  return read(name, value, rule).value_or("");
}

std::optional<std::string> Fields::maybe_text(std::string_view name, TextRule rule) {
  const auto value = root_[name];
  if (!value.exists() || value.is_null()) return std::nullopt;
  return read(name, value, rule);
}

std::optional<bool> Fields::maybe_boolean(std::string_view name) {
  const auto value = root_[name];
  if (!value.exists()) return std::nullopt;
  const auto boolean = value.boolean();
  if (!boolean) wrong(name, "must be true or false");
  return boolean;
}

std::optional<std::string> Fields::maybe_object(std::string_view name) {
  const auto value = root_[name];
  if (!value.exists()) return std::nullopt;
  auto json = value.dump();
  if (!value.is_object()) {
    wrong(name, "must be an object");
  } else if (json.size() > kMaxObjectBytes) {
    wrong(name, "must have at most 16 KiB");
  } else if (depth_of(value) > kMaxObjectDepth) {
    wrong(name, "must not be nested deeper than 8 levels");
  } else {
    return json;
  }
  return std::nullopt;
}

void Fields::wrong(std::string_view field, std::string_view message) {
  errors_.push_back({std::string(field), std::string(message)});
}

void Fields::add(std::vector<FieldError> errors) {
  for (auto& error : errors) errors_.push_back(std::move(error));
}

}  // namespace gateway::api
