// Addresses and header values from anywhere: bounded, valid, and what counts as sendable can end
// neither an SMTP command nor a header line.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "connectors/email/address.h"
#include "connectors/email/header.h"
#include "connectors/sdk/text.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const auto all = email::parse_addresses(data, 10);
  require(all.size() <= 10);
  for (const email::Address& one : all) {
    require(sdk::is_valid_utf8(one.name) && sdk::is_valid_utf8(one.address));
    require(one.name.find('\n') == std::string::npos);
    require(email::ascii_domain(email::domain_of(one.address)) == email::domain_of(one.address));
    require(email::plus_of(email::without_plus(one.address)).empty() ||
            one.address.starts_with('+'));
    if (email::is_sendable(one.address)) {
      require(one.address.find_first_of("\r\n <>\"") == std::string::npos);
    }
  }
  if (email::is_sendable(data)) require(data.find_first_of("\r\n <>\"") == std::string_view::npos);
  require(sdk::is_valid_utf8(email::decode_words(data)));
  for (const auto& [name, value] : email::parse_parametrized(data).parameters) {
    require(sdk::is_valid_utf8(value));
  }
  require(email::message_ids(data, 5).size() <= 5);
  (void)email::parse_date(data);
  return 0;
}
