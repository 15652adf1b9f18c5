// The script that sites embed, as it was built with the program: its bytes, their compressed forms,
// and a name for this version of them.
//
// Immutable, any thread. The sources are in src/; build.mjs makes the script.
#ifndef GATEWAY_WIDGET_SCRIPT_H_
#define GATEWAY_WIDGET_SCRIPT_H_

#include <string_view>

namespace gateway::widget {

struct Script {
  std::string_view plain;
  std::string_view gzip;
  std::string_view brotli;
  // Of the plain bytes, in hexadecimal: another script has another one.
  std::string_view hash;
};

const Script& script();

}  // namespace gateway::widget

#endif  // GATEWAY_WIDGET_SCRIPT_H_
