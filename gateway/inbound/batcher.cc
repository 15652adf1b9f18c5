#include "gateway/inbound/batcher.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "gateway/base/log.h"

namespace gateway::inbound {
namespace {

using store::ChangeOutcome;
using store::InboundChange;
using store::InboundMessage;

constexpr int kMaxAttempts = 5;
// Two generations of at most this many threads are remembered.
constexpr std::size_t kThreadsPerGeneration = 250'000;
// After a failed connection new deliveries are refused at once for this long, so that an outage
// costs a sender nothing but its answer.
constexpr std::int64_t kDownForMs = 500;

struct ThreadKey {
  domain::ChannelId channel;
  std::string thread;
  bool operator==(const ThreadKey&) const = default;
};

struct ThreadHash {
  std::size_t operator()(const ThreadKey& key) const noexcept {
    return std::hash<domain::ChannelId>{}(key.channel) ^ std::hash<std::string>{}(key.thread);
  }
};

struct KnownThread {
  domain::ConversationId conversation;
  domain::ContactId contact;
  std::size_t person = 0;  // hash of whom the contact is known as: several may write in a thread
};

std::size_t person_of(const InboundMessage& message) {
  return std::hash<std::string>{}(message.contact_remote);
}

// What is live for a thread, as of the last commit that touched it. Wrong entries are found out by
// the statement itself, so it may forget and be stale but never corrupts.
class ThreadCache {
 public:
  const KnownThread* find(const ThreadKey& key) {
    if (const auto found = young_.find(key); found != young_.end()) return &found->second;
    const auto found = old_.find(key);
    if (found == old_.end()) return nullptr;
    return &remember(key, found->second);
  }
  KnownThread& remember(const ThreadKey& key, KnownThread known) {
    if (young_.size() >= kThreadsPerGeneration) {
      old_ = std::move(young_);
      young_.clear();
    }
    return young_.insert_or_assign(key, known).first->second;
  }
  void forget(const ThreadKey& key) {
    young_.erase(key);
    old_.erase(key);
  }

 private:
  std::unordered_map<ThreadKey, KnownThread, ThreadHash> young_;
  std::unordered_map<ThreadKey, KnownThread, ThreadHash> old_;
};

struct Pending {
  std::unique_ptr<Delivery> delivery;
  std::int64_t deadline_ms = 0;
  std::size_t bytes = 0;
  Ack ack = Ack::committed;

  // The worst of its rows decides.
  void fall_to(Ack worse) {
    if (ack == Ack::committed || worse == Ack::unavailable) ack = worse;
  }
};

template <class RowType>
struct Item {
  RowType* row = nullptr;
  Pending* pending = nullptr;
  InboundMessage* as_message = nullptr;  // of an edit
};
using MessageItem = Item<InboundMessage>;
using ChangeItem = Item<InboundChange>;

bool is_poison(const Error& error) {
  return error.code == Errc::invalid_argument || error.code == Errc::internal ||
         error.code == Errc::conflict;
}

bool is(const Error& error, std::string_view sqlstate) { return error.cause.starts_with(sqlstate); }

}  // namespace

struct Batcher::Impl {
  Impl(BatcherOptions given, const Clock& clock_given, Uuid7& ids_given, Metrics& metrics)
      : options(std::move(given)),
        clock(clock_given),
        ids(ids_given),
        db(options.session),
        batches(
            metrics.counter("backchannel_ingest_batches_total", "Inbound transactions committed")),
        events(metrics.counter("backchannel_ingest_events_total",
                               "Inbound events made durable, redeliveries included")),
        duplicates(metrics.counter("backchannel_ingest_duplicates_total",
                                   "Inbound events that had been stored before")),
        quarantined(metrics.counter("backchannel_ingest_quarantined_total",
                                    "Deliveries set apart because they could not be stored")),
        unavailable(
            metrics.counter("backchannel_ingest_unavailable_total", "Deliveries answered 503")),
        queue_events(metrics.gauge("backchannel_ingest_queued_events",
                                   "Inbound events that wait for a commit")),
        commit_seconds(metrics.histogram(
            "backchannel_ingest_commit_seconds", "Time of one inbound transaction",
            {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 4})) {}

  BatcherOptions options;
  const Clock& clock;
  Uuid7& ids;
  store::Session db;
  ThreadCache threads;
  std::int64_t down_until_ms = 0;
  std::int64_t last_alarm_ms = 0;

  Counter& batches;
  Counter& events;
  Counter& duplicates;
  Counter& quarantined;
  Counter& unavailable;
  Gauge& queue_events;
  Histogram& commit_seconds;

  std::mutex mutex;
  std::condition_variable ready;
  std::deque<Pending> queue;
  std::size_t queued_events = 0;
  std::size_t queued_bytes = 0;
  bool stopping = false;
  std::vector<Pending> committed;  // and not answered yet
  std::thread committer;

  static std::size_t weight(const Delivery& delivery) {
    return std::max<std::size_t>(delivery.rows.size(), 1);
  }

  static std::size_t bytes_of(const std::vector<store::InboundMedia>& media) {
    std::size_t bytes = 0;
    for (const auto& one : media) bytes += one.body ? one.body->size() : 0;
    return bytes;
  }

  static std::size_t bytes_of(const Delivery& delivery) {
    std::size_t bytes = delivery.raw->body.size();
    for (const Row& row : delivery.rows) {
      bytes += std::visit([](const auto& stored) { return bytes_of(stored.media); }, row);
    }
    return bytes;
  }

  // Of the front of the queue, as much as shares a transaction.
  void take_batch(std::vector<Pending>& batch) {
    std::size_t events_taken = 0;
    std::size_t bytes_taken = 0;
    while (!queue.empty()) {
      Pending& first = queue.front();
      const std::size_t more = weight(*first.delivery);
      if (!batch.empty() && (events_taken + more > options.max_batch_events ||
                             bytes_taken + first.bytes > options.max_batch_bytes)) {
        break;
      }
      events_taken += more;
      bytes_taken += first.bytes;
      batch.push_back(std::move(first));
      queue.pop_front();
    }
    queued_events -= events_taken;
    queued_bytes -= bytes_taken;
    queue_events.set(static_cast<double>(queued_events));
  }

  void run() {
    for (;;) {
      std::vector<Pending> batch;
      {
        std::unique_lock lock(mutex);
        if (queue.empty() && !committed.empty()) {
          lock.unlock();
          acknowledge();
          lock.lock();
        }
        ready.wait(lock, [&] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        take_batch(batch);
      }
      commit(batch);
      acknowledge();
      committed = std::move(batch);
    }
  }

  // Answers the batch that was committed last. Under load this happens while Postgres works on the
  // next one.
  void acknowledge() {
    for (Pending& pending : std::exchange(committed, {})) {
      if (pending.ack == Ack::unavailable) unavailable.add();
      if (pending.ack == Ack::committed && options.committed) options.committed(*pending.delivery);
      pending.delivery->done(pending.ack);
    }
  }

  void commit(std::vector<Pending>& batch) {
    if (clock.steady_ms() < down_until_ms) {
      for (Pending& pending : batch) pending.fall_to(Ack::unavailable);
      return;
    }
    const std::int64_t started = clock.steady_ms();
    std::vector<MessageItem> messages;
    std::vector<ChangeItem> changes;
    // A statement may touch a key once, so a repetition inside the batch shares the first one's
    // fate.
    std::map<std::pair<Uuid, Uuid>, Pending*> first_of_key;
    std::vector<std::pair<Pending*, Pending*>> repeated;
    for (Pending& pending : batch) {
      Delivery& delivery = *pending.delivery;
      for (std::size_t i = 0; i < delivery.rows.size(); ++i) {
        Row& row = delivery.rows[i];
        auto* message = std::get_if<InboundMessage>(&row);
        auto* change = std::get_if<InboundChange>(&row);
        const Uuid& key = message != nullptr ? message->key : change->key;
        const auto [slot, fresh] =
            first_of_key.try_emplace({delivery.channel.get(), key}, &pending);
        if (!fresh) {
          repeated.emplace_back(&pending, slot->second);
          duplicates.add();
        } else if (message != nullptr) {
          // The message it names may be among those that wait here.
          if (names_any_of(*message, messages)) flush(messages, changes);
          if (follow(*message, pending)) messages.push_back({message, &pending, nullptr});
        } else {
          auto& alternative = delivery.as_message[i];
          // What came before a thread moved belongs to its old name, what comes behind it to the
          // new one; all else may be stored messages first.
          const bool moves = change->kind == static_cast<int>(connector::EventKind::thread_moved);
          if (moves) flush(messages, changes);
          changes.push_back({change, &pending, alternative ? &*alternative : nullptr});
          if (moves) flush(messages, changes);
        }
      }
      if (delivery.quarantine) quarantine(pending, *delivery.quarantine);
    }
    flush(messages, changes);
    for (const auto& [later, first] : repeated) later->fall_to(first->ack);
    batches.add();
    commit_seconds.observe(static_cast<double>(clock.steady_ms() - started) / 1000.0);
  }

  static bool names_any_of(const InboundMessage& message, std::span<const MessageItem> items) {
    return std::any_of(items.begin(), items.end(), [&](const MessageItem& item) {
      return item.row->remote_id && item.row->channel == message.channel &&
             std::find(message.references.begin(), message.references.end(),
                       *item.row->remote_id) != message.references.end();
    });
  }

  // Gives a message that names others the thread of their conversation. False: it cannot be told
  // now, and `pending` says so.
  bool follow(InboundMessage& message, Pending& pending) {
    if (message.references.empty()) return true;
    for (int attempt = 1; clock.steady_ms() >= down_until_ms; ++attempt) {
      auto thread = store::thread_of_references(db, message.channel, message.references);
      if (thread) {
        if (*thread) message.thread = **std::move(thread);
        return true;
      }
      if (attempt < 2 && clock.steady_ms() < pending.deadline_ms) continue;
      alarm(thread.error());
      down_until_ms = clock.steady_ms() + kDownForMs;
    }
    pending.fall_to(Ack::unavailable);
    return false;
  }

  void flush(std::vector<MessageItem>& messages, std::vector<ChangeItem>& changes) {
    store_messages(std::exchange(messages, {}));
    store_changes(std::exchange(changes, {}));
  }

  void store_messages(std::vector<MessageItem> items) {
    // One order for all writers, so that none waits for another in a circle.
    std::sort(items.begin(), items.end(), [](const MessageItem& a, const MessageItem& b) {
      return std::tie(a.row->channel, a.row->thread, a.row->sort_at_ms, a.row->sort_seq,
                      a.row->key) < std::tie(b.row->channel, b.row->thread, b.row->sort_at_ms,
                                             b.row->sort_seq, b.row->key);
    });
    std::vector<MessageItem> known;
    std::vector<MessageItem> unknown;
    for (const MessageItem& item : items) {
      // Of an echo it has to be asked whether its message is here already.
      const bool is_echo = item.row->sender_type == domain::SenderType::agent;
      const KnownThread* thread =
          is_echo ? nullptr : threads.find({item.row->channel, item.row->thread});
      if (thread != nullptr && thread->person == person_of(*item.row)) {
        item.row->conversation = thread->conversation;
        item.row->contact = thread->contact;
        known.push_back(item);
      } else {
        unknown.push_back(item);
      }
    }
    store_known(known);
    store_unknown(unknown);
  }

  static std::vector<const InboundMessage*> rows_of(std::span<const MessageItem> items) {
    std::vector<const InboundMessage*> rows;
    rows.reserve(items.size());
    for (const MessageItem& item : items) rows.push_back(item.row);
    return rows;
  }

  Result<std::vector<std::size_t>> ask_known(std::span<const MessageItem> items) {
    if (auto sent = store::send_known(db, rows_of(items)); !sent) return std::move(sent).error();
    acknowledge();
    return store::receive_known(db);
  }

  void store_known(std::span<const MessageItem> items) {
    if (items.empty()) return;
    for (int attempt = 1;; ++attempt) {
      const auto fresh = ask_known(items);
      if (fresh) {
        count(items.size(), fresh->size());
        return;
      }
      if (is(fresh.error(), store::kConversationClosed)) {
        for (const MessageItem& item : items) {
          threads.forget({item.row->channel, item.row->thread});
          item.row->conversation = domain::ConversationId(ids.next());
          item.row->contact = domain::ContactId(ids.next());
        }
        store_unknown(items);
        return;
      }
      if (handled(fresh.error(), attempt, items,
                  [this](std::span<const MessageItem> part) { store_known(part); })) {
        return;
      }
    }
  }

  void store_unknown(std::span<const MessageItem> items) {
    if (items.empty()) return;
    for (int attempt = 1;; ++attempt) {
      const auto fresh = store::ingest_resolve(db, rows_of(items));
      if (fresh) {
        for (const auto& resolved : *fresh) {
          const InboundMessage& row = *items[resolved.index].row;
          threads.remember({row.channel, row.thread},
                           {resolved.conversation, resolved.contact, person_of(row)});
        }
        count(items.size(), fresh->size());
        return;
      }
      if (is(fresh.error(), store::kConversationClosed) && attempt < kMaxAttempts) continue;
      if (handled(fresh.error(), attempt, items,
                  [this](std::span<const MessageItem> part) { store_unknown(part); })) {
        return;
      }
    }
  }

  void store_changes(std::vector<ChangeItem> items) {
    std::stable_sort(items.begin(), items.end(), [](const ChangeItem& a, const ChangeItem& b) {
      return std::tie(a.row->channel, a.row->thread, a.row->at_ms) <
             std::tie(b.row->channel, b.row->thread, b.row->at_ms);
    });
    store_changes_of(items);
  }

  void store_changes_of(std::span<const ChangeItem> items) {
    if (items.empty()) return;
    std::vector<const InboundChange*> rows;
    for (const ChangeItem& item : items) rows.push_back(item.row);
    for (int attempt = 1;; ++attempt) {
      const auto outcomes = store::ingest_changes(db, rows);
      if (outcomes) {
        std::vector<MessageItem> missing;
        std::size_t fresh = 0;
        for (std::size_t i = 0; i < items.size(); ++i) {
          if ((*outcomes)[i] == ChangeOutcome::missing && items[i].as_message != nullptr) {
            if (follow(*items[i].as_message, *items[i].pending)) {
              missing.push_back({items[i].as_message, items[i].pending, nullptr});
            }
          } else if ((*outcomes)[i] == ChangeOutcome::stored) {
            ++fresh;
          }
        }
        count(items.size() - missing.size(), fresh);
        forget_moved(items);
        store_messages(std::move(missing));
        return;
      }
      if (handled(outcomes.error(), attempt, items,
                  [this](std::span<const ChangeItem> part) { store_changes_of(part); })) {
        return;
      }
    }
  }

  void forget_moved(std::span<const ChangeItem> items) {
    for (const ChangeItem& item : items) {
      if (item.row->kind != static_cast<int>(connector::EventKind::thread_moved)) continue;
      threads.forget({item.row->channel, item.row->thread});
      threads.forget({item.row->channel, item.row->content});
    }
  }

  void count(std::size_t all, std::size_t fresh) {
    events.add(static_cast<double>(all));
    duplicates.add(static_cast<double>(all - fresh));
  }

  // What an error means for these rows. False: try the same again.
  template <class ItemType, class Again>
  bool handled(const Error& error, int attempt, std::span<const ItemType> items, Again again) {
    if (is_poison(error)) {
      if (items.size() > 1) {
        again(items.first(items.size() / 2));
        again(items.subspan(items.size() / 2));
      } else if (is(error, store::kChannelGone)) {
        items.front().pending->fall_to(Ack::gone);
      } else {
        log::error("inbound", "a delivery cannot be stored and is quarantined",
                   {{"channel", items.front().row->channel.text()}, {"reason", error.message}});
        quarantine(*items.front().pending, error.message);
      }
      return true;
    }
    bool in_time = true;
    for (const ItemType& item : items) {
      in_time = in_time && clock.steady_ms() < item.pending->deadline_ms;
    }
    // Dedupe makes it safe to repeat also what may have been committed.
    if (in_time && attempt < 2) return false;
    alarm(error);
    down_until_ms = clock.steady_ms() + kDownForMs;
    for (const ItemType& item : items) item.pending->fall_to(Ack::unavailable);
    return true;
  }

  void quarantine(Pending& pending, const std::string& reason) {
    const Delivery& delivery = *pending.delivery;
    const store::Quarantined entry{delivery.channel, bytes_key(delivery.raw->body), ids.next(),
                                   reason, delivery.raw.get()};
    for (int attempt = 1;; ++attempt) {
      const auto kept = store::ingest_quarantine(db, entry);
      if (kept) {
        quarantined.add();
        return;
      }
      if (is(kept.error(), store::kChannelGone)) {
        pending.fall_to(Ack::gone);
        return;
      }
      if (attempt < 2 && clock.steady_ms() < pending.deadline_ms) continue;
      alarm(kept.error());
      pending.fall_to(Ack::unavailable);
      return;
    }
  }

  // One line a minute, not one per event.
  void alarm(const Error& error) {
    const std::int64_t now = clock.steady_ms();
    if (last_alarm_ms != 0 && now - last_alarm_ms < 60'000) return;
    last_alarm_ms = now;
    log::error("inbound", "Postgres does not take deliveries; they are answered 503",
               {{"reason", error.message}, {"sqlstate", error.cause}});
  }
};

Batcher::Batcher(BatcherOptions options, const Clock& clock, Uuid7& ids, Metrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), clock, ids, metrics)) {
  impl_->committer = std::thread([this] { impl_->run(); });
}

Batcher::~Batcher() { stop(); }

void Batcher::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->ready.notify_all();
  if (impl_->committer.joinable()) impl_->committer.join();
}

bool Batcher::submit(std::unique_ptr<Delivery>& delivery) {
  {
    const std::lock_guard lock(impl_->mutex);
    const std::size_t events = Impl::weight(*delivery);
    const std::size_t bytes = Impl::bytes_of(*delivery);
    if (impl_->stopping || impl_->queued_events + events > impl_->options.max_queued_events ||
        impl_->queued_bytes + bytes > impl_->options.max_queued_bytes) {
      return false;
    }
    impl_->queued_events += events;
    impl_->queued_bytes += bytes;
    impl_->queue.push_back({std::move(delivery),
                            impl_->clock.steady_ms() + impl_->options.deadline.count(), bytes,
                            Ack::committed});
  }
  impl_->ready.notify_one();
  return true;
}

}  // namespace gateway::inbound
