#include "gateway/settings/toml.h"

#include <algorithm>
#include <cstdint>

namespace gateway::settings {
namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

// Lives during one parse; `text` outlives it.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<std::vector<TomlEntry>> read() {
    std::vector<TomlEntry> entries;
    for (;;) {
      skip_lines();
      if (at_end()) return entries;
      TomlEntry entry;
      entry.line = line_;
      if (peek() == '[') return wrong("a [section] begins; settings have none, remove the line");
      if (auto name = read_name(); name)
        entry.name = std::move(*name);
      else
        return std::move(name).error();
      skip_blanks();
      if (!take('=')) return wrong("there is no '=' after the name " + entry.name);
      skip_blanks();
      if (auto done = read_values(entry.values); !done) return std::move(done).error();
      skip_blanks();
      skip_comment();
      if (!at_end() && !take_newline())
        return wrong("there is more after the value of " + entry.name +
                     "; put texts in \"quotes\" and each setting on a line of its own");
      const auto same = [&entry](const TomlEntry& other) { return other.name == entry.name; };
      if (std::any_of(entries.begin(), entries.end(), same))
        return fail(Errc::invalid_argument,
                    "line " + std::to_string(entry.line) + ": " + entry.name + " is there twice");
      entries.push_back(std::move(entry));
    }
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool take(char wanted) {
    if (at_end() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  bool take_newline() {
    const std::size_t before = at_;
    take('\r');
    if (take('\n')) {
      ++line_;
      return true;
    }
    at_ = before;
    return false;
  }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  void skip_comment() {
    if (peek() != '#') return;
    while (!at_end() && peek() != '\n') ++at_;
  }
  void skip_lines() {
    do {
      skip_blanks();
      skip_comment();
    } while (take_newline());
  }
  Error wrong(const std::string& what) const {
    return fail(Errc::invalid_argument, "line " + std::to_string(line_) + ": " + what);
  }

  Result<std::string> read_name() {
    if (peek() == '"' || peek() == '\'') return read_text();
    const std::size_t start = at_;
    while (is_bare(peek())) ++at_;
    if (at_ == start) return wrong("the name of a setting is missing");
    return std::string(text_.substr(start, at_ - start));
  }

  Result<> read_values(std::vector<std::string>& values) {
    if (!take('[')) {
      auto value = read_value();
      if (!value) return std::move(value).error();
      values.push_back(std::move(*value));
      return {};
    }
    for (;;) {
      skip_lines();
      if (take(']')) return {};
      if (at_end()) return wrong("a list has no closing ']'");
      auto value = read_value();
      if (!value) return std::move(value).error();
      values.push_back(std::move(*value));
      skip_lines();
      if (take(']')) return {};
      if (!take(',')) return wrong("a list needs ',' between its values and ']' at its end");
    }
  }

  Result<std::string> read_value() {
    if (peek() == '"' || peek() == '\'') return read_text();
    const std::size_t start = at_;
    while (is_bare(peek()) || peek() == '+' || peek() == '.' || peek() == ':') ++at_;
    std::string word(text_.substr(start, at_ - start));
    if (word == "true" || word == "false") return word;
    const bool is_signed = word.starts_with('-') || word.starts_with('+');
    std::string digits = word.substr(is_signed ? 1 : 0);
    std::erase(digits, '_');
    if (!digits.empty() &&
        std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return word.starts_with('-') ? "-" + digits : digits;
    return wrong(
        "a value is neither a text in \"quotes\", a whole number, true, false, nor a list "
        "of these");
  }

  Result<std::string> read_text() {
    const char quote = text_[at_++];
    if (text_.substr(at_, 2) == std::string(2, quote))
      return wrong("texts over several lines are not supported");
    std::string out;
    while (!take(quote)) {
      if (at_end() || peek() == '\n' || peek() == '\r') return wrong("a text has no closing quote");
      const char c = text_[at_++];
      if (is_control(c)) return wrong("a text has a control character in it");
      if (quote == '"' && c == '\\') {
        if (!read_escape(out)) return wrong("a text has an unknown escape after '\\'");
      } else {
        out += c;
      }
    }
    return out;
  }

  bool read_escape(std::string& out) {
    constexpr std::string_view kNames = "btnfr\"\\";
    constexpr std::string_view kBytes = "\b\t\n\f\r\"\\";
    const char c = peek();
    if (const std::size_t found = kNames.find(c); !at_end() && found != std::string_view::npos) {
      out += kBytes[found];
      ++at_;
      return true;
    }
    const std::size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0 || text_.size() - at_ <= digits) return false;
    std::uint32_t code = 0;
    for (const char digit : text_.substr(at_ + 1, digits)) {
      constexpr std::string_view kHex = "0123456789abcdef0123456789ABCDEF";
      const std::size_t found = kHex.find(digit);
      if (found == std::string_view::npos) return false;
      code = code << 4 | static_cast<std::uint32_t>(found & 0xf);
    }
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    append_utf8(out, code);
    at_ += digits + 1;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Result<std::vector<TomlEntry>> parse_toml(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return Reader(text).read();
}

}  // namespace gateway::settings
