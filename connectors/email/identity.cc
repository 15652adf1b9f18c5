#include "connectors/email/identity.h"

#include <algorithm>
#include <cstdint>

#include "connectors/email/address.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

// RFC 4648 section 6 in lower case, without padding: local parts are often folded.
std::string base32(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : bytes) {
    group = (group << 8) | static_cast<unsigned char>(c);
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += kAlphabet[(group >> bits) & 31u];
    }
  }
  if (bits > 0) text += kAlphabet[(group << (5 - bits)) & 31u];
  return text;
}

std::string mac_of(const connector::Channel& channel, std::string_view what,
                   std::string_view value) {
  return sdk::hmac_sha256(channel.secret, std::string(what) + "\n" + std::string(value));
}

bool is_plain_key(std::string_view key) {
  return !key.empty() && key.size() <= 64 && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string mac8(const connector::Channel& channel, std::string_view name) {
  return sdk::hex(mac_of(channel, "message id", name)).substr(0, 8);
}

}  // namespace

std::string own_address(const connector::Channel& channel) {
  return normalized_address(channel.setting("address"));
}

std::string message_id_for(const connector::Channel& channel, std::string_view key) {
  const std::string name =
      is_plain_key(key) ? std::string(key) : sdk::hex(sdk::sha256(key)).substr(0, 32);
  return "gw." + name + "." + mac8(channel, name) + "@" +
         std::string(domain_of(own_address(channel)));
}

bool is_own_message_id(const connector::Channel& channel, std::string_view id) {
  if (channel.secret.empty()) return false;
  const std::string lower = sdk::lower_ascii(id);
  const std::string_view local = std::string_view(lower).substr(0, lower.rfind('@'));
  const auto dot = local.rfind('.');
  if (!local.starts_with("gw.") || dot < 3 || dot == std::string_view::npos) return false;
  return sdk::equal_secret(local.substr(dot + 1), mac8(channel, local.substr(3, dot - 3)));
}

std::string reply_token(const connector::Channel& channel, std::string_view thread) {
  return "c-" + base32(mac_of(channel, "thread", thread).substr(0, 10));
}

std::string bounce_token(const connector::Channel& channel, std::string_view key) {
  return "b-" + base32(mac_of(channel, "bounce", key).substr(0, 10));
}

std::string with_plus(std::string_view address, std::string_view token) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos) return std::string(address);
  return std::string(address.substr(0, at)) + "+" + std::string(token) +
         std::string(address.substr(at));
}

std::string loop_mark(const connector::Channel& channel) {
  return sdk::hex(mac_of(channel, "loop", own_address(channel))).substr(0, 16);
}

}  // namespace email
