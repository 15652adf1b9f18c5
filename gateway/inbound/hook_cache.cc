#include "gateway/inbound/hook_cache.h"

#include <algorithm>
#include <set>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "gateway/base/log.h"

namespace gateway::inbound {
namespace {

constexpr std::chrono::milliseconds kGoodFor{30'000};
// An account nobody stands for may be somebody's in a moment, on another gateway too.
constexpr std::chrono::milliseconds kNobodyFor{5'000};
constexpr std::size_t kMaxChannels = 100'000;
constexpr std::size_t kMaxAccountSets = 16'384;

std::string digest_of(std::string_view type, const std::vector<std::string>& accounts) {
  std::string text(type);
  for (const std::string& account : accounts) {
    text += '\n' + std::to_string(account.size()) + ':' + account;
  }
  return sdk::sha256(text);
}

bool is_complete(std::size_t asked, const std::vector<store::AccountChannel>& found) {
  std::set<std::string_view> named;
  for (const auto& one : found) named.insert(one.account);
  return named.size() == asked;
}

}  // namespace

Result<std::shared_ptr<const LiveChannel>> load_channel(store::Session& db,
                                                        const ChannelContext& context,
                                                        domain::ChannelId channel) {
  auto hook = store::resolve_hook(db, context.vault, channel);
  if (!hook) {
    log::warn("inbound", "a channel could not be looked up",
              {{"channel", channel.text()}, {"reason", hook.error().message}});
    return std::move(hook).error();
  }
  if (!*hook) return std::shared_ptr<const LiveChannel>();
  store::Hook& row = **hook;
  auto live = std::make_shared<LiveChannel>();
  live->business = row.tenant;
  live->id = channel;
  live->type = row.type;
  live->is_active = row.is_active;
  live->connector = context.registry.find(row.type);
  const auto pairs = [](const Secret& json) -> connector::Pairs {
    if (json.empty()) return {};
    auto document = sdk::json::Document::parse(json.reveal());
    return document ? plugins::flatten(document->root()) : connector::Pairs{};
  };
  live->values.config = pairs(row.config);
  live->values.state = pairs(row.state);
  live->values.secret = row.secret.reveal();
  live->values.webhook_url =
      context.public_url + "/api/v1/webhooks/" + row.type + "/" + channel.text();
  if (live->connector != nullptr) {
    live->connector->fill_defaults(context.deployment, live->values.config);
  }
  return std::shared_ptr<const LiveChannel>(std::move(live));
}

HookCache::HookCache(store::Workers& loaders, ChannelContext context, const Clock& clock)
    : loaders_(loaders),
      context_(std::move(context)),
      channels_(clock, kMaxChannels),
      accounts_(clock, kMaxAccountSets) {}

void HookCache::find(domain::ChannelId channel, Done done) {
  channels_.find(channel, std::move(done), [&] {
    const bool posted = loaders_.post([this, channel](store::Session& db) {
      const Found found = load_channel(db, context_, channel);
      channels_.finish(channel, found, found ? kGoodFor : std::chrono::milliseconds(0));
    });
    if (!posted) {
      channels_.finish(channel, fail(Errc::unavailable, "too many channels are being looked up"),
                       std::chrono::milliseconds(0));
    }
  });
}

void HookCache::find_accounts(std::string_view type, std::vector<std::string> accounts,
                              AccountsDone done) {
  std::sort(accounts.begin(), accounts.end());
  const std::string key = digest_of(type, accounts);
  auto give = [done = std::move(done)](const Accounts& answer) mutable { done(answer.found); };
  accounts_.find(key, std::move(give), [&] {
    const std::size_t asked = accounts.size();
    auto look = [this, key, type = std::string(type),
                 accounts = std::move(accounts)](store::Session& db) {
      Accounts answer{accounts.size(), store::resolve_accounts(db, type, accounts)};
      std::chrono::milliseconds good_for{0};
      if (answer.found) {
        good_for = is_complete(answer.asked, *answer.found) ? kGoodFor : kNobodyFor;
      }
      accounts_.finish(key, answer, good_for);
    };
    if (!loaders_.post(std::move(look))) {
      accounts_.finish(key,
                       {asked, fail(Errc::unavailable, "too many accounts are being looked up")},
                       std::chrono::milliseconds(0));
    }
  });
}

void HookCache::forget(domain::ChannelId channel) {
  channels_.forget(channel);
  accounts_.forget_if([&](const Accounts& answer) {
    return !answer.found || !is_complete(answer.asked, *answer.found) ||
           std::any_of(answer.found->begin(), answer.found->end(),
                       [&](const auto& one) { return one.channel == channel; });
  });
}

}  // namespace gateway::inbound
