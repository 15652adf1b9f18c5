#include "gateway/live/heard.h"

#include <algorithm>
#include <charconv>

namespace gateway::live {
namespace {

// Reads a text from the front.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool is_at_end() const { return text_.empty(); }
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  template <class Number>
  std::optional<Number> number() {
    Number value = 0;
    const char* end = text_.data() + text_.size();
    const auto [behind, error] = std::from_chars(text_.data(), end, value);
    if (error != std::errc() || behind == text_.data() || value < 0) return std::nullopt;
    text_.remove_prefix(static_cast<std::size_t>(behind - text_.data()));
    return value;
  }

 private:
  std::string_view text_;
};

// "5,3-2" behind the '~'.
bool read_open(Reader& reader, Place& place) {
  std::int64_t before = place.last;  // the next range is nearer to the end
  for (std::size_t ranges = 1; ranges <= Heard::kMaxRanges; ++ranges) {
    const auto far = reader.number<std::int64_t>();
    const auto near = reader.take('-') ? reader.number<std::int64_t>() : far;
    if (!far || !near || *near < 1 || *far < *near || *far >= before) return false;
    if (place.open.size() + static_cast<std::size_t>(*far - *near) >= Heard::kMaxOpen) return false;
    for (auto distance = *far; distance >= *near; --distance) {
      place.open.push_back(place.last - distance);
    }
    before = *near;
    if (!reader.take(',')) return true;
  }
  return false;
}

// Absent: too many.
std::optional<std::string> open_text(const Place& place) {
  std::string text;
  std::size_t ranges = 0;
  for (std::size_t i = 0; i < place.open.size();) {
    if (++ranges > Heard::kMaxRanges || place.open.size() > Heard::kMaxOpen) return std::nullopt;
    const auto first = place.open[i];
    auto last = first;
    while (++i < place.open.size() && place.open[i] == last + 1) ++last;
    text += (text.empty() ? "~" : ",") + std::to_string(place.last - first);
    if (last != first) text += "-" + std::to_string(place.last - last);
  }
  return text;
}

}  // namespace

std::string Offset::text() const { return std::to_string(seq) + "." + std::to_string(part); }

bool Place::has(std::int64_t seq) const {
  return seq <= last && !std::binary_search(open.begin(), open.end(), seq);
}

void Place::add(std::int64_t seq) {
  const auto at = std::lower_bound(open.begin(), open.end(), seq);
  if (at != open.end() && *at == seq) open.erase(at);
  last = std::max(last, seq);
}

std::string Heard::text() const {
  std::string text = at.text();
  if (place.last != at.seq) text += "^" + std::to_string(place.last);
  auto open = open_text(place);
  if (open && text.size() + open->size() > kMaxText) open.reset();
  return open ? text + *open : at.text() + "!";
}

std::optional<Heard> Heard::parse(std::string_view text) {
  if (text.size() > kMaxText) return std::nullopt;
  Reader reader(text);
  Heard heard;
  const auto seq = reader.number<std::int64_t>();
  if (!seq || !reader.take('.')) return std::nullopt;
  const auto part = reader.number<int>();
  if (!part) return std::nullopt;
  heard.at = {*seq, *part};
  heard.place.last = *seq;
  if (reader.take('^')) {
    const auto last = reader.number<std::int64_t>();
    if (!last || *last <= *seq) return std::nullopt;
    heard.place.last = *last;
  }
  if (reader.take('~') && !read_open(reader, heard.place)) return std::nullopt;
  if (!reader.is_at_end() || !heard.place.has(*seq)) return std::nullopt;
  return heard;
}

}  // namespace gateway::live
