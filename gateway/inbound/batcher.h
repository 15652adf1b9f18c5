// Group commit: deliveries that wait together share one transaction, and each is answered after it.
//
// One committer thread with one connection takes all that waits the moment the last commit is back:
// one delivery when it is quiet, up to a hundred under load, without a timer. A row that Postgres
// will not take is found by halving and set apart, so that it cannot hold up its neighbours.
// A message that names others of its thread is put into their conversation.
//
// submit from any thread; construction, stop and destruction from one.
#ifndef GATEWAY_INBOUND_BATCHER_H_
#define GATEWAY_INBOUND_BATCHER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/sdk/values.h"
#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/base/task.h"
#include "gateway/inbound/normalize.h"
#include "gateway/store/ingest.h"
#include "gateway/store/pg.h"

namespace gateway::inbound {

enum class Ack {
  committed,    // every row of the delivery is durable, or was before
  unavailable,  // not stored, or not known to be: the platform shall send it again
  gone,         // the channel was removed meanwhile
};

struct Delivery {
  domain::BusinessId business;
  domain::ChannelId channel;
  // Shared where one delivery of the platform is for several channels.
  std::shared_ptr<const store::RawDelivery> raw;
  std::vector<Row> rows;  // their `raw` is this one
  // Beside an edit's row: the message it becomes where its original is not here.
  std::vector<std::optional<store::InboundMessage>> as_message;
  // The reason why the bytes are set apart: there are no rows, or not for all that came.
  std::optional<std::string> quarantine;
  std::vector<connector::Event> acknowledge;
  Task<void(Ack)> done;  // called once, from the committer's thread
};

struct BatcherOptions {
  store::SessionOptions session;
  std::size_t max_batch_events = 128;
  std::size_t max_queued_events = 4096;
  // Of bodies and attachments. A delivery of more than a batch's bytes is committed alone.
  std::size_t max_batch_bytes = 16u << 20;
  std::size_t max_queued_bytes = 256u << 20;
  // From submission; within it a lost connection is tried again.
  std::chrono::milliseconds deadline{4'000};
  // Hears of committed deliveries, on the committer's thread, before they are answered.
  std::function<void(const Delivery&)> committed;
};

class Batcher {
 public:
  Batcher(BatcherOptions options, const Clock& clock, Uuid7& ids, Metrics& metrics);
  // Commits what waits, then stops.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // False where the queue is full; the delivery is then left with the caller.
  [[nodiscard]] bool submit(std::unique_ptr<Delivery>& delivery);
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_BATCHER_H_
