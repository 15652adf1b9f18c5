#include "gateway/api/channel_config.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "gateway/base/embedded.h"
#include "gateway/domain/plan.h"

namespace gateway::api {
namespace channel_schemas {
extern const base::EmbeddedFile kEmbedded[];
extern const std::size_t kEmbeddedCount;
}  // namespace channel_schemas

namespace {

using sdk::json::Value;

constexpr std::string_view kMask = "****";
constexpr std::size_t kShown = 4;
constexpr std::string_view kFileSuffix = "_channel.schema.json";

using Schemas = std::map<std::string, plugins::ConfigSchema, std::less<>>;

const Schemas& built_in_schemas() {
  static const Schemas schemas = [] {
    Schemas all;
    for (std::size_t i = 0; i < channel_schemas::kEmbeddedCount; ++i) {
      const auto& file = channel_schemas::kEmbedded[i];
      auto schema = plugins::ConfigSchema::parse(file.text);
      if (!schema) throw std::logic_error(schema.error().message);
      all.emplace(file.name.substr(0, file.name.size() - kFileSuffix.size()), std::move(*schema));
    }
    return all;
  }();
  return schemas;
}

std::string joined(std::string_view prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : std::string(prefix) + "." + std::string(name);
}

bool is_secret(const plugins::ConfigSchema* schema, const std::string& path) {
  if (schema == nullptr) return true;
  const auto& secrets = schema->secret_fields();
  return std::find(secrets.begin(), secrets.end(), path) != secrets.end();
}

// Depth is bounded by the parser's limit.
void write_masked(sdk::json::Writer& out, const plugins::ConfigSchema* schema, Value value,
                  const std::string& path) {
  if (value.is_object()) {
    out.object();
    for (const auto& [name, member] : value.members()) {
      out.key(name);
      write_masked(out, schema, member, joined(path, name));
    }
    out.end();
  } else if (!value.is_null() && is_secret(schema, path)) {
    out.value(value.is_string() ? mask(*value.text()) : std::string(kMask));
  } else {
    out.value(value);
  }
}

struct Unmasking {
  const plugins::ConfigSchema& schema;
  sdk::json::Writer out;
  std::vector<FieldError> errors;

  void write(Value value, Value stored, const std::string& path) {
    if (value.is_object()) {
      out.object();
      for (const auto& [name, member] : value.members()) {
        if (path.empty() && name == kSetupInstructions) continue;
        out.key(name);
        write(member, stored[name], joined(path, name));
      }
      out.end();
      return;
    }
    const auto text = value.text();
    if (text && text->starts_with(kMask) && is_secret(&schema, path)) {
      const auto kept = stored.text();
      if (kept && mask(*kept) == *text) {
        out.value(*kept);
        return;
      }
      errors.push_back({"config." + path, "is a masked value; send the secret itself"});
    }
    out.value(value);
  }
};

}  // namespace

const plugins::ConfigSchema* schema_of(const plugins::Registry& registry, std::string_view type) {
  const auto built_in = built_in_schemas().find(type);
  if (built_in != built_in_schemas().end()) return &built_in->second;
  const auto* connector = registry.find(type);
  return connector == nullptr ? nullptr : &connector->schema();
}

std::string mask(std::string_view secret) {
  std::string masked(kMask);
  std::size_t start = secret.size();
  std::size_t points = 0;
  std::size_t shown_from = secret.size();
  while (start > 0) {
    --start;
    if ((static_cast<unsigned char>(secret[start]) & 0xC0) == 0x80) continue;
    if (++points == kShown) shown_from = start;
  }
  if (points >= 2 * kShown) masked += secret.substr(shown_from);
  return masked;
}

CheckedConfig check_config(const plugins::ConfigSchema& schema, Value config, Value stored) {
  CheckedConfig checked;
  if (!config.is_object()) {
    checked.errors.push_back({"config", "must be an object"});
    return checked;
  }
  sdk::json::Writer echo;
  echo.object();
  for (const auto& [name, member] : config.members()) {
    if (name != kSetupInstructions) echo.member(name, member);
  }
  checked.echo = echo.end().take();
  Unmasking unmasking{schema, {}, {}};
  unmasking.write(config, stored, "");
  checked.json = unmasking.out.take();
  checked.errors = std::move(unmasking.errors);
  const auto document = sdk::json::Document::parse(checked.json, sdk::json::kApiLimits);
  if (!document) {
    checked.errors.push_back({"config", "is too large"});
    return checked;
  }
  for (auto& error : schema.validate(document->root())) checked.errors.push_back(std::move(error));
  return checked;
}

std::string masked_config(const plugins::ConfigSchema* schema, std::string_view config) {
  const auto document = sdk::json::Document::parse(config, sdk::json::kApiLimits);
  if (!document || !document->root().is_object()) return "{}";
  sdk::json::Writer out;
  write_masked(out, schema, document->root(), "");
  return out.take();
}

bool same_config(std::string_view a, std::string_view b) {
  const auto first = sdk::json::Document::parse(a, sdk::json::kApiLimits);
  const auto second = sdk::json::Document::parse(b, sdk::json::kApiLimits);
  if (!first || !second) return false;
  auto left = plugins::flatten(first->root());
  auto right = plugins::flatten(second->root());
  std::sort(left.begin(), left.end());
  std::sort(right.begin(), right.end());
  return left == right;
}

}  // namespace gateway::api
