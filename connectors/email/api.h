// Calls to providers, and what their answers mean; shared by the operations. Pure, any thread.
#ifndef CONNECTORS_EMAIL_API_H_
#define CONNECTORS_EMAIL_API_H_

#include <optional>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"

namespace email {

connector::Call mailgun_call(const connector::Channel& channel, std::string_view method,
                             std::string_view path);
connector::Call postmark_call(const connector::Channel& channel, std::string_view method,
                              std::string_view path, std::string json);
connector::Call sendgrid_call(const connector::Channel& channel, std::string_view method,
                              std::string_view path, std::string json);
connector::Call ses_call(const connector::Channel& channel, std::string json);
// `path` is a key with its slashes, not yet encoded; `query` is encoded.
connector::Call s3_call(const connector::Channel& channel, std::string_view path,
                        std::string_view query);
// An IMAP command; `mailbox` and what follows is the URL's path.
connector::Call imap_call(const connector::Channel& channel, std::string_view command,
                          std::string_view path);

// fail_from with the provider's own words, cleaned of the channel's secrets.
connector::Fail fail_of(const connector::Channel& channel, const connector::Response& response,
                        connector::Repeat repeat);
// The same for answers of mail servers: 4yz is temporary, 5yz final (RFC 5321 section 4.2.1).
connector::Fail smtp_fail(const connector::Channel& channel, const connector::Response& response);
connector::Fail imap_fail(const connector::Channel& channel, const connector::Response& response);

connector::Fail permanent(std::string why);
connector::Fail config_fail(std::string why);
std::string cleaned(const connector::Channel& channel, std::string_view words);

// The answer's JSON; an empty object where it is none.
sdk::json::Document json_of(const connector::Response& response);

// Which field of the config a provider lacks, as a sentence; absent where nothing is missing.
std::optional<std::string> missing_setting(const connector::Channel& channel);

// Words of the config with their defaults.
std::string_view outbound_of(const connector::Channel& channel);
std::string smtp_url(const connector::Channel& channel);

}  // namespace email

#endif  // CONNECTORS_EMAIL_API_H_
