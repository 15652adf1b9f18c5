#include "gateway/api/byte_range.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "connectors/sdk/text.h"

namespace gateway::api {
namespace {

// Digits only; what is too large for a number is beyond every file.
std::optional<std::uint64_t> parse_position(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? number : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

ByteRange parse_byte_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (header.size() < kUnit.size() ||
      !sdk::equals_ignoring_case(header.substr(0, kUnit.size()), kUnit)) {
    return {};
  }
  const auto range = sdk::trim(header.substr(kUnit.size()));
  const auto dash = range.find('-');
  if (dash == std::string_view::npos) return {};
  const auto first = parse_position(range.substr(0, dash));
  const auto last = parse_position(range.substr(dash + 1));
  const ByteRange outside{ByteRange::Kind::unsatisfiable, 0, 0};
  if (dash == 0) {
    if (!last) return {};
    if (*last == 0 || size == 0) return outside;
    const std::uint64_t count = std::min(*last, size);
    return {ByteRange::Kind::part, size - count, count};
  }
  const bool is_open = dash + 1 == range.size();
  if (!first || (!last && !is_open) || (last && *last < *first)) return {};
  if (*first >= size) return outside;
  const std::uint64_t end = is_open ? size - 1 : std::min(*last, size - 1);
  return {ByteRange::Kind::part, *first, end - *first + 1};
}

bool names_etag(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    auto tag = sdk::trim(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag || tag == "*") return true;
  }
  return false;
}

}  // namespace gateway::api
