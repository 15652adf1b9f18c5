#include "gateway/api/channel_links.h"

#include <algorithm>
#include <string_view>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "gateway/api/host_name.h"

namespace gateway::api {
namespace {

// Where the address of a type is to be found, and what stands before it.
struct LinkRule {
  std::string_view type;
  bool in_state;  // else in the config
  std::string_view member;
  std::string_view prefix;
};
// All read 2026-11-21: https://core.telegram.org/api/links,
// https://developers.facebook.com/docs/messenger-platform/instagram/features/ig-me-links,
// https://developers.line.biz/en/docs/line-login/using-line-url-scheme/,
// RFC 6068 (mailto), RFC 5724 (sms).
constexpr LinkRule kRules[] = {
    {"telegram", true, "username", "https://t.me/"},
    {"instagram", true, "username", "https://ig.me/m/"},
    {"line", true, "basic_id", "https://line.me/R/ti/p/"},
    {"email", false, "address", "mailto:"},
    {"sms", false, "from", "sms:"},
};

// A short code or a name is dialled in one country or not at all.
bool is_international_number(std::string_view text) {
  return text.size() > 7 && text.size() <= 16 && text.front() == '+' &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<std::string> public_link(const store::ChannelFace& channel) {
  for (const auto& rule : kRules) {
    if (rule.type != channel.type) continue;
    const auto& json = rule.in_state ? channel.state : channel.config;
    const auto document = sdk::json::Document::parse(json.reveal(), sdk::json::kApiLimits);
    if (!document) return std::nullopt;
    const std::string address(document->root()[rule.member].text_or(""));
    if (address.empty() || address.size() > 254) return std::nullopt;
    if (rule.type == "sms") {
      if (!is_international_number(address)) return std::nullopt;
      return std::string(rule.prefix) + address;
    }
    if (rule.type == "email") {
      const auto email = parse_email(address);
      if (!email) return std::nullopt;
      const auto at = email->address.rfind('@');
      return std::string(rule.prefix) + sdk::url_encode(email->address.substr(0, at)) +
             email->address.substr(at);
    }
    return std::string(rule.prefix) + sdk::url_encode(address);
  }
  return std::nullopt;
}

}  // namespace gateway::api
