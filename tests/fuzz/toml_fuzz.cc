// The settings file: whatever is in it, an answer comes, errors name a line and quote no value, and
// the same text gives the same answer.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/settings/toml.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = gateway::settings::parse_toml(text);
  const auto second = gateway::settings::parse_toml(text);
  require(first.has_value() == second.has_value());
  if (!first) {
    require(first.error().message.starts_with("line "));
    require(first.error().message == second.error().message);
    return 0;
  }
  require(*first == *second);
  for (const auto& entry : *first) require(!entry.name.empty() && entry.line > 0);
  return 0;
}
