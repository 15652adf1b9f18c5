// How a text is cut into short messages: alphabet, units, segments. 3GPP TS 23.038 (GSM 7 bit
// default alphabet and its extension table) and TS 23.040 (concatenation with a 6 byte header).
// https://www.twilio.com/docs/glossary/what-sms-character-limit (read 2026-11-20). Pure, any
// thread.
#ifndef CONNECTORS_SMS_SEGMENTS_H_
#define CONNECTORS_SMS_SEGMENTS_H_

#include <cstddef>
#include <string_view>

namespace sms {

enum class Alphabet { gsm7, ucs2 };

struct Segments {
  Alphabet alphabet = Alphabet::gsm7;
  std::size_t units = 0;  // septets, or UTF-16 code units
  std::size_t count = 0;  // messages a carrier moves and bills; 0 for an empty text

  bool operator==(const Segments&) const = default;
};

// One GSM 7 message has 160 septets, one of several 153; UCS-2 70 and 67 units. One character
// outside the alphabet turns the whole text to UCS-2. A character of two septets or two units is
// never cut, so a segment may stay short of its limit. `utf8` is valid UTF-8.
Segments segments_of(std::string_view utf8);

}  // namespace sms

#endif  // CONNECTORS_SMS_SEGMENTS_H_
