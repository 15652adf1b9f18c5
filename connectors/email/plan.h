// The calls each operation takes. Pure, any thread.
#ifndef CONNECTORS_EMAIL_PLAN_H_
#define CONNECTORS_EMAIL_PLAN_H_

#include <span>

#include "connectors/sdk/connector.h"

namespace email {

connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                     const connector::Event& input, std::span<const connector::Response> so_far);

// Its pieces, one source each.
connector::Step send(const connector::Channel& channel, const connector::Event& input,
                     std::span<const connector::Response> so_far);
connector::Step register_webhook(const connector::Channel& channel,
                                 std::span<const connector::Response> so_far);
connector::Step unregister_webhook(const connector::Channel& channel,
                                   std::span<const connector::Response> so_far);
connector::Step check(const connector::Channel& channel,
                      std::span<const connector::Response> so_far);
connector::Step poll(const connector::Channel& channel,
                     std::span<const connector::Response> so_far);
connector::Step fetch_object(const connector::Channel& channel, const connector::Event& input,
                             std::span<const connector::Response> so_far);

// Of what EXAMINE answers; 0 where it is not said.
struct Mailbox {
  std::uint32_t validity = 0;
  std::uint32_t next_uid = 0;
};
Mailbox read_mailbox(std::string_view lines);
// config.imap.folder as the URL's path: modified UTF-7 (RFC 3501 section 5.1.3), percent-encoded.
std::string folder_path(const connector::Channel& channel);
// The same as a quoted string of an IMAP command.
std::string folder_argument(const connector::Channel& channel);

}  // namespace email

#endif  // CONNECTORS_EMAIL_PLAN_H_
