// Fields of a mail's header and what is written in them: RFC 5322, encoded words (RFC 2047),
// parameters (RFC 2045, 2231), dates and message ids. Read the way senders write them, broken forms
// included; every function is total. Pure, any thread.
#ifndef CONNECTORS_EMAIL_HEADER_H_
#define CONNECTORS_EMAIL_HEADER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/values.h"

namespace email {

struct Field {
  std::string name;   // lower-case
  std::string value;  // unfolded, otherwise the bytes as sent

  bool operator==(const Field&) const = default;
};
using Fields = std::vector<Field>;

// Of a header block, the first of each kept bound.
inline constexpr std::size_t kMaxHeaderBytes = 256u << 10;
inline constexpr std::size_t kMaxFields = 1000;

// Reads fields from the beginning of `bytes` and removes them together with the empty line behind
// them. A line that can be no field ends the header too and stays.
Fields take_header(std::string_view& bytes);

// The first field of the name; "" where there is none.
std::string_view field(const Fields& fields, std::string_view name);
std::vector<std::string_view> all_fields(const Fields& fields, std::string_view name);

// Unstructured text: encoded words and raw bytes as UTF-8.
std::string decode_words(std::string_view value);

// "text/plain; charset=x": the part in front in lower case, and the parameters as UTF-8 by their
// lower-case names, continuations joined.
struct Parametrized {
  std::string value;
  connector::Pairs parameters;

  std::string_view parameter(std::string_view name) const {
    return connector::find(parameters, name).value_or(std::string_view());
  }
};
Parametrized parse_parametrized(std::string_view value);

// Unix time in ms of an RFC 5322 date, obsolete zones included; absent where it is none between
// 1970 and 2200.
std::optional<std::int64_t> parse_date(std::string_view value);

// The ids in a Message-ID, In-Reply-To or References field, as sent but without the angle brackets,
// at most `max`, first and latest ones where there are more.
std::vector<std::string> message_ids(std::string_view value, std::size_t max);
// How ids are compared and stored: lower case, no angle brackets, no blanks.
std::string normalized_id(std::string_view id);

}  // namespace email

#endif  // CONNECTORS_EMAIL_HEADER_H_
