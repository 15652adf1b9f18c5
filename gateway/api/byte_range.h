// The Range header of a request for a file (RFC 9110, 14; read 2026-11-21). Pure functions, any
// thread.
#ifndef GATEWAY_API_BYTE_RANGE_H_
#define GATEWAY_API_BYTE_RANGE_H_

#include <cstdint>
#include <string_view>

namespace gateway::api {

struct ByteRange {
  enum class Kind {
    whole,  // no range, or one that may be ignored: several, another unit, not well formed
    part,
    unsatisfiable,  // well formed and outside of the file
  };
  Kind kind = Kind::whole;
  std::uint64_t begin = 0;  // of a part
  std::uint64_t count = 0;  // never 0, never beyond the end

  bool operator==(const ByteRange&) const = default;
};

// What `header` asks of a file of `size` bytes.
ByteRange parse_byte_range(std::string_view header, std::uint64_t size);

// Whether a list of entity tags ("*", or quoted ones, perhaps weak) names `etag`, which is quoted.
bool names_etag(std::string_view list, std::string_view etag);

}  // namespace gateway::api

#endif  // GATEWAY_API_BYTE_RANGE_H_
