// Mail: by Mailgun, Postmark, SendGrid, Amazon SES, IMAP, SMTP, or posted by a mail server.
// README.md says what is covered.
#include "connectors/email/config_schema.h"
#include "connectors/email/plan.h"
#include "connectors/email/receive.h"
#include "connectors/email/verify.h"
#include "connectors/sdk/connector.h"

namespace {

constexpr connector::Connector kEmail{.type = "email",
                                      .config_schema = kConfigSchema,
                                      .verify = email::verify,
                                      .receive = email::receive,
                                      .plan = email::plan,
                                      .accounts = email::accounts,
                                      .polling = connector::Polling::yes,
                                      .documents = email::documents,
                                      .max_body_bytes = email::kMaxBodyBytes};

}  // namespace

EXPORT_CONNECTOR(kEmail)
