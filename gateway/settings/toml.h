// Reads a settings file: the part of TOML 1.0 that settings need, strictly.
//
// name = value, where a value is a text in "..." or '...', a whole number, true, false, or a list
// of these in [...]; comments and blank lines. Tables, dates, floats and multi-line texts are
// errors that say so. CLI11's own reader is not used: version 2.1 cuts a quoted text at '#', which
// would shorten a secret without a word.
#ifndef GATEWAY_SETTINGS_TOML_H_
#define GATEWAY_SETTINGS_TOML_H_

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::settings {

struct TomlEntry {
  std::string name;
  std::vector<std::string> values;  // one, or those of the list
  int line = 0;                     // counted from 1

  bool operator==(const TomlEntry&) const = default;
};

// Errors begin with "line N: " and never quote a value.
Result<std::vector<TomlEntry>> parse_toml(std::string_view text);

}  // namespace gateway::settings

#endif  // GATEWAY_SETTINGS_TOML_H_
