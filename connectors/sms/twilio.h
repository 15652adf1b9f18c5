// What the parts of the Twilio provider share: https://www.twilio.com/docs/messaging/api (read
// 2026-11-20). Pure, any thread.
#ifndef CONNECTORS_SMS_TWILIO_H_
#define CONNECTORS_SMS_TWILIO_H_

#include <span>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/form.h"
#include "connectors/sms/api.h"

namespace sms::twilio {

inline constexpr std::string_view kApi = "https://api.twilio.com";

// Below the account: "/IncomingPhoneNumbers.json?...".
std::string account_url(const connector::Channel& channel, std::string_view rest);
connector::Call get(const connector::Channel& channel, std::string url);
connector::Call post(const connector::Channel& channel, std::string url, const sdk::Form& form);
// What an answer that is no success means; the table is that of the Message resource.
connector::Fail fail_of(const connector::Channel& channel, const connector::Response& response,
                        connector::Repeat repeat);

// The form of a delivery as events.
connector::ReceiveResult events_of(const connector::Channel& channel, const sdk::Form& form,
                                   std::string_view message_key);

connector::Step register_webhook(const connector::Channel& channel,
                                 std::span<const connector::Response> so_far);
connector::Step unregister_webhook(const connector::Channel& channel,
                                   std::span<const connector::Response> so_far);
connector::Step check(const connector::Channel& channel,
                      std::span<const connector::Response> so_far);
// Lists what came while nobody listened, with the keys a delivery would have had.
connector::Step poll(const connector::Channel& channel,
                     std::span<const connector::Response> so_far);

}  // namespace sms::twilio

#endif  // CONNECTORS_SMS_TWILIO_H_
