// Plain text bodies: format=flowed, and the part of a reply its author wrote. Pure, any thread.
#ifndef CONNECTORS_EMAIL_BODY_TEXT_H_
#define CONNECTORS_EMAIL_BODY_TEXT_H_

#include <string>
#include <string_view>

namespace email {

// LF line ends; trailing blanks of lines stay, because format=flowed means something by them.
std::string with_lf(std::string_view text);

// RFC 3676: lines that were wrapped are joined, stuffed ones unstuffed, quoted ones keep "> ". A
// line of the author's own that begins with '>' keeps the blank in front that says so.
std::string unflowed(std::string_view text, bool delete_space);
// Without these blanks.
std::string unstuffed(std::string_view text);

// Without the quoted message, the line that introduces it, and the signature; at most one empty
// line in a row. The whole text, trimmed, where nothing would be left. `text` has LF line ends;
// what unflowed gave is unstuffed too.
std::string without_quotes(std::string_view text, bool is_unflowed = false);

// No blanks at line ends, no empty lines at either end.
std::string tidy(std::string_view text);

// Without "Re:", "AW:", "Fwd:" and the like, however many.
std::string bare_subject(std::string_view subject);

}  // namespace email

#endif  // CONNECTORS_EMAIL_BODY_TEXT_H_
