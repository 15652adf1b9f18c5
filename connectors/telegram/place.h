// Where a message is, and how that is written in the opaque ids the gateway stores. Only this
// connector builds or reads them. Values and pure functions, any thread.
//
//   thread  = chat ["/t" topic] ["/d" direct topic] ["/b" business connection, percent-encoded]
//   message = chat ["/b" business connection] ":" message id
//
// Message ids count per chat, and per business connection where the bot acts for an account: the
// same number may be another message there. Topics share the count of their chat.
#ifndef CONNECTORS_TELEGRAM_PLACE_H_
#define CONNECTORS_TELEGRAM_PLACE_H_

#include <optional>
#include <string>
#include <string_view>

#include "connectors/sdk/json.h"

namespace telegram {

struct Place {
  std::string chat;
  std::string topic;
  std::string direct_topic;
  std::string business;
};

// Of a Message object; absent where it names no chat.
std::optional<Place> place_of(sdk::json::Value message);
std::string thread_of(const Place& place);
std::optional<Place> parse_thread(std::string_view thread);

std::string message_of(const Place& place, std::string_view message_id);
// The number in a remote message id of the same chat; absent where it is of another one.
std::optional<std::string> message_id_in(const Place& place, std::string_view message);

// A whole number of at most 19 digits, written as JSON writes it.
bool is_id(std::string_view text);

}  // namespace telegram

#endif  // CONNECTORS_TELEGRAM_PLACE_H_
