#include "connectors/email/html.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "connectors/sdk/text.h"

namespace email {
namespace {

constexpr std::size_t kMaxAttributes = 40;
constexpr std::size_t kMaxOpen = 100;
constexpr std::size_t kMaxUrlBytes = 2000;
constexpr std::string_view kBlanks = " \t\r\n\f";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_blank(char c) { return kBlanks.find(c) != std::string_view::npos; }

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct Token {
  enum class Kind { text, start, end, nothing } kind = Kind::nothing;
  std::string_view text;  // of text, still with entities
  std::string name;       // of tags, lower-case
  std::vector<std::pair<std::string, std::string>> attributes;

  std::string_view attribute(std::string_view wanted) const {
    for (const auto& [key, value] : attributes) {
      if (key == wanted) return value;
    }
    return {};
  }
};

// https://html.spec.whatwg.org/multipage/parsing.html#tokenization (read 2026-11-20), as far as it
// decides what is text and what is not.
class Tokenizer {
 public:
  explicit Tokenizer(std::string_view html) : html_(html) {}

  // False at the end.
  bool next(Token& token) {
    token = {};
    if (at_ >= html_.size()) return false;
    if (html_[at_] != '<' || !opens_markup()) {
      const auto end = std::min(html_.find('<', at_ + 1), html_.size());
      token.kind = Token::Kind::text;
      token.text = html_.substr(at_, end - at_);
      at_ = end;
      return true;
    }
    const char c = html_[at_ + 1];
    if (c == '!' || c == '?') {
      skip_declaration();
    } else {
      read_tag(token, c == '/');
    }
    return true;
  }

  // Behind the start tag of an element whose content is no markup.
  void skip_raw(std::string_view name) {
    for (;;) {
      const auto close = html_.find("</", at_);
      if (close == std::string_view::npos) {
        at_ = html_.size();
        return;
      }
      if (sdk::equals_ignoring_case(html_.substr(close + 2, name.size()), name)) {
        const auto end = html_.find('>', close);
        at_ = end == std::string_view::npos ? html_.size() : end + 1;
        return;
      }
      at_ = close + 2;
    }
  }

 private:
  bool opens_markup() const {
    if (at_ + 1 >= html_.size()) return false;
    const char c = html_[at_ + 1];
    return is_letter(c) || c == '!' || c == '?' ||
           (c == '/' && at_ + 2 < html_.size() && is_letter(html_[at_ + 2]));
  }

  void skip_declaration() {
    const std::string_view end = html_.substr(at_).starts_with("<!--") ? "-->" : ">";
    const auto found = html_.find(end, at_ + 2);
    at_ = found == std::string_view::npos ? html_.size() : found + end.size();
  }

  void read_tag(Token& token, bool closes) {
    token.kind = closes ? Token::Kind::end : Token::Kind::start;
    at_ += closes ? 2 : 1;
    const auto end = std::min(html_.find_first_of(" \t\r\n\f/>", at_), html_.size());
    token.name = sdk::lower_ascii(html_.substr(at_, std::min<std::size_t>(end - at_, 40)));
    at_ = end;
    while (at_ < html_.size() && html_[at_] != '>') {
      if (is_blank(html_[at_]) || html_[at_] == '/') {
        ++at_;
      } else {
        read_attribute(token);
      }
    }
    if (at_ < html_.size()) ++at_;
  }

  void read_attribute(Token& token) {
    // A name may begin with '=', so that there is always progress.
    const auto name_end = std::min(html_.find_first_of(" \t\r\n\f/>=", at_ + 1), html_.size());
    std::string name =
        sdk::lower_ascii(html_.substr(at_, std::min<std::size_t>(name_end - at_, 40)));
    at_ = name_end;
    while (at_ < html_.size() && is_blank(html_[at_])) ++at_;
    std::string_view value;
    if (at_ < html_.size() && html_[at_] == '=') {
      ++at_;
      while (at_ < html_.size() && is_blank(html_[at_])) ++at_;
      if (at_ < html_.size() && (html_[at_] == '"' || html_[at_] == '\'')) {
        const char quote = html_[at_++];
        const auto end = std::min(html_.find(quote, at_), html_.size());
        value = html_.substr(at_, end - at_);
        at_ = std::min(end + 1, html_.size());
      } else {
        const auto end = std::min(html_.find_first_of(" \t\r\n\f>", at_), html_.size());
        value = html_.substr(at_, end - at_);
        at_ = end;
      }
    }
    if (token.attributes.size() < kMaxAttributes) {
      token.attributes.emplace_back(std::move(name), decode_entities(value.substr(0, 4096)));
    }
  }

  const std::string_view html_;
  std::size_t at_ = 0;
};

// Elements whose content is not what a reader sees, and is no markup either.
constexpr std::array<std::string_view, 9> kRaw{"script",   "style",   "title",    "textarea", "xmp",
                                               "noscript", "noembed", "noframes", "iframe"};
// Elements with markup inside that is not shown.
constexpr std::array<std::string_view, 6> kHidden{"head",   "template", "svg",
                                                  "object", "math",     "select"};
constexpr std::array<std::string_view, 30> kBlocks{
    "p",  "div", "ul",     "ol",      "li",      "table",  "tr",     "blockquote",
    "h1", "h2",  "h3",     "h4",      "h5",      "h6",     "hr",     "pre",
    "dl", "dt",  "dd",     "section", "article", "header", "footer", "address",
    "br", "nav", "figure", "center",  "caption", "form"};
// Those with a blank line around them.
constexpr std::array<std::string_view, 10> kParagraphs{"p",  "h1", "h2", "h3", "h4",
                                                       "h5", "h6", "ul", "ol", "blockquote"};

bool has_class(const Token& token, std::string_view name) {
  std::string_view all = token.attribute("class");
  while (!all.empty()) {
    const auto begin = all.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) break;
    all.remove_prefix(begin);
    const auto end = std::min(all.find_first_of(kBlanks), all.size());
    if (all.substr(0, end) == name) return true;
    all.remove_prefix(end);
  }
  return false;
}

// The element holds the quoted message.
bool quotes_inside(const Token& token) {
  if (token.name == "blockquote") {
    return sdk::equals_ignoring_case(token.attribute("type"), "cite") ||
           has_class(token, "gmail_quote");
  }
  return token.name == "div" &&
         (has_class(token, "gmail_quote") || has_class(token, "gmail_quote_container") ||
          has_class(token, "yahoo_quoted") || has_class(token, "moz-cite-prefix"));
}

// Everything behind it is the quoted message.
bool quotes_behind(const Token& token) {
  const std::string_view id = token.attribute("id");
  if (id == "divRplyFwdMsg" || id == "appendonsend" ||
      id == "mail-editor-reference-message-container") {
    return true;
  }
  if (token.name == "hr" && token.attribute("tabindex") == "-1") return true;
  std::string style;
  for (const char c : token.attribute("style")) {
    if (!is_blank(c)) style += c;
  }
  style = sdk::lower_ascii(style);
  return token.name == "div" && (style.find("border-top:solid#e1e1e1") != std::string::npos ||
                                 style.find("border-top:solid#b5c4df") != std::string::npos);
}

class TextWriter {
 public:
  void add(std::string_view text, bool preformatted) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      // No-break space is a blank to a reader of plain text.
      const bool wide = text.substr(i).starts_with("\xC2\xA0");
      if (preformatted && text[i] == '\n') {
        break_line(1);
      } else if (is_blank(text[i]) || wide) {
        blank_ = true;
        if (preformatted && !text_.empty()) preformatted_blanks_ += ' ';
        if (wide) ++i;
      } else {
        flush();
        text_ += text[i];
      }
    }
  }
  // At least so many line ends before whatever comes next.
  void break_line(std::size_t lines) {
    lines_ = std::max(lines_, lines);
    blank_ = false;
    preformatted_blanks_.clear();
  }
  void add_line() {
    ++lines_;
    lines_ = std::min<std::size_t>(lines_, 3);
    blank_ = false;
  }
  void mark(std::string_view text) {
    flush();
    text_ += text;
    blank_ = false;
  }
  std::size_t size() const { return text_.size(); }
  std::string_view since(std::size_t at) const {
    return std::string_view(text_).substr(std::min(at, text_.size()));
  }
  std::string take() { return std::move(text_); }

 private:
  void flush() {
    if (!text_.empty() && lines_ > 0) text_.append(std::min<std::size_t>(lines_, 2), '\n');
    if (blank_ && lines_ == 0 && !text_.empty()) {
      text_ += preformatted_blanks_.size() > 1 ? preformatted_blanks_ : std::string(" ");
    }
    preformatted_blanks_.clear();
    lines_ = 0;
    blank_ = false;
  }

  std::string text_;
  std::string preformatted_blanks_;
  std::size_t lines_ = 0;
  bool blank_ = false;
};

// "http://shop.example/" and "shop.example" name the same.
bool is_same_link(std::string_view text, std::string_view url) {
  const auto bare = [](std::string_view link) {
    for (const std::string_view scheme : {"https://", "http://", "mailto:", "tel:"}) {
      if (link.starts_with(scheme)) link.remove_prefix(scheme.size());
    }
    if (link.ends_with('/')) link.remove_suffix(1);
    return link;
  };
  return sdk::equals_ignoring_case(bare(trimmed(text)), bare(url));
}

// Skips an element with everything inside, counting elements of its name.
void skip_element(Tokenizer& tokens, std::string_view name) {
  std::size_t depth = 1;
  for (Token token; tokens.next(token);) {
    if (token.kind == Token::Kind::start && is_one_of(token.name, kRaw)) {
      tokens.skip_raw(token.name);
    } else if (token.name == name && token.kind == Token::Kind::start) {
      ++depth;
    } else if (token.kind == Token::Kind::end && token.name == name && --depth == 0) {
      return;
    } else if (name == "head" && token.name == "body") {
      return;
    }
  }
}

class TextReader {
 public:
  TextReader(std::string_view html, Quotes quotes) : tokens_(html), quotes_(quotes) {}

  std::string read() {
    for (Token token; tokens_.next(token);) {
      if (token.kind == Token::Kind::text) {
        out_.add(decode_entities(token.text), preformatted_ > 0);
      } else if (token.kind == Token::Kind::start) {
        if (quotes_ == Quotes::drop && quotes_behind(token)) break;
        start(token);
      } else if (token.kind == Token::Kind::end) {
        end(token.name);
      }
    }
    return out_.take();
  }

 private:
  void start(const Token& token) {
    if (is_one_of(token.name, kRaw)) return tokens_.skip_raw(token.name);
    if (is_one_of(token.name, kHidden)) return skip_element(tokens_, token.name);
    if (quotes_ == Quotes::drop && quotes_inside(token)) return skip_element(tokens_, token.name);
    if (token.name == "br") return out_.add_line();
    if (is_one_of(token.name, kBlocks)) {
      out_.break_line(is_one_of(token.name, kParagraphs) ? 2 : 1);
    }
    if (token.name == "li") out_.mark("- ");
    if (token.name == "td" || token.name == "th") out_.add(" ", false);
    if (token.name == "pre") ++preformatted_;
    if (token.name == "a") {
      link_ = trimmed(token.attribute("href")).substr(0, kMaxUrlBytes);
      link_start_ = out_.size();
    }
    if (token.name == "img" && !trimmed(token.attribute("alt")).empty()) {
      out_.add("[" + std::string(trimmed(token.attribute("alt"))) + "]", false);
    }
  }

  void end(const std::string& name) {
    if (name == "a") return end_link();
    if (name == "pre" && preformatted_ > 0) --preformatted_;
    if (is_one_of(name, kBlocks) && name != "br") {
      out_.break_line(is_one_of(name, kParagraphs) ? 2 : 1);
    }
  }

  void end_link() {
    const bool shown = link_.starts_with("http://") || link_.starts_with("https://");
    const std::string_view text = out_.since(link_start_);
    if (shown && !trimmed(text).empty() && !is_same_link(text, link_)) {
      out_.add(" (" + link_ + ")", false);
    }
    link_.clear();
  }

  Tokenizer tokens_;
  const Quotes quotes_;
  TextWriter out_;
  std::string link_;
  std::size_t link_start_ = 0;
  std::size_t preformatted_ = 0;
};

void append_utf8(std::string& text, std::uint32_t point) {
  if (point == 0 || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) point = 0xFFFD;
  const auto byte = [&](std::uint32_t value) { text += static_cast<char>(value); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xC0 | (point >> 6));
    byte(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    byte(0xE0 | (point >> 12));
    byte(0x80 | ((point >> 6) & 0x3F));
    byte(0x80 | (point & 0x3F));
  } else {
    byte(0xF0 | (point >> 18));
    byte(0x80 | ((point >> 12) & 0x3F));
    byte(0x80 | ((point >> 6) & 0x3F));
    byte(0x80 | (point & 0x3F));
  }
}

// https://html.spec.whatwg.org/multipage/named-characters.html, those of HTML 4 that mails use.
using NamedCharacter = std::pair<std::string_view, std::uint32_t>;
constexpr auto kNamed = std::to_array<NamedCharacter>(
    {{"amp", '&'},      {"lt", '<'},       {"gt", '>'},        {"quot", '"'},     {"apos", '\''},
     {"nbsp", 0xA0},    {"iexcl", 0xA1},   {"cent", 0xA2},     {"pound", 0xA3},   {"curren", 0xA4},
     {"yen", 0xA5},     {"sect", 0xA7},    {"copy", 0xA9},     {"ordf", 0xAA},    {"laquo", 0xAB},
     {"shy", 0xAD},     {"reg", 0xAE},     {"deg", 0xB0},      {"plusmn", 0xB1},  {"sup2", 0xB2},
     {"sup3", 0xB3},    {"acute", 0xB4},   {"micro", 0xB5},    {"para", 0xB6},    {"middot", 0xB7},
     {"sup1", 0xB9},    {"ordm", 0xBA},    {"raquo", 0xBB},    {"frac14", 0xBC},  {"frac12", 0xBD},
     {"frac34", 0xBE},  {"iquest", 0xBF},  {"Agrave", 0xC0},   {"Aacute", 0xC1},  {"Acirc", 0xC2},
     {"Atilde", 0xC3},  {"Auml", 0xC4},    {"Aring", 0xC5},    {"AElig", 0xC6},   {"Ccedil", 0xC7},
     {"Egrave", 0xC8},  {"Eacute", 0xC9},  {"Ecirc", 0xCA},    {"Euml", 0xCB},    {"Igrave", 0xCC},
     {"Iacute", 0xCD},  {"Icirc", 0xCE},   {"Iuml", 0xCF},     {"Ntilde", 0xD1},  {"Ograve", 0xD2},
     {"Oacute", 0xD3},  {"Ocirc", 0xD4},   {"Otilde", 0xD5},   {"Ouml", 0xD6},    {"times", 0xD7},
     {"Oslash", 0xD8},  {"Ugrave", 0xD9},  {"Uacute", 0xDA},   {"Ucirc", 0xDB},   {"Uuml", 0xDC},
     {"szlig", 0xDF},   {"agrave", 0xE0},  {"aacute", 0xE1},   {"acirc", 0xE2},   {"atilde", 0xE3},
     {"auml", 0xE4},    {"aring", 0xE5},   {"aelig", 0xE6},    {"ccedil", 0xE7},  {"egrave", 0xE8},
     {"eacute", 0xE9},  {"ecirc", 0xEA},   {"euml", 0xEB},     {"igrave", 0xEC},  {"iacute", 0xED},
     {"icirc", 0xEE},   {"iuml", 0xEF},    {"ntilde", 0xF1},   {"ograve", 0xF2},  {"oacute", 0xF3},
     {"ocirc", 0xF4},   {"otilde", 0xF5},  {"ouml", 0xF6},     {"divide", 0xF7},  {"oslash", 0xF8},
     {"ugrave", 0xF9},  {"uacute", 0xFA},  {"ucirc", 0xFB},    {"uuml", 0xFC},    {"ensp", 0x2002},
     {"emsp", 0x2003},  {"zwnj", 0x200C},  {"zwj", 0x200D},    {"ndash", 0x2013}, {"mdash", 0x2014},
     {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"sbquo", 0x201A},  {"ldquo", 0x201C}, {"rdquo", 0x201D},
     {"bdquo", 0x201E}, {"bull", 0x2022},  {"hellip", 0x2026}, {"euro", 0x20AC}});

constexpr auto sorted_by_name(std::array<NamedCharacter, kNamed.size()> named) {
  std::sort(named.begin(), named.end());
  return named;
}
constexpr auto kEntities = sorted_by_name(kNamed);

// Numbers 128 to 159 name what windows-1252 has there.
constexpr std::array<std::uint32_t, 32> kWindows1252{
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

std::optional<std::uint32_t> numeric_entity(std::string_view digits) {
  const bool hexadecimal = digits.starts_with('x') || digits.starts_with('X');
  if (hexadecimal) digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 10) return std::nullopt;
  std::uint64_t point = 0;
  for (const char c : digits) {
    unsigned digit = 99;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (hexadecimal && c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (hexadecimal && c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit > 15) return std::nullopt;
    point = point * (hexadecimal ? 16 : 10) + digit;
  }
  if (point >= 0x80 && point <= 0x9F) return kWindows1252[point - 0x80];
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(point, 0x110000));
}

std::optional<std::uint32_t> entity_named(std::string_view name) {
  if (name.starts_with('#')) return numeric_entity(name.substr(1));
  const auto* found = std::lower_bound(kEntities.begin(), kEntities.end(), NamedCharacter{name, 0});
  if (found == kEntities.end() || found->first != name) return std::nullopt;
  return found->second;
}

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') safe += c;
    }
  }
  return safe;
}

constexpr std::array<std::string_view, 40> kAllowed{
    "p",   "div", "span", "b",   "strong", "i",     "em",         "u",     "s",      "strike",
    "del", "ins", "a",    "ul",  "ol",     "li",    "blockquote", "pre",   "code",   "h1",
    "h2",  "h3",  "h4",   "h5",  "h6",     "table", "thead",      "tbody", "tfoot",  "tr",
    "td",  "th",  "sup",  "sub", "small",  "dl",    "dt",         "dd",    "center", "caption"};
constexpr std::array<std::string_view, 3> kVoid{"br", "hr", "img"};

std::string tag_of(const Token& token) {
  std::string tag = "<" + token.name;
  const auto add = [&](std::string_view name, std::string_view value) {
    tag += ' ';
    tag += name;
    tag += "=\"" + escaped(value) + "\"";
  };
  if (token.name == "a") {
    const std::string_view href = trimmed(token.attribute("href"));
    const std::string lower = sdk::lower_ascii(href.substr(0, 8));
    const bool safe = lower.starts_with("http://") || lower.starts_with("https://") ||
                      lower.starts_with("mailto:");
    if (safe && href.size() <= kMaxUrlBytes) {
      add("href", href);
      add("rel", "noopener noreferrer nofollow");
    }
  } else if (token.name == "img") {
    const std::string_view src = trimmed(token.attribute("src"));
    if (sdk::lower_ascii(src.substr(0, 4)) == "cid:" && src.size() <= kMaxUrlBytes) add("src", src);
    if (!token.attribute("alt").empty()) add("alt", token.attribute("alt").substr(0, 500));
  } else if (token.name == "td" || token.name == "th") {
    for (const std::string_view name : {"colspan", "rowspan"}) {
      const std::string_view value = token.attribute(name);
      if (!value.empty() && value.size() <= 3 &&
          value.find_first_not_of("0123456789") == std::string_view::npos) {
        add(name, value);
      }
    }
  }
  return tag + ">";
}

class Sanitizer {
 public:
  Sanitizer(std::string_view html, std::size_t max_bytes) : tokens_(html), room_(max_bytes) {}

  SafeHtml run() {
    for (Token token; !out_.cut && tokens_.next(token);) {
      if (token.kind == Token::Kind::text) {
        put_text(decode_entities(token.text));
      } else if (token.kind == Token::Kind::start) {
        start(token);
      } else if (token.kind == Token::Kind::end) {
        end(token.name);
      }
    }
    while (!open_.empty()) close_innermost();
    return std::move(out_);
  }

 private:
  // Room is kept for closing what is open.
  bool put(std::string_view piece, std::size_t reserve) {
    if (out_.html.size() + piece.size() + closing_bytes_ + reserve > room_) {
      out_.cut = true;
      return false;
    }
    out_.html += piece;
    return true;
  }

  void put_text(std::string_view text) {
    // Whole code points, so that a cut never makes half of one.
    for (std::size_t at = 0; at < text.size() && !out_.cut;) {
      std::size_t end = std::min(at + 512, text.size());
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
      put(escaped(text.substr(at, end - at)), 0);
      at = end;
    }
  }

  void start(const Token& token) {
    if (is_one_of(token.name, kRaw)) return tokens_.skip_raw(token.name);
    if (is_one_of(token.name, kHidden)) return skip_element(tokens_, token.name);
    if (is_one_of(token.name, kVoid)) {
      put(tag_of(token), 0);
      return;
    }
    if (!is_one_of(token.name, kAllowed) || open_.size() == kMaxOpen) return;
    const std::size_t closing = token.name.size() + 3;
    if (!put(tag_of(token), closing)) return;
    open_.push_back(token.name);
    closing_bytes_ += closing;
  }

  void end(const std::string& name) {
    if (std::find(open_.begin(), open_.end(), name) == open_.end()) return;
    while (open_.back() != name) close_innermost();
    close_innermost();
  }

  void close_innermost() {
    out_.html += "</" + open_.back() + ">";
    closing_bytes_ -= open_.back().size() + 3;
    open_.pop_back();
  }

  Tokenizer tokens_;
  const std::size_t room_;
  SafeHtml out_;
  std::vector<std::string> open_;
  std::size_t closing_bytes_ = 0;
};

}  // namespace

std::string decode_entities(std::string_view text) {
  constexpr std::size_t kLongestName = 12;
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '&') {
      decoded += text[at];
      continue;
    }
    const std::string_view window = text.substr(at + 1, kLongestName);
    const auto end =
        window.find_first_not_of("#abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    const std::string_view name = window.substr(0, end);
    const auto point = entity_named(name);
    if (!point || (end == std::string_view::npos && at + 1 + name.size() < text.size())) {
      decoded += '&';
      continue;
    }
    append_utf8(decoded, *point);
    at += name.size();
    if (at + 1 < text.size() && text[at + 1] == ';') ++at;
  }
  return decoded;
}

std::string html_to_text(std::string_view html, Quotes quotes) {
  return TextReader(html, quotes).read();
}

SafeHtml sanitize_html(std::string_view html, std::size_t max_bytes) {
  return Sanitizer(html, max_bytes).run();
}

}  // namespace email
