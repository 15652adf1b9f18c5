#include "connectors/email/compose.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "connectors/email/body_text.h"
#include "connectors/email/charset.h"
#include "connectors/email/transfer.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

constexpr std::size_t kLineBytes = 76;
constexpr std::size_t kWordBytes = 39;  // of text in an encoded word, which fits behind "Subject: "

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

// Words that may stand on a line of their own, joined by blanks and folded before column 76.
std::string folded(std::string_view name, const std::vector<std::string>& atoms) {
  std::string line(name);
  line += ':';
  std::size_t column = line.size();
  bool first = true;
  for (const std::string& atom : atoms) {
    if (!first && column + 1 + atom.size() > kLineBytes) {
      line += "\r\n";
      column = 0;
    }
    line += ' ';
    line += atom;
    column += 1 + atom.size();
    first = false;
  }
  return line + "\r\n";
}

// RFC 2047: pieces of whole characters, each a word of at most 75.
std::vector<std::string> encoded_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::string piece = cut_utf8(text, kWordBytes);
    words.push_back("=?utf-8?B?" + sdk::base64(piece) + "?=");
    text.remove_prefix(piece.size());
  }
  return words;
}

std::vector<std::string> unstructured(std::string_view text) {
  std::vector<std::string> atoms;
  bool plain = is_printable_ascii(text) && text.find("=?") == std::string_view::npos;
  std::string_view rest = text;
  while (plain && !rest.empty()) {
    const auto end = std::min(rest.find(' '), rest.size());
    atoms.emplace_back(rest.substr(0, end));
    // Two blanks in a row would not survive folding, and long words could not be folded.
    plain = !atoms.back().empty() && atoms.back().size() < kLineBytes - 12;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return plain && !text.ends_with(' ') ? atoms : encoded_words(text);
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

std::vector<std::string> mailbox(const Address& address) {
  const std::string name = header_text(address.name, 200);
  if (name.empty()) return {address.address};
  std::vector<std::string> atoms;
  if (is_printable_ascii(name) && name.size() < 60 && name.find("=?") == std::string::npos) {
    atoms = {quoted(name)};
  } else {
    atoms = encoded_words(name);
  }
  atoms.push_back("<" + address.address + ">");
  return atoms;
}

std::string mailboxes(std::string_view name, const std::vector<Address>& addresses) {
  std::vector<std::string> atoms;
  for (const Address& address : addresses) {
    if (!atoms.empty()) atoms.back() += ',';
    for (std::string& atom : mailbox(address)) atoms.push_back(std::move(atom));
  }
  return atoms.empty() ? std::string() : folded(name, atoms);
}

std::string ids(std::string_view name, const std::vector<std::string>& all) {
  std::vector<std::string> atoms;
  for (const std::string& id : all) {
    if (is_writable_id(id)) atoms.push_back("<" + id + ">");
  }
  return atoms.empty() ? std::string() : folded(name, atoms);
}

bool is_media_type(std::string_view type) {
  const auto slash = type.find('/');
  constexpr std::string_view kToken =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+";
  return slash != std::string_view::npos && slash > 0 && slash + 1 < type.size() &&
         type.size() <= 100 &&
         type.substr(0, slash).find_first_not_of(kToken) == std::string_view::npos &&
         type.substr(slash + 1).find_first_not_of(kToken) == std::string_view::npos;
}

bool is_plain_name(std::string_view name) {
  return is_printable_ascii(name) && name.find_first_of("\"\\") == std::string_view::npos &&
         name.size() <= 60;
}

// RFC 2231 in pieces that fit their lines.
std::vector<std::string> extended_name(std::string_view name) {
  std::vector<std::string> pieces;
  std::string piece = "utf-8''";
  const auto finish = [&](bool whole) {
    const std::string label =
        whole ? "filename*=" : "filename*" + std::to_string(pieces.size()) + "*=";
    pieces.push_back(label + piece);
    piece.clear();
  };
  for (std::size_t at = 0; at < name.size(); ++at) {
    // An escape stays in one piece.
    const std::string coded = sdk::url_encode(name.substr(at, 1));
    if (piece.size() + coded.size() > 56) finish(false);
    piece += coded;
  }
  finish(pieces.empty());
  return pieces;
}

// Without a plain name beside the extended one: readers that take the first would show that, such
// as Python's email package.
std::string disposition(const std::string& name) {
  std::vector<std::string> atoms{"attachment"};
  const auto add = [&](std::string parameter) {
    atoms.back() += ';';
    atoms.push_back(std::move(parameter));
  };
  if (is_plain_name(name)) {
    add("filename=" + quoted(name));
  } else {
    for (std::string& piece : extended_name(name)) add(std::move(piece));
  }
  return folded("Content-Disposition", atoms);
}

// For readers that know no RFC 2231, as mail programs write it: encoded words between quotes.
std::vector<std::string> typed_name(std::string type, const std::string& name) {
  if (is_plain_name(name)) return {std::move(type)};
  std::vector<std::string> atoms{std::move(type) + ";"};
  for (std::string& word : encoded_words(name)) {
    atoms.push_back((atoms.size() == 1 ? "name=\"" : "") + std::move(word));
  }
  atoms.back() += '"';
  return atoms;
}

// One body, with the coding it needs: header and content.
std::string text_part(std::string_view type, std::string_view body) {
  const std::string text = with_lf(sdk::sanitize(body, 4u << 20));
  std::string part = folded("Content-Type", {std::string(type) + ";", "charset=utf-8"});
  const auto high = static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }));
  if (high * 3 > text.size()) {
    std::string crlf;
    for (const char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
    return part + "Content-Transfer-Encoding: base64\r\n\r\n" + base64_lines(crlf);
  }
  return part + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted_printable(text);
}

std::string file_part(const OutgoingFile& file) {
  const std::string lower = sdk::lower_ascii(file.mime_type);
  // A message must not be coded (RFC 2046 section 5.2.1), and would have to be ASCII otherwise.
  const bool opaque =
      !is_media_type(lower) || lower.starts_with("message/") || lower.starts_with("multipart/");
  const std::string name = header_text(file.file_name, 500);
  return folded("Content-Type", typed_name(opaque ? "application/octet-stream" : lower, name)) +
         disposition(name) + "Content-Transfer-Encoding: base64\r\n\r\n" +
         base64_lines(file.content);
}

// "=_" occurs in neither base64 nor quoted-printable.
std::string boundary_of(const Outgoing& mail, std::string_view level) {
  return "=_" + sdk::hex(sdk::sha256(mail.message_id + std::string(level))).substr(0, 24);
}

std::string multipart(std::string_view type, const std::string& boundary,
                      const std::vector<std::string>& parts) {
  std::string body =
      folded("Content-Type", {std::string(type) + ";", "boundary=\"" + boundary + "\""});
  body += "\r\n";
  for (const std::string& part : parts) body += "--" + boundary + "\r\n" + part + "\r\n";
  return body + "--" + boundary + "--\r\n";
}

std::string body_of(const Outgoing& mail) {
  std::string body = text_part("text/plain", mail.text);
  if (!mail.html.empty()) {
    body = multipart("multipart/alternative", boundary_of(mail, "alternative"),
                     {std::move(body), text_part("text/html", mail.html)});
  }
  if (mail.files.empty()) return body;
  std::vector<std::string> parts{std::move(body)};
  for (const OutgoingFile& file : mail.files) parts.push_back(file_part(file));
  return multipart("multipart/mixed", boundary_of(mail, "mixed"), parts);
}

}  // namespace

std::string header_text(std::string_view value, std::size_t max_bytes) {
  std::string text = sdk::sanitize(value, 8 * max_bytes);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return cut_utf8(sdk::trim(text), max_bytes);
}

bool is_writable_id(std::string_view id) {
  return !id.empty() && id.size() <= 900 && std::all_of(id.begin(), id.end(), [](char c) {
    return c > 0x20 && c < 0x7F && c != '<' && c != '>';
  });
}

std::string mailbox_text(const Address& address) {
  std::string text;
  for (const std::string& atom : mailbox(address)) text += (text.empty() ? "" : " ") + atom;
  return text;
}

std::string mail_date(std::int64_t ms) {
  constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::int64_t kLastMs = 253'402'300'799'000;
  const std::chrono::sys_seconds when{
      std::chrono::seconds(std::clamp<std::int64_t>(ms, 0, kLastMs) / 1000)};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{when - day};
  const auto two = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return std::string(kDays[std::chrono::weekday{day}.c_encoding()]) + ", " +
         two(static_cast<unsigned>(date.day())) + " " +
         std::string(kMonths[static_cast<unsigned>(date.month()) - 1]) + " " +
         std::to_string(static_cast<int>(date.year())) + " " + two(time.hours().count()) + ":" +
         two(time.minutes().count()) + ":" + two(time.seconds().count()) + " +0000";
}

std::string compose(const Outgoing& mail) {
  std::string bytes = "Date: " + mail_date(mail.date_ms) + "\r\n";
  bytes += ids("Message-ID", {mail.message_id});
  bytes += mailboxes("From", {mail.from});
  bytes += mailboxes("To", mail.to);
  bytes += mailboxes("Cc", mail.cc);
  if (!mail.reply_to.empty()) bytes += folded("Reply-To", {mail.reply_to});
  bytes += folded("Subject", unstructured(header_text(mail.subject, 900)));
  if (!mail.in_reply_to.empty()) bytes += ids("In-Reply-To", {mail.in_reply_to});
  bytes += ids("References", mail.references);
  for (const auto& [name, value] : mail.headers) bytes += folded(name, {header_text(value, 200)});
  bytes += "MIME-Version: 1.0\r\n";
  return bytes + body_of(mail);
}

}  // namespace email
