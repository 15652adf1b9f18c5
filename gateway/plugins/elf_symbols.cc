#include "gateway/plugins/elf_symbols.h"

#include <elf.h>

#include <bit>
#include <cstring>
#include <optional>

namespace gateway::plugins {
namespace {

constexpr std::size_t kMaxSymbols = 100'000;

// A copy of the struct at `offset`, which need not be aligned.
template <class Struct>
std::optional<Struct> at(std::string_view bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(Struct)) return std::nullopt;
  Struct value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string_view string_at(std::string_view table, std::uint64_t offset) {
  if (offset >= table.size()) return {};
  const std::string_view rest = table.substr(offset);
  return rest.substr(0, rest.find('\0'));
}

std::string_view section_bytes(std::string_view bytes, const Elf64_Shdr& section) {
  if (section.sh_offset > bytes.size() || bytes.size() - section.sh_offset < section.sh_size) {
    return {};
  }
  return bytes.substr(section.sh_offset, section.sh_size);
}

}  // namespace

Result<ElfSymbols> read_elf_symbols(std::string_view bytes) {
  const auto header = at<Elf64_Ehdr>(bytes, 0);
  constexpr unsigned char kOrder =
      std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != kOrder ||
      header->e_type != ET_DYN) {
    return fail(Errc::invalid_argument, "is no shared object of this machine");
  }
  ElfSymbols symbols;
  for (std::uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto section = at<Elf64_Shdr>(bytes, header->e_shoff + i * sizeof(Elf64_Shdr));
    if (!section) break;
    if (section->sh_type != SHT_DYNSYM) continue;
    const auto names =
        at<Elf64_Shdr>(bytes, header->e_shoff + section->sh_link * sizeof(Elf64_Shdr));
    if (!names) break;
    const std::string_view strings = section_bytes(bytes, *names);
    const std::string_view table = section_bytes(bytes, *section);
    if (table.size() / sizeof(Elf64_Sym) > kMaxSymbols) break;
    // Entry 0 is reserved.
    for (std::uint64_t s = 1; s < table.size() / sizeof(Elf64_Sym); ++s) {
      const auto symbol = *at<Elf64_Sym>(table, s * sizeof(Elf64_Sym));
      const unsigned binding = ELF64_ST_BIND(symbol.st_info);
      if (binding == STB_LOCAL) continue;
      std::string name(string_at(strings, symbol.st_name));
      if (symbol.st_shndx == SHN_UNDEF) {
        symbols.imported.push_back(std::move(name));
      } else if (ELF64_ST_VISIBILITY(symbol.st_other) == STV_DEFAULT ||
                 ELF64_ST_VISIBILITY(symbol.st_other) == STV_PROTECTED) {
        symbols.exported.push_back(std::move(name));
      }
    }
    return symbols;
  }
  return fail(Errc::invalid_argument, "has no readable table of dynamic symbols");
}

}  // namespace gateway::plugins
