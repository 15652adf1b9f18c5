#include "connectors/email/address.h"

#include <algorithm>
#include <cstdint>

#include "connectors/email/charset.h"
#include "connectors/email/header.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

constexpr std::size_t kMaxAddressBytes = 320;
constexpr std::size_t kMaxNameBytes = 256;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string without_blanks(std::string_view text) {
  std::string tight;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') tight += c;
  }
  return tight;
}

// A name for people: decoded, one line, no quotes around it.
std::string display_name(std::string_view raw) {
  std::string name = sdk::sanitize(decode_words(raw), 4096);
  for (char& c : name) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  std::string_view view = trimmed(name);
  if (view.size() >= 2 && (view.front() == '\'' || view.front() == '"') &&
      view.back() == view.front()) {
    view = trimmed(view.substr(1, view.size() - 2));
  }
  return cut_utf8(view, kMaxNameBytes);
}

// One mailbox, collected between two commas.
struct Mailbox {
  std::string words;    // outside of brackets
  std::string angle;    // inside
  std::string comment;  // in parentheses
  bool has_angle = false;
};

void add(std::vector<Address>& addresses, const Mailbox& box) {
  std::string_view raw = box.has_angle ? std::string_view(box.angle) : std::string_view(box.words);
  // "<@relay.example:user@domain>", an obsolete route.
  if (raw.starts_with('@')) raw = raw.substr(std::min(raw.size(), raw.find(':') + 1));
  if (raw.starts_with("mailto:")) raw.remove_prefix(7);
  const std::string address = without_blanks(raw);
  const auto at = address.rfind('@');
  if (at == std::string::npos || at == 0 || at + 1 == address.size() ||
      address.size() > kMaxAddressBytes) {
    return;
  }
  const std::string text = sdk::sanitize(to_utf8(address.substr(0, at), ""), kMaxAddressBytes);
  const auto domain = ascii_domain(to_utf8(std::string_view(address).substr(at + 1), ""));
  if (!domain || text.empty()) return;
  std::string name = box.has_angle ? display_name(box.words) : std::string();
  if (name.empty()) name = display_name(box.comment);
  addresses.push_back({.name = std::move(name), .address = text + "@" + *domain});
}

}  // namespace

std::vector<Address> parse_addresses(std::string_view value, std::size_t max) {
  std::vector<Address> addresses;
  Mailbox box;
  int comments = 0;
  bool quoted = false;
  bool in_angle = false;
  const auto finish = [&] {
    add(addresses, box);
    box = {};
    in_angle = false;
  };
  for (std::size_t i = 0; i < value.size() && addresses.size() < max; ++i) {
    const char c = value[i];
    std::string& target = comments > 0 ? box.comment : in_angle ? box.angle : box.words;
    if (target.size() > 16u << 10) continue;
    if (c == '\\' && (quoted || comments > 0) && i + 1 < value.size()) {
      target += value[++i];
    } else if (quoted) {
      if (c == '"') {
        quoted = false;
      } else {
        target += c;
      }
    } else if (c == '(') {
      if (comments++ > 0) target += c;
    } else if (c == ')' && comments > 0) {
      if (--comments > 0) target += c;
    } else if (comments > 0) {
      target += c;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '<') {
      in_angle = true;
      box.has_angle = true;
      box.angle.clear();
    } else if (c == '>') {
      in_angle = false;
    } else if (in_angle) {
      target += c;
    } else if (c == ',' || c == ';') {
      finish();
    } else if (c == ':' && !sdk::equals_ignoring_case(trimmed(box.words), "mailto")) {
      box = {};  // what stood in front was the name of a group
    } else {
      target += c;
    }
  }
  if (addresses.size() < max) finish();
  return addresses;
}

std::string normalized_address(std::string_view address) {
  return sdk::lower_ascii(trimmed(address));
}

std::string without_plus(std::string_view address) {
  std::string whole = normalized_address(address);
  const auto at = whole.rfind('@');
  const auto plus = whole.find('+');
  if (at == std::string::npos || plus == std::string::npos || plus > at || plus == 0) return whole;
  return whole.erase(plus, at - plus);
}

std::string plus_of(std::string_view address) {
  const std::string whole = normalized_address(address);
  const auto at = whole.rfind('@');
  const auto plus = whole.find('+');
  if (at == std::string::npos || plus == std::string::npos || plus > at) return {};
  return whole.substr(plus + 1, at - plus - 1);
}

std::string_view domain_of(std::string_view address) {
  const auto at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

namespace {

// Code points of valid UTF-8, the common capital letters as small ones.
std::vector<std::uint32_t> code_points(std::string_view utf8) {
  std::vector<std::uint32_t> points;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::uint32_t point = length == 1 ? lead : lead & (0xFFu >> (length + 1));
    for (std::size_t i = 1; i < length && at + i < utf8.size(); ++i) {
      point = (point << 6) | (static_cast<unsigned char>(utf8[at + i]) & 0x3Fu);
    }
    at += length;
    const bool latin = point >= 0xC0 && point <= 0xDE && point != 0xD7;
    const bool greek = point >= 0x391 && point <= 0x3A9;
    const bool cyrillic = point >= 0x410 && point <= 0x42F;
    if ((point >= 'A' && point <= 'Z') || latin || greek || cyrillic) point += 0x20;
    if (point >= 0x400 && point <= 0x40F) point += 0x50;
    points.push_back(point);
  }
  return points;
}

// RFC 3492 section 6.3.
std::string punycode(const std::vector<std::uint32_t>& points) {
  constexpr std::uint32_t kBase = 36;
  constexpr std::uint32_t kMin = 1;
  constexpr std::uint32_t kMax = 26;
  std::string coded;
  for (const std::uint32_t point : points) {
    if (point < 0x80) coded += static_cast<char>(point);
  }
  const auto basic = static_cast<std::uint32_t>(coded.size());
  if (basic > 0) coded += '-';
  std::uint64_t n = 0x80;
  std::uint64_t delta = 0;
  std::uint64_t bias = 72;
  std::uint64_t handled = basic;
  while (handled < points.size()) {
    std::uint64_t next = 0x110000;
    for (const std::uint32_t point : points) {
      if (point >= n) next = std::min<std::uint64_t>(next, point);
    }
    delta += (next - n) * (handled + 1);
    n = next;
    for (const std::uint32_t point : points) {
      if (point < n) ++delta;
      if (point != n) continue;
      std::uint64_t q = delta;
      for (std::uint64_t k = kBase;; k += kBase) {
        const std::uint64_t t = k <= bias ? kMin : std::min<std::uint64_t>(k - bias, kMax);
        if (q < t) break;
        const std::uint64_t digit = t + (q - t) % (kBase - t);
        coded += static_cast<char>(digit < 26 ? 'a' + digit : '0' + (digit - 26));
        q = (q - t) / (kBase - t);
      }
      coded += static_cast<char>(q < 26 ? 'a' + q : '0' + (q - 26));
      delta = handled == basic ? delta / 700 : delta / 2;
      delta += delta / (handled + 1);
      std::uint64_t k = 0;
      for (; delta > (kBase - kMin) * kMax / 2; k += kBase) delta /= kBase - kMin;
      bias = k + (kBase - kMin + 1) * delta / (delta + 38);
      delta = 0;
      ++handled;
    }
    ++delta;
    ++n;
  }
  return coded;
}

std::optional<std::string> ascii_label(std::string_view label) {
  const bool ascii = std::all_of(label.begin(), label.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  std::string coded = ascii ? sdk::lower_ascii(label) : "xn--" + punycode(code_points(label));
  const bool fits =
      !coded.empty() && coded.size() <= 63 && std::all_of(coded.begin(), coded.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
      });
  return fits ? std::optional(coded) : std::nullopt;
}

}  // namespace

std::optional<std::string> ascii_domain(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  if (domain.empty() || domain.size() > 1000 || !sdk::is_valid_utf8(domain)) return std::nullopt;
  // An address literal, "[192.0.2.1]".
  if (domain.size() > 2 && domain.size() < 60 && domain.front() == '[' && domain.back() == ']' &&
      domain.substr(1).find_first_not_of("0123456789abcdefABCDEFIPv:.]") ==
          std::string_view::npos) {
    return sdk::lower_ascii(domain);
  }
  std::string ascii;
  while (true) {
    const auto dot = domain.find('.');
    const auto label = ascii_label(domain.substr(0, dot));
    if (!label) return std::nullopt;
    ascii += *label;
    if (dot == std::string_view::npos) break;
    ascii += '.';
    domain.remove_prefix(dot + 1);
  }
  return ascii.size() <= 253 ? std::optional(ascii) : std::nullopt;
}

bool is_sendable(std::string_view address) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || at > 64 || address.size() > 254) return false;
  constexpr std::string_view kAtext =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~.";
  const std::string_view local = address.substr(0, at);
  const auto domain = ascii_domain(address.substr(at + 1));
  return local.find_first_not_of(kAtext) == std::string_view::npos && domain &&
         sdk::equals_ignoring_case(*domain, address.substr(at + 1));
}

bool is_aligned(std::string_view domain, std::string_view with) {
  const std::string a = sdk::lower_ascii(domain);
  const std::string b = sdk::lower_ascii(with);
  if (a.find('.') == std::string::npos || b.find('.') == std::string::npos) return false;
  return a == b || a.ends_with("." + b) || b.ends_with("." + a);
}

}  // namespace email
