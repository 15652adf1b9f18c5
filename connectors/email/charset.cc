#include "connectors/email/charset.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "connectors/sdk/text.h"

namespace email {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

enum class Way { ascii, latin, utf8, iso2022jp, table };

struct Charset {
  std::string_view label;  // lower-case
  Way way;
  const char* iconv_name = "";
};

// Labels of https://encoding.spec.whatwg.org/#names-and-labels (read 2026-11-20) that occur in
// mail, with the superset a sender really means.
constexpr std::array kCharsets{
    Charset{"us-ascii", Way::ascii},
    Charset{"ascii", Way::ascii},
    Charset{"ansi_x3.4-1968", Way::ascii},
    Charset{"iso-8859-1", Way::latin},
    Charset{"iso8859-1", Way::latin},
    Charset{"iso_8859-1", Way::latin},
    Charset{"latin1", Way::latin},
    Charset{"utf-8", Way::utf8},
    Charset{"utf8", Way::utf8},
    Charset{"unicode-1-1-utf-8", Way::utf8},
    Charset{"utf-8-sig", Way::utf8},
    Charset{"cp65001", Way::utf8},
    Charset{"iso-2022-jp", Way::iso2022jp},
    Charset{"iso-2022-jp-ms", Way::iso2022jp},
    Charset{"csiso2022jp", Way::iso2022jp},
    Charset{"cp50220", Way::iso2022jp},
    Charset{"cp50221", Way::iso2022jp},
    Charset{"windows-1250", Way::table, "CP1250"},
    Charset{"cp1250", Way::table, "CP1250"},
    Charset{"windows-1251", Way::table, "CP1251"},
    Charset{"cp1251", Way::table, "CP1251"},
    Charset{"windows-1252", Way::table, "CP1252"},
    Charset{"cp1252", Way::table, "CP1252"},
    Charset{"windows-1253", Way::table, "CP1253"},
    Charset{"cp1253", Way::table, "CP1253"},
    Charset{"windows-1254", Way::table, "CP1254"},
    Charset{"cp1254", Way::table, "CP1254"},
    Charset{"windows-1255", Way::table, "CP1255"},
    Charset{"cp1255", Way::table, "CP1255"},
    Charset{"windows-1256", Way::table, "CP1256"},
    Charset{"cp1256", Way::table, "CP1256"},
    Charset{"windows-1257", Way::table, "CP1257"},
    Charset{"cp1257", Way::table, "CP1257"},
    Charset{"windows-1258", Way::table, "CP1258"},
    Charset{"cp1258", Way::table, "CP1258"},
    Charset{"windows-874", Way::table, "CP874"},
    Charset{"tis-620", Way::table, "CP874"},
    Charset{"iso-8859-11", Way::table, "CP874"},
    Charset{"iso-8859-2", Way::table, "ISO-8859-2"},
    Charset{"iso-8859-3", Way::table, "ISO-8859-3"},
    Charset{"iso-8859-4", Way::table, "ISO-8859-4"},
    Charset{"iso-8859-5", Way::table, "ISO-8859-5"},
    Charset{"iso-8859-6", Way::table, "ISO-8859-6"},
    Charset{"iso-8859-7", Way::table, "ISO-8859-7"},
    Charset{"iso-8859-8", Way::table, "ISO-8859-8"},
    Charset{"iso-8859-8-i", Way::table, "ISO-8859-8"},
    Charset{"iso-8859-8-e", Way::table, "ISO-8859-8"},
    Charset{"iso-8859-9", Way::table, "CP1254"},
    Charset{"iso-8859-10", Way::table, "ISO-8859-10"},
    Charset{"iso-8859-13", Way::table, "ISO-8859-13"},
    Charset{"iso-8859-14", Way::table, "ISO-8859-14"},
    Charset{"iso-8859-15", Way::table, "ISO-8859-15"},
    Charset{"iso-8859-16", Way::table, "ISO-8859-16"},
    Charset{"koi8-r", Way::table, "KOI8-R"},
    Charset{"koi8-u", Way::table, "KOI8-U"},
    Charset{"ibm866", Way::table, "CP866"},
    Charset{"cp866", Way::table, "CP866"},
    Charset{"cp437", Way::table, "CP437"},
    Charset{"cp850", Way::table, "CP850"},
    Charset{"macintosh", Way::table, "MACINTOSH"},
    Charset{"x-mac-cyrillic", Way::table, "MAC-CYRILLIC"},
    Charset{"gb2312", Way::table, "GB18030"},
    Charset{"gb_2312-80", Way::table, "GB18030"},
    Charset{"gbk", Way::table, "GB18030"},
    Charset{"x-gbk", Way::table, "GB18030"},
    Charset{"cp936", Way::table, "GB18030"},
    Charset{"gb18030", Way::table, "GB18030"},
    Charset{"big5", Way::table, "CP950"},
    Charset{"cp950", Way::table, "CP950"},
    Charset{"big5-hkscs", Way::table, "BIG5-HKSCS"},
    Charset{"euc-kr", Way::table, "CP949"},
    Charset{"ks_c_5601-1987", Way::table, "CP949"},
    Charset{"ks_c_5601-1989", Way::table, "CP949"},
    Charset{"ksc5601", Way::table, "CP949"},
    Charset{"windows-949", Way::table, "CP949"},
    Charset{"cp949", Way::table, "CP949"},
    Charset{"shift_jis", Way::table, "CP932"},
    Charset{"shift-jis", Way::table, "CP932"},
    Charset{"sjis", Way::table, "CP932"},
    Charset{"x-sjis", Way::table, "CP932"},
    Charset{"windows-31j", Way::table, "CP932"},
    Charset{"cp932", Way::table, "CP932"},
    Charset{"euc-jp", Way::table, "EUC-JP-MS"},
    Charset{"x-euc-jp", Way::table, "EUC-JP-MS"},
    Charset{"utf-16", Way::table, "UTF-16"},
    Charset{"utf-16le", Way::table, "UTF-16LE"},
    Charset{"utf-16be", Way::table, "UTF-16BE"},
};

const Charset* charset_named(std::string_view label) {
  const std::string lower = sdk::lower_ascii(sdk::trim(label));
  const auto* found = std::find_if(kCharsets.begin(), kCharsets.end(),
                                   [&](const Charset& one) { return one.label == lower; });
  return found == kCharsets.end() ? nullptr : found;
}

class Converter {
 public:
  explicit Converter(const char* from) : handle_(iconv_open("UTF-8", from)) {}
  ~Converter() {
    if (is_open()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  bool is_open() const { return reinterpret_cast<std::intptr_t>(handle_) != -1; }

  std::string convert(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size() + bytes.size() / 2);
    // iconv does not write to its input, whatever its type says.
    char* in = const_cast<char*>(bytes.data());
    std::size_t left = bytes.size();
    std::array<char, 4096> room;  // not cleared: broken bytes come by one by one
    while (left > 0) {
      char* out = room.data();
      std::size_t free = room.size();
      const std::size_t result = iconv(handle_, &in, &left, &out, &free);
      const int error = result == static_cast<std::size_t>(-1) ? errno : 0;
      text.append(room.data(), room.size() - free);
      if (error == EILSEQ || error == EINVAL) {
        text += kReplacement;
        ++in;
        --left;
      }
    }
    // What a stateful module still holds.
    std::array<char, 64> rest{};
    char* out = rest.data();
    std::size_t free = rest.size();
    (void)iconv(handle_, nullptr, nullptr, &out, &free);
    return text.append(rest.data(), rest.size() - free);
  }

 private:
  iconv_t handle_;
};

std::string without_nul(std::string text) {
  if (text.find('\0') != std::string::npos) std::erase(text, '\0');
  return text;
}

// Every byte above 127 is unknown.
std::string ascii_only(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (static_cast<unsigned char>(c) < 0x80) {
      text += c;
    } else {
      text += kReplacement;
    }
  }
  return text;
}

std::string by_table(std::string_view bytes, const char* name) {
  Converter converter(name);
  return converter.is_open() ? converter.convert(bytes) : ascii_only(bytes);
}

// Broken sequences as U+FFFD; unlike sdk::sanitize it keeps control characters, which are the
// gateway's to judge, and CR LF, which format=flowed looks at.
std::string valid_utf8(std::string_view bytes) {
  if (sdk::is_valid_utf8(bytes)) return std::string(bytes);
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t length = 1;
    const auto lead = static_cast<unsigned char>(bytes[at]);
    if (lead >= 0xC2) length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const std::string_view piece = bytes.substr(at, length);
    if (piece.size() == length && sdk::is_valid_utf8(piece)) {
      text += piece;
      at += length;
    } else {
      text += kReplacement;
      ++at;
    }
  }
  return text;
}

std::string guessed(std::string_view bytes) {
  return sdk::is_valid_utf8(bytes) ? std::string(bytes) : by_table(bytes, "CP1252");
}

// RFC 1468, read with the rows NEC and IBM added, which senders use without saying so: the escapes
// choose a set, and the two-byte sets are those of EUC-JP with the high bits off.
std::string from_iso2022jp(std::string_view bytes) {
  enum class Set { ascii, kanji, kana } set = Set::ascii;
  std::string euc;
  euc.reserve(bytes.size() + 16);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const char c = bytes[at];
    if (c == '\x1B') {
      const std::string_view escape = bytes.substr(at + 1, 2);
      if (escape == "$@" || escape == "$B") {
        set = Set::kanji;
      } else if (escape == "(B" || escape == "(J") {
        set = Set::ascii;
      } else if (escape == "(I") {
        set = Set::kana;
      } else {
        euc += "?";
        continue;
      }
      at += 2;
    } else if (c == '\n' || c == '\r') {
      set = Set::ascii;  // every line begins and ends in ASCII
      euc += c;
    } else if (set == Set::ascii || static_cast<unsigned char>(c) <= 0x20) {
      euc += static_cast<unsigned char>(c) < 0x80 ? c : '?';
    } else if (set == Set::kana) {
      euc += '\x8E';
      euc += static_cast<char>(c | '\x80');
    } else if (at + 1 < bytes.size()) {
      euc += static_cast<char>(c | '\x80');
      euc += static_cast<char>(bytes[++at] | '\x80');
    }
  }
  return by_table(euc, "EUC-JP-MS");
}

std::string converted(std::string_view bytes, std::string_view label, bool believe_ascii) {
  const Charset* charset = charset_named(label);
  if (charset == nullptr) {
    return sdk::trim(label).empty() ? guessed(bytes) : ascii_only(bytes);
  }
  switch (charset->way) {
    case Way::ascii:
      return believe_ascii ? ascii_only(bytes) : guessed(bytes);
    case Way::latin:
      return believe_ascii ? by_table(bytes, "CP1252") : guessed(bytes);
    case Way::utf8:
      return valid_utf8(bytes);
    case Way::iso2022jp:
      return from_iso2022jp(bytes);
    case Way::table:
      break;
  }
  return by_table(bytes, charset->iconv_name);
}

}  // namespace

std::string to_utf8(std::string_view bytes, std::string_view label) {
  return without_nul(valid_utf8(converted(bytes, label, false)));
}

std::string to_utf8_as_labelled(std::string_view bytes, std::string_view label) {
  return without_nul(valid_utf8(converted(bytes, label, true)));
}

bool is_known_charset(std::string_view label) { return charset_named(label) != nullptr; }

std::string cut_utf8(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

}  // namespace email
