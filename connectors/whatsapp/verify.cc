#include "connectors/whatsapp/verify.h"

#include <algorithm>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/whatsapp/people.h"
#include "connectors/whatsapp/receive.h"

namespace whatsapp {
namespace {

using connector::Channel;
using connector::Request;
using connector::Verdict;
using sdk::json::Value;

constexpr std::string_view kSignature = "x-hub-signature-256";
constexpr std::size_t kMaxChallengeBytes = 256;
constexpr std::size_t kMaxQueryFields = 20;
constexpr std::size_t kMaxAccounts = 100;

// The value of a parameter that is there exactly once.
std::optional<std::string_view> only(const sdk::Form& query, std::string_view name) {
  std::optional<std::string_view> value;
  for (const auto& [key, text] : query) {
    if (key != name) continue;
    if (value) return std::nullopt;
    value = text;
  }
  return value;
}

bool is_challenge(std::string_view text) {
  return !text.empty() && text.size() <= kMaxChallengeBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

bool knows_token(const Channel& channel, const Request& request) {
  const std::string_view token = channel.setting("verify_token");
  if (token.empty() || !challenge_of(request)) return false;
  const sdk::Form query = sdk::parse_form(request.query, kMaxQueryFields);
  return sdk::equal_secret(only(query, "hub.verify_token").value_or(""), token);
}

// Over the bytes as they came: Meta signs the escaped form it sends, which no re-encoding gives.
bool is_signed(std::string_view app_secret, const Request& request) {
  const auto count = std::count_if(request.headers.begin(), request.headers.end(),
                                   [](const auto& header) { return header.first == kSignature; });
  if (count != 1) return false;
  const std::string wanted = "sha256=" + sdk::hex(sdk::hmac_sha256(app_secret, request.body));
  return sdk::equal_secret(request.header(kSignature), wanted);
}

void add_once(std::vector<std::string>& accounts, std::string account) {
  if (accounts.size() == kMaxAccounts) return;
  if (std::find(accounts.begin(), accounts.end(), account) == accounts.end()) {
    accounts.push_back(std::move(account));
  }
}

}  // namespace

std::optional<std::string> challenge_of(const Request& request) {
  if (request.method != "GET") return std::nullopt;
  const sdk::Form query = sdk::parse_form(request.query, kMaxQueryFields);
  const auto challenge = only(query, "hub.challenge");
  if (only(query, "hub.mode") != "subscribe" || !challenge || !is_challenge(*challenge)) {
    return std::nullopt;
  }
  return std::string(*challenge);
}

Verdict verify(const Channel& channel, const Request& request) {
  const std::string_view app_secret = channel.setting("app_secret");
  if (app_secret.empty() && !connector::came_by_keyed_url(channel, request)) {
    return Verdict::refuse;
  }
  bool accepted = false;
  if (request.method == "GET") {
    accepted = knows_token(channel, request);
  } else if (request.method == "POST") {
    accepted = app_secret.empty() || is_signed(app_secret, request);
  }
  return accepted ? Verdict::accept : Verdict::refuse;
}

std::string account_of_waba(std::string_view waba) { return "waba:" + std::string(waba); }

std::string account_of_token(std::string_view verify_token) {
  return "verify:" + sdk::hex(sdk::sha256(verify_token));
}

std::vector<std::string> accounts(const Request& request) {
  std::vector<std::string> found;
  if (request.method == "GET") {
    const sdk::Form query = sdk::parse_form(request.query, kMaxQueryFields);
    if (const auto token = only(query, "hub.verify_token"); token && !token->empty()) {
      found.push_back(account_of_token(*token));
    }
    return found;
  }
  const auto document = sdk::json::Document::parse(request.body, kDeliveryLimits);
  if (!document) return found;
  for (const Value entry : document->root()["entry"].elements()) {
    for (const Value change : entry["changes"].elements()) {
      const auto number = change["value"]["metadata"]["phone_number_id"].digits();
      const std::string_view waba = entry["id"].digits().value_or("");
      if (number && is_opaque_id(*number)) {
        add_once(found, std::string(*number));
      } else if (is_opaque_id(waba)) {
        add_once(found, account_of_waba(waba));
      }
    }
  }
  return found;
}

std::string callback_url(const Channel& channel) {
  return channel.setting("app_secret").empty() ? connector::keyed_webhook_url(channel)
                                               : channel.webhook_url;
}

}  // namespace whatsapp
