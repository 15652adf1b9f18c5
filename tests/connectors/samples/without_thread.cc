// Forgets to say which conversation a message belongs to.
#include "tests/connectors/samples/sample.h"

namespace {
connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request) {
  auto received = sample::receive(channel, request);
  if (received) received->events[0].thread.clear();
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
