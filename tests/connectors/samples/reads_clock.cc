// Takes the time from the machine instead of now_ms.
#include "tests/connectors/samples/sample.h"

#include <chrono>

namespace {
connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request) {
  auto received = sample::receive(channel, request);
  if (!received) return received;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  for (connector::Event& event : received->events) event.sent_ms = now.count() / 3'600'000'000'000;
  return received;
}
}  // namespace

namespace {

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = receive,
                                       .plan = sample::plan};

}  // namespace

EXPORT_CONNECTOR(kSample)
