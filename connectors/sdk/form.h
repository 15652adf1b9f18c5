// application/x-www-form-urlencoded and URL parts. Pure functions, any thread.
#ifndef CONNECTORS_SDK_FORM_H_
#define CONNECTORS_SDK_FORM_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sdk {

// RFC 3986 unreserved characters stay, every other byte becomes %XX in upper case.
std::string url_encode(std::string_view text);
// %XX only. Absent for a broken escape.
std::optional<std::string> percent_decode(std::string_view text);

// A form is a multimap: names repeat and order counts (Twilio signs every value of a name).
using Form = std::vector<std::pair<std::string, std::string>>;
// '+' is a blank. A broken escape stays as it is. At most `max_fields` are read.
Form parse_form(std::string_view body, std::size_t max_fields = 1000);
std::string encode_form(const Form& form);
// First value of the name; absent where there is none.
std::optional<std::string_view> find(const Form& form, std::string_view name);

}  // namespace sdk

#endif  // CONNECTORS_SDK_FORM_H_
