// Places that clients quote: whatever is taken for one names a bounded number of events below its
// end, and its own text is taken for the same place.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/live/heard.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using gateway::live::Heard;
  const auto heard = Heard::parse({reinterpret_cast<const char*>(data), size});
  if (!heard) return 0;
  const auto& place = heard->place;
  require(place.open.size() <= Heard::kMaxOpen);
  require(std::is_sorted(place.open.begin(), place.open.end()));
  require(std::adjacent_find(place.open.begin(), place.open.end()) == place.open.end());
  require(place.open.empty() || (place.open.front() > 0 && place.open.back() < place.last));
  require(place.has(heard->at.seq) && place.has(place.last));
  require(Heard::parse(heard->text()) == heard);
  return 0;
}
