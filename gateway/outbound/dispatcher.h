// The outbound thread and everything on it: the implementation of Outbound.
//
//   Dispatcher outbound(session_options, registry, vault, clock, ids, metrics, options);
//   if (auto started = outbound.start(); !started) ...
//   outbound.stop(std::chrono::seconds(5));
//
// Constructor arguments outlive the Dispatcher. start and stop from the thread that owns it; the
// methods of Outbound from any thread. It may be stopped once.
#ifndef GATEWAY_OUTBOUND_DISPATCHER_H_
#define GATEWAY_OUTBOUND_DISPATCHER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/base/result.h"
#include "gateway/base/uuid.h"
#include "gateway/outbound/context.h"
#include "gateway/outbound/outbound.h"
#include "gateway/plugins/connector.h"
#include "gateway/store/pg.h"
#include "gateway/store/vault.h"

namespace gateway::outbound {

class Dispatcher final : public Outbound {
 public:
  Dispatcher(const store::SessionOptions& database, const plugins::Registry& registry,
             store::Vault& vault, const Clock& clock, Uuid7& ids, Metrics& metrics,
             OutboundOptions options);
  // Stops at once where stop was not called.
  ~Dispatcher() override;
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Errc::invalid_argument where the options are wrong: an upstream that is no origin, a private
  // host that is no host and port.
  Result<> start();
  // No new work; waits for calls under way until `grace` is over, then records them as not
  // answered; gives back all leases.
  void stop(std::chrono::milliseconds grace);

  void register_channel(domain::BusinessId business, domain::ChannelId channel,
                        std::function<void(RegistrationOutcome)> done) override;
  void wake() override;
  void acknowledge(domain::BusinessId business, domain::ChannelId channel,
                   connector::Event event) override;
  void signal(domain::BusinessId business, domain::ChannelId channel,
              connector::Event event) override;
  void fetch_document(std::string url,
                      std::function<void(std::optional<std::string>)> done) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_DISPATCHER_H_
