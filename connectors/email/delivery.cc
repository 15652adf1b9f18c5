#include "connectors/email/delivery.h"

#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace email {

std::optional<std::vector<FormPart>> form_of(const connector::Request& request) {
  const std::string_view type = request.header("content-type");
  if (parse_parametrized(type).value != "application/x-www-form-urlencoded") {
    return parse_form_data(type, request.body);
  }
  std::vector<FormPart> parts;
  for (auto& [name, value] : sdk::parse_form(request.body)) {
    parts.push_back({.name = std::move(name),
                     .file_name = {},
                     .content_type = {},
                     .content = std::move(value)});
  }
  return parts;
}

std::string_view value_of(const std::vector<FormPart>& form, std::string_view name) {
  for (const FormPart& part : form) {
    if (part.name == name) return part.content;
  }
  return {};
}

bool is_json(const connector::Request& request) {
  const std::string type = parse_parametrized(request.header("content-type")).value;
  const auto first = request.body.find_first_not_of(" \t\r\n");
  return first != std::string::npos && request.body[first] == '{' && type != "message/rfc822" &&
         type != "application/x-www-form-urlencoded" && type != "multipart/form-data";
}

bool is_event_list(const connector::Request& request) {
  const auto first = request.body.find_first_not_of(" \t\r\n");
  return first != std::string::npos && request.body[first] == '[' &&
         parse_parametrized(request.header("content-type")).value == "application/json";
}

}  // namespace email
