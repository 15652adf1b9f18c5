// X-Twilio-Signature: https://www.twilio.com/docs/usage/webhooks/webhooks-security and
// twilio-node's src/webhooks/webhooks.ts at 45d3d65 (read 2026-11-20). Pure, any thread.
#ifndef CONNECTORS_SMS_TWILIO_SIGNATURE_H_
#define CONNECTORS_SMS_TWILIO_SIGNATURE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace sms {

// Whether the request was signed with one of `tokens` for `url`, the full public URL with the query
// as it came. Empty tokens are passed over. Takes the same time whichever fits.
bool is_signed_by_twilio(const connector::Request& request, const std::string& url,
                         std::span<const std::string_view> tokens);

// The spellings of one URL Twilio's back ends sign: without port, with the port (the scheme's own
// where it has none), and both with the query encoded anew.
std::vector<std::string> url_spellings(std::string_view url);

}  // namespace sms

#endif  // CONNECTORS_SMS_TWILIO_SIGNATURE_H_
