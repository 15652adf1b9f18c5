#include "gateway/simulate/people.h"

#include <array>
#include <utility>

#include "connectors/sdk/json.h"

namespace gateway::simulate {
namespace {

void append_unit(std::string& out, unsigned unit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[(unit >> shift) & 15u];
}

void optional_member(sdk::json::Writer& writer, std::string_view name, const std::string& value) {
  if (!value.empty()) writer.member(name, value);
}

}  // namespace

Chat private_chat(const User& user) {
  return {user.id, "private", {}, user.username, user.first_name, user.last_name};
}

std::string to_json(const User& user) {
  sdk::json::Writer writer;
  writer.object().member("id", user.id).member("is_bot", user.is_bot);
  writer.member("first_name", user.first_name);
  optional_member(writer, "last_name", user.last_name);
  optional_member(writer, "username", user.username);
  optional_member(writer, "language_code", user.language_code);
  return writer.end().take();
}

std::string to_json(const Chat& chat) {
  sdk::json::Writer writer;
  writer.object().member("id", chat.id);
  if (chat.type == "private") {
    writer.member("first_name", chat.first_name);
    optional_member(writer, "last_name", chat.last_name);
  } else {
    writer.member("title", chat.title);
  }
  optional_member(writer, "username", chat.username);
  writer.member("type", chat.type);
  if (chat.type == "group") writer.member("all_members_are_administrators", true);
  return writer.end().take();
}

std::string ascii_json(std::string_view json) {
  std::string out;
  out.reserve(json.size() + json.size() / 4);
  for (std::size_t i = 0; i < json.size();) {
    const auto lead = static_cast<unsigned char>(json[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 1 || i + length > json.size()) {
      out += json[i++];
      continue;
    }
    unsigned point = lead & (0xFFu >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      point = point << 6 | (static_cast<unsigned char>(json[i + k]) & 0x3Fu);
    }
    if (point < 0x10000) {
      append_unit(out, point);
    } else {
      append_unit(out, 0xD800 + ((point - 0x10000) >> 10));
      append_unit(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
    }
    i += length;
  }
  return out;
}

std::span<const Person> cast() {
  // Ids beyond 2^32 and up to 2^52 - 1, names in several scripts, with and without every optional
  // field: what a gateway must survive on an ordinary morning.
  static const std::array<Person, 12> kCast = {{
      {"ana", {5512345678, "Ana 🌸", "López", "ana_l", "es"}},
      {"yulia", {6120098001, "Юлия", "Смирнова", "yulia_s", "ru"}},
      {"sakura", {7234567890123, "さくら", "田中", "", "ja"}},
      {"ahmed", {5900112233, "أحمد", "الهاشمي", "ahmed_h", "ar"}},
      {"juergen", {480015162, "Jürgen", "Weiß", "jweiss", "de"}},
      {"marie", {6677889900, "Marie", "Dubois", "marie_d", "fr"}},
      {"nobody", {4503599627370495, "", "", "", ""}},
      {"tom", {812345, "Tom", "", "tom_w", "en"}},
      {"li", {7000000001, "李", "", "", "zh-hans"}},
      {"priya", {6543210987, "प्रिया", "Sharma", "priya_s", "hi"}},
      {"noa", {6098765432, "נועה", "לוי", "", "he"}},
      {"owner", {5001002003, "Shop", "Owner", "shop_owner", "en"}},
  }};
  return kCast;
}

Contact contact_of(std::string_view key) {
  Contact contact;
  contact.key = key;
  const User* const user = find_person(key);
  contact.name = user == nullptr ? std::string(key) : user->first_name;
  if (user != nullptr && !user->last_name.empty()) contact.name += " " + user->last_name;
  contact.handle =
      user != nullptr && !user->username.empty() ? user->username : std::string(key) + "_sim";
  contact.email = std::string(key) + "@customer.example";
  // 555 0100 to 555 0199 are kept free for stories; the place in the cast makes them distinct.
  std::size_t place = cast().size();
  for (std::size_t i = 0; i < cast().size(); ++i) {
    if (cast()[i].key == key) place = i;
  }
  unsigned hash = 0;
  if (place == cast().size()) {
    for (const char c : key) hash = hash * 31 + static_cast<unsigned char>(c);
    place += hash % 80;
  }
  const std::string two = std::to_string(100 + place).substr(1);
  contact.phone = "14155550" + std::to_string(100 + place);
  contact.bsuid = "US.900719925474099312" + two;
  contact.instagram_id = "12345678901234" + two;
  contact.x_id = "16000000000000000" + two;
  return contact;
}

std::string thanks_of(std::string_view key) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kThanks = {
      {{"es", "¡Muchas gracias! 🙏"},
       {"ru", "Спасибо большое!"},
       {"ja", "ありがとうございます！"},
       {"ar", "شكراً جزيلاً"},
       {"de", "Danke, das hilft mir weiter."},
       {"fr", "Merci beaucoup !"},
       {"zh-hans", "谢谢！"},
       {"hi", "धन्यवाद!"},
       {"he", "תודה רבה!"}}};
  const User* const user = find_person(key);
  for (const auto& [language, text] : kThanks) {
    if (user != nullptr && user->language_code == language) return std::string(text);
  }
  return "Great, thank you!";
}

const User* find_person(std::string_view key) {
  for (const Person& person : cast()) {
    if (person.key == key) return &person.user;
  }
  return nullptr;
}

}  // namespace gateway::simulate
