// A text file compiled into the program by cmake/embed.cmake.
#ifndef GATEWAY_BASE_EMBEDDED_H_
#define GATEWAY_BASE_EMBEDDED_H_

#include <cstddef>
#include <string_view>

namespace gateway::base {

struct EmbeddedFile {
  std::string_view name;  // file name without folders
  std::string_view text;
};

}  // namespace gateway::base

#endif  // GATEWAY_BASE_EMBEDDED_H_
