// What deliveries of all providers have in common: an inbound message or a report about one of
// ours becomes events. Pure, any thread.
#ifndef CONNECTORS_SMS_EVENTS_H_
#define CONNECTORS_SMS_EVENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"
#include "connectors/sms/opt_out.h"

namespace sms {

// A message somebody sent to the business, in the provider's own words.
struct Inbound {
  std::string id;    // the provider's; unique within the account
  std::string from;  // as the provider writes it
  std::string to;
  std::string text;
  std::int64_t sent_ms = 0;  // only a time that every redelivery repeats
  std::int64_t sequence = 0;
  std::vector<connector::Attachment> media;
  Intent intent = Intent::none;  // what the provider recognized; else the text is looked at
  connector::Pairs extra;
  std::string contact_name;
};

// How far a message of ours came. `unknown` is a state this connector has no name for.
enum class Stage { sent, delivered, read, failed, unknown };

struct StateName {
  std::string_view name;
  Stage stage;
};
// Names are compared without regard to case.
Stage stage_of(std::string_view name, std::span<const StateName> names);

struct Report {
  std::string id;     // of the message
  std::string part;   // of the piece of it that is reported, where that has an id of its own
  std::string state;  // in the provider's words
  Stage stage = Stage::unknown;
  std::string contact;  // the other side, as the provider writes it
  std::string code;     // "" or "0": none
  std::string why;      // the provider's words about a failure
  std::int64_t sent_ms = 0;
  std::int64_t sequence = 0;
  std::string message_key;  // the key our send had
  connector::Pairs extra;
  bool opted_out = false;  // it failed because the contact does not want messages
};

// The message and, where it is a keyword, the contact's state. Fails where the delivery names no
// message or no sender. The thread and the contact are the other side's number: one channel is one
// own number or one pool of them, and the contact who writes to another number of the pool is still
// in the same conversation.
connector::ReceiveResult received(const connector::Channel& channel, const Inbound& inbound);

connector::ReceiveResult received(const Report& report);

// A delivery that is none of the two.
connector::ReceiveResult not_known(std::string_view what, const connector::Request& request);

// One file of an MMS. Links die, so the gateway is to fetch it.
connector::Attachment media_at(std::string_view url, std::string_view mime_type);

// Leaves out empty values.
void add(connector::Pairs& pairs, std::string_view name, std::string_view value);

// Failures of receive.
connector::Fail not_understood(std::string why);

}  // namespace sms

#endif  // CONNECTORS_SMS_EVENTS_H_
