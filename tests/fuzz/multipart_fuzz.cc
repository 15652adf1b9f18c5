// Forms with files. The input's first line is the Content-Type, the rest the body: every part lies
// in the body, bounds hold, and what was read can be written and read again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/multipart.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const auto line_end = data.find('\n');
  const std::string_view type = data.substr(0, line_end);
  const std::string_view body =
      line_end == std::string_view::npos ? std::string_view() : data.substr(line_end + 1);
  const sdk::MultipartLimits limits{.parts = 20, .header_bytes = 300};
  const auto parts = sdk::parse_multipart(type, body, limits);
  if (!parts) return 0;
  const auto boundary = sdk::multipart_boundary(type);
  require(boundary.has_value() && boundary->size() <= 70);
  require(parts->size() <= limits.parts);
  const char* at = body.data();
  for (const auto& part : *parts) {
    require(part.body.data() >= at && part.body.data() + part.body.size() <= data.end());
    at = part.body.data() + part.body.size();
    require(part.name.size() <= limits.header_bytes);
    require(part.content_type.size() <= limits.header_bytes);
  }
  const auto made = sdk::encode_multipart(*parts);
  const auto again = sdk::parse_multipart(made.content_type, made.body);
  require(again.has_value() && again->size() == parts->size());
  for (std::size_t i = 0; i < parts->size(); ++i) {
    require((*again)[i].body == (*parts)[i].body);
    require((*again)[i].content_type == (*parts)[i].content_type);
    require((*again)[i].file_name.has_value() == (*parts)[i].file_name.has_value());
  }
  return 0;
}
