#include "gateway/inbound/hook_cache.h"

#include <utility>

#include "connectors/sdk/json.h"
#include "gateway/base/log.h"

namespace gateway::inbound {
namespace {

constexpr std::int64_t kGoodForMs = 30'000;
// Above it the table starts anew: made-up ids must not fill the memory.
constexpr std::size_t kMaxEntries = 100'000;

}  // namespace

Result<std::shared_ptr<const LiveChannel>> load_channel(store::Session& db, store::Vault& vault,
                                                        const plugins::Registry& registry,
                                                        const std::string& public_url,
                                                        domain::ChannelId channel) {
  auto hook = store::resolve_hook(db, vault, channel);
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
  live->connector = registry.find(row.type);
  const auto pairs = [](const Secret& json) -> connector::Pairs {
    if (json.empty()) return {};
    auto document = sdk::json::Document::parse(json.reveal());
    return document ? plugins::flatten(document->root()) : connector::Pairs{};
  };
  live->values.config = pairs(row.config);
  live->values.state = pairs(row.state);
  live->values.secret = row.secret.reveal();
  live->values.webhook_url = public_url + "/api/v1/webhooks/" + row.type + "/" + channel.text();
  return std::shared_ptr<const LiveChannel>(std::move(live));
}

HookCache::HookCache(store::Workers& loaders, store::Vault& vault,
                     const plugins::Registry& registry, const Clock& clock, std::string public_url)
    : loaders_(loaders),
      vault_(vault),
      registry_(registry),
      clock_(clock),
      public_url_(std::move(public_url)) {}

void HookCache::find(domain::ChannelId channel, Done done) {
  {
    std::unique_lock lock(mutex_);
    if (entries_.size() >= kMaxEntries) {
      std::erase_if(entries_, [](const auto& item) { return !item.second.loading; });
    }
    Entry& entry = entries_[channel];
    if (entry.good_until_ms > clock_.steady_ms()) {
      const Found known(entry.channel);
      lock.unlock();
      done(known);
      return;
    }
    entry.waiting.push_back(std::move(done));
    if (entry.loading) return;
    entry.loading = true;
    entry.forgotten = false;
  }
  const bool posted = loaders_.post([this, channel](store::Session& db) {
    loaded(channel, load_channel(db, vault_, registry_, public_url_, channel));
  });
  if (!posted) loaded(channel, fail(Errc::unavailable, "too many channels are being looked up"));
}

void HookCache::forget(domain::ChannelId channel) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(channel);
  if (found == entries_.end()) return;
  found->second.good_until_ms = 0;
  found->second.forgotten = true;
}

void HookCache::loaded(domain::ChannelId channel, const Found& found) {
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[channel];
    entry.loading = false;
    waiting.swap(entry.waiting);
    if (found && !entry.forgotten) {
      entry.channel = *found;
      entry.good_until_ms = clock_.steady_ms() + kGoodForMs;
    }
  }
  for (Done& done : waiting) done(found);
}

}  // namespace gateway::inbound
