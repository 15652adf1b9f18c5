// A mail as events: messages, bounces, receipts, complaints, our own mail coming back. Pure, any
// thread.
#ifndef CONNECTORS_EMAIL_UNDERSTAND_H_
#define CONNECTORS_EMAIL_UNDERSTAND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "connectors/email/mail.h"
#include "connectors/sdk/values.h"

namespace email {

// What the provider tells beside the mail.
struct Envelope {
  std::string mail_from;                // "" unknown, "<>" none
  std::vector<std::string> recipients;  // RCPT TO
  std::string mailbox_hash;             // what stood behind '+', where the provider says it
  // The provider's verdict about the sender; "" where it has none. pass: the domain of From stands
  // for this mail.
  std::string auth;
  connector::Pairs extra;  // further facts, as they go into the event
};

// At least one event. `mail` is given up.
std::vector<connector::Event> events_of(const connector::Channel& channel, Mail mail,
                                        const Envelope& envelope);

// Somebody who got mail from us does not want it, or cannot get it any more.
connector::Event contact_blocked(std::string_view address, std::string_view why, std::string key);

// Delivery of one of our messages is late: shown in its conversation.
connector::Event delay_notice(std::string_view message, std::string_view recipient,
                              std::string_view why, std::string key);

// The recipient's server answered one of our messages with what may be a bounce or an automatic
// answer: shown in its conversation.
connector::Event bounce_notice(std::string_view message, std::string_view recipient,
                               std::string_view why, std::string key);

// What became of one of our messages.
connector::Event status_of(std::string_view message, std::string_view state,
                           std::string_view recipient, std::string key);

}  // namespace email

#endif  // CONNECTORS_EMAIL_UNDERSTAND_H_
