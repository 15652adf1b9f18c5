// Percent and form coding: what is encoded is read back the same, and reading is bounded.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/sdk/form.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const std::string encoded = sdk::url_encode(data);
  require(encoded.find_first_of(" \r\n&=+?#/") == std::string::npos);
  require(sdk::percent_decode(encoded) == data);
  if (const auto decoded = sdk::percent_decode(data)) require(decoded->size() <= data.size());

  const sdk::Form form = sdk::parse_form(data, 50);
  require(form.size() <= 50);
  const std::string body = sdk::encode_form(form);
  require(sdk::parse_form(body) == form);
  require(sdk::encode_form(sdk::parse_form(body)) == body);
  for (const auto& [name, value] : form) require(sdk::find(form, name).has_value());
  return 0;
}
