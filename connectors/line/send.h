// How a message of ours becomes LINE's push messages.
#ifndef CONNECTORS_LINE_SEND_H_
#define CONNECTORS_LINE_SEND_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"

namespace line {

connector::Call api_call(const connector::Channel& channel, std::string method,
                         std::string_view path, std::string json = {});

// What an answer that is no success means, with LINE's own words.
connector::Fail refusal(const connector::Channel& channel, const connector::Response& response,
                        connector::Repeat repeat);

connector::Step send(const connector::Channel& channel, const connector::Event& input,
                     std::span<const connector::Response> so_far);

// The UUID that makes LINE take a push only once, however often it is repeated: the same for every
// attempt at the same part of the same message, and another for everything else.
std::string retry_key(std::string_view message_key, std::size_t part);

}  // namespace line

#endif  // CONNECTORS_LINE_SEND_H_
