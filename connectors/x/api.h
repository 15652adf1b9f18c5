// Who a channel is at X, with which credentials, and calls made with them.
//
// X knows three kinds of credentials (https://docs.x.com/fundamentals/authentication, read
// 2026-11-20): a user's by OAuth 1.0a (signed calls), a user's by OAuth 2.0 (a bearer token of two
// hours and a refresh token that changes with every use), and the app's own bearer token, which may
// manage webhooks and never sees direct messages.
//
// Views of a Channel, valid as long as it is; any thread.
#ifndef CONNECTORS_X_API_H_
#define CONNECTORS_X_API_H_

#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"

namespace x {

inline constexpr std::string_view kBase = "https://api.x.com";

enum class Auth { oauth1, oauth2 };
enum class Ingest { xaa, aaa, poll };

class Account {
 public:
  explicit Account(const connector::Channel& channel) : channel_(channel) {}

  const connector::Channel& channel() const { return channel_; }
  Auth auth() const;
  Ingest ingest() const;
  bool mentions() const;  // whether public posts that mention the account are conversations

  // The connected user's id; "" while nobody has told it.
  std::string user_id() const;
  // The webhook an operator registered; "" where this connector registers one.
  std::string configured_webhook() const;

  // Everything a call in the user's name needs is configured.
  bool acts_for_user() const { return missing_for_user().empty(); }
  // The same of the app, whether by a bearer token or by what gets one.
  bool acts_for_app() const;
  // What a human must still give, as names of settings with a sentence each.
  connector::Pairs missing() const;

  // The app's bearer token as configured; "" where it must be asked for. What was asked for is not
  // kept: X gives the same one again, and a kept one would outlive its invalidation.
  std::string app_token() const;
  // The user's, of OAuth 2.0.
  std::string user_token() const;
  bool can_refresh() const;
  std::string refresh_token() const;

  // Equal for equal credentials; what was learned by some is kept with theirs.
  std::string user_fingerprint() const;
  std::string app_fingerprint() const;

  // The words without any of the channel's secrets.
  std::string cleaned(std::string_view words) const;

 private:
  connector::Pairs missing_for_user() const;
  std::string_view setting(std::string_view name) const { return channel_.setting(name); }

  const connector::Channel& channel_;
};

// May stand in a header: printable ASCII without blanks, at most 4 KiB.
bool is_token(std::string_view text);

// Makes the calls of one step of an operation. The step takes part in the nonce, so that no two
// calls of a channel have the same one.
class Api {
 public:
  Api(const Account& account, connector::Operation operation, std::string_view key,
      std::size_t step)
      : account_(account),
        salt_(std::to_string(static_cast<int>(operation)) + "\n" + std::to_string(step) + "\n" +
              std::string(key)) {}

  const Account& account() const { return account_; }

  // `path` with its query; `json` empty: no body.
  connector::Call as_user(std::string_view method, std::string_view path,
                          std::string json = {}) const;
  connector::Call as_app(std::string_view method, std::string_view path, std::string_view token,
                         std::string json = {}) const;
  // Body of another type; it is not signed.
  connector::Call upload(std::string_view path, std::string content_type, std::string body) const;
  // Of a whole URL, signed by OAuth 1.0a.
  connector::Call signed_get(std::string url) const;
  // Asks for the app's bearer token, and for new tokens of the user.
  connector::Call ask_app_token() const;
  connector::Call ask_user_tokens() const;

 private:
  connector::Pair user_auth(std::string_view method, std::string_view url) const;

  const Account& account_;
  std::string salt_;
};

// The app's bearer token in the answer to ask_app_token(); "" where there is none.
std::string app_token_in(const connector::Response& response);

}  // namespace x

#endif  // CONNECTORS_X_API_H_
