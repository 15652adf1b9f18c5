#include "connectors/instagram/account.h"

#include <charconv>

#include "connectors/sdk/crypto.h"

namespace instagram {
namespace {

using connector::Channel;

constexpr std::string_view kDefaultVersion = "v26.0";

std::string_view or_else(std::string_view value, std::string_view fallback) {
  return value.empty() ? fallback : value;
}

}  // namespace

bool by_facebook_login(const Channel& channel) { return channel.setting("login") == "facebook"; }

bool is_own(const Channel& channel, std::string_view id) {
  const std::string_view known[] = {channel.setting("account_id"), channel.kept(kAccount),
                                    channel.kept(kAlias)};
  bool any = false;
  for (const std::string_view own : known) {
    if (own.empty()) continue;
    if (own == id) return true;
    any = true;
  }
  return !any;
}

std::string fingerprint(const Channel& channel) {
  return sdk::hex(sdk::sha256(channel.setting("access_token"))).substr(0, 16);
}

bool state_is_of_this_token(const Channel& channel) {
  return channel.kept(kTokenOf) == fingerprint(channel);
}

std::string_view token_of(const Channel& channel) {
  const std::string_view refreshed = channel.kept(kToken);
  return !refreshed.empty() && state_is_of_this_token(channel) ? refreshed
                                                               : channel.setting("access_token");
}

std::int64_t kept_ms(const Channel& channel, std::string_view name) {
  const std::string_view text = channel.kept(name);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

std::string graph_url(const Channel& channel, std::string_view path) {
  std::string url =
      by_facebook_login(channel) ? "https://graph.facebook.com/" : "https://graph.instagram.com/";
  url += or_else(channel.setting("graph_version"), kDefaultVersion);
  url += '/';
  url += path;
  return url;
}

std::string node(const Channel& channel) {
  if (by_facebook_login(channel)) {
    return sdk::url_encode(or_else(channel.setting("page_id"), "me"));
  }
  return sdk::url_encode(
      or_else(or_else(channel.kept(kAccount), channel.setting("account_id")), "me"));
}

std::vector<std::string_view> secrets_of(const Channel& channel) {
  return {channel.setting("access_token"),        channel.kept(kToken),
          channel.setting("verify_token"),        channel.setting("app_secret"),
          channel.setting("app_secret_previous"), channel.secret};
}

}  // namespace instagram
