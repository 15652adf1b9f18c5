#include "connectors/email/mime.h"

#include <algorithm>

#include "connectors/email/transfer.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

constexpr std::size_t kMaxBoundaryBytes = 200;  // RFC 2046 allows 70
constexpr std::size_t kMaxFormParts = 1000;

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view without_trailing_blanks(std::string_view line) {
  line = without_line_end(line);
  const auto last = line.find_last_not_of(" \t");
  return line.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

class Parser {
 public:
  explicit Parser(std::string_view bytes) : bytes_(bytes) {}

  MimeMessage parse() {
    begin_part(-1, "text/plain");
    while (at_ < bytes_.size()) {
      const std::size_t start = at_;
      const std::string_view line = take_line();
      if (line.starts_with("--")) look_at_delimiter(line, start);
    }
    close_down_to(0, bytes_.size());
    return std::move(message_);
  }

 private:
  // A multipart whose children are being read.
  struct Open {
    int part;
    std::string boundary;
    std::size_t body;
    bool has_parts = false;
  };

  std::string_view take_line() {
    const auto end = bytes_.find('\n', at_);
    const std::size_t next = end == std::string_view::npos ? bytes_.size() : end + 1;
    const std::string_view line = bytes_.substr(at_, next - at_);
    at_ = next;
    return line;
  }

  // A line that begins with "--" ends the innermost multipart it is a delimiter of, and all inside.
  void look_at_delimiter(std::string_view line, std::size_t start) {
    const std::string_view rest = without_trailing_blanks(line).substr(2);
    for (std::size_t level = open_.size(); level-- > 0;) {
      const std::string& boundary = open_[level].boundary;
      if (!rest.starts_with(boundary)) continue;
      const std::string_view tail = rest.substr(boundary.size());
      if (!tail.empty() && tail != "--") continue;
      close_down_to(level + 1, start);
      close_leaf(start);
      open_[level].has_parts = true;
      if (tail == "--") {
        open_.resize(level);
        return;
      }
      const int parent = open_[level].part;
      const bool digest =
          message_.parts[static_cast<std::size_t>(parent)].type.value == "multipart/digest";
      begin_part(parent, digest ? "message/rfc822" : "text/plain");
      return;
    }
  }

  void close_down_to(std::size_t level, std::size_t end) {
    close_leaf(end);
    while (open_.size() > level) {
      const Open& innermost = open_.back();
      // Named multipart without being one: what it holds is its text.
      if (!innermost.has_parts) {
        Part& part = message_.parts[static_cast<std::size_t>(innermost.part)];
        part.is_multipart = false;
        part.type = {.value = "text/plain", .parameters = {}};
        set_body(part, innermost.body, end);
      }
      open_.pop_back();
    }
  }

  void close_leaf(std::size_t end) {
    if (leaf_ < 0) return;
    set_body(message_.parts[static_cast<std::size_t>(leaf_)], leaf_body_, end);
    leaf_ = -1;
  }

  // The line end in front of a delimiter belongs to the delimiter.
  void set_body(Part& part, std::size_t begin, std::size_t end) {
    std::string_view raw = bytes_.substr(begin, std::max(begin, end) - begin);
    if (end < bytes_.size()) raw = without_line_end(raw);
    part.body = decode_transfer(field(part.fields, "content-transfer-encoding"), raw);
  }

  void begin_part(int parent, std::string_view default_type) {
    if (message_.parts.size() == kMaxParts) {
      message_.cut = true;
      return;
    }
    std::string_view rest = bytes_.substr(at_);
    Part part{.parent = parent};
    part.fields = take_header(rest);
    at_ = bytes_.size() - rest.size();
    describe(part, default_type);
    const int index = static_cast<int>(message_.parts.size());
    std::string boundary(part.type.parameter("boundary").substr(0, kMaxBoundaryBytes + 1));
    while (boundary.ends_with(' ')) boundary.pop_back();
    if (part.type.value.starts_with("multipart/")) {
      if (boundary.empty() || boundary.size() > kMaxBoundaryBytes) {
        part.type = {.value = "text/plain", .parameters = {}};
      } else if (open_.size() == kMaxDepth) {
        message_.cut = true;
      } else {
        part.is_multipart = true;
        open_.push_back({.part = index, .boundary = std::move(boundary), .body = at_});
      }
    }
    if (!part.is_multipart) {
      leaf_ = index;
      leaf_body_ = at_;
    }
    message_.parts.push_back(std::move(part));
  }

  static void describe(Part& part, std::string_view default_type) {
    part.type = parse_parametrized(field(part.fields, "content-type"));
    const auto slash = part.type.value.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == part.type.value.size()) {
      part.type.value = default_type;
    }
    part.disposition = parse_parametrized(field(part.fields, "content-disposition"));
    part.file_name = part.disposition.parameter("filename");
    if (part.file_name.empty()) part.file_name = part.type.parameter("name");
    const auto ids = message_ids(field(part.fields, "content-id"), 1);
    part.content_id =
        ids.empty()
            ? std::string(sdk::trim(decode_words(field(part.fields, "content-id").substr(0, 990))))
            : ids[0];
  }

  const std::string_view bytes_;
  std::size_t at_ = 0;
  MimeMessage message_;
  std::vector<Open> open_;
  int leaf_ = -1;  // the part whose body is being read
  std::size_t leaf_body_ = 0;
};

}  // namespace

MimeMessage parse(std::string_view bytes) { return Parser(bytes).parse(); }

std::optional<std::vector<FormPart>> parse_form_data(std::string_view content_type,
                                                     std::string_view body) {
  const Parametrized type = parse_parametrized(content_type);
  const std::string delimiter = "--" + std::string(type.parameter("boundary"));
  if (type.value != "multipart/form-data" || delimiter.size() == 2) return std::nullopt;
  std::vector<FormPart> parts;
  auto at = body.starts_with(delimiter) ? 0 : body.find("\r\n" + delimiter);
  if (at == std::string_view::npos) return parts;
  if (at != 0) at += 2;
  while (parts.size() < kMaxFormParts) {
    at += delimiter.size();
    if (body.substr(at, 2) != "\r\n") break;  // "--" behind the last one, or nonsense
    at += 2;
    auto end = body.find("\r\n" + delimiter, at);
    const bool last = end == std::string_view::npos;
    if (last) end = body.size();
    std::string_view rest = body.substr(at, end - at);
    const Fields fields = take_header(rest);
    const Parametrized disposition = parse_parametrized(field(fields, "content-disposition"));
    parts.push_back({.name = std::string(disposition.parameter("name")),
                     .file_name = std::string(disposition.parameter("filename")),
                     .content_type = std::string(field(fields, "content-type")),
                     .content = std::string(rest)});
    if (last) break;
    at = end + 2;
  }
  return parts;
}

}  // namespace email
