#include "gateway/simulate/mail_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

constexpr std::size_t kDepth = 8;
constexpr std::size_t kParts = 200;
constexpr std::size_t kHeaders = 1'000;
constexpr std::size_t kLineOctets = 998;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x80 && byte >= 0x20 && byte != 0x7F;
  });
}

std::string wrapped_base64(std::string_view bytes) {
  const std::string text = sdk::base64(bytes);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += 76) out += text.substr(at, 76) + "\r\n";
  return out;
}

// Lines end with CRLF, as mail has them.
std::string with_crlf(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') continue;
    if (text[i] == '\n') out += '\r';
    out += text[i];
  }
  return out;
}

std::string quoted_printable(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  std::size_t column = 0;
  const std::string lines = with_crlf(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto byte = static_cast<unsigned char>(lines[i]);
    if (byte == '\r') {
      out += "\r\n";
      column = 0;
      ++i;
      continue;
    }
    const bool at_end = i + 1 == lines.size() || lines[i + 1] == '\r';
    const bool plain =
        (byte > 0x20 && byte < 0x7F && byte != '=') || ((byte == ' ' || byte == '\t') && !at_end);
    const std::size_t wide = plain ? 1 : 3;
    if (column + wide > 75) {
      out += "=\r\n";
      column = 0;
    }
    if (plain) {
      out += static_cast<char>(byte);
    } else {
      out += '=';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15u];
    }
    column += wide;
  }
  return out;
}

std::string boundary_of(std::string_view seed, int level) {
  return "=_sim_" + std::to_string(level) + "_" + sdk::hex(sdk::sha256(seed)).substr(0, 24);
}

std::string text_part(std::string_view type, std::string_view text) {
  return "Content-Type: " + std::string(type) +
         "; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
         quoted_printable(text) + "\r\n";
}

std::string file_part(const MailFile& file) {
  std::string out = "Content-Type: " + file.mime_type + "; name=\"" + encode_words(file.name) +
                    "\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: " +
                    (file.content_id.empty() ? "attachment" : "inline");
  if (is_ascii(file.name)) {
    out += "; filename=\"" + file.name + "\"\r\n";
  } else {
    out += ";\r\n filename*=UTF-8''";
    for (const char c : file.name) {
      constexpr std::string_view kDigits = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      if (std::isalnum(byte) != 0 || c == '.' || c == '-' || c == '_') {
        out += c;
      } else {
        out += '%';
        out += kDigits[byte >> 4];
        out += kDigits[byte & 15u];
      }
    }
    out += "\r\n";
  }
  if (!file.content_id.empty()) out += "Content-ID: <" + file.content_id + ">\r\n";
  return out + "\r\n" + wrapped_base64(file.bytes);
}

std::string phrase(const std::string& name, const std::string& address) {
  if (name.empty()) return address;
  if (!is_ascii(name)) return encode_words(name) + " <" + address + ">";
  std::string quoted;
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return "\"" + quoted + "\" <" + address + ">";
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_quoted_printable(std::string_view text, bool words) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && words) {
      out += ' ';
    } else if (text[i] != '=') {
      out += text[i];
    } else if (text.substr(i + 1, 2) == "\r\n") {
      i += 2;
    } else if (text.substr(i + 1, 1) == "\n") {
      i += 1;
    } else if (i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += '=';
    }
  }
  return out;
}

std::string decode_base64(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/') clean += c;
  }
  if (clean.size() % 4 == 1) clean.pop_back();
  while (clean.size() % 4 != 0) clean += '=';
  return sdk::from_base64(clean).value_or("");
}

// A parameter of a structured header: `boundary` of "multipart/mixed; boundary=\"x\"".
std::string parameter(std::string_view header, std::string_view name) {
  std::size_t at = 0;
  while ((at = header.find(';', at)) != std::string_view::npos) {
    ++at;
    std::string_view item = header.substr(at);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) return {};
    const std::string_view key = sdk::trim(item.substr(0, equals));
    item = sdk::trim(item.substr(equals + 1));
    std::string value;
    if (!item.empty() && item.front() == '"') {
      const std::size_t end = item.find('"', 1);
      value = item.substr(1, end == std::string_view::npos ? end : end - 1);
    } else {
      value = sdk::trim(item.substr(0, item.find(';')));
    }
    if (sdk::equals_ignoring_case(key, name)) return value;
    if (sdk::equals_ignoring_case(key, std::string(name) + "*")) {
      const std::size_t quote = value.rfind('\'');
      std::string decoded;
      const std::string coded = quote == std::string::npos ? value : value.substr(quote + 1);
      for (std::size_t i = 0; i < coded.size(); ++i) {
        if (coded[i] == '%' && i + 2 < coded.size() && hex_digit(coded[i + 1]) >= 0 &&
            hex_digit(coded[i + 2]) >= 0) {
          decoded += static_cast<char>(hex_digit(coded[i + 1]) * 16 + hex_digit(coded[i + 2]));
          i += 2;
        } else {
          decoded += coded[i];
        }
      }
      return decoded;
    }
  }
  return {};
}

// Splits at the first empty line; headers unfolded.
std::string_view read_headers(std::string_view bytes,
                              std::vector<std::pair<std::string, std::string>>& out) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) return bytes;
    if ((line.front() == ' ' || line.front() == '\t') && !out.empty()) {
      out.back().second += ' ' + std::string(sdk::trim(line));
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || out.size() == kHeaders) continue;
    out.emplace_back(std::string(sdk::trim(line.substr(0, colon))),
                     std::string(sdk::trim(line.substr(colon + 1))));
  }
  return bytes;
}

std::string find_header(const std::vector<std::pair<std::string, std::string>>& headers,
                        std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (sdk::equals_ignoring_case(key, name)) return value;
  }
  return {};
}

void read_part(std::string_view bytes, MailView& view, std::size_t depth, std::size_t& parts,
               const std::vector<std::pair<std::string, std::string>>* given) {
  if (depth > kDepth || ++parts > kParts) return;
  std::vector<std::pair<std::string, std::string>> own;
  if (given == nullptr) {
    bytes = read_headers(bytes, own);
    given = &own;
  }
  const std::string content_type = find_header(*given, "content-type");
  const std::string type =
      sdk::lower_ascii(sdk::trim(std::string_view(content_type).substr(0, content_type.find(';'))));
  if (type.rfind("multipart/", 0) == 0) {
    const std::string boundary = parameter(content_type, "boundary");
    if (boundary.empty()) return;
    const std::string delimiter = "--" + boundary;
    std::size_t at = bytes.find(delimiter);
    while (at != std::string_view::npos && parts < kParts) {
      at += delimiter.size();
      if (bytes.substr(at, 2) == "--") return;
      at = bytes.find('\n', at);
      if (at == std::string_view::npos) return;
      const std::size_t end = bytes.find("\n" + delimiter, at);
      std::string_view inside =
          bytes.substr(at + 1, end == std::string_view::npos ? std::string_view::npos : end - at);
      if (end != std::string_view::npos && inside.size() >= 2 &&
          inside.substr(inside.size() - 2) == "\r\n") {
        inside.remove_suffix(2);
      }
      read_part(inside, view, depth + 1, parts, nullptr);
      at = end == std::string_view::npos ? end : end + 1;
    }
    return;
  }
  const std::string encoding = sdk::lower_ascii(find_header(*given, "content-transfer-encoding"));
  std::string body = encoding == "base64"             ? decode_base64(bytes)
                     : encoding == "quoted-printable" ? decode_quoted_printable(bytes, false)
                                                      : std::string(bytes);
  const std::string disposition = find_header(*given, "content-disposition");
  std::string name = decode_words(parameter(disposition, "filename"));
  if (name.empty()) name = decode_words(parameter(content_type, "name"));
  const bool attached = !name.empty() ||
                        sdk::lower_ascii(disposition).rfind("attachment", 0) == 0 ||
                        (!type.empty() && type.rfind("text/", 0) != 0);
  if (attached) {
    std::string id = find_header(*given, "content-id");
    if (id.size() > 2 && id.front() == '<') id = id.substr(1, id.size() - 2);
    view.files.push_back({name, type, std::move(body), id});
  } else if (type == "text/html") {
    if (view.html.empty()) view.html = std::move(body);
  } else if (view.text.empty()) {
    view.text = std::move(body);
  }
}

}  // namespace

std::string mail_date(std::int64_t unix_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1'000);
  std::tm time{};
  gmtime_r(&seconds, &time);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &time));
}

std::string encode_words(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  std::string out;
  // Words that never cut a character, short enough for a line with the name of a header.
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size()) {
      std::size_t next = end + 1;
      while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0) == 0x80) ++next;
      if (next - at > 39) break;
      end = next;
    }
    if (!out.empty()) out += "\r\n ";
    out += "=?utf-8?B?" + sdk::base64(text.substr(at, end - at)) + "?=";
    at = end;
  }
  return out;
}

std::string write_mail(const Draft& draft) {
  std::string out;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out += std::string(name) + ": " + value + "\r\n";
  };
  std::string references;
  for (const std::string& id : draft.references) {
    if (!references.empty()) references += "\r\n ";
    references += id;
  }
  add("From", phrase(draft.from_name, draft.from));
  add("To", draft.to);
  add("Subject", encode_words(draft.subject));
  add("Date", mail_date(draft.date_ms));
  add("Message-ID", draft.message_id);
  add("In-Reply-To", draft.in_reply_to);
  add("References", references);
  for (const auto& [name, value] : draft.headers) add(name, value);
  out += "MIME-Version: 1.0\r\n";
  std::string body = text_part("text/plain", draft.text);
  if (!draft.html.empty()) {
    const std::string boundary = boundary_of(draft.message_id, 2);
    body = "Content-Type: multipart/alternative; boundary=\"" + boundary + "\"\r\n\r\n--" +
           boundary + "\r\n" + body + "--" + boundary + "\r\n" +
           text_part("text/html", draft.html) + "--" + boundary + "--\r\n";
  }
  if (!draft.files.empty()) {
    const std::string boundary = boundary_of(draft.message_id, 1);
    std::string mixed = "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\n\r\n--" +
                        boundary + "\r\n" + body;
    for (const MailFile& file : draft.files) mixed += "--" + boundary + "\r\n" + file_part(file);
    body = mixed + "--" + boundary + "--\r\n";
  }
  return out + body;
}

std::string MailView::header(std::string_view name) const { return find_header(headers, name); }

std::size_t MailView::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(),
      [&](const auto& header) { return sdk::equals_ignoring_case(header.first, name); }));
}

MailView read_mail(std::string_view bytes) {
  MailView view;
  const std::string_view body = read_headers(bytes, view.headers);
  std::size_t parts = 0;
  const auto headers = view.headers;
  read_part(body, view, 0, parts, &headers);
  return view;
}

std::string address_of(std::string_view mailbox) {
  const std::size_t open = mailbox.rfind('<');
  if (open != std::string_view::npos) {
    const std::size_t close = mailbox.find('>', open);
    return std::string(mailbox.substr(
        open + 1, close == std::string_view::npos ? std::string_view::npos : close - open - 1));
  }
  return std::string(sdk::trim(mailbox));
}

std::string decode_words(std::string_view text) {
  std::string out;
  bool after_word = false;
  while (!text.empty()) {
    const std::size_t begin = text.find("=?");
    if (begin == std::string_view::npos) return out + std::string(text);
    const std::size_t charset_end = text.find('?', begin + 2);
    const std::size_t end =
        charset_end == std::string_view::npos ? charset_end : text.find("?=", charset_end + 3);
    if (end == std::string_view::npos) return out + std::string(text);
    const std::string_view between = text.substr(0, begin);
    // White space between two words is no part of the text.
    const bool only_blanks =
        std::all_of(between.begin(), between.end(), [](char c) { return c == ' ' || c == '\t'; });
    if (!after_word || !only_blanks) out += between;
    const char coding = text[charset_end + 1];
    const std::string_view coded = text.substr(charset_end + 3, end - charset_end - 3);
    out += coding == 'B' || coding == 'b' ? decode_base64(coded)
                                          : decode_quoted_printable(coded, true);
    after_word = true;
    text.remove_prefix(end + 2);
  }
  return out;
}

std::vector<std::string> problems_of(std::string_view bytes, const MailView& view) {
  std::vector<std::string> out;
  for (const char* name : {"From", "Date", "Message-ID"}) {
    if (view.count(name) == 0) out.push_back(std::string("no ") + name);
  }
  for (const char* name : {"From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To",
                           "References", "MIME-Version", "Content-Type", "Reply-To"}) {
    if (view.count(name) > 1) out.push_back(std::string(name) + " more than once");
  }
  if (view.count("Bcc") != 0) out.push_back("Bcc is transmitted");
  bool bare = false;
  bool long_line = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')) bare = true;
    if (bytes[i] == '\r' && (i + 1 == bytes.size() || bytes[i + 1] != '\n')) bare = true;
    if (bytes[i] == '\n') {
      long_line |= i - begin > kLineOctets + 1;
      begin = i + 1;
    }
  }
  if (bare) out.emplace_back("bare CR or LF");
  if (long_line || bytes.size() - begin > kLineOctets)
    out.emplace_back("a line of over 998 octets");
  for (const auto& [name, value] : view.headers) {
    if (std::any_of(value.begin(), value.end(), [](char c) { return (c & 0x80) != 0; })) {
      out.push_back("8-bit " + name);
    }
  }
  return out;
}

Draft reply_to(const MailView& mail, const std::string& from_name, const std::string& from,
               std::string_view text, const std::string& message_id, std::int64_t date_ms) {
  Draft draft;
  draft.from_name = from_name;
  draft.from = from;
  draft.to = mail.header("Reply-To").empty() ? mail.header("From") : mail.header("Reply-To");
  const std::string subject = decode_words(mail.header("Subject"));
  draft.subject = sdk::lower_ascii(subject).rfind("re:", 0) == 0 ? subject : "Re: " + subject;
  draft.message_id = message_id;
  draft.in_reply_to = mail.header("Message-ID");
  std::string_view rest;
  const std::string references = mail.header("References");
  for (rest = references; !rest.empty();) {
    const std::size_t open = rest.find('<');
    const std::size_t close = rest.find('>', open);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    draft.references.emplace_back(rest.substr(open, close - open + 1));
    rest.remove_prefix(close + 1);
  }
  if (!draft.in_reply_to.empty()) draft.references.push_back(draft.in_reply_to);
  draft.date_ms = date_ms;
  std::string quoted;
  std::string_view original = mail.text;
  while (!original.empty()) {
    const std::size_t end = original.find('\n');
    std::string_view line = original.substr(0, end);
    original.remove_prefix(end == std::string_view::npos ? original.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    quoted += "> " + std::string(line) + "\n";
  }
  const std::string intro = "On " + mail_date(date_ms).substr(0, 16) + " " +
                            address_of(mail.header("From")) + " wrote:\n";
  draft.text = std::string(text) + "\n\n" + intro + quoted;
  return draft;
}

std::string write_bounce(std::string_view mail, const std::string& to, const std::string& recipient,
                         const std::string& status, const std::string& diagnostic,
                         const std::string& message_id, std::int64_t date_ms) {
  const std::string boundary = boundary_of(message_id, 3);
  const std::size_t head_end = mail.find("\r\n\r\n");
  const std::string head(
      mail.substr(0, head_end == std::string_view::npos ? mail.size() : head_end + 2));
  const bool failed = status.rfind("5", 0) == 0;
  return "From: Mail Delivery System <mailer-daemon@mx.customer.example>\r\nTo: " + to +
         "\r\nSubject: Undelivered Mail Returned to Sender\r\nDate: " + mail_date(date_ms) +
         "\r\nMessage-ID: " + message_id +
         "\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; "
         "report-type=delivery-status; boundary=\"" +
         boundary + "\"\r\n\r\n--" + boundary +
         "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nYour message could not be "
         "delivered to " +
         recipient + ".\r\n\r\n--" + boundary +
         "\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; "
         "mx.customer.example\r\nArrival-Date: " +
         mail_date(date_ms) + "\r\n\r\nFinal-Recipient: rfc822; " + recipient +
         "\r\nAction: " + (failed ? "failed" : "delayed") + "\r\nStatus: " + status +
         "\r\nDiagnostic-Code: smtp; " + diagnostic + "\r\n\r\n--" + boundary +
         "\r\nContent-Type: text/rfc822-headers\r\n\r\n" + head + "\r\n--" + boundary + "--\r\n";
}

}  // namespace gateway::simulate
