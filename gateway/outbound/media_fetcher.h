// Fetches the files that messages came with and platforms keep: claims what is due, runs the
// connector's plan(fetch_media), stores the bytes, and shows them in the message. Also takes the
// bytes of messages that were taken back, and removes files that no message names any more.
//
// Few at a time, with a lease and a fence each, so that sends do not wait for files and two
// gateways do not fetch one twice. A fetch reads only: after a crash it begins anew. In memory
// there are at most `at_once` files, one of them, while it is stored, twice.
//
// Belongs to the outbound thread.
#ifndef GATEWAY_OUTBOUND_MEDIA_FETCHER_H_
#define GATEWAY_OUTBOUND_MEDIA_FETCHER_H_

#include <cstdint>
#include <memory>

#include "gateway/outbound/backoff.h"
#include "gateway/outbound/context.h"
#include "gateway/outbound/worker.h"

namespace gateway::outbound {

struct MediaFetcherOptions {
  std::int64_t max_bytes = 25 << 20;  // a longer file fails; at most kMaxAnswerBytes - 1
  int at_once = 4;
  int tenant_cap = 2;                            // of one business, by all gateways together
  std::int64_t keep_ms = 24 * 3'600'000;         // how long a file is tried
  std::int64_t erase_interval_ms = 30'000;       // of messages that were taken back
  std::int64_t sweep_interval_ms = 10 * 60'000;  // of files nobody names
};

// 5 s, doubled with each attempt up to 10 min, less a random half.
std::int64_t media_backoff_ms(int attempt, Rng& rng);

// Attempts that a platform answered; one it did not answer at all costs only time.
inline constexpr int kMaxMediaAttempts = 10;

// For OutboundOptions::workers.
std::unique_ptr<Worker> make_media_fetcher(Context& context, MediaFetcherOptions options);

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_MEDIA_FETCHER_H_
