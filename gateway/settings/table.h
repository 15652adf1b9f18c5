// The one table of settings. Called by settings.cc only.
#ifndef GATEWAY_SETTINGS_TABLE_H_
#define GATEWAY_SETTINGS_TABLE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/settings/settings.h"

namespace gateway::settings {

enum class Kind { text, list, flag, secret };

struct Setting {
  std::string_view name;  // in the file; the flag has '-' for '_'
  std::string_view variable;
  std::string_view value;          // placeholder
  std::string_view default_value;  // as the documentation says it
  std::string_view help;
  Kind kind = Kind::text;
  // Checks and stores. An error is the end of the sentence "<where>: <value> ..."; it does not
  // repeat the value.
  Result<> (*apply)(Settings& settings, const std::vector<std::string>& values) = nullptr;
};

std::span<const Setting> all_settings();

std::string flag_of(const Setting& setting);  // "--data-dir"

}  // namespace gateway::settings

#endif  // GATEWAY_SETTINGS_TABLE_H_
