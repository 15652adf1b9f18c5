// A platform of our invention whose callback URL serves many accounts, and its connector.
//
//   config     bot_token = ACCOUNT:TOKEN; app_secret, or the deployment's
//   POST       {"entries":[{"account","kind","thread","message","text","references","file","up_to",
//              "key"}]}, signed by x-switchboard-signature = hex HMAC-SHA256 of the body under the
//              app secret; with x-switchboard-certificate: NAME under the public document
//              https://keys.switchboard.example/NAME instead
//   GET        ?token=TOKEN&challenge=TEXT is answered with the text
//   x-switchboard-hold: 1      the connector cannot tell now
#include <algorithm>
#include <string>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/switchboard/config_schema.h"

namespace {

using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Request;
using connector::Verdict;

std::string document_url(const Request& request) {
  const auto name = request.header("x-switchboard-certificate");
  return name.empty() ? std::string() : "https://keys.switchboard.example/" + std::string(name);
}

std::string own_account(const Channel& channel) {
  const auto token = channel.setting("bot_token");
  return std::string(token.substr(0, token.find(':')));
}

std::string own_token(const Channel& channel) {
  const auto token = channel.setting("bot_token");
  const auto colon = token.find(':');
  return colon == std::string_view::npos ? std::string() : std::string(token.substr(colon + 1));
}

std::string query_value(const Request& request, std::string_view name) {
  return std::string(sdk::find(sdk::parse_form(request.query), name).value_or(""));
}

Verdict verify(const Channel& channel, const Request& request) {
  if (request.method == "GET") {
    const auto token = own_token(channel);
    return !token.empty() && sdk::equal_secret(query_value(request, "token"), token)
               ? Verdict::accept
               : Verdict::refuse;
  }
  if (request.header("x-switchboard-hold") == "1") return Verdict::try_later;
  std::string key(channel.setting("app_secret"));
  if (const auto url = document_url(request); !url.empty()) {
    const auto document = connector::find(channel.documents, url);
    if (!document) return Verdict::try_later;
    key = *document;
  }
  if (key.empty()) return Verdict::refuse;
  return sdk::equal_secret(request.header("x-switchboard-signature"),
                           sdk::hex(sdk::hmac_sha256(key, request.body)))
             ? Verdict::accept
             : Verdict::refuse;
}

EventKind kind_of(std::string_view name) {
  if (name == "message") return EventKind::message;
  if (name == "echo") return EventKind::echo;
  if (name == "status") return EventKind::status;
  if (name == "reaction") return EventKind::reaction;
  if (name == "typing") return EventKind::typing;
  return EventKind::unknown;
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  if (request.method == "GET") {
    return connector::Received{
        .events = {},
        .reply = connector::Response{.status = 200,
                                     .headers = {{"content-type", "text/plain"}},
                                     .body = query_value(request, "challenge")}};
  }
  sdk::json::Limits limits;
  limits.bytes = 16u << 20;
  const auto document = sdk::json::Document::parse(request.body, limits);
  if (!document) return connector::Fail{.why = document.error().reason};
  connector::Received received;
  for (const auto entry : document->root()["entries"].elements()) {
    Event event{.kind = kind_of(entry["kind"].text_or("message"))};
    const std::string account(entry["account"].text_or(""));
    if (account != own_account(channel)) event.account = account;
    event.thread = event.contact = entry["thread"].text_or("");
    event.message = entry["message"].text_or("");
    event.text = entry["text"].text_or("");
    event.state = entry["state"].text_or("");
    event.key = account + "/" + std::string(entry["kind"].text_or("")) + "/" + event.message + "/" +
                std::string(entry["key"].text_or(""));
    event.sent_ms = entry["sent_ms"].integer().value_or(1'763'600'000'000);
    for (const auto reference : entry["references"].elements()) {
      event.references.emplace_back(reference.text_or(""));
    }
    if (const auto file = entry["file"].text()) {
      event.attachments.push_back({.kind = "file",
                                   .mime_type = "text/plain",
                                   .file_name = "note.txt",
                                   .content = std::string(*file)});
    }
    received.events.push_back(std::move(event));
  }
  return received;
}

connector::Step plan(const Channel&, connector::Operation, const Event&,
                     std::span<const connector::Response>) {
  return connector::Done{};
}

std::vector<std::string> accounts(const Request& request) {
  if (request.method == "GET") {
    const auto token = query_value(request, "token");
    return token.empty() ? std::vector<std::string>()
                         : std::vector<std::string>{"verify:" + sdk::hex(sdk::sha256(token))};
  }
  std::vector<std::string> names;
  sdk::json::Limits limits;
  limits.bytes = 16u << 20;
  const auto document = sdk::json::Document::parse(request.body, limits);
  if (!document) return names;
  for (const auto entry : document->root()["entries"].elements()) {
    if (const auto account = entry["account"].text()) names.emplace_back(*account);
  }
  return names;
}

std::vector<std::string> documents(const Channel&, const Request& request) {
  const auto url = document_url(request);
  return url.empty() ? std::vector<std::string>() : std::vector<std::string>{url};
}

constexpr connector::Connector kSwitchboard{.type = "switchboard",
                                            .config_schema = kConfigSchema,
                                            .verify = verify,
                                            .receive = receive,
                                            .plan = plan,
                                            .accounts = accounts,
                                            .polling = connector::Polling::no,
                                            .documents = documents,
                                            .max_body_bytes = 8u << 20};

}  // namespace

EXPORT_CONNECTOR(kSwitchboard)
