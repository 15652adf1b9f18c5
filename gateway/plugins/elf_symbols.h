// Which symbols a shared object exports and imports, read from its file without loading it.
// Pure function of the file's bytes; any thread.
#ifndef GATEWAY_PLUGINS_ELF_SYMBOLS_H_
#define GATEWAY_PLUGINS_ELF_SYMBOLS_H_

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::plugins {

struct ElfSymbols {
  std::vector<std::string> exported;
  std::vector<std::string> imported;
};

// `bytes` may be anything: every offset is checked.
Result<ElfSymbols> read_elf_symbols(std::string_view bytes);

}  // namespace gateway::plugins

#endif  // GATEWAY_PLUGINS_ELF_SYMBOLS_H_
