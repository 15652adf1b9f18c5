// Text for Postgres and for platforms that count UTF-16 units, and the codings of signatures.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_sanitize(std::string_view data) {
  const std::string clean = sdk::sanitize(data, 3 * data.size());
  require(sdk::is_valid_utf8(clean));
  require(std::none_of(clean.begin(), clean.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n';
  }));
  require(sdk::sanitize(clean, clean.size()) == clean);
  const std::size_t limit = data.size() / 2;
  const std::string cut = sdk::sanitize(data, limit);
  require(cut.size() <= limit && clean.starts_with(cut) && sdk::is_valid_utf8(cut));
}

void check_bytes(std::string_view text, std::size_t max_bytes) {
  std::size_t letters = 0;
  for (const std::string& piece : sdk::split_bytes(text, max_bytes)) {
    require(sdk::is_valid_utf8(piece));
    require(piece.size() <= std::max<std::size_t>(max_bytes, 4));
    letters += static_cast<std::size_t>(
        std::count_if(piece.begin(), piece.end(), [](char c) { return c != ' ' && c != '\n'; }));
  }
  require(letters == static_cast<std::size_t>(std::count_if(
                         text.begin(), text.end(), [](char c) { return c != ' ' && c != '\n'; })));
}

void check_units(std::string_view text, std::size_t max_units) {
  std::string joined;
  for (const std::string& piece : sdk::split_utf16(text, max_units)) {
    require(sdk::is_valid_utf8(piece));
    require(sdk::utf16_length(piece) <= std::max<std::size_t>(max_units, 2));
    joined += piece;
  }
  // Only blanks and newlines may be missing.
  const auto letters = [](std::string_view from) {
    std::string rest;
    std::copy_if(from.begin(), from.end(), std::back_inserter(rest),
                 [](char c) { return c != ' ' && c != '\n'; });
    return rest;
  };
  require(letters(joined) == letters(text));
  const std::size_t units = sdk::utf16_length(text);
  require(sdk::utf16_offset(text, units) == text.size());
  require(sdk::utf16_length(text.substr(0, sdk::utf16_offset(text, units / 2))) <= units / 2);
}

void check_codings(std::string_view data) {
  require(sdk::from_base64(sdk::base64(data)) == data);
  require(sdk::from_base64url(sdk::base64url(data)) == data);
  require(sdk::from_hex(sdk::hex(data)) == data);
  // One text per value: what is read would be written the same.
  if (const auto bytes = sdk::from_base64(data)) require(sdk::base64(*bytes) == data);
  if (const auto bytes = sdk::from_base64url(data)) require(sdk::base64url(*bytes) == data);
  if (const auto bytes = sdk::from_hex(data)) {
    require(sdk::hex(*bytes) == sdk::lower_ascii(data));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  check_sanitize(data);
  check_codings(data);
  const std::size_t units = data.empty() ? 1 : static_cast<unsigned char>(data[0]) % 20u;
  check_units(sdk::sanitize(data, 3 * size), units);
  check_bytes(sdk::sanitize(data, 3 * size), 2 * units);
  require(sdk::trim(sdk::trim(data)) == sdk::trim(data));
  require(sdk::equals_ignoring_case(data, sdk::lower_ascii(data)));
  return 0;
}
