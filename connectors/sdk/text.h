// Unicode text as platforms count and send it. Pure functions, any thread.
#ifndef CONNECTORS_SDK_TEXT_H_
#define CONNECTORS_SDK_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sdk {

bool is_valid_utf8(std::string_view bytes);
// Valid UTF-8 without NUL or other C0 (tab and newline stay; CR LF becomes LF), at most
// `max_bytes`, cut at a code point. Invalid sequences become U+FFFD.
std::string sanitize(std::string_view bytes, std::size_t max_bytes = 64u << 10);

// Length in UTF-16 code units of valid UTF-8.
std::size_t utf16_length(std::string_view utf8);
// Byte offset of a UTF-16 offset; the end where it lies behind, the start of the code point where
// it would cut one.
std::size_t utf16_offset(std::string_view utf8, std::size_t units);
// Pieces of at most `max_units` UTF-16 units, never cutting a code point and preferring the last
// newline, then the last blank, of a piece. Joined they give the text (less the blank cut at). An
// empty text gives no pieces.
std::vector<std::string> split_utf16(std::string_view utf8, std::size_t max_units);

// The same by bytes, for platforms that count those; at least 4. Where a cut inside a word is due
// it avoids the middle of what is seen as one character: an emoji joined of several, a letter with
// its accents, a pair that makes a flag.
std::vector<std::string> split_bytes(std::string_view utf8, std::size_t max_bytes);

std::string_view trim(std::string_view text);  // blanks and tabs at both ends
std::string lower_ascii(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);  // ASCII

}  // namespace sdk

#endif  // CONNECTORS_SDK_TEXT_H_
