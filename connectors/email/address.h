// Mail addresses (RFC 5322 section 3.4, with its obsolete forms) as senders write them. Pure, any
// thread.
#ifndef CONNECTORS_EMAIL_ADDRESS_H_
#define CONNECTORS_EMAIL_ADDRESS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace email {

struct Address {
  std::string name;     // UTF-8, "" where none was given
  std::string address;  // local@domain: domain in lower-case A-labels, local part as written

  bool operator==(const Address&) const = default;
};

// Reads a From, To, Cc ... field; groups are flattened, comments become names where there is none.
// What has no '@' is left out. Total.
std::vector<Address> parse_addresses(std::string_view value, std::size_t max = 100);

// How addresses are compared: all lower case.
std::string normalized_address(std::string_view address);
// The same without "+anything" in the local part.
std::string without_plus(std::string_view address);
// What stands behind the first '+' of the local part, lower case; "" where there is none.
std::string plus_of(std::string_view address);
std::string_view domain_of(std::string_view address);

// Lower-case A-labels (RFC 3492); absent for what can be no domain.
std::optional<std::string> ascii_domain(std::string_view domain);

// Whether it may stand in an SMTP command and a header as it is: ASCII without blanks, control
// characters and brackets, local part of at most 64 bytes, and a domain.
bool is_sendable(std::string_view address);

// Whether one domain is the other or below it: the alignment of SPF and DKIM results (RFC 7489,
// relaxed, without a list of public suffixes: a domain of one label is never aligned).
bool is_aligned(std::string_view domain, std::string_view with);

}  // namespace email

#endif  // CONNECTORS_EMAIL_ADDRESS_H_
