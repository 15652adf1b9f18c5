// Everything the gateway says to platforms: registration, health checks, agents' messages.
//
// One thread runs all of it: a libcurl multi loop that drives each connector's plan and records
// every step in Postgres, so that a crash resumes where the transcript ends.
#ifndef GATEWAY_OUTBOUND_OUTBOUND_H_
#define GATEWAY_OUTBOUND_OUTBOUND_H_

#include <functional>
#include <optional>
#include <string>

#include "connectors/sdk/values.h"
#include "gateway/domain/conversation.h"
#include "gateway/domain/ids.h"

namespace gateway::outbound {

struct RegistrationOutcome {
  domain::RegistrationState state = domain::RegistrationState::pending;
  // The platform said no (bad token, bad settings): trying again without a change is no use.
  bool refused = false;
  std::string message;  // the platform's words, without secrets; empty when active
};

// Thread-safe: any method from any thread; none blocks.
class Outbound {
 public:
  virtual ~Outbound() = default;
  // Registers the stored channel at its platform now and calls `done` once, from the outbound
  // thread, with what came of it, at the latest after 15 s (then state is pending and the
  // reconciler goes on). Unregistrations still queued for the same channel run before.
  virtual void register_channel(domain::BusinessId business, domain::ChannelId channel,
                                std::function<void(RegistrationOutcome)> done) = 0;
  // New rows wait in the outbox or among the registration jobs.
  virtual void wake() = 0;
  // Runs the connector's acknowledge plan for a committed event; best effort, not repeated.
  virtual void acknowledge(domain::BusinessId business, domain::ChannelId channel,
                           connector::Event event) = 0;
  // Tells the contact of event.thread what is no message: that somebody types, or has read. Best
  // effort: one call per thread at a time, and of several that wait only the newest is made.
  virtual void signal(domain::BusinessId business, domain::ChannelId channel,
                      connector::Event event) = 0;
  // Fetches a public document of at most 64 KiB by its https URL. `done` is called once, from the
  // outbound thread (from the caller's where that has stopped), within 20 s; with nothing unless
  // the answer was 200.
  virtual void fetch_document(std::string url,
                              std::function<void(std::optional<std::string>)> done) = 0;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_OUTBOUND_H_
