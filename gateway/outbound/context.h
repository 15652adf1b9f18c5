// What the parts of the outbound thread share. Built and owned by the Dispatcher; all of it belongs
// to the outbound thread unless its own header says otherwise.
#ifndef GATEWAY_OUTBOUND_CONTEXT_H_
#define GATEWAY_OUTBOUND_CONTEXT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/base/uuid.h"
#include "gateway/domain/ids.h"
#include "gateway/outbound/backoff.h"
#include "gateway/outbound/egress.h"
#include "gateway/outbound/http_client.h"
#include "gateway/outbound/loop.h"
#include "gateway/outbound/worker.h"
#include "gateway/plugins/connector.h"
#include "gateway/store/vault.h"

namespace gateway::outbound {

struct Context;

struct OutboundOptions {
  std::string public_url;                    // base of the callback URLs, no slash at its end
  EgressPolicy::Upstreams upstreams;         // origin -> origin
  std::vector<std::string> private_hosts;    // "host:port" that may be private
  plugins::Deployment deployment;            // stands in for what a channel's config lacks
  std::int64_t check_interval_ms = 300'000;  // health check of every active channel
  std::int64_t poll_interval_ms = 60'000;    // of platforms that must be asked
  std::uint64_t seed = 0;                    // of all jitter; 0 draws one
  // A channel's row changed; caches of it are stale. Called on the outbound thread.
  std::function<void(domain::ChannelId)> channel_changed;
  // Stores what a poll or an acknowledgement brought, on a database thread, and runs `also` in the
  // transaction that stores it: the cursor moves with its events, or neither does. Must find events
  // it stored before by their keys. Absent: nothing is polled.
  std::function<Result<>(store::Session&, domain::BusinessId, domain::ChannelId,
                         std::span<const connector::Event>, std::span<const store::Query> also)>
      store_events;
  // Asked on a database thread before a GET of a send leaves: an answer means that the URL is one
  // of our own, and nothing leaves.
  std::function<Result<std::optional<connector::Response>>(store::Session&, const connector::Call&)>
      local_answer;
  // Further parts of the outbound thread, made when it starts and driven like its own.
  std::vector<std::function<std::unique_ptr<Worker>(Context&)>> workers;
  int lanes_in_flight = 64;
  int tenant_cap = 8;
  int database_threads = 3;
  int big_answers = 2;
  std::int64_t lease_ms = 30'000;
  std::int64_t claim_interval_ms = 1'000;      // where nobody wakes us
  std::int64_t schedule_interval_ms = 60'000;  // looking for channels that lack their jobs
  RetryBudget::Limits retry_budget;
  HttpLimits http;
};

// How many operations may hold answers of more than kBigAnswerBytes at a time: each is in memory
// several times over while it is recorded. Any thread.
class BigAnswers {
 public:
  explicit BigAnswers(int at_once) : free_(at_once) {}
  // To be kept as long as the answers are; null where too many are held already. It may not outlive
  // this object.
  std::shared_ptr<void> take() {
    if (free_.fetch_sub(1) <= 0) {
      free_.fetch_add(1);
      return nullptr;
    }
    return {this, [](BigAnswers* all) { all->free_.fetch_add(1); }};
  }

 private:
  std::atomic<int> free_;
};

// Whether the database answers, for backing off and for a log of one line a minute.
class DatabaseHealth {
 public:
  explicit DatabaseHealth(const Clock& clock) : clock_(clock) {}
  void good();
  void bad(const Error& error);
  std::int64_t delay_ms(Rng& rng) const;
  bool is_bad() const { return failures_ > 0; }

 private:
  const Clock& clock_;
  int failures_ = 0;
  std::int64_t next_log_ms_ = 0;
};

struct Context {
  const OutboundOptions& options;
  const plugins::Registry& registry;
  store::Vault& vault;
  const Clock& clock;
  Metrics& metrics;
  HttpClient& http;
  Loop& loop;
  Rng& rng;
  DatabaseHealth& health;
  RetryBudget& budget;
  BigAnswers& big;
  Uuid owner;  // of this process's leases

  std::string webhook_url(std::string_view type, domain::ChannelId channel) const {
    return options.public_url + "/api/v1/webhooks/" + std::string(type) + "/" + channel.text();
  }
  void channel_changed(domain::ChannelId channel) const {
    if (options.channel_changed) options.channel_changed(channel);
  }
  // A lease under which `call` can be made: the ordinary one, and what a slow call takes longer.
  std::int64_t lease_ms(const connector::Call& call) const {
    const auto longer = (http.time_limit(call) - options.http.total).count();
    return options.lease_ms + (longer > 0 ? longer : 0);
  }
};

// The database is away, or did not say whether it committed: the same statement may be repeated.
inline bool may_repeat(const Error& error) {
  return error.code == Errc::unavailable || error.code == Errc::unknown_outcome;
}

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_CONTEXT_H_
