// Remembers how often it was asked.
#include "tests/connectors/samples/sample.h"

namespace {
connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request) {
  static int count = 0;
  auto received = sample::receive(channel, request);
  if (received) received->events[0].sequence = ++count;
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
