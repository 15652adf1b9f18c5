// What Vonage's two products for text messages share: the account, its numbers, and how they are
// asked for. https://developer.vonage.com/en/api/numbers (read 2026-11-20). Pure, any thread.
#ifndef CONNECTORS_SMS_VONAGE_API_H_
#define CONNECTORS_SMS_VONAGE_API_H_

#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sms/api.h"

namespace sms::vonage {

connector::Call get(const connector::Channel& channel, std::string url);
connector::Fail fail_of(const connector::Channel& channel, const connector::Response& response,
                        connector::Repeat repeat);

// The account's number that the channel names.
connector::Call find_number(const connector::Channel& channel);
sdk::Expected<sdk::json::Value, connector::Fail> number_in(const connector::Channel& channel,
                                                           const Answer& answer);
// Changes the number and repeats those of its settings that a change would otherwise lose.
connector::Call update_number(const connector::Channel& channel, sdk::json::Value number,
                              const sdk::Form& changes);
// Absent for success. The API answers 200 with an error code of its own.
std::optional<connector::Fail> failure_of_update(const connector::Channel& channel,
                                                 const connector::Response& response);

std::optional<connector::Pair> media_credentials(const connector::Channel& channel,
                                                 std::string_view host);

}  // namespace sms::vonage

#endif  // CONNECTORS_SMS_VONAGE_API_H_
