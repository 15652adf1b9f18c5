// The JSON reader and writer: what is read is valid text, what is written is read back the same,
// and what the strict limits accept the tolerant ones accept too.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"

namespace {

using sdk::json::Document;
using sdk::json::Value;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_text(std::string_view text) {
  require(sdk::is_valid_utf8(text) && text.find('\0') == std::string_view::npos);
}

// Every value once, by every accessor; the depth is bounded by the parser.
std::size_t visit(Value value) {
  std::size_t count = 1;
  if (const auto text = value.text()) check_text(*text);
  (void)value.integer();
  (void)value.number();
  (void)value.boolean();
  (void)value.digits();
  std::size_t index = 0;
  for (const Value element : value.elements()) {
    require(value.at(index++).type() == element.type());
    count += visit(element);
  }
  for (const auto& [key, member] : value.members()) {
    check_text(key);
    require(value[key].exists());
    count += visit(member);
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const auto strict = Document::parse(data, sdk::json::kApiLimits);
  const auto document = Document::parse(data);
  if (strict) require(document.has_value() && strict->root().dump() == document->root().dump());
  if (!document) {
    require(!document.error().reason.empty());
    return 0;
  }
  const std::size_t count = visit(document->root());
  require(count <= sdk::json::kWebhookLimits.nodes);
  const std::string dump = document->root().dump();
  check_text(dump);
  const auto again =
      Document::parse(dump, {4 * dump.size() + 16, 64, 200'000, sdk::json::Duplicates::first_wins});
  require(again.has_value() && again->root().dump() == dump);
  require(visit(again->root()) == count);
  sdk::json::Writer writer;
  writer.object().member("any", data).end();
  const auto written =
      Document::parse(writer.take(), {8 * size + 64, 64, 200'000, sdk::json::Duplicates::refuse});
  require(written.has_value());
  return 0;
}
