#include "gateway/inbound/replay.h"

#include <map>
#include <utility>
#include <vector>

#include "gateway/inbound/normalize.h"
#include "gateway/inbound/store_events.h"
#include "gateway/store/channel_accounts.h"
#include "gateway/store/replay.h"

namespace gateway::inbound {
namespace {

using store::StoredDelivery;

constexpr int kPage = 100;

using ChannelPtr = std::shared_ptr<const LiveChannel>;

struct Understood {
  std::vector<connector::Event> own;
  std::map<std::string, std::vector<connector::Event>> of_accounts;
};

// Absent where the connector still does not understand the delivery.
std::optional<Understood> understood(const LiveChannel& channel, const StoredDelivery& delivery) {
  connector::Request request;
  request.method = "POST";
  request.headers = {{"content-type", delivery.content_type}};
  request.body = delivery.body;
  connector::Channel values = channel.values;
  values.now_ms = delivery.received_ms;
  auto received = channel.connector->receive(values, request);
  if (!received) return std::nullopt;
  give_keys(received->events, delivery.body);
  // A quarantined delivery that is at least seen to be of an unknown kind has made progress; an
  // unknown event that is still unknown has not.
  bool known = delivery.from == StoredDelivery::From::quarantine;
  Understood result;
  for (connector::Event& event : received->events) {
    if (event.account.empty()) {
      known = known || event.kind != connector::EventKind::unknown;
      result.own.push_back(std::move(event));
    } else {
      // The string is moved with the event, so the name is copied first.
      const std::string account = event.account;
      result.of_accounts[account].push_back(std::move(event));
    }
  }
  if (!known) return std::nullopt;
  return result;
}

class Replay {
 public:
  Replay(store::Session& db, const ChannelContext& context, const LiveChannel& channel, Uuid7& ids)
      : db_(db), context_(context), channel_(channel), ids_(ids) {}

  // The fresh rows a delivery became; absent where it still is not understood as a whole.
  Result<std::optional<int>> take(const StoredDelivery& delivery, ReplayMode mode) {
    const auto events = understood(channel_, delivery);
    if (!events) return std::optional<int>();
    std::vector<std::pair<ChannelPtr, std::span<const connector::Event>>> others;
    bool whole = true;
    // Those of an unknown event's delivery were stored when it came.
    if (delivery.from == StoredDelivery::From::quarantine) {
      for (const auto& [account, of_account] : events->of_accounts) {
        auto channel = channel_of(account);
        if (!channel) return std::move(channel).error();
        if (*channel == nullptr) {
          whole = false;
        } else {
          others.emplace_back(*std::move(channel), of_account);
        }
      }
    }
    if (mode == ReplayMode::dry_run) return whole ? std::optional<int>(0) : std::nullopt;
    if (delivery.from == StoredDelivery::From::unknown) {
      auto freed = store::free_unknown(db_, channel_.business, channel_.id, delivery);
      if (!freed) return std::move(freed).error();
    }
    auto fresh = put(channel_, delivery, events->own);
    if (!fresh) return std::move(fresh).error();
    for (const auto& [channel, of_account] : others) {
      auto more = put(*channel, delivery, of_account);
      if (!more) return std::move(more).error();
      *fresh += *more;
    }
    if (!whole) return std::optional<int>();
    auto marked = store::mark_replayed(db_, channel_.business, channel_.id, delivery);
    if (!marked) return std::move(marked).error();
    return std::optional<int>(*fresh);
  }

 private:
  // Null where no channel of this business stands for the account.
  Result<ChannelPtr> channel_of(const std::string& account) {
    const auto claims = store::resolve_accounts(db_, channel_.type, {account});
    if (!claims) return claims.error();
    for (const auto& claim : *claims) {
      auto channel = load_channel(db_, context_, claim.channel);
      if (!channel) return std::move(channel).error();
      if (*channel != nullptr && (*channel)->business == channel_.business &&
          (*channel)->connector != nullptr) {
        return *std::move(channel);
      }
    }
    return ChannelPtr();
  }

  Result<int> put(const LiveChannel& channel, const StoredDelivery& delivery,
                  std::span<const connector::Event> events) {
    // The time of the delivery, so that an event without one of its own keeps its place.
    return store_events(db_, {channel.id, delivery.received_ms, channel.is_active}, events, ids_);
  }

  store::Session& db_;
  const ChannelContext& context_;
  const LiveChannel& channel_;
  Uuid7& ids_;
};

}  // namespace

Result<ReplayReport> replay(store::Session& db, const ChannelContext& context,
                            const LiveChannel& channel, Uuid7& ids, ReplayMode mode,
                            const std::function<void(const ReplayReport&)>& progress) {
  ReplayReport report;
  Replay work(db, context, channel, ids);
  for (const auto from : {StoredDelivery::From::quarantine, StoredDelivery::From::unknown}) {
    std::string after;
    for (;;) {
      auto page = store::stored_deliveries(db, channel.business, channel.id, from, after, kPage);
      if (!page) return std::move(page).error();
      if (page->empty()) break;
      after = page->back().instant;
      for (const StoredDelivery& delivery : *page) {
        ++report.deliveries;
        const auto fresh = work.take(delivery, mode);
        if (!fresh) return fresh.error();
        if (*fresh) {
          ++report.stored;
          report.events += **fresh;
        } else {
          ++report.not_understood;
        }
      }
      if (progress) progress(report);
    }
  }
  return report;
}

}  // namespace gateway::inbound
