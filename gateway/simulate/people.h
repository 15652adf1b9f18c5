// Who talks on the simulated Telegram: users and chats as the Bot API writes them, and the cast of
// the scenarios.
//
// Plain values and pure functions. Facts: https://core.telegram.org/bots/api#user and #chat
// (read 2026-11-20).
#ifndef GATEWAY_SIMULATE_PEOPLE_H_
#define GATEWAY_SIMULATE_PEOPLE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gateway::simulate {

struct User {
  std::int64_t id = 0;
  std::string first_name;
  std::string last_name;
  std::string username;
  std::string language_code;
  bool is_bot = false;
};

struct Chat {
  std::int64_t id = 0;
  std::string type = "private";  // private, group, supergroup, channel
  std::string title;             // of the three others
  std::string username;
  std::string first_name;
  std::string last_name;
};

// A private chat has its user's id.
Chat private_chat(const User& user);

std::string to_json(const User& user);
std::string to_json(const Chat& chat);

// The same JSON with every character outside ASCII as \uXXXX, surrogate pairs where needed: the
// only form Telegram sends. `json` must be valid UTF-8.
std::string ascii_json(std::string_view json);

// A person of the scenarios by the key used in shorthand ("ana"); null where there is none.
const User* find_person(std::string_view key);

struct Person {
  std::string_view key;
  User user;
};
std::span<const Person> cast();

// How somebody is reached beyond Telegram: fictional numbers, names and addresses, made of the key.
struct Contact {
  std::string key;
  std::string name;
  std::string phone;   // E.164 digits without '+'
  std::string handle;  // user name
  std::string email;
  std::string bsuid;         // business-scoped user id of WhatsApp
  std::string instagram_id;  // scoped id, 16 digits
  std::string x_id;
};
// Of a person of the cast; anybody else by any other key of letters and digits.
Contact contact_of(std::string_view key);
// What somebody says who has got an answer, in the person's own language.
std::string thanks_of(std::string_view key);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_PEOPLE_H_
