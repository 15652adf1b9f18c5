// X (Twitter): https://docs.x.com (API v2, read 2026-11-20). README.md says what is covered.
#include <algorithm>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/crypto.h"
#include "connectors/x/config_schema.h"
#include "connectors/x/poll.h"
#include "connectors/x/receive.h"
#include "connectors/x/registration.h"
#include "connectors/x/send.h"

namespace {

using connector::Channel;
using connector::Event;
using connector::Operation;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;

constexpr std::string_view kSignatureHeader = "x-twitter-webhooks-signature";

// The bytes of "sha256=<base64>"; "" for anything else.
std::string mac_in(std::string_view header) {
  constexpr std::string_view kPrefix = "sha256=";
  if (!header.starts_with(kPrefix)) return {};
  const auto bytes = sdk::from_base64(header.substr(kPrefix.size()));
  return bytes && bytes->size() == 32 ? *bytes : std::string();
}

// A challenge proves nothing and asks for nothing but a MAC under a key X has too; a delivery
// carries one over its bytes.
Verdict verify(const Channel& channel, const Request& request) {
  const std::string_view secret = channel.setting("api_secret");
  if (secret.empty()) return Verdict::refuse;
  if (request.method == "GET") {
    return x::crc_token(request).empty() ? Verdict::refuse : Verdict::accept;
  }
  if (request.method != "POST") return Verdict::refuse;
  const auto count =
      std::count_if(request.headers.begin(), request.headers.end(),
                    [](const auto& header) { return header.first == kSignatureHeader; });
  const std::string mac = mac_in(request.header(kSignatureHeader));
  if (count != 1 || mac.empty()) return Verdict::refuse;
  const bool is_signed = sdk::equal_secret(mac, sdk::hmac_sha256(secret, request.body));
  // X changes the secret at one moment; deliveries signed before it may still be on their way.
  const std::string_view previous = channel.setting("api_secret_previous");
  const bool was_signed =
      !previous.empty() && sdk::equal_secret(mac, sdk::hmac_sha256(previous, request.body));
  return is_signed || was_signed ? Verdict::accept : Verdict::refuse;
}

Step plan(const Channel& channel, Operation operation, const Event& input,
          std::span<const Response> so_far) {
  switch (operation) {
    case Operation::register_webhook:
      return x::register_webhook(channel, so_far);
    case Operation::unregister_webhook:
      return x::unregister_webhook(channel, so_far);
    case Operation::check:
      return x::check(channel, so_far);
    case Operation::poll:
      return x::poll(channel, so_far);
    case Operation::send:
      return x::send(channel, input, so_far);
    case Operation::fetch_media:
      return x::fetch_media(channel, input, so_far);
    case Operation::signal:
      // The API has neither typing nor read marks for the messages it can send.
      return connector::Done{};
    case Operation::acknowledge:
      break;
  }
  return connector::Fail{.code = connector::Failure::permanent,
                         .why = "X has nothing that could be acknowledged"};
}

constexpr connector::Connector kX{.type = "x",
                                  .config_schema = kConfigSchema,
                                  .verify = verify,
                                  .receive = x::receive,
                                  .plan = plan,
                                  .accounts = x::accounts,
                                  .polling = connector::Polling::yes};

}  // namespace

EXPORT_CONNECTOR(kX)
