// Who a message is from or to, and how that is written in the opaque ids the gateway stores. Only
// this connector builds or reads them. Values and pure functions, any thread.
//
//   thread = "group:" group id | business-scoped user id ("US.1349...") | phone number (wa_id)
//
// A person has a phone number, a business-scoped user id, or both. Webhooks carry the second for
// everybody since April 2026 and leave the first out for people with a username, so the second is
// the thread wherever it is known (https://developers.facebook.com/documentation/business-messaging
// /whatsapp/business-scoped-user-ids, read 2026-11-21). README.md tells the whole rule.
#ifndef CONNECTORS_WHATSAPP_PEOPLE_H_
#define CONNECTORS_WHATSAPP_PEOPLE_H_

#include <optional>
#include <string>
#include <string_view>

#include "connectors/sdk/json.h"

namespace whatsapp {

struct Person {
  std::string wa_id;           // digits of the phone number, as WhatsApp writes it
  std::string user_id;         // business-scoped
  std::string parent_user_id;  // shared by the portfolios of one company
  std::string name;            // never blank: a name of invisible characters is none
  std::string username;
};

// The user id, else the phone number, else empty.
std::string id_of(const Person& person);

// What is known of the one with these ids, by the `contacts` beside the messages, whose order says
// nothing. Ids that are none are dropped. A message without any is of the only contact there is.
Person person_of(sdk::json::Value contacts, sdk::json::Value wa_id, sdk::json::Value user_id,
                 sdk::json::Value parent_user_id);

// Whom a thread is with: exactly one member is set.
struct Recipient {
  std::string wa_id;
  std::string user_id;
  std::string group;
};

std::string group_thread(std::string_view group);
std::optional<Recipient> parse_thread(std::string_view thread);

bool is_wa_id(std::string_view text);
bool is_user_id(std::string_view text);
// Of messages and groups: printable, without blanks, at most 512 bytes.
bool is_opaque_id(std::string_view text);

// "+1 555-000-1111" and "15550001111" are one number.
std::string digits_in(std::string_view text);

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_PEOPLE_H_
