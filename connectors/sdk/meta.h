// What Meta's platforms have in common: the webhook's handshake and signature, and the errors of
// the Graph API. Pure functions, any thread.
//
// https://developers.facebook.com/docs/graph-api/webhooks/getting-started and
// https://developers.facebook.com/docs/graph-api/guides/error-handling (read 2026-11-21)
#ifndef CONNECTORS_SDK_META_H_
#define CONNECTORS_SDK_META_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"

namespace connector::meta {

// GET: accepted for the channel's own `verify_token` and a challenge that can be echoed harmlessly.
// POST: accepted when X-Hub-Signature-256 is the HMAC of the raw bytes by one of the app's secrets.
// Where there is no secret, both only by the keyed URL. Empty secrets are none.
Verdict verify(const Channel& channel, const Request& request,
               std::span<const std::string_view> app_secrets);

// The answer to a handshake that was verified: the challenge alone, as text. Absent for a POST.
std::optional<Response> handshake_reply(const Request& request);

// The name under which accounts() finds a channel by its verify token.
std::string handshake_account(std::string_view verify_token);
// The same of a handshake's request; absent where it is none.
std::optional<std::string> handshake_account(const Request& request);

// "error" of an answer. Absent where there is none of this form.
struct GraphError {
  std::int64_t code = 0;
  std::int64_t subcode = 0;
  std::string message;  // the most telling words; may hold anything
  bool is_transient = false;
};
std::optional<GraphError> graph_error(const Response& response);

// Milliseconds until the account may call again, by the usage headers; 0 where they say nothing.
std::int64_t usage_wait_ms(const Response& response);

}  // namespace connector::meta

#endif  // CONNECTORS_SDK_META_H_
