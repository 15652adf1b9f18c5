// Text in the charsets mail is written in, as UTF-8. Pure functions, any thread.
//
// Total: what cannot be read becomes U+FFFD, so every byte string has a text. Only charsets of the
// list in charset.cc are converted; iconv knows more, and some of those modules have a history.
#ifndef CONNECTORS_EMAIL_CHARSET_H_
#define CONNECTORS_EMAIL_CHARSET_H_

#include <string>
#include <string_view>

namespace email {

// `label` as a sender writes it; "" is none. A label of ASCII or Latin-1 is not believed where the
// bytes say otherwise: senders name them for what is UTF-8 or windows-1252. The result is valid
// UTF-8 without NUL.
std::string to_utf8(std::string_view bytes, std::string_view label);

// As to_utf8, but a label of ASCII is believed: what RFC 2231 parameters name.
std::string to_utf8_as_labelled(std::string_view bytes, std::string_view label);

// Whether to_utf8 would use the label and not guess.
bool is_known_charset(std::string_view label);

// At most `max_bytes` of the text, cut at a code point.
std::string cut_utf8(std::string_view text, std::size_t max_bytes);

}  // namespace email

#endif  // CONNECTORS_EMAIL_CHARSET_H_
