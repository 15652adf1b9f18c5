// Phone numbers and what else stands in their place: E.164 text, short codes and alphanumeric
// senders. Metadata and rules are libphonenumber's, whose tables are built once and never change
// afterwards; functions of their arguments, any thread.
#ifndef CONNECTORS_SMS_NUMBER_H_
#define CONNECTORS_SMS_NUMBER_H_

#include <optional>
#include <string>
#include <string_view>

namespace sms {

enum class Party {
  number,        // E.164: "+14155550100"
  short_code,    // 3 to 8 digits, without a plus
  alphanumeric,  // "ACMEBANK": up to 11 letters, digits and a few signs; cannot be written to
  other,         // anything else a provider named ("whatsapp:+14155550100", "anonymous")
};

// What somebody is called in a delivery.
struct Address {
  std::string text;
  Party party = Party::other;
};

// `text` as a provider wrote it, who writes numbers in their international form; those that omit
// the plus get it. What is none of all this stays as it is, since a message must not be lost for
// it.
Address address_of(std::string_view text);

// E.164 of what a person entered; `region` (ISO 3166, "" for none) completes national numbers.
// Absent for what is no possible number there.
std::optional<std::string> to_e164(std::string_view text, std::string_view region);

// ISO 3166 region of an E.164 number; "" where there is none ("+800...").
std::string region_of(std::string_view e164);

// Two letters that libphonenumber knows as a region.
bool is_region(std::string_view region);

bool is_short_code(std::string_view text);
bool is_alphanumeric(std::string_view text);

// "14155550100" of "+14155550100", as Vonage, Plivo and Sinch want it; others stay.
std::string_view without_plus(std::string_view number);

}  // namespace sms

#endif  // CONNECTORS_SMS_NUMBER_H_
