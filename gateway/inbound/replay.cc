#include "gateway/inbound/replay.h"

#include <utility>
#include <vector>

#include "gateway/inbound/normalize.h"
#include "gateway/inbound/store_events.h"
#include "gateway/store/replay.h"

namespace gateway::inbound {
namespace {

using store::StoredDelivery;

constexpr int kPage = 100;

// Absent where the connector still does not understand the delivery.
std::optional<std::vector<connector::Event>> understood(const LiveChannel& channel,
                                                        const StoredDelivery& delivery) {
  connector::Request request;
  request.method = "POST";
  request.headers = {{"content-type", delivery.content_type}};
  request.body = delivery.body;
  connector::Channel values = channel.values;
  values.now_ms = delivery.received_ms;
  auto received = channel.connector->receive(values, request);
  if (!received) return std::nullopt;
  // A quarantined delivery that is at least seen to be of an unknown kind has made progress; an
  // unknown event that is still unknown has not.
  bool known = delivery.from == StoredDelivery::From::quarantine;
  for (const connector::Event& event : received->events) {
    known = known || event.kind != connector::EventKind::unknown;
  }
  if (!known) return std::nullopt;
  give_keys(received->events, delivery.body);
  return std::move(received->events);
}

}  // namespace

Result<ReplayReport> replay(store::Session& db, const LiveChannel& channel, Uuid7& ids,
                            ReplayMode mode,
                            const std::function<void(const ReplayReport&)>& progress) {
  ReplayReport report;
  for (const auto from : {StoredDelivery::From::quarantine, StoredDelivery::From::unknown}) {
    std::string after;
    for (;;) {
      auto page = store::stored_deliveries(db, channel.business, channel.id, from, after, kPage);
      if (!page) return std::move(page).error();
      if (page->empty()) break;
      after = page->back().instant;
      for (const StoredDelivery& delivery : *page) {
        ++report.deliveries;
        const auto events = understood(channel, delivery);
        if (!events) {
          ++report.not_understood;
          continue;
        }
        ++report.stored;
        if (mode == ReplayMode::dry_run) continue;
        if (from == StoredDelivery::From::unknown) {
          auto freed = store::free_unknown(db, channel.business, channel.id, delivery);
          if (!freed) return std::move(freed).error();
        }
        // The time of the delivery, so that an event without one of its own keeps its place.
        const NormalizeContext context{channel.id, delivery.received_ms, channel.is_active};
        auto fresh = store_events(db, context, *events, ids);
        if (!fresh) return std::move(fresh).error();
        report.events += *fresh;
        auto marked = store::mark_replayed(db, channel.business, channel.id, delivery);
        if (!marked) return std::move(marked).error();
      }
      if (progress) progress(report);
    }
  }
  return report;
}

}  // namespace gateway::inbound
