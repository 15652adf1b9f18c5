// The professional account a channel stands for: which ids are its own, which token acts for it,
// and where its API is. Pure functions, any thread.
//
// https://developers.facebook.com/docs/instagram-platform (read 2026-11-21): the Instagram Login
// flow has graph.instagram.com and a user's token of 60 days, the Facebook Login flow
// graph.facebook.com and a page's token.
#ifndef CONNECTORS_INSTAGRAM_ACCOUNT_H_
#define CONNECTORS_INSTAGRAM_ACCOUNT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace instagram {

// Names in Channel::state.
inline constexpr std::string_view kAccount = "account";  // user_id, as deliveries name the account
inline constexpr std::string_view kAlias = "alias";      // app-scoped id, which some events carry
inline constexpr std::string_view kToken = "access_token";  // refreshed from the configured one
inline constexpr std::string_view kTokenOf = "token_of";    // which configured one that was
inline constexpr std::string_view kTokenSince = "token_since_ms";
inline constexpr std::string_view kTokenUntil = "token_until_ms";
inline constexpr std::string_view kTokenTried = "token_tried_ms";

bool by_facebook_login(const connector::Channel& channel);

// Whether an id is the channel's own; while none is known every id is.
bool is_own(const connector::Channel& channel, std::string_view id);

// The refreshed token as long as it was made of the configured one, else the configured one.
std::string_view token_of(const connector::Channel& channel);
// Says of which configured token something in the state was made. No secret.
std::string fingerprint(const connector::Channel& channel);
bool state_is_of_this_token(const connector::Channel& channel);
std::int64_t kept_ms(const connector::Channel& channel, std::string_view name);

// "https://graph.instagram.com/v26.0/" and the path; and the account's own node.
std::string graph_url(const connector::Channel& channel, std::string_view path);
std::string node(const connector::Channel& channel);

std::vector<std::string_view> secrets_of(const connector::Channel& channel);

}  // namespace instagram

#endif  // CONNECTORS_INSTAGRAM_ACCOUNT_H_
