// Writes a mail: RFC 5322, 2045 to 2047, 2231, 2183. All bytes are ASCII, all lines end in CRLF, no
// value given can end its line. Pure, any thread.
#ifndef CONNECTORS_EMAIL_COMPOSE_H_
#define CONNECTORS_EMAIL_COMPOSE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/email/address.h"
#include "connectors/sdk/values.h"

namespace email {

struct OutgoingFile {
  std::string file_name;  // UTF-8
  std::string mime_type;
  std::string content;
};

struct Outgoing {
  Address from;
  std::vector<Address> to;
  std::vector<Address> cc;
  std::vector<Address> bcc;  // never written, only delivered to
  std::string reply_to;      // address; "" none
  std::string subject;
  std::string text;
  std::string html;        // "" none
  std::string message_id;  // without angle brackets, as the next ones
  std::string in_reply_to;
  std::vector<std::string> references;
  std::int64_t date_ms = 0;
  connector::Pairs headers;  // further ones, ASCII
  std::vector<OutgoingFile> files;
};

std::string compose(const Outgoing& mail);

// "Fri, 20 Nov 2026 09:00:00 +0000".
std::string mail_date(std::int64_t ms);
// A header's text on one line: valid, without control characters.
std::string header_text(std::string_view value, std::size_t max_bytes);
// Whether a message id may be written as it is.
bool is_writable_id(std::string_view id);
// "name <address>" with the name as the header wants it.
std::string mailbox_text(const Address& address);

}  // namespace email

#endif  // CONNECTORS_EMAIL_COMPOSE_H_
