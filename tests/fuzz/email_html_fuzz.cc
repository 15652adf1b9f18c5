// HTML made safe stays safe: nothing outside the allow-list survives, cleaning again changes
// nothing, and sizes hold. Its text is valid and free of tags' bytes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/email/body_text.h"
#include "connectors/email/charset.h"
#include "connectors/email/html.h"
#include "connectors/sdk/text.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string html = email::to_utf8({reinterpret_cast<const char*>(bytes), size}, "utf-8");
  const std::size_t room = size % 7 == 0 ? size / 2 : 1u << 20;
  const email::SafeHtml safe = email::sanitize_html(html, room);
  require(safe.html.size() <= room);
  require(sdk::is_valid_utf8(safe.html));
  const std::string lower = sdk::lower_ascii(safe.html);
  for (const std::string_view tag : {"<script", "<style", "<iframe", "<object", "<embed", "<svg",
                                     "<form", "<link", "<meta", "<base", "<!--"}) {
    require(lower.find(tag) == std::string::npos);
  }
  require(email::sanitize_html(safe.html, 8u << 20).html == safe.html);
  for (const auto quotes : {email::Quotes::keep, email::Quotes::drop}) {
    require(sdk::is_valid_utf8(email::html_to_text(html, quotes)));
  }
  require(sdk::is_valid_utf8(email::without_quotes(email::with_lf(html))));
  require(sdk::is_valid_utf8(email::unflowed(email::with_lf(html), true)));
  return 0;
}
