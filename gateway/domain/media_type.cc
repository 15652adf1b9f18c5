#include "gateway/domain/media_type.h"

#include <algorithm>
#include <array>
#include <utility>

#include "connectors/sdk/text.h"

namespace gateway::domain {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t at;
  std::string_view bytes;
  std::string_view type;
};

// The first that fits decides.
constexpr std::array kSignatures = {
    Signature{0, "\x89PNG\r\n\x1a\n"sv, "image/png"},
    Signature{0, "\xff\xd8\xff"sv, "image/jpeg"},
    Signature{0, "GIF87a"sv, "image/gif"},
    Signature{0, "GIF89a"sv, "image/gif"},
    Signature{0, "BM"sv, "image/bmp"},
    Signature{0, "II*\0"sv, "image/tiff"},
    Signature{0, "MM\0*"sv, "image/tiff"},
    Signature{0, "\0\0\1\0"sv, "image/x-icon"},
    Signature{0, "ID3"sv, "audio/mpeg"},
    Signature{0, "fLaC"sv, "audio/flac"},
    Signature{0, "#!AMR"sv, "audio/amr"},
    Signature{0, "MThd\0\0\0\x06"sv, "audio/midi"},
    Signature{0, "OggS\0"sv, "audio/ogg"},
    Signature{0, "%PDF-"sv, "application/pdf"},
    Signature{0, "PK\3\4"sv, "application/zip"},
    Signature{0, "PK\5\6"sv, "application/zip"},
    Signature{0, "\x1f\x8b\x08"sv, "application/gzip"},
    Signature{0, "7z\xbc\xaf\x27\x1c"sv, "application/x-7z-compressed"},
    Signature{0, "Rar!\x1a\x07"sv, "application/vnd.rar"},
    Signature{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, "application/x-ole-storage"},
    Signature{0, "{\\rtf"sv, "application/rtf"},
    Signature{0, "%!PS-Adobe-"sv, "application/postscript"},
    Signature{0,
              "\x7f"
              "ELF"sv,
              "application/x-executable"},
    Signature{0, "MZ"sv, "application/vnd.microsoft.portable-executable"},
};

constexpr std::array kRiff = {std::pair{"WEBP"sv, "image/webp"sv},
                              std::pair{"WAVE"sv, "audio/wav"sv},
                              std::pair{"AVI "sv, "video/x-msvideo"sv}};

// Brands of ISO/IEC 14496-12 files; another one is video/mp4.
constexpr std::array kBrands = {
    std::pair{"avif"sv, "image/avif"sv},     std::pair{"avis"sv, "image/avif"sv},
    std::pair{"heic"sv, "image/heic"sv},     std::pair{"heix"sv, "image/heic"sv},
    std::pair{"heim"sv, "image/heic"sv},     std::pair{"heis"sv, "image/heic"sv},
    std::pair{"hevc"sv, "image/heic"sv},     std::pair{"mif1"sv, "image/heif"sv},
    std::pair{"msf1"sv, "image/heif"sv},     std::pair{"M4A "sv, "audio/mp4"sv},
    std::pair{"M4B "sv, "audio/mp4"sv},      std::pair{"M4P "sv, "audio/mp4"sv},
    std::pair{"qt  "sv, "video/quicktime"sv}};

// How markup begins, behind a byte order mark and blanks; in lower case.
constexpr std::array kHtml = {"<!doctype html"sv,
                              "<html"sv,
                              "<head"sv,
                              "<script"sv,
                              "<iframe"sv,
                              "<h1"sv,
                              "<div"sv,
                              "<font"sv,
                              "<table"sv,
                              "<a"sv,
                              "<style"sv,
                              "<title"sv,
                              "<b"sv,
                              "<body"sv,
                              "<br"sv,
                              "<p"sv,
                              "<!--"sv,
                              "<img"sv,
                              "<form"sv,
                              "<meta"sv,
                              "<link"sv,
                              "<object"sv,
                              "<embed"sv};

// What a sender's word may make of what the bytes say: a type that ends in '/' stands for all that
// begin so.
struct Refinement {
  std::string_view sniffed;
  std::string_view declared;
};
constexpr std::array kRefinements = {
    Refinement{"video/mp4", "audio/mp4"},
    Refinement{"video/mp4", "audio/x-m4a"},
    Refinement{"video/mp4", "audio/m4a"},
    Refinement{"video/mp4", "audio/aac"},
    Refinement{"video/mp4", "video/3gpp"},
    Refinement{"video/3gpp", "audio/3gpp"},
    Refinement{"audio/ogg", "video/ogg"},
    Refinement{"video/webm", "audio/webm"},
    Refinement{"video/webm", "video/x-matroska"},
    Refinement{"application/zip", "application/vnd."},
    Refinement{"application/zip", "application/epub+zip"},
    Refinement{"application/zip", "application/java-archive"},
    Refinement{"application/x-ole-storage", "application/msword"},
    Refinement{"application/x-ole-storage", "application/vnd.ms-"},
    Refinement{"text/plain", "text/csv"},
    Refinement{"text/plain", "text/markdown"},
    Refinement{"text/plain", "text/vcard"},
    Refinement{"text/plain", "text/x-vcard"},
    Refinement{"text/plain", "text/calendar"},
    Refinement{"text/plain", "text/tab-separated-values"},
    Refinement{"text/plain", "application/json"},
    Refinement{"text/plain", "message/rfc822"},
};

constexpr std::array kInline = {
    "image/png"sv, "image/jpeg"sv, "image/gif"sv,  "image/webp"sv,      "image/avif"sv,
    "image/bmp"sv, "audio/mpeg"sv, "audio/ogg"sv,  "audio/wav"sv,       "audio/mp4"sv,
    "audio/aac"sv, "audio/flac"sv, "audio/webm"sv, "audio/amr"sv,       "audio/3gpp"sv,
    "video/mp4"sv, "video/ogg"sv,  "video/webm"sv, "video/quicktime"sv, "video/3gpp"sv};

constexpr std::array kExtensions = {
    std::pair{"image/png"sv, ".png"sv},       std::pair{"image/jpeg"sv, ".jpg"sv},
    std::pair{"image/gif"sv, ".gif"sv},       std::pair{"image/webp"sv, ".webp"sv},
    std::pair{"image/avif"sv, ".avif"sv},     std::pair{"image/bmp"sv, ".bmp"sv},
    std::pair{"image/heic"sv, ".heic"sv},     std::pair{"image/svg+xml"sv, ".svg"sv},
    std::pair{"audio/mpeg"sv, ".mp3"sv},      std::pair{"audio/ogg"sv, ".ogg"sv},
    std::pair{"audio/wav"sv, ".wav"sv},       std::pair{"audio/mp4"sv, ".m4a"sv},
    std::pair{"audio/aac"sv, ".aac"sv},       std::pair{"audio/amr"sv, ".amr"sv},
    std::pair{"audio/flac"sv, ".flac"sv},     std::pair{"video/mp4"sv, ".mp4"sv},
    std::pair{"video/webm"sv, ".webm"sv},     std::pair{"video/quicktime"sv, ".mov"sv},
    std::pair{"video/3gpp"sv, ".3gp"sv},      std::pair{"application/pdf"sv, ".pdf"sv},
    std::pair{"application/zip"sv, ".zip"sv}, std::pair{"text/plain"sv, ".txt"sv},
    std::pair{"text/csv"sv, ".csv"sv},        std::pair{"text/vcard"sv, ".vcf"sv},
    std::pair{"text/x-vcard"sv, ".vcf"sv},    std::pair{"application/json"sv, ".json"sv},
    std::pair{"message/rfc822"sv, ".eml"sv}};

unsigned char byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

// One frame header of ISO/IEC 11172-3 or 13818-3 (MP3), or of an ADTS stream (AAC).
std::string_view sniff_audio_frame(std::string_view bytes) {
  if (bytes.size() < 4 || byte_at(bytes, 0) != 0xff || (byte_at(bytes, 1) & 0xe0) != 0xe0) {
    return {};
  }
  const unsigned version = byte_at(bytes, 1) >> 3 & 3u;
  const unsigned layer = byte_at(bytes, 1) >> 1 & 3u;
  if (layer == 0) return (byte_at(bytes, 1) & 0xf6) == 0xf0 ? "audio/aac"sv : std::string_view();
  const unsigned bit_rate = byte_at(bytes, 2) >> 4;
  const unsigned sample_rate = byte_at(bytes, 2) >> 2 & 3u;
  const bool valid = version != 1 && bit_rate != 0 && bit_rate != 15 && sample_rate != 3;
  return valid ? "audio/mpeg"sv : std::string_view();
}

std::string_view sniff_container(std::string_view bytes) {
  if (bytes.size() < 12) return {};
  const auto brand = bytes.substr(8, 4);
  if (bytes.starts_with("RIFF")) {
    for (const auto& [name, type] : kRiff) {
      if (brand == name) return type;
    }
    return {};
  }
  if (bytes.substr(4, 4) == "ftyp") {
    for (const auto& [name, type] : kBrands) {
      if (brand == name) return type;
    }
    return brand.starts_with("3g") ? "video/3gpp"sv : "video/mp4"sv;
  }
  // EBML; its document type follows within the first header.
  if (bytes.starts_with("\x1a\x45\xdf\xa3")) {
    return bytes.substr(0, 64).find("webm") != std::string_view::npos ? "video/webm"sv
                                                                      : "video/x-matroska"sv;
  }
  return {};
}

bool is_utf16(std::string_view bytes) {
  return bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff");
}

// Without the bytes of a code point that the end of the looked-at part has cut.
std::string_view whole_code_points(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(4, text.size()); ++back) {
    const auto byte = byte_at(text, text.size() - back);
    if ((byte & 0xc0) == 0x80) continue;
    const std::size_t length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? text.substr(0, text.size() - back) : text;
  }
  return text;
}

bool is_text(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(),
                      [](char c) {
                        const auto byte = static_cast<unsigned char>(c);
                        return byte < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f';
                      }) &&
         sdk::is_valid_utf8(bytes);
}

std::string_view sniff_text(std::string_view bytes, bool is_cut) {
  if (bytes.empty()) return {};
  if (is_utf16(bytes)) return "text/plain";
  std::string_view text = bytes;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const auto first = std::min(text.find_first_not_of(" \t\r\n\f"), text.size());
  const std::string begin = sdk::lower_ascii(text.substr(first, 1024));
  if (begin.starts_with("<svg")) return "image/svg+xml";
  if (begin.starts_with("<?xml") || begin.starts_with("<!doctype svg")) {
    return begin.find("<svg") != std::string::npos ? "image/svg+xml"sv : "text/xml"sv;
  }
  for (const auto tag : kHtml) {
    if (!begin.starts_with(tag)) continue;
    const char behind = begin.size() > tag.size() ? begin[tag.size()] : '>';
    if (tag == "<!--" || behind == ' ' || behind == '>' || behind == '\n' || behind == '\r' ||
        behind == '\t' || behind == '\f' || behind == '/') {
      return "text/html";
    }
  }
  return is_text(is_cut ? whole_code_points(bytes) : bytes) ? "text/plain"sv : std::string_view();
}

bool is_type_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         "!#$&-^_.+"sv.find(c) != std::string_view::npos;
}

// "Image/PNG; q=1" as "image/png"; empty where it is no media type (RFC 6838, 4.2).
std::string normalized(std::string_view declared) {
  const std::string type = sdk::lower_ascii(sdk::trim(declared.substr(0, declared.find(';'))));
  const auto slash = type.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == type.size() || slash > 127 ||
      type.size() - slash > 128) {
    return {};
  }
  for (std::size_t i = 0; i < type.size(); ++i) {
    if (i != slash && !is_type_char(type[i])) return {};
  }
  return type;
}

bool refines(std::string_view sniffed, std::string_view declared) {
  return std::any_of(kRefinements.begin(), kRefinements.end(), [&](const Refinement& rule) {
    if (rule.sniffed != sniffed) return false;
    const bool family = rule.declared.ends_with('.') || rule.declared.ends_with('-');
    return family ? declared.starts_with(rule.declared) : declared == rule.declared;
  });
}

}  // namespace

std::string_view sniff_media_type(std::string_view bytes) {
  const bool is_cut = bytes.size() > kSniffedBytes;
  bytes = bytes.substr(0, kSniffedBytes);
  // A page that begins with the mark of a bitmap is told apart by what text never holds.
  for (const auto& signature : kSignatures) {
    if (bytes.size() < signature.at + signature.bytes.size()) continue;
    if (bytes.substr(signature.at, signature.bytes.size()) != signature.bytes) continue;
    const bool is_word =
        signature.bytes == "BM" || signature.bytes == "MZ" || signature.bytes == "ID3";
    if (is_word && is_text(is_cut ? whole_code_points(bytes) : bytes)) continue;
    return signature.type;
  }
  if (const auto type = sniff_container(bytes); !type.empty()) return type;
  if (const auto type = sniff_audio_frame(bytes); !type.empty() && !is_utf16(bytes)) return type;
  return sniff_text(bytes, is_cut);
}

std::string media_type(std::string_view bytes, std::string_view declared) {
  const auto sniffed = sniff_media_type(bytes);
  std::string given = normalized(declared);
  if (sniffed.empty()) return given.empty() ? std::string(kUnknownMediaType) : given;
  return refines(sniffed, given) ? given : std::string(sniffed);
}

std::string_view attachment_type(std::string_view media_type) {
  if (media_type == "image/svg+xml") return "file";
  for (const auto type : {"image"sv, "video"sv, "audio"sv}) {
    if (media_type.substr(0, media_type.find('/')) == type) return type;
  }
  return "file";
}

bool is_shown_inline(std::string_view media_type) {
  return std::find(kInline.begin(), kInline.end(), media_type) != kInline.end();
}

std::string file_name(std::string_view given, std::string_view media_type) {
  constexpr std::size_t kMaxBytes = 200;
  std::string name = sdk::sanitize(given);
  if (const auto folder = name.find_last_of("/\\"); folder != std::string::npos) {
    name.erase(0, folder + 1);
  }
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '\n' || c == '\t' || c == '\x7f'; }, ' ');
  name = std::string(sdk::trim(name));
  if (name.size() > kMaxBytes) {
    // The ending says what it is; it stays.
    const auto dot = name.rfind('.');
    const std::string ending =
        dot != std::string::npos && name.size() - dot <= 16 ? name.substr(dot) : std::string();
    const std::string begin = sdk::sanitize(
        std::string_view(name).substr(0, name.size() - ending.size()), kMaxBytes - ending.size());
    name = std::string(sdk::trim(begin)) + ending;
  }
  // "." and ".." would be taken for folders of an address.
  if (name.find_first_not_of('.') != std::string::npos) return name;
  name = attachment_type(media_type);
  for (const auto& [type, extension] : kExtensions) {
    if (type == media_type) name += extension;
  }
  return name;
}

}  // namespace gateway::domain
