// What a file is: the first line is the sender's word for it, the rest its bytes. Markup never
// becomes something a browser shows.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/sdk/text.h"
#include "gateway/domain/media_type.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gateway::domain;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto line_end = all.find('\n');
  const std::string_view declared = all.substr(0, line_end);
  const std::string_view bytes =
      line_end == std::string_view::npos ? std::string_view() : all.substr(line_end + 1);

  const auto sniffed = sniff_media_type(bytes);
  const std::string type = media_type(bytes, declared);
  require(type.size() <= 256 && std::count(type.begin(), type.end(), '/') == 1);
  require(type == sdk::lower_ascii(type));
  require(type.find_first_of(" ;,\"\r\n\t") == std::string::npos);
  require(media_type(bytes, type) == type);
  if (sniffed == "text/html" || sniffed == "image/svg+xml" || sniffed == "text/plain" ||
      sniffed == "text/xml" || sniffed == "application/pdf") {
    require(!is_shown_inline(type));
  }
  const auto kind = attachment_type(type);
  require(kind == "image" || kind == "video" || kind == "audio" || kind == "file");

  const std::string name = file_name(declared, type);
  require(!name.empty() && name.size() <= 200 && sdk::is_valid_utf8(name));
  require(name.find_first_of("/\\\r\n\t") == std::string::npos);
  require(name.find_first_not_of('.') != std::string::npos);
  require(file_name(name, type) == name);
  return 0;
}
