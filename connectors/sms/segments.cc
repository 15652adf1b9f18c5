#include "connectors/sms/segments.h"

#include <algorithm>
#include <array>
#include <vector>

namespace sms {
namespace {

// TS 23.038 section 6.2.1, without the letters and digits that are ASCII's own. Escape (0x1B) is no
// character.
constexpr std::array<char32_t, 54> kBasic{
    U'@', U'£', U'$', U'¥', U'è', U'é', U'ù', U'ì', U'ò', U'Ç', U'\n', U'Ø', U'ø', U'\r',
    U'Å', U'å', U'Δ', U'_', U'Φ', U'Γ', U'Λ', U'Ω', U'Π', U'Ψ', U'Σ',  U'Θ', U'Ξ', U'Æ',
    U'æ', U'ß', U'É', U' ', U'!', U'"', U'#', U'¤', U'%', U'&', U'\'', U'(', U')', U'*',
    U'+', U',', U'-', U'.', U'/', U':', U';', U'<', U'=', U'>', U'?',  U'¡'};
constexpr std::array<char32_t, 10> kBasicLetters{U'Ä', U'Ö', U'Ñ', U'Ü', U'§',
                                                 U'¿', U'ä', U'ö', U'ñ', U'ü'};
constexpr char32_t kSmallAGrave = U'à';
// Section 6.2.1.1: two septets each.
constexpr std::array<char32_t, 10> kExtended{U'\f', U'^', U'{', U'}', U'\\',
                                             U'[',  U'~', U']', U'|', U'€'};

template <std::size_t kSize>
bool has(const std::array<char32_t, kSize>& all, char32_t c) {
  return std::find(all.begin(), all.end(), c) != all.end();
}

// 0 for what the alphabet lacks.
std::size_t septets_of(char32_t c) {
  const bool plain =
      (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || (c >= U'0' && c <= U'9');
  if (plain || has(kBasic, c) || has(kBasicLetters, c) || c == kSmallAGrave) return 1;
  return has(kExtended, c) ? 2 : 0;
}

std::vector<char32_t> code_points(std::string_view utf8) {
  std::vector<char32_t> points;
  for (const char byte : utf8) {
    const auto value = static_cast<unsigned char>(byte);
    if ((value & 0xC0) != 0x80 || points.empty()) {
      points.push_back(value < 0x80   ? value
                       : value < 0xE0 ? value & 0x1Fu
                       : value < 0xF0 ? value & 0x0Fu
                                      : value & 0x07u);
    } else {
      points.back() = (points.back() << 6) | (value & 0x3Fu);
    }
  }
  return points;
}

struct Room {
  std::size_t single;
  std::size_t part;
};

template <class Width>
Segments fill(const std::vector<char32_t>& points, Alphabet alphabet, Room room, Width width) {
  Segments segments{.alphabet = alphabet};
  std::size_t parts = points.empty() ? 0 : 1;
  std::size_t used = 0;
  for (const char32_t c : points) {
    const std::size_t wanted = width(c);
    segments.units += wanted;
    if (used + wanted > room.part) {
      ++parts;
      used = 0;
    }
    used += wanted;
  }
  segments.count = segments.units <= room.single ? std::min<std::size_t>(parts, 1) : parts;
  return segments;
}

}  // namespace

Segments segments_of(std::string_view utf8) {
  const std::vector<char32_t> points = code_points(utf8);
  const bool gsm =
      std::all_of(points.begin(), points.end(), [](char32_t c) { return septets_of(c) > 0; });
  if (gsm) return fill(points, Alphabet::gsm7, {160, 153}, septets_of);
  return fill(points, Alphabet::ucs2, {70, 67},
              [](char32_t c) -> std::size_t { return c > 0xFFFF ? 2 : 1; });
}

}  // namespace sms
