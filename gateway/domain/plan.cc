#include "gateway/domain/plan.h"

#include <array>
#include <stdexcept>

#include "connectors/sdk/json.h"
#include "gateway/base/embedded.h"

namespace gateway::domain {
namespace plans_json {
extern const base::EmbeddedFile kEmbedded[];
}  // namespace plans_json

namespace {

constexpr std::array<std::string_view, 8> kChannelTypes = {
    "webchat", "widget", "email", "whatsapp", "telegram", "instagram", "x", "sms"};

Error wrong(std::string_view plan, std::string_view member, std::string_view reason) {
  return fail(Errc::invalid_argument, "plans.json: " + std::string(plan) + "." +
                                          std::string(member) + " " + std::string(reason));
}

}  // namespace

Result<Plans> Plans::parse(std::string_view json) {
  auto document = sdk::json::Document::parse(json, sdk::json::kApiLimits);
  if (!document) {
    return fail(Errc::invalid_argument, "plans.json: " + document.error().reason + " at byte " +
                                            std::to_string(document.error().offset));
  }
  Plans plans;
  for (const auto& [id, value] : document->root().members()) {
    Plan plan;
    plan.id = id;
    plan.display = value["display"].text_or("");
    if (plan.display.empty()) return wrong(id, "display", "must be a name");
    for (const auto type : value["channel_types"].elements()) {
      const auto name = type.text_or("");
      if (name != Plan::kEveryType && !is_channel_type(name))
        return wrong(id, "channel_types", "has an unknown type");
      plan.channel_types.emplace(name);
    }
    const std::array<std::pair<std::string_view, int Plan::*>, 4> limits = {{
        {"channels", &Plan::channels},
        {"agents", &Plan::agents},
        {"kb_articles", &Plan::kb_articles},
        {"messages_per_month", &Plan::messages_per_month},
    }};
    for (const auto& [member, field] : limits) {
      const auto number = value[member].integer();
      if (!number || *number < 0 || *number > 1'000'000'000) {
        return wrong(id, member, "must be a number from 0 to 1000000000");
      }
      plan.*field = static_cast<int>(*number);
    }
    plans.plans_.emplace(plan.id, plan);
  }
  if (plans.find("free") == nullptr) {
    return fail(Errc::invalid_argument,
                "plans.json: there is no plan \"free\", which new "
                "businesses start with");
  }
  return plans;
}

const Plans& Plans::built_in() {
  static const Plans plans = [] {
    auto parsed = parse(plans_json::kEmbedded[0].text);
    if (!parsed) throw std::logic_error(parsed.error().message);
    return std::move(*parsed);
  }();
  return plans;
}

const Plan* Plans::find(std::string_view id) const {
  const auto found = plans_.find(id);
  return found == plans_.end() ? nullptr : &found->second;
}

std::span<const std::string_view> channel_types() { return kChannelTypes; }

bool is_channel_type(std::string_view type) {
  for (const auto known : kChannelTypes) {
    if (type == known) return true;
  }
  return false;
}

bool is_built_in_channel_type(std::string_view type) {
  return type == "widget" || type == "webchat";
}

}  // namespace gateway::domain
