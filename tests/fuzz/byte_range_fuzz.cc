// Ranges and entity tags: the first two bytes are the file's size, the rest the header. A part lies
// in the file.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/api/byte_range.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using gateway::api::ByteRange;
  if (size < 2) return 0;
  const std::uint64_t bytes = data[0] * 256u + data[1];
  const std::string_view header(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto range = gateway::api::parse_byte_range(header, bytes);
  if (range.kind == ByteRange::Kind::part) {
    require(range.count > 0 && range.begin < bytes && range.count <= bytes - range.begin);
    const std::string again = "bytes=" + std::to_string(range.begin) + "-" +
                              std::to_string(range.begin + range.count - 1);
    require(gateway::api::parse_byte_range(again, bytes) == range);
  } else {
    require(range.begin == 0 && range.count == 0);
  }
  const std::string tag = "\"0123abcd\"";
  if (gateway::api::names_etag(header, tag)) {
    require(header.find(tag) != std::string_view::npos ||
            header.find('*') != std::string_view::npos);
  }
  return 0;
}
