#include "gateway/simulate/people.h"

#include <array>

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

const User* find_person(std::string_view key) {
  for (const Person& person : cast()) {
    if (person.key == key) return &person.user;
  }
  return nullptr;
}

}  // namespace gateway::simulate
