// HTML of mails: as text, and made safe to show. A tokenizer and no more: mails are written by
// everything and follow no grammar. Pure, total, linear in the input, any thread.
#ifndef CONNECTORS_EMAIL_HTML_H_
#define CONNECTORS_EMAIL_HTML_H_

#include <string>
#include <string_view>

namespace email {

enum class Quotes { keep, drop };

// What a reader sees: blocks as lines, lists with "- ", links as "text (URL)" where the two differ,
// blanks collapsed. With `drop` what Gmail, Outlook, Yahoo, Thunderbird and Apple Mail mark as the
// quoted message is left out. `html` is valid UTF-8.
std::string html_to_text(std::string_view html, Quotes quotes);

// HTML of a small allow-list of elements, everything closed and escaped: no script, style, form or
// frame, no attribute that loads or runs anything. Images stay only where they are parts of the
// mail (src="cid:..."), links only with http, https and mailto. At most `max_bytes`; `cut` says
// whether something did not fit.
struct SafeHtml {
  std::string html;
  bool cut = false;
};
SafeHtml sanitize_html(std::string_view html, std::size_t max_bytes);

// The text with &lt; and the like undone, as UTF-8.
std::string decode_entities(std::string_view text);

}  // namespace email

#endif  // CONNECTORS_EMAIL_HTML_H_
