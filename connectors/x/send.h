// Answers: direct messages and public replies, with the upload of what they carry, and the way back
// for files people sent. Pure, any thread.
#ifndef CONNECTORS_X_SEND_H_
#define CONNECTORS_X_SEND_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace x {

connector::Step send(const connector::Channel& channel, const connector::Event& input,
                     std::span<const connector::Response> so_far);
connector::Step fetch_media(const connector::Channel& channel, const connector::Event& input,
                            std::span<const connector::Response> so_far);

}  // namespace x

#endif  // CONNECTORS_X_SEND_H_
