#include "connectors/sdk/multipart.h"

#include <algorithm>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace sdk {
namespace {

constexpr std::size_t kMaxBoundary = 70;  // RFC 2046, 5.1.1
constexpr std::string_view kLineEnd = "\r\n";

bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_boundary_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

std::string take_token(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_token_char(text[length])) ++length;
  std::string token(text.substr(0, length));
  text.remove_prefix(length);
  return token;
}

// Behind the opening quote. Only '"' and '\' are escaped: old clients send "C:\file.txt" as it is.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string value;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '"') return value;
    if (c == '\\' && !text.empty() && (text.front() == '"' || text.front() == '\\')) {
      value += text.front();
      text.remove_prefix(1);
    } else {
      value += c;
    }
  }
  return std::nullopt;
}

// "form-data; name=\"x\"; filename=\"y\"": the first word in lower case, and the parameters.
struct HeaderValue {
  std::string word;
  std::vector<std::pair<std::string, std::string>> parameters;  // names in lower case

  // Absent where there is none; `twice` where there are several.
  std::optional<std::string> parameter(std::string_view name, bool& twice) const {
    std::optional<std::string> found;
    for (const auto& [key, value] : parameters) {
      if (key != name) continue;
      twice = twice || found.has_value();
      found = value;
    }
    return found;
  }
};

std::optional<HeaderValue> parse_header_value(std::string_view text) {
  HeaderValue header;
  skip_blanks(text);
  const auto end = std::min(text.find_first_of("; \t"), text.size());
  header.word = lower_ascii(text.substr(0, end));
  text.remove_prefix(end);
  for (;;) {
    skip_blanks(text);
    if (text.empty()) return header;
    if (text.front() != ';') return std::nullopt;
    text.remove_prefix(1);
    skip_blanks(text);
    if (text.empty()) return header;
    std::string name = lower_ascii(take_token(text));
    if (name.empty() || text.empty() || text.front() != '=') return std::nullopt;
    text.remove_prefix(1);
    std::optional<std::string> value;
    if (!text.empty() && text.front() == '"') {
      text.remove_prefix(1);
      value = take_quoted(text);
    } else {
      value = take_token(text);
      if (value->empty()) value.reset();
    }
    if (!value) return std::nullopt;
    header.parameters.emplace_back(std::move(name), *std::move(value));
  }
}

// What the URL standard's encoder of forms writes for what a quoted string cannot hold; line ends
// are left encoded, for no name has any use for them.
std::string unescape_quotes(std::string text) {
  constexpr std::string_view kQuote = "%22";
  for (auto at = text.find(kQuote); at != std::string::npos; at = text.find(kQuote, at + 1)) {
    text.replace(at, kQuote.size(), "\"");
  }
  return text;
}

MultipartError wrong(std::string reason) { return MultipartError{std::move(reason)}; }

// Reads the part's header lines; `text` begins with the first and ends up behind the empty one.
Expected<FormPart, MultipartError> take_headers(std::string_view& text, std::size_t limit) {
  FormPart part;
  bool disposed = false;
  std::size_t bytes = 0;
  for (;;) {
    const auto end = text.substr(0, limit + kLineEnd.size()).find(kLineEnd);
    if (end == std::string_view::npos) return wrong("has a part without an end of its headers");
    const auto line = text.substr(0, end);
    text.remove_prefix(end + kLineEnd.size());
    bytes += end + kLineEnd.size();
    if (line.empty()) break;
    if (bytes > limit) return wrong("has a part with too many headers");
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || has_control(line) ||
        !std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                     is_token_char)) {
      return wrong("has a part with a broken header");
    }
    const std::string name = lower_ascii(line.substr(0, colon));
    const auto value = trim(line.substr(colon + 1));
    if (name == "content-disposition") {
      const auto header = parse_header_value(value);
      bool twice = false;
      auto field = header ? header->parameter("name", twice) : std::nullopt;
      auto file = header ? header->parameter("filename", twice) : std::nullopt;
      if (!header || header->word != "form-data" || !field || twice || disposed) {
        return wrong("has a part whose Content-Disposition is not that of a form's field");
      }
      disposed = true;
      part.name = unescape_quotes(*std::move(field));
      if (file) part.file_name = unescape_quotes(*std::move(file));
    } else if (name == "content-type") {
      part.content_type = value;
    } else if (name == "content-transfer-encoding") {
      const std::string coding = lower_ascii(value);
      if (coding != "binary" && coding != "8bit" && coding != "7bit") {
        return wrong("has a part with a transfer encoding, which forms do not have");
      }
    }
  }
  if (!disposed) return wrong("has a part without Content-Disposition");
  return part;
}

// What stands behind "--boundary".
enum class Behind { part, end, content };

Behind take_delimiter_end(std::string_view& text) {
  if (text.starts_with("--")) return Behind::end;
  auto rest = text;
  skip_blanks(rest);
  if (!rest.starts_with(kLineEnd)) return Behind::content;
  text = rest.substr(kLineEnd.size());
  return Behind::part;
}

std::string escape_name(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"') {
      escaped += "%22";
    } else if (c == '\r') {
      escaped += "%0D";
    } else if (c == '\n') {
      escaped += "%0A";
    } else if (c == '\\' || has_control({&c, 1})) {
      escaped += '_';
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string boundary_for(std::span<const FormPart> parts) {
  std::string seed;
  for (const auto& part : parts) seed += sha256(part.name) + sha256(part.body);
  for (;;) {
    seed = sha256(seed);
    std::string boundary = "form-" + hex(seed).substr(0, 32);
    const bool occurs = std::any_of(parts.begin(), parts.end(), [&](const FormPart& part) {
      return part.body.find(boundary) != std::string_view::npos;
    });
    if (!occurs) return boundary;
  }
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  const auto header = parse_header_value(content_type);
  if (!header || header->word != "multipart/form-data") return std::nullopt;
  bool twice = false;
  auto boundary = header->parameter("boundary", twice);
  if (!boundary || twice || boundary->empty() || boundary->size() > kMaxBoundary ||
      boundary->back() == ' ' ||
      !std::all_of(boundary->begin(), boundary->end(), is_boundary_char)) {
    return std::nullopt;
  }
  return boundary;
}

Expected<std::vector<FormPart>, MultipartError> parse_multipart(std::string_view content_type,
                                                                std::string_view body,
                                                                const MultipartLimits& limits) {
  const auto boundary = multipart_boundary(content_type);
  if (!boundary) return wrong("is not multipart/form-data with a boundary");
  const std::string delimiter = "\r\n--" + *boundary;
  const std::string_view first = std::string_view(delimiter).substr(kLineEnd.size());

  // The first delimiter, perhaps behind a preamble.
  Behind behind = Behind::content;
  auto rest = body;
  if (rest.starts_with(first)) {
    rest.remove_prefix(first.size());
    behind = take_delimiter_end(rest);
  }
  while (behind == Behind::content) {
    const auto at = rest.find(delimiter);
    if (at == std::string_view::npos) return wrong("has no delimiter");
    rest.remove_prefix(at + delimiter.size());
    behind = take_delimiter_end(rest);
  }

  std::vector<FormPart> parts;
  while (behind == Behind::part) {
    if (parts.size() == limits.parts) return wrong("has too many parts");
    auto part = take_headers(rest, limits.header_bytes);
    if (!part) return std::move(part).error();
    // A body may be empty, and then the line end of the headers is the delimiter's too. A line that
    // only begins like a delimiter is content.
    const char* const begin = rest.data();
    if (rest.starts_with(first)) {
      auto tail = rest.substr(first.size());
      behind = take_delimiter_end(tail);
      if (behind != Behind::content) {
        part->body = std::string_view(begin, 0);
        parts.push_back(*std::move(part));
        rest = tail;
        continue;
      }
    }
    do {
      const auto at = rest.find(delimiter);
      if (at == std::string_view::npos) return wrong("has no closing delimiter");
      part->body = std::string_view(begin, static_cast<std::size_t>(rest.data() - begin) + at);
      rest.remove_prefix(at + delimiter.size());
      behind = take_delimiter_end(rest);
    } while (behind == Behind::content);
    parts.push_back(*std::move(part));
  }
  return parts;
}

MultipartBody encode_multipart(std::span<const FormPart> parts) {
  const std::string boundary = boundary_for(parts);
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.body.size() + part.name.size() + 256;
  MultipartBody made;
  made.content_type = "multipart/form-data; boundary=" + boundary;
  made.body.reserve(bytes);
  for (const auto& part : parts) {
    made.body += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" +
                 escape_name(part.name) + "\"";
    if (part.file_name) made.body += "; filename=\"" + escape_name(*part.file_name) + "\"";
    made.body += "\r\n";
    if (!part.content_type.empty() && !has_control(part.content_type)) {
      made.body += "Content-Type: " + part.content_type + "\r\n";
    }
    made.body += "\r\n";
    made.body += part.body;
    made.body += "\r\n";
  }
  made.body += "--" + boundary + "--\r\n";
  return made;
}

}  // namespace sdk
