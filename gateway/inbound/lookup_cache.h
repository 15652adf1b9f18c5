// Answers of slow lookups, kept for a while. Who asks while a lookup is under way waits for it, so
// that there is one at a time for each key.
//
// Internally locked, any thread; callbacks run without the lock.
#ifndef GATEWAY_INBOUND_LOOKUP_CACHE_H_
#define GATEWAY_INBOUND_LOOKUP_CACHE_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/task.h"

namespace gateway::inbound {

template <class Key, class Value>
class LookupCache {
 public:
  using Done = Task<void(const Value&)>;

  // Made-up keys must not fill the memory: above `max_entries` those that expire soonest go.
  LookupCache(const Clock& clock, std::size_t max_entries)
      : clock_(clock), max_entries_(std::max<std::size_t>(max_entries, 4)) {}

  // Calls `done` once: now where the answer is here, otherwise when it comes. Where nobody is
  // looking for it yet `begin()` is called, which must lead to one call of finish.
  template <class Begin>
  void find(const Key& key, Done done, Begin begin) {
    {
      std::unique_lock lock(mutex_);
      auto found = entries_.find(key);
      if (found == entries_.end()) {
        if (entries_.size() >= max_entries_) make_room();
        found = entries_.try_emplace(key).first;
      }
      Entry& entry = found->second;
      if (entry.value && entry.good_until_ms > clock_.steady_ms()) {
        const Value known(*entry.value);
        lock.unlock();
        done(known);
        return;
      }
      entry.waiting.push_back(std::move(done));
      if (entry.loading) return;
      entry.loading = true;
      entry.forgotten = false;
    }
    begin();
  }

  // The answer has come; all who wait are called on this thread. Zero: it is not kept.
  void finish(const Key& key, const Value& value, std::chrono::milliseconds good_for) {
    std::vector<Done> waiting;
    {
      const std::lock_guard lock(mutex_);
      const auto found = entries_.find(key);
      if (found == entries_.end()) return;
      Entry& entry = found->second;
      waiting.swap(entry.waiting);
      if (entry.forgotten || good_for.count() <= 0) {
        entries_.erase(found);
      } else {
        entry.loading = false;
        entry.value = value;
        entry.good_until_ms = clock_.steady_ms() + good_for.count();
      }
    }
    for (Done& done : waiting) done(value);
  }

  // An answer that is under way is given to those who wait and then not kept.
  void forget(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    if (found->second.loading) {
      found->second.forgotten = true;
    } else {
      entries_.erase(found);
    }
  }

  // The same for all whose answer is so, and for all that are under way.
  template <class Predicate>
  void forget_if(Predicate predicate) {
    const std::lock_guard lock(mutex_);
    for (auto at = entries_.begin(); at != entries_.end();) {
      Entry& entry = at->second;
      if (entry.loading) entry.forgotten = true;
      at = !entry.loading && predicate(*entry.value) ? entries_.erase(at) : std::next(at);
    }
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    std::optional<Value> value;
    std::int64_t good_until_ms = 0;
    bool loading = false;
    bool forgotten = false;  // changed while it was being looked up
    std::vector<Done> waiting;
  };

  // A quarter at once, so that a full table is not searched for every new key.
  void make_room() {
    const std::int64_t now = clock_.steady_ms();
    std::vector<std::int64_t> expiries;
    for (const auto& [key, entry] : entries_) {
      if (!entry.loading) expiries.push_back(entry.good_until_ms);
    }
    if (expiries.empty()) return;
    const auto quarter = expiries.begin() + static_cast<std::ptrdiff_t>(expiries.size() / 4);
    std::nth_element(expiries.begin(), quarter, expiries.end());
    const std::int64_t border = std::max(now, *quarter);
    std::erase_if(entries_, [&](const auto& item) {
      return !item.second.loading && item.second.good_until_ms <= border;
    });
  }

  const Clock& clock_;
  const std::size_t max_entries_;
  mutable std::mutex mutex_;
  std::unordered_map<Key, Entry> entries_;
};

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_LOOKUP_CACHE_H_
