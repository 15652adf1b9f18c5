#include "gateway/simulate/terminal_text.h"

#include <algorithm>

namespace gateway::simulate {
namespace {

// One code point at `at`, which moves behind it.
unsigned next_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned point = length == 1 ? lead : lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length && at + i < text.size(); ++i) {
    point = point << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
  }
  at = std::min(text.size(), at + length);
  return point;
}

// Ranges of Unicode 15 that terminals draw without and with double width.
std::size_t width_of(unsigned point) {
  const auto in = [&](unsigned low, unsigned high) { return point >= low && point <= high; };
  if (point < 0x20 || in(0x300, 0x36F) || in(0x93C, 0x93C) || in(0x941, 0x948) || point == 0x94D ||
      in(0x200B, 0x200F) || in(0x202A, 0x202E) || in(0xFE00, 0xFE0F) || in(0x1F3FB, 0x1F3FF)) {
    return 0;
  }
  if (in(0x1100, 0x115F) || in(0x2E80, 0xA4CF) || in(0xAC00, 0xD7A3) || in(0xF900, 0xFAFF) ||
      in(0xFE30, 0xFE6F) || in(0xFF00, 0xFF60) || in(0xFFE0, 0xFFE6) || in(0x1F300, 0x1F64F) ||
      in(0x1F680, 0x1F6FF) || in(0x1F900, 0x1F9FF) || in(0x20000, 0x3FFFD)) {
    return 2;
  }
  return 1;
}

}  // namespace

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) width += width_of(next_point(utf8, at));
  return width;
}

std::string fit(std::string_view utf8, std::size_t columns) {
  std::string out;
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t begin = at;
    const unsigned point = next_point(utf8, at);
    const std::size_t wide = point == '\n' ? 1 : width_of(point);
    if (width + wide > columns) break;
    if (point == '\n') {
      out += ' ';
    } else if (point >= 0x20) {
      out += utf8.substr(begin, at - begin);
    }
    width += wide;
  }
  return out + std::string(columns - width, ' ');
}

}  // namespace gateway::simulate
