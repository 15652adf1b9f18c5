#include "gateway/simulate/params.h"

#include <charconv>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

constexpr sdk::json::Limits kCallLimits{1u << 20, 32, 50'000, sdk::json::Duplicates::first_wins};
constexpr std::size_t kMaxParts = 200;

// The value of `name` in a header such as `form-data; name="photo"; filename="a.jpg"`.
std::string attribute(std::string_view header, std::string_view name) {
  std::size_t at = 0;
  while ((at = header.find(';', at)) != std::string_view::npos) {
    ++at;
    const std::string_view item = sdk::trim(header.substr(at, header.find(';', at) - at));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) continue;
    if (!sdk::equals_ignoring_case(sdk::trim(item.substr(0, equals)), name)) continue;
    std::string_view value = sdk::trim(item.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    return std::string(value);
  }
  return {};
}

Result<> parse_multipart(std::string_view content_type, std::string_view body, Params& out) {
  const std::string boundary = attribute(content_type, "boundary");
  const auto bad = [] {
    return fail(Errc::invalid_argument, "Bad Request: invalid multipart body");
  };
  if (boundary.empty()) return bad();
  const std::string delimiter = "--" + boundary;
  std::size_t at = body.find(delimiter);
  for (std::size_t parts = 0; at != std::string_view::npos; ++parts) {
    at += delimiter.size();
    if (body.substr(at, 2) == "--") return {};
    if (body.substr(at, 2) != "\r\n" || parts == kMaxParts) return bad();
    at += 2;
    const std::size_t head_end = body.find("\r\n\r\n", at);
    if (head_end == std::string_view::npos) return bad();
    const std::size_t end = body.find("\r\n" + delimiter, head_end + 4);
    if (end == std::string_view::npos) return bad();
    std::string disposition, type;
    for (std::size_t line = at; line < head_end;) {
      const std::size_t stop = std::min(body.find("\r\n", line), head_end);
      const std::string_view header = body.substr(line, stop - line);
      const std::size_t colon = header.find(':');
      if (colon != std::string_view::npos) {
        const std::string_view name = header.substr(0, colon);
        const std::string_view value = sdk::trim(header.substr(colon + 1));
        if (sdk::equals_ignoring_case(name, "content-disposition")) disposition = value;
        if (sdk::equals_ignoring_case(name, "content-type")) type = value;
      }
      line = stop + 2;
    }
    std::string name = attribute(disposition, "name");
    std::string value(body.substr(head_end + 4, end - head_end - 4));
    if (disposition.find("filename=") != std::string::npos) {
      out.add(Upload{std::move(name), attribute(disposition, "filename"), std::move(type),
                     std::move(value)});
    } else {
      out.add(std::move(name), std::move(value));
    }
    at = end + 2;
  }
  return bad();
}

Result<> parse_json(std::string_view body, Params& out) {
  const auto document = sdk::json::Document::parse(body, kCallLimits);
  if (!document || !document->root().is_object()) {
    return fail(Errc::invalid_argument, "Bad Request: can't parse JSON object");
  }
  for (const auto& [name, value] : document->root().members()) {
    const auto text = value.text();
    out.add(std::string(name), text ? std::string(*text) : value.dump());
  }
  return {};
}

}  // namespace

std::optional<std::string_view> Params::find(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return std::string_view(value);
  }
  return std::nullopt;
}

std::vector<std::string> Params::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : values_) {
    if (key == name) out.push_back(value);
  }
  return out;
}

std::optional<std::int64_t> Params::integer(std::string_view name) const {
  const auto text = find(name);
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

bool Params::flag(std::string_view name) const {
  const std::string value = sdk::lower_ascii(text(name));
  return value == "true" || value == "yes" || value == "1";
}

const Upload* Params::upload(std::string_view name) const {
  for (const Upload& upload : uploads_) {
    if (upload.name == name) return &upload;
  }
  return nullptr;
}

std::string Params::to_json(std::string_view hidden) const {
  sdk::json::Writer writer;
  writer.object();
  for (const auto& [name, value] : values_) {
    writer.member(name, name == hidden ? "***" : sdk::sanitize(value, 256u << 10));
  }
  for (const Upload& upload : uploads_) {
    writer.key(upload.name).object().member("file_name", upload.file_name);
    writer.member("content_type", upload.content_type).member("size", upload.bytes.size()).end();
  }
  return writer.end().take();
}

Result<Params> parse_params(std::string_view query, std::string_view content_type,
                            std::string_view body) {
  Params params;
  for (auto& [name, value] : sdk::parse_form(query)) params.add(std::move(name), std::move(value));
  const std::string type = sdk::lower_ascii(content_type.substr(0, content_type.find(';')));
  if (body.empty()) return params;
  if (sdk::trim(type) == "application/json") {
    if (auto parsed = parse_json(body, params); !parsed) return parsed.error();
  } else if (sdk::trim(type) == "multipart/form-data") {
    if (auto parsed = parse_multipart(content_type, body, params); !parsed) return parsed.error();
  } else if (sdk::trim(type) == "application/x-www-form-urlencoded") {
    for (auto& [name, value] : sdk::parse_form(body)) params.add(std::move(name), std::move(value));
  }
  return params;
}

}  // namespace gateway::simulate
