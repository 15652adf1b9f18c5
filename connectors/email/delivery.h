// The forms providers post in, read without looking at what they mean. Pure, any thread.
#ifndef CONNECTORS_EMAIL_DELIVERY_H_
#define CONNECTORS_EMAIL_DELIVERY_H_

#include <optional>
#include <string_view>
#include <vector>

#include "connectors/email/mime.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/values.h"

namespace email {

// Fields of an urlencoded or multipart body; absent for any other content type.
std::optional<std::vector<FormPart>> form_of(const connector::Request& request);
// First value of a field, "" where there is none.
std::string_view value_of(const std::vector<FormPart>& form, std::string_view name);

// JSON bodies carry whole mails.
inline constexpr sdk::json::Limits kMailLimits{36u << 20, 64, 200'000,
                                               sdk::json::Duplicates::refuse};

// Whether the body is to be read as JSON. SNS says text/plain of its JSON.
bool is_json(const connector::Request& request);

// The list of events SendGrid posts, which no other provider's delivery looks like.
bool is_event_list(const connector::Request& request);

}  // namespace email

#endif  // CONNECTORS_EMAIL_DELIVERY_H_
