#include "connectors/sdk/meta.h"

#include <algorithm>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"

namespace connector::meta {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::string_view kSignature = "x-hub-signature-256";
constexpr std::string_view kPrefix = "sha256=";
constexpr std::size_t kMaxChallenge = 256;
constexpr std::int64_t kLongestWaitMinutes = 60;

// Echoed into a page of our own origin, so it must not be able to be markup.
bool is_harmless(std::string_view challenge) {
  return !challenge.empty() && challenge.size() <= kMaxChallenge &&
         std::all_of(challenge.begin(), challenge.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_' || c == '-';
         });
}

// The one value of a name; empty where there are none or several.
std::string only(const sdk::Form& query, std::string_view name) {
  const std::string* found = nullptr;
  for (const auto& [key, value] : query) {
    if (key != name) continue;
    if (found != nullptr) return {};
    found = &value;
  }
  return found == nullptr ? std::string() : *found;
}

bool is_signed(const Request& request, std::span<const std::string_view> secrets) {
  const auto count = std::count_if(request.headers.begin(), request.headers.end(),
                                   [](const auto& header) { return header.first == kSignature; });
  const std::string_view given = request.header(kSignature);
  if (count != 1 || !given.starts_with(kPrefix)) return false;
  bool matches = false;
  for (const std::string_view secret : secrets) {
    if (secret.empty()) continue;
    const std::string expected = sdk::hex(sdk::hmac_sha256(secret, request.body));
    matches |= sdk::equal_secret(given.substr(kPrefix.size()), expected);
  }
  return matches;
}

// The longest wait any of the listed uses asks for.
std::int64_t longest_wait(Value usage) {
  std::int64_t minutes = 0;
  for (const auto& [account, uses] : usage.members()) {
    for (const Value use : uses.elements()) {
      minutes = std::max(minutes, use["estimated_time_to_regain_access"].integer().value_or(0));
    }
  }
  return minutes;
}

}  // namespace

Verdict verify(const Channel& channel, const Request& request,
               std::span<const std::string_view> app_secrets) {
  const bool has_secret = std::any_of(app_secrets.begin(), app_secrets.end(),
                                      [](std::string_view secret) { return !secret.empty(); });
  if (!has_secret && !came_by_keyed_url(channel, request)) return Verdict::refuse;
  if (request.method == "GET") {
    const sdk::Form query = sdk::parse_form(request.query, 20);
    const std::string_view token = channel.setting("verify_token");
    const bool is_ours =
        !token.empty() && sdk::equal_secret(only(query, "hub.verify_token"), token);
    return is_ours && only(query, "hub.mode") == "subscribe" &&
                   is_harmless(only(query, "hub.challenge"))
               ? Verdict::accept
               : Verdict::refuse;
  }
  if (request.method != "POST") return Verdict::refuse;
  return !has_secret || is_signed(request, app_secrets) ? Verdict::accept : Verdict::refuse;
}

std::optional<Response> handshake_reply(const Request& request) {
  if (request.method != "GET") return std::nullopt;
  return Response{.status = 200,
                  .headers = {{"content-type", "text/plain"}},
                  .body = only(sdk::parse_form(request.query, 20), "hub.challenge")};
}

std::string handshake_account(std::string_view verify_token) {
  return "verify:" + sdk::hex(sdk::sha256(verify_token));
}

std::optional<std::string> handshake_account(const Request& request) {
  if (request.method != "GET") return std::nullopt;
  const std::string token = only(sdk::parse_form(request.query, 20), "hub.verify_token");
  if (token.empty()) return std::nullopt;
  return handshake_account(token);
}

std::optional<GraphError> graph_error(const Response& response) {
  const auto document = Document::parse(response.body);
  const Value error = document ? document->root()["error"] : Value();
  const auto code = error["code"].integer();
  if (!code) return std::nullopt;
  GraphError found{.code = *code,
                   .subcode = error["error_subcode"].integer().value_or(0),
                   .message = std::string(error["message"].text_or("")),
                   .is_transient = error["is_transient"].boolean().value_or(false)};
  if (const auto details = error["error_data"]["details"].text()) {
    found.message += (found.message.empty() ? "" : ": ") + std::string(*details);
  }
  return found;
}

std::int64_t usage_wait_ms(const Response& response) {
  std::int64_t minutes = 0;
  for (const std::string_view name : {"x-business-use-case-usage", "x-app-usage"}) {
    const auto usage = Document::parse(response.header(name));
    if (!usage) continue;
    minutes = std::max({minutes, longest_wait(usage->root()),
                        usage->root()["estimated_time_to_regain_access"].integer().value_or(0)});
  }
  return std::clamp<std::int64_t>(minutes, 0, kLongestWaitMinutes) * 60'000;
}

}  // namespace connector::meta
