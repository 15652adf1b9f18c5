#include "connectors/x/api.h"

#include <algorithm>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/x/ids.h"
#include "connectors/x/oauth.h"

namespace x {
namespace {

using connector::Call;
using connector::Pairs;

std::string fingerprint(std::string_view a, std::string_view b, std::string_view c = {}) {
  std::string all(a);
  for (const std::string_view part : {b, c}) {
    all += '\n';
    all += part;
  }
  return sdk::hex(sdk::sha256(all)).substr(0, 32);
}

// Access tokens of OAuth 1.0a begin with the user's id.
std::string id_in_token(std::string_view token) {
  const std::string_view id = token.substr(0, token.find('-'));
  return id.size() < token.size() && is_id(id) ? std::string(id) : std::string();
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= 4096 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

Auth Account::auth() const {
  if (setting("auth") == "oauth1") return Auth::oauth1;
  if (setting("auth") == "oauth2") return Auth::oauth2;
  return setting("access_token_secret").empty() ? Auth::oauth2 : Auth::oauth1;
}

Ingest Account::ingest() const {
  if (setting("ingest") == "aaa") return Ingest::aaa;
  return setting("ingest") == "poll" ? Ingest::poll : Ingest::xaa;
}

bool Account::mentions() const { return setting("mentions") != "false"; }

std::string Account::user_id() const {
  if (is_id(setting("user_id"))) return std::string(setting("user_id"));
  if (is_id(channel_.kept("account"))) return std::string(channel_.kept("account"));
  return auth() == Auth::oauth1 ? id_in_token(setting("access_token")) : std::string();
}

std::string Account::configured_webhook() const {
  return is_id(setting("webhook_id")) ? std::string(setting("webhook_id")) : std::string();
}

Pairs Account::missing_for_user() const {
  Pairs missing;
  const auto need = [&](std::string_view name, std::string_view sentence) {
    if (setting(name).empty()) missing.emplace_back(name, sentence);
  };
  if (auth() == Auth::oauth1) {
    need("api_secret", "needed: the app's API secret signs every call and proves every delivery");
    need("access_token_secret", "needed: the secret that X shows beside the access token");
  } else if (!id_in_token(setting("access_token")).empty()) {
    need("access_token_secret",
         "needed: the access token is one of OAuth 1.0a, which signs with a secret of its own");
  }
  need("api_key", "needed: the app's API key");
  need("access_token", "needed: the account's access token");
  return missing;
}

bool Account::acts_for_app() const {
  return !setting("bearer_token").empty() || !setting("api_secret").empty();
}

Pairs Account::missing() const {
  Pairs missing = missing_for_user();
  const bool told = connector::find(missing, "api_secret").has_value();
  if (ingest() != Ingest::poll && setting("api_secret").empty() && !told) {
    missing.emplace_back("api_secret",
                         "needed: without the app's API secret neither X's challenges can be "
                         "answered nor its deliveries be proved");
  }
  return missing;
}

std::string Account::app_token() const {
  return is_token(setting("bearer_token")) ? std::string(setting("bearer_token")) : std::string();
}

std::string Account::user_token() const {
  const bool is_ours = channel_.kept("oauth2_for") == user_fingerprint();
  const std::string_view kept = channel_.kept("oauth2_access_token");
  return std::string(is_ours && is_token(kept) ? kept : setting("access_token"));
}

bool Account::can_refresh() const {
  return auth() == Auth::oauth2 && !refresh_token().empty() && !setting("client_id").empty();
}

std::string Account::refresh_token() const {
  if (setting("refresh_token").empty()) return {};
  const bool is_ours = channel_.kept("oauth2_for") == user_fingerprint();
  const std::string_view kept = channel_.kept("oauth2_refresh_token");
  return std::string(is_ours && is_token(kept) ? kept : setting("refresh_token"));
}

std::string Account::user_fingerprint() const {
  return fingerprint(setting("access_token"), setting("access_token_secret"),
                     setting("refresh_token"));
}

std::string Account::app_fingerprint() const {
  return fingerprint(setting("api_key"), setting("api_secret"));
}

std::string Account::cleaned(std::string_view words) const {
  std::vector<std::string_view> secrets{channel_.kept("oauth2_access_token"),
                                        channel_.kept("oauth2_refresh_token"), channel_.secret};
  // Whatever is configured, but for the names of modes and for X's public ids.
  constexpr std::size_t kShortestSecret = 12;
  for (const auto& [name, value] : channel_.config) {
    const bool is_secret = name.find("secret") != std::string::npos ||
                           name.find("token") != std::string::npos || name == "api_key";
    if (is_secret || (value.size() >= kShortestSecret && !is_id(value))) secrets.push_back(value);
  }
  return sdk::sanitize(connector::without_secrets(words, secrets), 600);
}

connector::Pair Api::user_auth(std::string_view method, std::string_view url) const {
  const connector::Channel& channel = account_.channel();
  if (account_.auth() == Auth::oauth2) return connector::bearer_auth(account_.user_token());
  // Nothing random may enter a plan, so the nonce is drawn from what makes this call different from
  // every other of the channel, under a key nobody knows.
  std::string seed = salt_ + "\n" + std::to_string(channel.now_ms) + "\n" + std::string(method);
  seed += "\n" + std::string(url);
  const OAuth1 oauth{.consumer_key = std::string(channel.setting("api_key")),
                     .consumer_secret = std::string(channel.setting("api_secret")),
                     .token = std::string(channel.setting("access_token")),
                     .token_secret = std::string(channel.setting("access_token_secret")),
                     .nonce = sdk::hex(sdk::hmac_sha256(channel.secret, seed)).substr(0, 32),
                     .timestamp_s = channel.now_ms / 1000};
  return {"authorization", oauth1_header(method, url, oauth)};
}

Call Api::as_user(std::string_view method, std::string_view path, std::string json) const {
  Call call{.method = std::string(method), .url = std::string(kBase) + std::string(path)};
  call.url_is_secret = false;
  call.headers.push_back(user_auth(method, call.url));
  if (!json.empty()) {
    call.headers.emplace_back("content-type", "application/json");
    call.body = std::move(json);
  }
  return call;
}

Call Api::as_app(std::string_view method, std::string_view path, std::string_view token,
                 std::string json) const {
  Call call{.method = std::string(method), .url = std::string(kBase) + std::string(path)};
  call.url_is_secret = false;
  call.headers.push_back(connector::bearer_auth(token));
  if (!json.empty()) {
    call.headers.emplace_back("content-type", "application/json");
    call.body = std::move(json);
  }
  return call;
}

Call Api::upload(std::string_view path, std::string content_type, std::string body) const {
  Call call{.method = "POST", .url = std::string(kBase) + std::string(path)};
  call.url_is_secret = false;
  call.headers.push_back(user_auth("POST", call.url));
  call.headers.emplace_back("content-type", std::move(content_type));
  call.body = std::move(body);
  return call;
}

Call Api::signed_get(std::string url) const {
  Call call{.method = "GET", .url = std::move(url)};
  call.headers.push_back(user_auth("GET", call.url));
  return call;
}

// https://docs.x.com/fundamentals/authentication/oauth-2-0/application-only (read 2026-11-20).
Call Api::ask_app_token() const {
  const connector::Channel& channel = account_.channel();
  Call call = connector::form_call(std::string(kBase) + "/oauth2/token",
                                   {{"grant_type", "client_credentials"}});
  call.url_is_secret = false;
  call.headers.push_back(connector::basic_auth(sdk::url_encode(channel.setting("api_key")),
                                               sdk::url_encode(channel.setting("api_secret"))));
  return call;
}

// https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token, step 5 (read
// 2026-11-20): a confidential client proves itself, a public one only names itself.
Call Api::ask_user_tokens() const {
  const connector::Channel& channel = account_.channel();
  const std::string_view id = channel.setting("client_id");
  const std::string_view secret = channel.setting("client_secret");
  sdk::Form form{{"grant_type", "refresh_token"}, {"refresh_token", account_.refresh_token()}};
  if (secret.empty()) form.emplace_back("client_id", id);
  Call call = connector::form_call(std::string(kBase) + "/2/oauth2/token", form);
  call.url_is_secret = false;
  if (!secret.empty()) call.headers.push_back(connector::basic_auth(id, secret));
  return call;
}

std::string app_token_in(const connector::Response& response) {
  const auto document = sdk::json::Document::parse(response.body);
  if (!document || !connector::is_success(response)) return {};
  const std::string_view token = document->root()["access_token"].text_or("");
  const bool is_bearer =
      sdk::lower_ascii(document->root()["token_type"].text_or("bearer")) == "bearer";
  return is_bearer && is_token(token) ? std::string(token) : std::string();
}

}  // namespace x
