#include "gateway/plugins/elf_symbols.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>

#include "gateway/plugins/fixtures.h"

namespace {

std::string sample(const std::string& name) {
  return gateway::plugins::read_file(
             std::string(BACKCHANNEL_BINARY_DIR) + "/tests/samples/" + name + "/sample.so",
             256u << 20)
      .value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(elf_symbols)

BOOST_AUTO_TEST_CASE(exports_and_imports_are_told_apart) {
  const auto symbols = gateway::plugins::read_elf_symbols(sample("exports_more")).value();
  BOOST_TEST(symbols.exported.size() == 2u);
  const auto& imported = symbols.imported;
  BOOST_TEST((std::find(imported.begin(), imported.end(), "HMAC") != imported.end()));
  BOOST_TEST((std::find(imported.begin(), imported.end(), "gwc_connector_v1") == imported.end()));
}

BOOST_AUTO_TEST_CASE(files_cut_anywhere_are_refused_or_read_but_never_crash) {
  const std::string whole = sample("without_entry");
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    (void)gateway::plugins::read_elf_symbols(std::string_view(whole).substr(0, length));
  }
  BOOST_TEST(!gateway::plugins::read_elf_symbols(whole.substr(0, 60)).has_value());
}

BOOST_AUTO_TEST_CASE(headers_with_wild_offsets_never_crash) {
  const std::string whole = sample("without_entry");
  for (std::size_t at = 0; at < 64; ++at) {
    std::string wild = whole;
    wild[at] = static_cast<char>(0xFF);
    (void)gateway::plugins::read_elf_symbols(wild);
  }
  BOOST_TEST(!gateway::plugins::read_elf_symbols("\x7F"
                                                 "ELF")
                  .has_value());
  BOOST_TEST(!gateway::plugins::read_elf_symbols("").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
