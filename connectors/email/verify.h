// Who may deliver to a channel, by the provider's own rules, and the platform's documents that
// takes. Nothing here trusts a byte of the request. Pure, any thread.
#ifndef CONNECTORS_EMAIL_VERIFY_H_
#define CONNECTORS_EMAIL_VERIFY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace email {

inline constexpr std::uint64_t kMaxBodyBytes = 36u << 20;

connector::Verdict verify(const connector::Channel& channel, const connector::Request& request);
std::vector<std::string> documents(const connector::Channel& channel,
                                   const connector::Request& request);
// Addresses a delivery on the shared URL is for: lower case, without the plus part.
std::vector<std::string> accounts(const connector::Request& request);

// User and password of the Basic authentication Postmark is told to use: those of the config, else
// made of the channel's secret.
connector::Pair hook_credentials(const connector::Channel& channel);

// Whether an https URL is of Amazon SNS itself; the host rule of
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html (read 2026-11-20).
bool is_sns_url(std::string_view url);

// The bytes SNS signs, without the signature's own fields; "" for a type it does not have.
std::string sns_signed_text(std::string_view body);

// "2026-11-20T09:00:00.000Z" as Unix time in ms.
std::optional<std::int64_t> parse_iso_time(std::string_view text);

}  // namespace email

#endif  // CONNECTORS_EMAIL_VERIFY_H_
