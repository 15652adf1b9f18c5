// Content-Transfer-Encodings (RFC 2045 section 6) and the Q coding of headers, both ways. Reading
// forgives everything; what is written is canonical, with CRLF. Pure functions, any thread.
#ifndef CONNECTORS_EMAIL_TRANSFER_H_
#define CONNECTORS_EMAIL_TRANSFER_H_

#include <string>
#include <string_view>

namespace email {

std::string decode_base64(std::string_view text);
std::string decode_quoted_printable(std::string_view text);
std::string decode_q(std::string_view text);
// Uuencoded text between its "begin" and "end".
std::string decode_uuencode(std::string_view text);
// By the value of the field; what is not known is as it stands.
std::string decode_transfer(std::string_view encoding, std::string_view text);

// Lines of 76 characters, each with CRLF.
std::string base64_lines(std::string_view bytes);
// `text` has LF line ends; lines of the result are at most 76 long and end in CRLF.
std::string quoted_printable(std::string_view text);

// %XX as bytes; a broken escape stays as it is.
std::string percent_decoded(std::string_view text);

// The byte two hexadecimal digits stand for; -1 for anything else.
int hex_byte(std::string_view digits);

}  // namespace email

#endif  // CONNECTORS_EMAIL_TRANSFER_H_
