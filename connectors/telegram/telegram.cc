// Telegram bots: https://core.telegram.org/bots/api (10.0, read 2026-11-20). README.md says what is
// covered.
#include <algorithm>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/crypto.h"
#include "connectors/telegram/config_schema.h"
#include "connectors/telegram/plan.h"
#include "connectors/telegram/receive.h"

namespace {

using connector::Verdict;

constexpr std::string_view kSecretHeader = "x-telegram-bot-api-secret-token";

// Telegram signs nothing: it repeats the secret_token of setWebhook in a header.
Verdict verify(const connector::Channel& channel, const connector::Request& request) {
  if (channel.secret.empty() || request.method != "POST") return Verdict::refuse;
  const auto count =
      std::count_if(request.headers.begin(), request.headers.end(),
                    [](const auto& header) { return header.first == kSecretHeader; });
  // Two of them were not sent by Telegram; which one counts must not depend on who reads.
  if (count != 1) return Verdict::refuse;
  return sdk::equal_secret(request.header(kSecretHeader), channel.secret) ? Verdict::accept
                                                                          : Verdict::refuse;
}

constexpr connector::Connector kTelegram{.type = "telegram",
                                         .config_schema = kConfigSchema,
                                         .verify = verify,
                                         .receive = telegram::receive,
                                         .plan = telegram::plan};

}  // namespace

EXPORT_CONNECTOR(kTelegram)
