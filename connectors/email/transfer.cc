#include "connectors/email/transfer.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

constexpr std::array<signed char, 256> base64_values() {
  std::array<signed char, 256> values{};
  for (auto& value : values) value = -1;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<signed char>(i);
  }
  return values;
}

std::string_view take_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

int hex_byte(std::string_view digits) {
  if (digits.size() != 2) return -1;
  const int high = hex_digit(digits[0]);
  const int low = hex_digit(digits[1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string decode_base64(std::string_view text) {
  static constexpr auto kValues = base64_values();
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    if (c == '=') {
      // The end of one coded piece; some senders put several behind each other.
      group = 0;
      bits = 0;
      continue;
    }
    const int value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) continue;
    group = (group << 6) | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>((group >> bits) & 0xFFu);
      group &= (1u << bits) - 1;
    }
  }
  return bytes;
}

std::string decode_quoted_printable(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    const bool has_end = end != std::string_view::npos;
    text.remove_prefix(has_end ? end + 1 : text.size());
    // Blanks at the end of a line were added on the way.
    const auto last = line.find_last_not_of(" \t\r");
    const bool had_cr = line.ends_with('\r');
    line = line.substr(0, last == std::string_view::npos ? 0 : last + 1);
    const bool soft = line.ends_with('=');
    if (soft) line.remove_suffix(1);
    for (std::size_t at = 0; at < line.size(); ++at) {
      const int value = line[at] == '=' ? hex_byte(line.substr(at + 1, 2)) : -1;
      if (value >= 0) {
        bytes += static_cast<char>(value);
        at += 2;
      } else {
        bytes += line[at];
      }
    }
    if (!soft && has_end) bytes += had_cr ? "\r\n" : "\n";
  }
  return bytes;
}

std::string decode_q(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const int value = text[at] == '=' ? hex_byte(text.substr(at + 1, 2)) : -1;
    if (value >= 0) {
      bytes += static_cast<char>(value);
      at += 2;
    } else {
      bytes += text[at] == '_' ? ' ' : text[at];
    }
  }
  return bytes;
}

std::string percent_decoded(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const int value = text[at] == '%' ? hex_byte(text.substr(at + 1, 2)) : -1;
    if (value >= 0) {
      bytes += static_cast<char>(value);
      at += 2;
    } else {
      bytes += text[at];
    }
  }
  return bytes;
}

std::string decode_uuencode(std::string_view text) {
  std::string bytes;
  bool inside = false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (!inside) {
      inside = line.starts_with("begin ");
      continue;
    }
    if (line == "end") break;
    if (line.empty()) continue;
    const auto value = [](char c) { return (static_cast<unsigned>(c) - 0x20u) & 0x3Fu; };
    std::size_t left = value(line[0]);
    for (std::size_t at = 1; left > 0 && at + 1 < line.size(); at += 4) {
      std::uint32_t group = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        group = (group << 6) | (at + i < line.size() ? value(line[at + i]) : 0u);
      }
      for (unsigned shift = 16; left > 0; shift -= 8) {
        bytes += static_cast<char>((group >> shift) & 0xFFu);
        --left;
        if (shift == 0) break;
      }
    }
  }
  return bytes;
}

std::string decode_transfer(std::string_view encoding, std::string_view text) {
  const std::string name = sdk::lower_ascii(sdk::trim(encoding));
  if (name.starts_with("base64")) return decode_base64(text);
  if (name.starts_with("quoted-printable")) return decode_quoted_printable(text);
  if (name == "x-uuencode" || name == "uuencode" || name == "x-uue") return decode_uuencode(text);
  return std::string(text);
}

std::string base64_lines(std::string_view bytes) {
  constexpr std::size_t kBytesOfALine = 57;
  std::string lines;
  lines.reserve(bytes.size() / kBytesOfALine * 78 + 80);
  for (std::size_t at = 0; at < bytes.size(); at += kBytesOfALine) {
    lines += sdk::base64(bytes.substr(at, kBytesOfALine));
    lines += "\r\n";
  }
  return lines;
}

std::string quoted_printable(std::string_view text) {
  constexpr std::size_t kLongestLine = 75;  // and the '=' of a soft break
  std::string coded;
  coded.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::size_t column = 0;
    for (std::size_t at = 0; at < line.size(); ++at) {
      const auto c = static_cast<unsigned char>(line[at]);
      const bool blank = c == ' ' || c == '\t';
      const bool last = at + 1 == line.size();
      // "From " and "." at the beginning of a line are changed by some relays.
      const bool touchy = column == 0 && (c == '.' || line.substr(at).starts_with("From "));
      std::string piece;
      if ((blank && last) || touchy || c == '=' || c > 0x7E || (c < 0x20 && !blank)) {
        piece = {'=', kHex[c >> 4], kHex[c & 15u]};
      } else {
        piece = static_cast<char>(c);
      }
      if (column + piece.size() > kLongestLine) {
        coded += "=\r\n";
        column = 0;
      }
      coded += piece;
      column += piece.size();
    }
    coded += "\r\n";
  }
  return coded;
}

}  // namespace email
