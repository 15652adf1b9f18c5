// A mail's bytes as a tree of parts (RFC 2045, 2046). Pure, any thread.
//
// Total: every byte string is a message. Nothing recurses, and depth, number of parts and header
// sizes are bounded while reading, so that a mail made to hurt costs no more than its length. What
// lies deeper or behind the last counted part is kept as opaque bytes or left out, and `cut` says
// so.
#ifndef CONNECTORS_EMAIL_MIME_H_
#define CONNECTORS_EMAIL_MIME_H_

#include <string>
#include <string_view>
#include <vector>

#include "connectors/email/header.h"

namespace email {

inline constexpr std::size_t kMaxDepth = 32;
inline constexpr std::size_t kMaxParts = 500;

struct Part {
  Parametrized type;         // "text/plain" where the mail says nothing or nonsense
  Parametrized disposition;  // "attachment", "inline" or ""
  std::string file_name;     // as UTF-8, not yet sanitized
  std::string content_id;    // without angle brackets
  Fields fields;
  std::string body;  // of leaves: transfer coding undone
  int parent = -1;   // index of the multipart it is in
  bool is_multipart = false;

  bool is_text() const { return type.value.starts_with("text/"); }
};

struct MimeMessage {
  std::vector<Part> parts;  // parents before children; the first is the message itself
  bool cut = false;

  const Fields& fields() const { return parts[0].fields; }
};

MimeMessage parse(std::string_view bytes);

// Parts of multipart/form-data as a provider posts it: field name, file name, content. Absent where
// the content type is another one or has no boundary.
struct FormPart {
  std::string name;
  std::string file_name;
  std::string content_type;
  std::string content;
};
std::optional<std::vector<FormPart>> parse_form_data(std::string_view content_type,
                                                     std::string_view body);

}  // namespace email

#endif  // CONNECTORS_EMAIL_MIME_H_
