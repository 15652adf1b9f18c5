// How SMS providers sign what they send, and count what they are given to send.
//
// Pure functions. Facts: twilio.com/docs/usage/webhooks/webhooks-security,
// developer.vonage.com getting-started/concepts/{webhooks,signing-messages},
// developers.telnyx.com docs/messaging/messages/receiving-webhooks, docs.plivo.com
// messaging/concepts/signature-validation, docs.bird.com notifications-api/verifying-a-webhook,
// github.com/sinch/sinch-sdk-node authorization.helper.ts (read 2026-11-20).
#ifndef GATEWAY_SIMULATE_SMS_PROTOCOL_H_
#define GATEWAY_SIMULATE_SMS_PROTOCOL_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/form.h"

namespace gateway::simulate {

// X-Twilio-Signature of a form that is posted; `fields` is empty for GET and JSON. A URL's fragment
// is not part of it.
std::string twilio_signature(std::string_view auth_token, std::string_view url,
                             const sdk::Form& fields);

// How Twilio repeats a webhook, as a URL's fragment says: "#rc=3&rp=ct,rt,5xx".
// twilio.com/docs/usage/webhooks/webhooks-connection-overrides (read 2026-11-20).
struct TwilioRetries {
  int count = 1;
  std::set<std::string> on = {"ct"};
  std::int64_t connect_ms = 5'000;
  std::int64_t read_ms = 15'000;
  std::int64_t total_ms = 15'000;
};
TwilioRetries twilio_retries(std::string_view url);

// The bearer token of a Vonage webhook, HS256.
std::string vonage_jwt(std::string_view signature_secret, std::string_view api_key,
                       std::string_view jti, std::int64_t iat, std::string_view body);
// The parameter "sig" of an SMS API webhook; `method` is md5hash, md5, sha1, sha256 or sha512.
std::string vonage_sig(std::string_view secret, std::string_view method, sdk::Form fields);

// What Telnyx signs with Ed25519.
std::string telnyx_signed_text(std::int64_t timestamp_s, std::string_view body);

// X-Plivo-Signature-V3: of the URL with its query, and of the fields that are posted.
std::string plivo_signature_v3(std::string_view auth_token, std::string_view url, sdk::Form fields,
                               std::string_view nonce);
// X-Plivo-Signature-V2, which covers the URL alone and not its query.
std::string plivo_signature_v2(std::string_view auth_token, std::string_view url,
                               std::string_view nonce);

// x-sinch-webhook-signature; the timestamp is in seconds.
std::string sinch_signature(std::string_view secret, std::string_view body, std::string_view nonce,
                            std::string_view timestamp);

// MessageBird-Signature of a webhook of Bird; the timestamp is in seconds.
std::string bird_signature(std::string_view signing_key, std::string_view timestamp,
                           std::string_view url, std::string_view body);

// The bodies of <Message> in the XML a webhook answers Twilio or Plivo with: what is sent back to
// the customer.
std::vector<std::string> xml_messages(std::string_view xml);

// Parts an SMS is sent in: GSM-7 160 or 153 septets, else UCS-2 70 or 67 units. 3GPP TS 23.038.
int sms_segments(std::string_view utf8);
bool is_gsm7(std::string_view utf8);

// The words a customer sends to be left alone, or to be written to again.
enum class OptKeyword { none, stop, start, help };
OptKeyword opt_keyword(std::string_view text);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_SMS_PROTOCOL_H_
