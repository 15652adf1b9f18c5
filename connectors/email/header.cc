#include "connectors/email/header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>

#include "connectors/email/charset.h"
#include "connectors/email/transfer.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::size_t kMaxParameters = 100;
constexpr std::size_t kMaxSegments = 200;
constexpr std::size_t kMaxParameterBytes = 8u << 10;

bool is_blank(char c) { return kBlanks.find(c) != std::string_view::npos; }

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// A line with its end. Where a text has no LF at all, CR ends lines.
std::string_view take_line(std::string_view& text, char end) {
  const auto at = text.find(end);
  const std::string_view line = text.substr(0, at == std::string_view::npos ? at : at + 1);
  text.remove_prefix(line.size());
  return line;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 256 && std::all_of(name.begin(), name.end(), [](char c) {
    return c > 0x20 && c != 0x7F && c != ':';
  });
}

std::string unfolded(std::string_view raw) {
  raw = trimmed(raw);
  std::string value;
  value.reserve(raw.size());
  while (!raw.empty()) {
    const auto end = raw.find('\n');
    const std::string_view line = raw.substr(0, end);
    value += line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    raw.remove_prefix(end == std::string_view::npos ? raw.size() : end + 1);
  }
  for (const char c : {'\r', '\0'}) {
    for (auto at = value.find(c); at != std::string::npos; at = value.find(c, at)) value[at] = ' ';
  }
  return value;
}

}  // namespace

Fields take_header(std::string_view& bytes) {
  // Only the beginning is looked at for the kind of line ends: a mail of CR alone is rare, and one
  // without an early LF is one.
  const char line_end = bytes.substr(0, 4096).find('\n') == std::string_view::npos ? '\r' : '\n';
  Fields fields;
  std::size_t kept = 0;
  std::string name;
  std::string raw;
  const auto finish = [&] {
    if (!name.empty() && fields.size() < kMaxFields && kept + raw.size() <= kMaxHeaderBytes) {
      kept += name.size() + raw.size();
      fields.push_back({std::move(name), unfolded(raw)});
    }
    name.clear();
    raw.clear();
  };
  bool first = true;
  while (!bytes.empty()) {
    std::string_view rest = bytes;
    const std::string_view line = take_line(rest, line_end);
    if (trimmed(line).empty()) {
      // A folded line of blanks is obsolete but allowed inside a field.
      const bool folded = !name.empty() && (line[0] == ' ' || line[0] == '\t');
      bytes = rest;
      if (folded) continue;
      break;
    }
    if (line[0] == ' ' || line[0] == '\t') {
      if (name.empty()) break;
      if (raw.size() <= kMaxHeaderBytes) raw += line;
    } else {
      const auto colon = line.find(':');
      const std::string_view candidate =
          trimmed(line.substr(0, colon == std::string_view::npos ? 0 : colon));
      if (!is_field_name(candidate)) {
        // The separator of the mbox format.
        if (!(first && line.starts_with("From "))) break;
      } else {
        finish();
        name = sdk::lower_ascii(candidate);
        raw = line.substr(colon + 1, kMaxHeaderBytes + 1);
      }
    }
    first = false;
    bytes = rest;
  }
  finish();
  return fields;
}

std::string_view field(const Fields& fields, std::string_view name) {
  for (const Field& one : fields) {
    if (one.name == name) return one.value;
  }
  return {};
}

std::vector<std::string_view> all_fields(const Fields& fields, std::string_view name) {
  std::vector<std::string_view> values;
  for (const Field& one : fields) {
    if (one.name == name) values.push_back(one.value);
  }
  return values;
}

namespace {

struct EncodedWord {
  std::string charset;
  std::string bytes;
  std::size_t length = 0;  // as written
};

// One encoded word at the beginning of `text`. A missing "?=" at the end is forgiven.
std::optional<EncodedWord> encoded_word(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const auto charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() ||
      text[charset_end + 2] != '?') {
    return std::nullopt;
  }
  const std::string_view charset = text.substr(2, charset_end - 2);
  if (charset.empty() || charset.size() > 60 ||
      charset.find_first_of(kBlanks) != std::string_view::npos) {
    return std::nullopt;
  }
  const char coding = sdk::lower_ascii(text.substr(charset_end + 1, 1))[0];
  // Asked before the end is looked for: many words of no coding would each look at all the rest.
  if (coding != 'b' && coding != 'q') return std::nullopt;
  const std::size_t begin = charset_end + 3;
  auto end = text.find("?=", begin);
  std::size_t length = end == std::string_view::npos ? text.size() : end + 2;
  // "?=" that is followed by the start of the next word belongs to that one: "=?..?q?a?==?...".
  if (end == std::string_view::npos) end = text.size();
  const std::string_view coded = text.substr(begin, end - begin);
  EncodedWord word;
  // RFC 2231 lets a language follow behind '*'.
  word.charset = charset.substr(0, charset.find('*'));
  word.length = length;
  word.bytes = coding == 'b' ? decode_base64(coded) : decode_q(coded);
  return word;
}

}  // namespace

std::string decode_words(std::string_view value) {
  std::string text;
  std::string plain;
  EncodedWord pending;  // bytes of adjacent words of one charset; a character may be split
  const auto flush_pending = [&] {
    if (!pending.bytes.empty()) text += to_utf8(pending.bytes, pending.charset);
    pending = {};
  };
  bool after_word = false;
  for (std::size_t at = 0; at < value.size();) {
    const auto start = value.find("=?", at);
    const std::string_view between = value.substr(at, start - at);
    plain += between;
    if (start == std::string_view::npos) break;
    const auto word = encoded_word(value.substr(start));
    if (!word) {
      plain += "=?";
      at = start + 2;
      continue;
    }
    // Blanks between two encoded words are not part of the text.
    if (!(after_word && trimmed(plain).empty())) {
      flush_pending();
      text += to_utf8(plain, "");
    }
    plain.clear();
    if (!pending.charset.empty() && !sdk::equals_ignoring_case(pending.charset, word->charset)) {
      flush_pending();
    }
    pending.charset = word->charset;
    pending.bytes += word->bytes;
    after_word = true;
    at = start + word->length;
  }
  flush_pending();
  return text + to_utf8(plain, "");
}

namespace {

// One "name=value" behind a ';', as written.
struct Segment {
  std::string name;
  std::string value;
};

std::string quoted_value(std::string_view text, std::size_t& at) {
  std::string value;
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    // A backslash in front of a letter is a Windows path and not an escape.
    if (text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\')) {
      ++at;
    }
    if (value.size() < kMaxParameterBytes) value += text[at];
  }
  at = text.find(';', std::min(at, text.size()));
  if (at == std::string_view::npos) at = text.size();
  return value;
}

std::vector<Segment> segments_of(std::string_view text) {
  std::vector<Segment> segments;
  std::size_t at = 0;
  while (at < text.size() && segments.size() < kMaxSegments) {
    at = text.find_first_not_of(" \t\r\n;", at);
    if (at == std::string_view::npos) break;
    const auto equals = text.find_first_of("=;", at);
    if (equals == std::string_view::npos) break;
    if (text[equals] == ';') {
      at = equals;
      continue;
    }
    Segment segment{.name = sdk::lower_ascii(trimmed(text.substr(at, equals - at))), .value = {}};
    at = equals + 1;
    while (at < text.size() && is_blank(text[at])) ++at;
    if (at < text.size() && text[at] == '"') {
      segment.value = quoted_value(text, at);
    } else {
      const auto end = std::min(text.find(';', at), text.size());
      segment.value = trimmed(text.substr(at, std::min(end - at, kMaxParameterBytes)));
      at = end;
    }
    if (!segment.name.empty() && segment.name.size() <= 100) segments.push_back(std::move(segment));
  }
  return segments;
}

// RFC 2231: "name*0*=utf-8'en'a%20b", "name*1=c".
struct Continued {
  std::map<int, std::pair<std::string, bool>> pieces;  // number -> value, percent-coded
};

std::string joined(const Continued& continued) {
  std::string charset;
  std::string bytes;
  bool is_first = true;
  bool coded = false;
  for (const auto& [number, piece] : continued.pieces) {
    std::string_view value = piece.first;
    if (piece.second) {
      coded = true;
      if (is_first) {
        const auto one = value.find('\'');
        const auto two = one == std::string_view::npos ? one : value.find('\'', one + 1);
        if (two != std::string_view::npos) {
          charset = value.substr(0, one);
          value.remove_prefix(two + 1);
        }
      }
      bytes += percent_decoded(value);
    } else {
      bytes += value;
    }
    is_first = false;
    if (bytes.size() > kMaxParameterBytes) break;
  }
  return coded ? to_utf8_as_labelled(bytes, charset) : decode_words(bytes);
}

}  // namespace

Parametrized parse_parametrized(std::string_view value) {
  Parametrized result;
  const auto semicolon = std::min(value.find(';'), value.size());
  // "text/plain (a comment)" and "text/plain charset=x" both name text/plain.
  std::string_view front = trimmed(value.substr(0, semicolon));
  front = front.substr(0, front.find_first_of(" \t("));
  result.value = sdk::lower_ascii(to_utf8(front.substr(0, 200), ""));
  connector::Pairs plain;
  std::map<std::string, Continued> continued;
  for (Segment& segment : segments_of(value.substr(semicolon))) {
    const auto star = segment.name.find('*');
    if (star == std::string::npos) {
      if (!connector::find(plain, segment.name) && plain.size() < kMaxParameters) {
        plain.emplace_back(segment.name, decode_words(segment.value));
      }
      continue;
    }
    std::string_view tail = std::string_view(segment.name).substr(star + 1);
    const bool coded = tail.empty() || tail.ends_with('*');
    if (tail.ends_with('*')) tail.remove_suffix(1);
    int number = 0;
    (void)std::from_chars(tail.data(), tail.data() + tail.size(), number);
    auto& pieces = continued[segment.name.substr(0, star)].pieces;
    pieces.emplace(number, std::pair(std::move(segment.value), coded));
  }
  for (const auto& [name, pieces] : continued) result.parameters.emplace_back(name, joined(pieces));
  for (auto& [name, text] : plain) {
    if (!connector::find(result.parameters, name)) result.parameters.emplace_back(name, text);
  }
  return result;
}

namespace {

std::optional<int> number_of(std::string_view digits) {
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<unsigned> month_of(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                     "jul", "aug", "sep", "oct", "nov", "dec"};
  const auto* found =
      std::find(kMonths.begin(), kMonths.end(), sdk::lower_ascii(name.substr(0, 3)));
  if (found == kMonths.end()) return std::nullopt;
  return static_cast<unsigned>(found - kMonths.begin()) + 1;
}

// Minutes east of Greenwich; unknown letters are UTC (RFC 5322 section 4.3).
int zone_of(std::string_view zone) {
  if (zone.size() == 5 && (zone[0] == '+' || zone[0] == '-')) {
    const auto hours = number_of(zone.substr(1, 2));
    const auto minutes = number_of(zone.substr(3, 2));
    if (!hours || !minutes || *hours < 0 || *minutes < 0) return 0;
    return (*hours * 60 + *minutes) * (zone[0] == '-' ? -1 : 1);
  }
  constexpr std::array<std::pair<std::string_view, int>, 8> kNamed{{{"edt", -240},
                                                                    {"est", -300},
                                                                    {"cdt", -300},
                                                                    {"cst", -360},
                                                                    {"mdt", -360},
                                                                    {"mst", -420},
                                                                    {"pdt", -420},
                                                                    {"pst", -480}}};
  const std::string lower = sdk::lower_ascii(zone);
  for (const auto& [name, minutes] : kNamed) {
    if (name == lower) return minutes;
  }
  return 0;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (words.size() < 12) {
    const auto begin = text.find_first_not_of(" \t\r\n,");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const auto end = std::min(text.find_first_of(" \t\r\n,"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

std::string without_comments(std::string_view text) {
  std::string clean;
  int depth = 0;
  for (const char c : text.substr(0, 200)) {
    if (c == '(') {
      ++depth;
    } else if (c == ')') {
      depth = std::max(depth - 1, 0);
    } else if (depth == 0) {
      clean += c;
    }
  }
  return clean;
}

}  // namespace

std::optional<std::int64_t> parse_date(std::string_view value) {
  const std::string clean = without_comments(value);
  std::vector<std::string_view> words = words_of(clean);
  if (!words.empty() && !number_of(words[0])) words.erase(words.begin());  // the day of the week
  if (words.size() < 4) return std::nullopt;
  const auto day = number_of(words[0]);
  const auto month = month_of(words[1]);
  auto year = number_of(words[2]);
  if (!day || !month || !year || *day < 1 || *day > 31 || *year < 0) return std::nullopt;
  if (*year < 50) {
    *year += 2000;
  } else if (*year < 1000) {
    *year += 1900;
  }
  const std::string_view time = words[3];
  const auto first = time.find(':');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = time.find(':', first + 1);
  const auto hours = number_of(time.substr(0, first));
  const auto minutes = number_of(time.substr(first + 1, second - first - 1));
  const auto seconds =
      second == std::string_view::npos ? std::optional<int>(0) : number_of(time.substr(second + 1));
  if (!hours || !minutes || !seconds || *hours < 0 || *hours > 23 || *minutes < 0 ||
      *minutes > 59 || *seconds < 0 || *seconds > 60) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{*month},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *year < 1970 || *year > 2200) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  const int zone = words.size() > 4 ? zone_of(words[4]) : 0;
  const std::int64_t ms =
      (((days * 24 + *hours) * 60 + *minutes - zone) * 60 + *seconds) * std::int64_t{1000};
  return ms >= 0 ? std::optional(ms) : std::nullopt;
}

namespace {

// What stands between angle brackets, or where there are none, the words with an '@'.
std::vector<std::string_view> raw_ids(std::string_view value) {
  std::vector<std::string_view> ids;
  if (value.find('<') == std::string_view::npos) {
    for (const std::string_view word : words_of(value)) {
      if (word.find('@') != std::string_view::npos) ids.push_back(word);
    }
    return ids;
  }
  for (auto open = value.find('<'); open != std::string_view::npos; open = value.find('<')) {
    value.remove_prefix(open + 1);
    const auto close = value.find('>');
    if (close == std::string_view::npos) break;
    // An id that was never closed is none.
    const auto inner = value.substr(0, close).rfind('<');
    const std::size_t begin = inner == std::string_view::npos ? 0 : inner + 1;
    const std::string_view id = trimmed(value.substr(begin, close - begin));
    if (!id.empty() && id.size() <= 990) ids.push_back(id);
    value.remove_prefix(close + 1);
  }
  return ids;
}

}  // namespace

std::vector<std::string> message_ids(std::string_view value, std::size_t max) {
  std::vector<std::string_view> raw = raw_ids(value);
  // The first one is the thread's root; of the others the latest count.
  if (raw.size() > max) {
    const std::ptrdiff_t kept_first = max > 1 ? 1 : 0;
    raw.erase(raw.begin() + kept_first, raw.end() - static_cast<std::ptrdiff_t>(max) + kept_first);
  }
  std::vector<std::string> ids;
  for (const std::string_view one : raw) {
    std::string id = to_utf8(one, "");
    // Outlook breaks long ids with blanks.
    std::erase_if(id, is_blank);
    if (!id.empty()) ids.push_back(std::move(id));
  }
  return ids;
}

std::string normalized_id(std::string_view id) {
  id = trimmed(id);
  if (id.starts_with('<')) id.remove_prefix(1);
  if (id.ends_with('>')) id.remove_suffix(1);
  return sdk::lower_ascii(sdk::sanitize(trimmed(id), 4096));
}

}  // namespace email
