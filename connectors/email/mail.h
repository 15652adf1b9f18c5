// One mail as people mean it: its header, its text, its files. Made of raw MIME or of what a
// provider parsed; everything behind here knows no difference. Pure, any thread.
#ifndef CONNECTORS_EMAIL_MAIL_H_
#define CONNECTORS_EMAIL_MAIL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/email/header.h"

namespace email {

struct MailAttachment {
  std::string mime_type;
  std::string file_name;   // as sent; see safe_file_name
  std::string content_id;  // without angle brackets
  std::string content;
  std::string media_id;    // where the provider keeps the bytes
  std::int64_t size = -1;  // of bytes the provider keeps; -1 unknown
};

struct Mail {
  Fields fields;
  std::string text;   // everything, LF line ends
  std::string reply;  // what the author wrote
  std::string html;   // as sent, UTF-8; "" where there is none
  std::vector<MailAttachment> attachments;
  // Of multipart/report (RFC 6522): the kind, the part for machines, the header of what it is
  // about.
  std::string report_type;
  std::string report;
  std::string original_header;
  bool cut = false;  // more parts or depth than are read
};

Mail read_mail(std::string_view raw);

// Sets text, reply and html from bodies that are UTF-8; either may be empty.
void set_bodies(Mail& mail, std::string_view plain, std::string_view html);

// One path segment without control characters, direction overrides and characters file systems
// reserve, at most 150 characters; `number` names what has no name.
std::string safe_file_name(const MailAttachment& attachment, std::size_t number);
// The declared type, or what the first bytes say where it says nothing.
std::string media_type_of(const MailAttachment& attachment);

}  // namespace email

#endif  // CONNECTORS_EMAIL_MAIL_H_
