#include "gateway/inbound/store_events.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "gateway/store/ingest.h"
#include "gateway/store/signals.h"

namespace gateway::inbound {
namespace {

using store::InboundChange;
using store::InboundMessage;

constexpr int kAttempts = 3;

// The rows of events in the caller's transaction, in the order in which they depend on each other.
class Storing {
 public:
  Storing(store::Transaction& transaction, int& fresh) : transaction_(transaction), fresh_(fresh) {}

  Result<> add(InboundMessage message) {
    if (!keys_.insert(message.key).second) return {};
    // The message it names may be among those that wait.
    if (names_one_that_waits(message)) {
      if (auto stored = flush(); !stored) return stored;
    }
    if (auto followed = follow(message); !followed) return followed;
    messages_.push_back(std::move(message));
    return {};
  }

  Result<> add(InboundChange change, std::optional<InboundMessage> as_message) {
    // What came before a thread moved belongs to its old name, what comes behind it to the new one.
    const bool moves = change.kind == static_cast<int>(connector::EventKind::thread_moved);
    if (moves) {
      if (auto stored = flush(); !stored) return stored;
    }
    changes_.push_back(std::move(change));
    as_message_.push_back(std::move(as_message));
    return moves ? flush() : Result<>();
  }

  // Messages first, so that what changes them finds them.
  Result<> flush() {
    if (auto stored = store_messages(std::exchange(messages_, {})); !stored) return stored;
    const auto changes = std::exchange(changes_, {});
    auto as_message = std::exchange(as_message_, {});
    if (changes.empty()) return {};
    std::vector<const InboundChange*> view;
    for (const auto& change : changes) view.push_back(&change);
    const auto outcomes = store::ingest_changes(transaction_, view);
    if (!outcomes) return outcomes.error();
    std::vector<InboundMessage> missing;
    for (std::size_t i = 0; i < outcomes->size(); ++i) {
      if ((*outcomes)[i] == store::ChangeOutcome::stored) ++fresh_;
      if ((*outcomes)[i] != store::ChangeOutcome::missing || !as_message[i]) continue;
      if (auto followed = follow(*as_message[i]); !followed) return followed;
      missing.push_back(*std::move(as_message[i]));
    }
    return store_messages(std::move(missing));
  }

 private:
  bool names_one_that_waits(const InboundMessage& message) const {
    return std::any_of(messages_.begin(), messages_.end(), [&](const InboundMessage& other) {
      return other.remote_id && std::find(message.references.begin(), message.references.end(),
                                          *other.remote_id) != message.references.end();
    });
  }

  Result<> follow(InboundMessage& message) {
    if (message.references.empty()) return {};
    auto thread = store::thread_of_references(transaction_, message.channel, message.references);
    if (!thread) return std::move(thread).error();
    if (*thread) message.thread = **std::move(thread);
    return {};
  }

  Result<> store_messages(const std::vector<InboundMessage>& messages) {
    if (messages.empty()) return {};
    std::vector<const InboundMessage*> view;
    for (const auto& message : messages) view.push_back(&message);
    // The order of all writers, so that none waits for another in a circle.
    std::sort(view.begin(), view.end(), [](const InboundMessage* a, const InboundMessage* b) {
      return std::tie(a->thread, a->sort_at_ms, a->sort_seq, a->key) <
             std::tie(b->thread, b->sort_at_ms, b->sort_seq, b->key);
    });
    const auto stored = store::ingest_resolve(transaction_, view);
    if (!stored) return stored.error();
    fresh_ += static_cast<int>(stored->size());
    return {};
  }

  store::Transaction& transaction_;
  int& fresh_;
  std::set<Uuid> keys_;  // a statement may touch a key once
  std::vector<InboundMessage> messages_;
  std::vector<InboundChange> changes_;
  std::vector<std::optional<InboundMessage>> as_message_;
};

Result<int> store_once(store::Session& db, const NormalizeContext& context,
                       std::span<const connector::Event> events, Uuid7& ids,
                       std::span<const store::Query> also) {
  auto transaction = db.begin(store::Scope::none());
  if (!transaction) return std::move(transaction).error();
  int fresh = 0;
  Storing storing(*transaction, fresh);
  for (const connector::Event& event : events) {
    auto row = normalize(event, context, ids);
    if (!row) continue;
    Result<> added;
    if (auto* message = std::get_if<InboundMessage>(&*row)) {
      added = storing.add(std::move(*message));
    } else {
      added = storing.add(std::get<InboundChange>(std::move(*row)),
                          event.kind == connector::EventKind::edited
                              ? std::optional(message_of_edit(event, context, ids))
                              : std::nullopt);
    }
    if (!added) return std::move(added).error();
  }
  if (auto stored = storing.flush(); !stored) return std::move(stored).error();
  // Messages were stored first, so whoever they brought has a row.
  std::vector<store::Query> names;
  for (const connector::Event& event : events) {
    if (event.kind == connector::EventKind::contact_state && !event.contact_name.empty()) {
      names.push_back(store::rename_contact(context.channel, event.contact, event.contact_name));
    }
  }
  if (!also.empty() || !names.empty()) {
    if (auto entered = store::enter_tenant_of(*transaction, context.channel); !entered) {
      return std::move(entered).error();
    }
  }
  for (const store::Query& query : names) {
    if (auto done = transaction->run(query); !done) return std::move(done).error();
  }
  for (const store::Query& query : also) {
    if (auto done = transaction->run(query); !done) return std::move(done).error();
  }
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return fresh;
}

// Another writer was in the way: a deadlock, or a conversation closed at that moment.
bool may_succeed_now(const Error& error) {
  const std::string_view cause = error.cause;
  return cause.starts_with("40001") || cause.starts_with("40P01") ||
         cause.starts_with(store::kConversationClosed);
}

}  // namespace

Result<int> store_events(store::Session& db, const NormalizeContext& context,
                         std::span<const connector::Event> events, Uuid7& ids,
                         std::span<const store::Query> also) {
  for (int attempt = 1;; ++attempt) {
    auto stored = store_once(db, context, events, ids, also);
    if (stored || attempt == kAttempts || !may_succeed_now(stored.error())) return stored;
  }
}

}  // namespace gateway::inbound
