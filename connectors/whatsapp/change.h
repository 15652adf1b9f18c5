// One change of a delivery, with what every event made of it needs. A view: valid as long as the
// delivery's document. Thread-confined.
#ifndef CONNECTORS_WHATSAPP_CHANGE_H_
#define CONNECTORS_WHATSAPP_CHANGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"

namespace whatsapp {

struct Change {
  const connector::Channel& channel;
  std::string_view field;
  sdk::json::Value value;
  std::string waba;        // the entry's id
  std::int64_t at_ms = 0;  // when Meta made the entry; 0 where it does not say
  std::string number;      // the phone number's id; empty for what is of the whole account
  std::string account;     // what the events are addressed to; empty for the channel's own
};

Change change_of(const connector::Channel& channel, sdk::json::Value entry,
                 sdk::json::Value change);

// "<number or account>:<kind>:<id>".
std::string key_of(const Change& change, std::string_view kind, std::string_view id);
// For what has no id: the same words are the same event.
std::string content_key(const Change& change, std::string_view kind, sdk::json::Value value);

connector::Event event_of(const Change& change, connector::EventKind kind);
// Something nobody understands: stored as it came, shown to nobody.
connector::Event unknown(const Change& change, std::string_view kind, sdk::json::Value value);

// Changes of the account, of its numbers and templates. `is_account_field` tells whether a field is
// one of these.
bool is_account_field(std::string_view field);
connector::Event account_event(const Change& change);
// Trouble Meta reports beside the messages.
connector::Event error_event(const Change& change, sdk::json::Value error);

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_CHANGE_H_
