#include "connectors/sdk/text.h"

#include <algorithm>
#include <cstdint>

namespace sdk {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// One step of decoding: how many bytes belong together, and whether they are a code point. Broken
// sequences end where the next byte could begin a new one, as the WHATWG decoder does it.
struct Decoded {
  std::size_t length;
  bool valid;
};

Decoded decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {1, true};
  std::size_t tail = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    tail = 1;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    tail = 2;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;  // surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    tail = 3;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;  // above U+10FFFF
  } else {
    return {1, false};
  }
  for (std::size_t i = 1; i <= tail; ++i) {
    if (at + i >= text.size()) return {i, false};
    const unsigned char next = byte(at + i);
    if (next < low || next > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {tail + 1, true};
}

std::size_t units_of(std::size_t length) { return length == 4 ? 2 : 1; }

}  // namespace

bool is_valid_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded step = decode(bytes, at);
    if (!step.valid) return false;
    at += step.length;
  }
  return true;
}

std::string sanitize(std::string_view bytes, std::size_t max_bytes) {
  std::string clean;
  clean.reserve(std::min(bytes.size(), max_bytes));
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded step = decode(bytes, at);
    std::string_view piece = step.valid ? bytes.substr(at, step.length) : kReplacement;
    at += step.length;
    if (piece.size() == 1 && static_cast<unsigned char>(piece[0]) < 0x20) {
      if (piece[0] == '\r') {
        if (at < bytes.size() && bytes[at] == '\n') continue;
        piece = "\n";
      } else if (piece[0] != '\n' && piece[0] != '\t') {
        continue;
      }
    }
    if (piece.size() > max_bytes - clean.size()) break;
    clean += piece;
  }
  return clean;
}

std::size_t utf16_length(std::string_view utf8) {
  std::size_t units = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const Decoded step = decode(utf8, at);
    units += units_of(step.valid ? step.length : 1);
    at += step.length;
  }
  return units;
}

std::size_t utf16_offset(std::string_view utf8, std::size_t units) {
  std::size_t seen = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const Decoded step = decode(utf8, at);
    seen += units_of(step.valid ? step.length : 1);
    if (seen > units) return at;
    at += step.length;
  }
  return utf8.size();
}

std::vector<std::string> split_utf16(std::string_view utf8, std::size_t max_units) {
  std::vector<std::string> pieces;
  // A code point may take two units: with less room than that nothing would ever fit.
  const std::size_t room = std::max<std::size_t>(max_units, 2);
  while (!utf8.empty()) {
    const std::size_t end = utf16_offset(utf8, room);
    if (end == utf8.size()) {
      pieces.emplace_back(utf8);
      break;
    }
    // The blank cut at is dropped, so it may also be the first character behind the piece.
    const std::string_view window = utf8.substr(0, end + 1);
    std::size_t cut = window.rfind('\n');
    if (cut == std::string_view::npos || cut == 0) cut = window.rfind(' ');
    if (cut == std::string_view::npos || cut == 0) {
      pieces.emplace_back(utf8.substr(0, end));
      utf8.remove_prefix(end);
    } else {
      pieces.emplace_back(utf8.substr(0, cut));
      utf8.remove_prefix(cut + 1);
    }
  }
  return pieces;
}

namespace {

char32_t code_point(std::string_view utf8, std::size_t at, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(utf8[at + i]); };
  if (length == 1) return byte(0);
  char32_t value = byte(0) & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (byte(i) & 0x3Fu);
  return value;
}

constexpr char32_t kJoiner = 0x200D;

bool is_regional(char32_t point) { return point >= 0x1F1E6 && point <= 0x1F1FF; }

// Belongs to the character before it: combining marks, variation selectors, skin tones, tags.
bool extends(char32_t point) {
  return point == kJoiner || (point >= 0x0300 && point <= 0x036F) ||
         (point >= 0x1AB0 && point <= 0x1AFF) || (point >= 0x1DC0 && point <= 0x1DFF) ||
         (point >= 0x20D0 && point <= 0x20FF) || (point >= 0xFE00 && point <= 0xFE0F) ||
         (point >= 0xFE20 && point <= 0xFE2F) || (point >= 0x1F3FB && point <= 0x1F3FF) ||
         (point >= 0xE0020 && point <= 0xE007F);
}

// The last offset of at most `room` at which one may cut; the last end of a code point where there
// is no better one.
std::size_t cut_before(std::string_view utf8, std::size_t room) {
  std::size_t good = 0;
  std::size_t possible = 0;
  char32_t before = 0;
  std::size_t flags = 0;  // regional indicators in a row before this point
  for (std::size_t at = 0; at < utf8.size() && at <= room;) {
    const Decoded step = decode(utf8, at);
    const char32_t point = step.valid ? code_point(utf8, at, step.length) : 0xFFFD;
    possible = at;
    const bool joined =
        extends(point) || before == kJoiner || (is_regional(point) && flags % 2 == 1);
    if (!joined) good = at;
    flags = is_regional(point) ? flags + 1 : 0;
    before = point;
    at += step.length;
  }
  return good > 0 ? good : possible;
}

}  // namespace

std::vector<std::string> split_bytes(std::string_view utf8, std::size_t max_bytes) {
  std::vector<std::string> pieces;
  const std::size_t room = std::max<std::size_t>(max_bytes, 4);
  while (!utf8.empty()) {
    if (utf8.size() <= room) {
      pieces.emplace_back(utf8);
      break;
    }
    const std::string_view window = utf8.substr(0, room + 1);
    std::size_t cut = window.rfind('\n');
    if (cut == std::string_view::npos || cut == 0) cut = window.rfind(' ');
    if (cut == std::string_view::npos || cut == 0) {
      const std::size_t end = cut_before(utf8, room);
      pieces.emplace_back(utf8.substr(0, end));
      utf8.remove_prefix(end);
    } else {
      pieces.emplace_back(utf8.substr(0, cut));
      utf8.remove_prefix(cut + 1);
    }
  }
  return pieces;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  const auto last = text.find_last_not_of(" \t");
  return text.substr(first, last - first + 1);
}

std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && lower_ascii(a) == lower_ascii(b);
}

}  // namespace sdk
