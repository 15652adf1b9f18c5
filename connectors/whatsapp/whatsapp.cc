// WhatsApp Business Platform, the Cloud API hosted by Meta:
// https://developers.facebook.com/documentation/business-messaging/whatsapp (Graph API v26.0, read
// 2026-11-21). README.md says what is covered.
#include "connectors/sdk/connector.h"
#include "connectors/whatsapp/config_schema.h"
#include "connectors/whatsapp/plan.h"
#include "connectors/whatsapp/receive.h"
#include "connectors/whatsapp/verify.h"

namespace {

constexpr connector::Connector kWhatsapp{.type = "whatsapp",
                                         .config_schema = kConfigSchema,
                                         .verify = whatsapp::verify,
                                         .receive = whatsapp::receive,
                                         .plan = whatsapp::plan,
                                         .accounts = whatsapp::accounts};

}  // namespace

EXPORT_CONNECTOR(kWhatsapp)
