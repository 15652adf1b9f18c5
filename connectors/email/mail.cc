#include "connectors/email/mail.h"

#include <algorithm>
#include <array>

#include "connectors/email/body_text.h"
#include "connectors/email/charset.h"
#include "connectors/email/html.h"
#include "connectors/email/mime.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

// Of one body; the rest is in the attachment that is made of it.
constexpr std::size_t kMaxPlainBytes = 256u << 10;
constexpr std::size_t kMaxHtmlBytes = 1u << 20;
// Of all bodies of a mail; what comes behind them is an attachment. Bounds how long a mail of
// hundreds of texts is worked at.
constexpr std::size_t kMaxBodiesBytes = 2u << 20;
// Of the part for machines of a report; 100 recipients fit.
constexpr std::size_t kMaxReportBytes = 256u << 10;
constexpr std::size_t kMaxNameCharacters = 150;

// A piece of the body. Apple Mail sends text, picture, text: several pieces, in order.
struct Segment {
  std::string plain;
  std::string html;
  bool is_unflowed = false;
};
using Segments = std::vector<Segment>;

bool is_blank_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.substr(at).starts_with("\xC2\xA0")) {
      ++at;
    } else if (std::string_view(" \t\r\n").find(text[at]) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

std::string pre_of(std::string_view plain) {
  std::string html = "<pre>";
  for (const char c : plain) {
    if (c == '<') {
      html += "&lt;";
    } else if (c == '&') {
      html += "&amp;";
    } else {
      html += c;
    }
  }
  return html + "</pre>";
}

// All that is text comes from format=flowed.
bool are_unflowed(const Segments& segments) {
  return std::all_of(segments.begin(), segments.end(), [](const Segment& one) {
    return one.is_unflowed || (is_blank_text(one.plain) && one.html.empty());
  });
}

void set_texts(Mail& mail, const Segments& segments) {
  const bool unflowed = are_unflowed(segments);
  std::string text;
  std::string reply;
  bool has_html = false;
  for (const Segment& segment : segments) {
    has_html |= !segment.html.empty();
    if (!is_blank_text(segment.plain)) {
      const std::string plain = with_lf(segment.plain);
      const std::string shown = segment.is_unflowed ? unstuffed(plain) : plain;
      text += shown + "\n";
      reply += (unflowed ? plain : shown) + "\n";
    } else if (!segment.html.empty()) {
      text += html_to_text(segment.html, Quotes::keep) + "\n";
      reply += html_to_text(segment.html, Quotes::drop) + "\n";
    }
  }
  mail.text = tidy(text);
  mail.reply = without_quotes(reply, unflowed);
  if (mail.reply.empty()) mail.reply = mail.text;
  if (!has_html) return;
  for (const Segment& segment : segments) {
    mail.html += segment.html.empty() && !is_blank_text(segment.plain)
                     ? pre_of(segment.is_unflowed ? unstuffed(segment.plain) : segment.plain)
                     : segment.html;
  }
}

bool says(std::string_view parameter, std::string_view word) {
  return sdk::equals_ignoring_case(sdk::trim(parameter), word);
}

class Reader {
 public:
  explicit Reader(MimeMessage message) : message_(std::move(message)) {}

  Mail read() {
    const auto count = message_.parts.size();
    std::vector<std::vector<std::size_t>> children(count);
    for (std::size_t i = 1; i < count; ++i) {
      children[static_cast<std::size_t>(message_.parts[i].parent)].push_back(i);
    }
    // In the mail's order, before bodies are moved out of it.
    is_body_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (!message_.parts[i].is_multipart) classify(i);
    }
    std::vector<Segments> segments(count);
    for (std::size_t i = count; i-- > 0;) {
      const Part& part = message_.parts[i];
      if (!part.is_multipart) {
        segments[i] = leaf_segments(i);
      } else {
        const bool alternative = part.type.value == "multipart/alternative";
        for (const std::size_t child : children[i]) {
          if (alternative) {
            segments[i].push_back(joined(segments[child]));
          } else {
            std::move(segments[child].begin(), segments[child].end(),
                      std::back_inserter(segments[i]));
          }
          segments[child].clear();
        }
        if (alternative) segments[i] = chosen(segments[i]);
      }
    }
    const Part& root = message_.parts[0];
    mail_.fields = root.fields;
    mail_.cut = message_.cut;
    if (root.type.value == "multipart/report") {
      mail_.report_type = sdk::lower_ascii(root.type.parameter("report-type"));
    }
    set_texts(mail_, segments[0]);
    return std::move(mail_);
  }

 private:
  static Segment joined(const Segments& pieces) {
    Segment whole{.plain = {}, .html = {}, .is_unflowed = are_unflowed(pieces)};
    for (const Segment& piece : pieces) {
      if (!is_blank_text(piece.plain)) {
        const bool mixed = piece.is_unflowed && !whole.is_unflowed;
        whole.plain += (mixed ? unstuffed(piece.plain) : piece.plain) + "\n";
      }
      whole.html += piece.html;
    }
    return whole;
  }

  // The last alternative of each kind that is not empty.
  static Segments chosen(const Segments& alternatives) {
    Segment best;
    for (const Segment& one : alternatives) {
      if (!is_blank_text(one.plain) || best.plain.empty()) {
        best.plain = one.plain;
        best.is_unflowed = one.is_unflowed;
      }
      if (!one.html.empty()) best.html = one.html;
    }
    return {std::move(best)};
  }

  static std::size_t max_body_bytes(const Part& part) {
    return part.type.value == "text/html" ? kMaxHtmlBytes : kMaxPlainBytes;
  }

  bool may_be_body(std::size_t index) const {
    const Part& part = message_.parts[index];
    const bool readable = part.type.value == "text/plain" || part.type.value == "text/html";
    if (!readable || part.disposition.value == "attachment") return false;
    return part.file_name.empty() || index == 0;
  }

  bool in_report(const Part& part) const {
    return part.parent >= 0 &&
           message_.parts[static_cast<std::size_t>(part.parent)].type.value == "multipart/report";
  }

  bool in_alternative(const Part& part) const {
    return part.parent >= 0 && message_.parts[static_cast<std::size_t>(part.parent)].type.value ==
                                   "multipart/alternative";
  }

  // What is no body is a part of a report or an attachment.
  void classify(std::size_t index) {
    Part& part = message_.parts[index];
    const std::string& type = part.type.value;
    if (may_be_body(index)) return classify_text(index);
    if (in_report(part)) {
      if (type == "message/delivery-status" || type == "message/global-delivery-status" ||
          type == "message/disposition-notification" || type == "message/feedback-report") {
        mail_.report = part.body.substr(0, kMaxReportBytes);
        return;
      }
      if (type == "text/rfc822-headers" || type == "message/global-headers") {
        mail_.original_header = part.body.substr(0, kMaxHeaderBytes);
        return;
      }
      if (type == "message/rfc822" || type == "message/global") {
        mail_.original_header = part.body.substr(0, kMaxHeaderBytes);
      }
    }
    if (part.body.empty() && part.file_name.empty()) return;
    // The same text once more, for readers of a kind nobody here is.
    if (in_alternative(part) && part.is_text() && part.file_name.empty() &&
        type != "text/calendar") {
      return;
    }
    mail_.attachments.push_back({.mime_type = type,
                                 .file_name = part.file_name,
                                 .content_id = part.content_id,
                                 .content = std::move(part.body),
                                 .media_id = {}});
    part.body.clear();
  }

  // A body that is too long, alone or with those before it, is an attachment as a whole as well.
  void classify_text(std::size_t index) {
    Part& part = message_.parts[index];
    const std::size_t bytes = std::min(part.body.size(), max_body_bytes(part));
    is_body_[index] = bodies_bytes_ + bytes <= kMaxBodiesBytes;
    if (is_body_[index]) bodies_bytes_ += bytes;
    if (is_body_[index] && part.body.size() == bytes) return;
    const bool html = part.type.value == "text/html";
    mail_.attachments.push_back({.mime_type = part.type.value,
                                 .file_name = html ? "message.html" : "message.txt",
                                 .content_id = {},
                                 .content = part.body,
                                 .media_id = {}});
  }

  Segments leaf_segments(std::size_t index) const {
    if (!is_body_[index]) return {};
    const Part& part = message_.parts[index];
    const bool html = part.type.value == "text/html";
    const auto raw = std::string_view(part.body).substr(0, max_body_bytes(part));
    std::string text = to_utf8(raw, part.type.parameter("charset"));
    if (html) return {{.plain = {}, .html = std::move(text)}};
    if (says(part.type.parameter("format"), "flowed")) {
      text = unflowed(with_lf(text), says(part.type.parameter("delsp"), "yes"));
      return {{.plain = std::move(text), .html = {}, .is_unflowed = true}};
    }
    return {{.plain = std::move(text), .html = {}}};
  }

  MimeMessage message_;
  std::vector<bool> is_body_;
  std::size_t bodies_bytes_ = 0;
  Mail mail_;
};

// Characters that turn the direction of what follows: "gpj.exe" would read as "exe.jpg".
bool turns_direction(std::string_view character) {
  constexpr std::array<std::string_view, 12> kMarks{"\xE2\x80\xAA", "\xE2\x80\xAB", "\xE2\x80\xAC",
                                                    "\xE2\x80\xAD", "\xE2\x80\xAE", "\xE2\x80\x8E",
                                                    "\xE2\x80\x8F", "\xE2\x81\xA6", "\xE2\x81\xA7",
                                                    "\xE2\x81\xA8", "\xE2\x81\xA9", "\xD8\x9C"};
  return std::find(kMarks.begin(), kMarks.end(), character) != kMarks.end();
}

std::string_view extension_of(std::string_view type) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kKnown{
      {{"message/rfc822", ".eml"},
       {"message/global", ".eml"},
       {"text/calendar", ".ics"},
       {"text/plain", ".txt"},
       {"text/html", ".html"},
       {"text/csv", ".csv"},
       {"image/png", ".png"},
       {"image/jpeg", ".jpg"},
       {"image/gif", ".gif"},
       {"image/webp", ".webp"},
       {"application/pdf", ".pdf"},
       {"application/zip", ".zip"}}};
  for (const auto& [known, extension] : kKnown) {
    if (known == type) return extension;
  }
  return ".bin";
}

std::vector<std::string> characters_of(std::string_view utf8) {
  std::vector<std::string> characters;
  for (const char c : utf8) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80 && !characters.empty()) {
      characters.back() += c;
    } else {
      characters.emplace_back(1, c);
    }
  }
  return characters;
}

}  // namespace

Mail read_mail(std::string_view raw) { return Reader(parse(raw)).read(); }

void set_bodies(Mail& mail, std::string_view plain, std::string_view html) {
  set_texts(mail,
            {{.plain = cut_utf8(plain, kMaxPlainBytes), .html = cut_utf8(html, kMaxHtmlBytes)}});
}

std::string safe_file_name(const MailAttachment& attachment, std::size_t number) {
  std::string whole = sdk::sanitize(attachment.file_name, 4096);
  std::erase(whole, '\n');
  std::string_view name = whole;
  name.remove_prefix(std::min(name.size(), name.find_last_of("/\\") + 1));
  std::vector<std::string> kept;
  for (const std::string& character : characters_of(name)) {
    if (turns_direction(character) || character == "\x7F") continue;
    const bool reserved = character.size() == 1 &&
                          std::string_view("<>:\"|?*\t").find(character) != std::string::npos;
    kept.push_back(reserved ? "_" : character);
  }
  const auto shown = [](const std::string& character) {
    return character != "." && character != " ";
  };
  kept.erase(kept.begin(), std::find_if(kept.begin(), kept.end(), shown));
  while (!kept.empty() && !shown(kept.back())) kept.pop_back();
  // The end tells what it is, so a long name loses from its middle.
  constexpr std::size_t kEnd = 20;
  if (kept.size() > kMaxNameCharacters) {
    kept.erase(kept.begin() + (kMaxNameCharacters - kEnd), kept.end() - kEnd);
  }
  std::string safe;
  for (const std::string& character : kept) safe += character;
  if (!safe.empty()) return safe;
  return "attachment-" + std::to_string(number) +
         std::string(extension_of(media_type_of(attachment)));
}

std::string media_type_of(const MailAttachment& attachment) {
  const std::string& declared = attachment.mime_type;
  if (!declared.empty() && declared != "application/octet-stream" &&
      declared != "application/x-unknown") {
    return declared;
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kMagic{
      {{"\x89PNG\r\n\x1A\n", "image/png"},
       {"\xFF\xD8\xFF", "image/jpeg"},
       {"GIF87a", "image/gif"},
       {"GIF89a", "image/gif"},
       {"%PDF-", "application/pdf"},
       {"PK\x03\x04", "application/zip"},
       {"OggS", "application/ogg"},
       {"ID3", "audio/mpeg"}}};
  const std::string_view content = attachment.content;
  for (const auto& [magic, type] : kMagic) {
    if (content.starts_with(magic)) return std::string(type);
  }
  if (content.starts_with("RIFF") &&
      content.substr(std::min<std::size_t>(8, content.size()), 4) == "WEBP") {
    return "image/webp";
  }
  if (content.size() > 12 && content.substr(4, 4) == "ftyp") return "video/mp4";
  return declared.empty() ? "application/octet-stream" : declared;
}

}  // namespace email
