// Instagram messaging by Meta: https://developers.facebook.com/docs/messenger-platform/instagram
// and https://developers.facebook.com/docs/instagram-platform (v26.0, read 2026-11-21). README.md
// says what is covered.
#include <array>

#include "connectors/instagram/config_schema.h"
#include "connectors/instagram/plan.h"
#include "connectors/instagram/receive.h"
#include "connectors/sdk/connector.h"
#include "connectors/sdk/meta.h"

namespace {

// Two secrets while the app's secret is being changed.
connector::Verdict verify(const connector::Channel& channel, const connector::Request& request) {
  const std::array<std::string_view, 2> secrets{channel.setting("app_secret"),
                                                channel.setting("app_secret_previous")};
  return connector::meta::verify(channel, request, secrets);
}

constexpr connector::Connector kInstagram{.type = "instagram",
                                          .config_schema = kConfigSchema,
                                          .verify = verify,
                                          .receive = instagram::receive,
                                          .plan = instagram::plan,
                                          .accounts = instagram::accounts};

}  // namespace

EXPORT_CONNECTOR(kInstagram)
