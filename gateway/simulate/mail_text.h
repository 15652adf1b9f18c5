// Mails as a simulated mail world writes and reads them: RFC 5322 and MIME, as far as customers,
// bounces and tests need it.
//
// Pure functions. Reading takes any bytes, is bounded in depth and parts, and never fails: what it
// does not understand it leaves out.
#ifndef GATEWAY_SIMULATE_MAIL_TEXT_H_
#define GATEWAY_SIMULATE_MAIL_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway::simulate {

struct MailFile {
  std::string name;
  std::string mime_type = "application/octet-stream";
  std::string bytes;
  std::string content_id = {};  // not empty: inline
};

// What somebody writes.
struct Draft {
  std::string from_name;
  std::string from;
  std::string to;
  std::string subject;
  std::string text;
  std::string html = {};   // empty: plain text alone
  std::string message_id;  // with its angle brackets
  std::string in_reply_to = {};
  std::vector<std::string> references = {};
  std::vector<MailFile> files = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // further ones, as they are
  std::int64_t date_ms = 0;
};
// The mail's bytes, with CRLF.
std::string write_mail(const Draft& draft);
// "=?utf-8?B?...?=" words where the text needs them.
std::string encode_words(std::string_view text);
// "Fri, 20 Nov 2026 09:00:00 +0000".
std::string mail_date(std::int64_t unix_ms);

struct MailView {
  std::vector<std::pair<std::string, std::string>> headers;  // unfolded; names as they were written
  std::string text;  // of the first text/plain part, else of the first HTML one, decoded
  std::string html;
  std::vector<MailFile> files;

  // First value by name, without regard to case; empty where there is none.
  std::string header(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};
MailView read_mail(std::string_view bytes);
// The address in "Name <a@b>".
std::string address_of(std::string_view mailbox);
std::string decode_words(std::string_view text);
// What a careful receiver would object to in a mail that was submitted: a missing or doubled header
// that is due once, bare CR or LF, a line of more than 998 octets, 8-bit headers.
std::vector<std::string> problems_of(std::string_view bytes, const MailView& view);

// A reply as mail programs write it: "Re:", In-Reply-To, References, and the text quoted.
Draft reply_to(const MailView& mail, const std::string& from_name, const std::string& from,
               std::string_view text, const std::string& message_id, std::int64_t date_ms);
// A delivery status notification, RFC 3464, for one recipient of a mail.
std::string write_bounce(std::string_view mail, const std::string& to, const std::string& recipient,
                         const std::string& status, const std::string& diagnostic,
                         const std::string& message_id, std::int64_t date_ms);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_MAIL_TEXT_H_
