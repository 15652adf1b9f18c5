#include "connectors/whatsapp/verify.h"

#include <algorithm>
#include <array>

#include "connectors/sdk/json.h"
#include "connectors/sdk/meta.h"
#include "connectors/whatsapp/people.h"
#include "connectors/whatsapp/receive.h"

namespace whatsapp {
namespace {

using connector::Channel;
using connector::Request;
using sdk::json::Value;

constexpr std::size_t kMaxAccounts = 100;

void add_once(std::vector<std::string>& accounts, std::string account) {
  if (accounts.size() == kMaxAccounts) return;
  if (std::find(accounts.begin(), accounts.end(), account) == accounts.end()) {
    accounts.push_back(std::move(account));
  }
}

}  // namespace

connector::Verdict verify(const Channel& channel, const Request& request) {
  const std::array secrets{channel.setting("app_secret")};
  return connector::meta::verify(channel, request, secrets);
}

std::string account_of_waba(std::string_view waba) { return "waba:" + std::string(waba); }

std::vector<std::string> accounts(const Request& request) {
  std::vector<std::string> found;
  if (auto handshake = connector::meta::handshake_account(request)) {
    found.push_back(*std::move(handshake));
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
