#include "connectors/whatsapp/people.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "connectors/sdk/text.h"

namespace whatsapp {
namespace {

using sdk::json::Value;

constexpr std::string_view kGroup = "group:";
constexpr std::size_t kMaxPhoneDigits = 32;
// Two letters, a dot and up to 128 characters; ids with "ENT." and test ids are a little longer or
// of another form.
constexpr std::size_t kMaxUserIdBytes = 200;
constexpr std::size_t kMaxOpaqueBytes = 512;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string accepted(Value value, bool (*is_valid)(std::string_view)) {
  const std::string_view text = value.digits().value_or("");
  return is_valid(text) ? std::string(text) : std::string();
}

// Characters that leave a name blank on the screen, as ranges.
bool is_invisible(char32_t point) {
  constexpr std::array<std::array<char32_t, 2>, 17> kRanges{{{0x00, 0x20},
                                                             {0x7F, 0xA0},
                                                             {0xAD, 0xAD},
                                                             {0x34F, 0x34F},
                                                             {0x61C, 0x61C},
                                                             {0x115F, 0x1160},
                                                             {0x17B4, 0x17B5},
                                                             {0x180B, 0x180F},
                                                             {0x2000, 0x200F},
                                                             {0x2028, 0x202F},
                                                             {0x205F, 0x206F},
                                                             {0x2800, 0x2800},
                                                             {0x3000, 0x3000},
                                                             {0x3164, 0x3164},
                                                             {0xFE00, 0xFE0F},
                                                             {0xFEFF, 0xFEFF},
                                                             {0xE0000, 0xE0FFF}}};
  return point == 0xFFA0 || std::any_of(kRanges.begin(), kRanges.end(), [&](const auto& range) {
           return point >= range[0] && point <= range[1];
         });
}

// Of valid UTF-8, which strings of a parsed document are.
bool is_blank(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length > text.size() - at) return false;
    char32_t point = length == 1 ? lead : lead & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
      point = point << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
    }
    if (!is_invisible(point)) return false;
    at += length;
  }
  return true;
}

void add_facts(Person& person, Value contact) {
  if (person.wa_id.empty()) person.wa_id = accepted(contact["wa_id"], is_wa_id);
  if (person.user_id.empty()) person.user_id = accepted(contact["user_id"], is_user_id);
  if (person.parent_user_id.empty()) {
    person.parent_user_id = accepted(contact["parent_user_id"], is_user_id);
  }
  const std::string_view name = contact["profile"]["name"].text_or("");
  const std::string_view username = contact["profile"]["username"].text_or("");
  if (!is_blank(username)) person.username = username;
  person.name = is_blank(name) ? person.username : std::string(name);
}

}  // namespace

bool is_wa_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxPhoneDigits &&
         std::all_of(text.begin(), text.end(), is_digit);
}

bool is_user_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxUserIdBytes &&
         !std::all_of(text.begin(), text.end(), is_digit) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_digit(c) || is_letter(c) || c == '.' || c == '_' || c == '-';
         });
}

bool is_opaque_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxOpaqueBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

std::string digits_in(std::string_view text) {
  std::string digits;
  std::copy_if(text.begin(), text.end(), std::back_inserter(digits), is_digit);
  return digits;
}

std::string id_of(const Person& person) {
  return person.user_id.empty() ? person.wa_id : person.user_id;
}

Person person_of(Value contacts, Value wa_id, Value user_id, Value parent_user_id) {
  Person person{.wa_id = accepted(wa_id, is_wa_id),
                .user_id = accepted(user_id, is_user_id),
                .parent_user_id = accepted(parent_user_id, is_user_id),
                .name = {},
                .username = {}};
  const std::vector<Value> all = contacts.elements();
  if (id_of(person).empty()) {
    if (all.size() == 1) add_facts(person, all[0]);
    return person;
  }
  const auto same = [](const std::string& id, Value other) {
    return !id.empty() && other.digits() == id;
  };
  const auto found = std::find_if(all.begin(), all.end(), [&](Value contact) {
    // A phone number that changed hands may stand beside another user id.
    if (!person.user_id.empty() && contact["user_id"].exists()) {
      return same(person.user_id, contact["user_id"]);
    }
    return same(person.wa_id, contact["wa_id"]);
  });
  if (found != all.end()) add_facts(person, *found);
  return person;
}

std::string group_thread(std::string_view group) { return std::string(kGroup) += group; }

std::optional<Recipient> parse_thread(std::string_view thread) {
  Recipient recipient;
  if (thread.starts_with(kGroup)) {
    recipient.group = thread.substr(kGroup.size());
    if (!is_opaque_id(recipient.group)) return std::nullopt;
  } else if (is_wa_id(thread)) {
    recipient.wa_id = thread;
  } else if (is_user_id(thread)) {
    recipient.user_id = thread;
  } else {
    return std::nullopt;
  }
  return recipient;
}

}  // namespace whatsapp
