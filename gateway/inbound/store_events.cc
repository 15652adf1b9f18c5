#include "gateway/inbound/store_events.h"

#include <set>
#include <utility>
#include <vector>

#include "gateway/store/ingest.h"

namespace gateway::inbound {
namespace {

Result<int> resolve(store::Session& db, const std::vector<store::InboundMessage>& messages) {
  if (messages.empty()) return 0;
  std::vector<const store::InboundMessage*> view;
  std::set<Uuid> seen;
  for (const auto& message : messages) {
    if (seen.insert(message.key).second) view.push_back(&message);
  }
  auto stored = store::ingest_resolve(db, view);
  if (!stored) return std::move(stored).error();
  return static_cast<int>(stored->size());
}

}  // namespace

Result<int> store_events(store::Session& db, const NormalizeContext& context,
                         std::span<const connector::Event> events, Uuid7& ids) {
  std::vector<store::InboundMessage> messages;
  std::vector<store::InboundChange> changes;
  std::vector<std::optional<store::InboundMessage>> as_message;
  for (const connector::Event& event : events) {
    auto row = normalize(event, context, ids);
    if (!row) continue;
    if (auto* message = std::get_if<store::InboundMessage>(&*row)) {
      messages.push_back(std::move(*message));
    } else {
      changes.push_back(std::get<store::InboundChange>(std::move(*row)));
      as_message.push_back(event.kind == connector::EventKind::edited
                               ? std::optional(message_of_edit(event, context, ids))
                               : std::nullopt);
    }
  }
  auto fresh = resolve(db, messages);
  if (!fresh || changes.empty()) return fresh;
  std::vector<const store::InboundChange*> view;
  for (const auto& change : changes) view.push_back(&change);
  auto outcomes = store::ingest_changes(db, view);
  if (!outcomes) return std::move(outcomes).error();
  std::vector<store::InboundMessage> missing;
  for (std::size_t i = 0; i < outcomes->size(); ++i) {
    if ((*outcomes)[i] == store::ChangeOutcome::stored) ++*fresh;
    if ((*outcomes)[i] == store::ChangeOutcome::missing && as_message[i]) {
      missing.push_back(std::move(*as_message[i]));
    }
  }
  const auto edited = resolve(db, missing);
  if (!edited) return edited.error();
  return *fresh + *edited;
}

}  // namespace gateway::inbound
