// The ways providers write a moment. Pure, any thread.
#ifndef CONNECTORS_SMS_MOMENT_H_
#define CONNECTORS_SMS_MOMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sms {

// ISO 8601: "2026-11-20T09:00:00Z", with a fraction, with "+01:00", or with a blank for the T.
// Without a zone it is UTC. Absent for anything else.
std::optional<std::int64_t> iso_ms(std::string_view text);
// RFC 2822: "Fri, 20 Nov 2026 09:00:00 +0000".
std::optional<std::int64_t> mail_date_ms(std::string_view text);
// Digits of seconds since 1970, as signatures carry them.
std::optional<std::int64_t> unix_ms(std::string_view digits);
// "2026-11-20", in UTC.
std::string utc_date(std::int64_t ms);

// Whether a moment a signature names is near enough.
bool is_within(std::int64_t ms, std::int64_t now_ms, std::int64_t tolerance_ms);

}  // namespace sms

#endif  // CONNECTORS_SMS_MOMENT_H_
