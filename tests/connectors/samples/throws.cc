// Throws where a field is missing; its own thunk stops that.
#include "tests/connectors/samples/sample.h"

#include <stdexcept>

namespace {
connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request) {
  auto received = sample::receive(channel, request);
  if (!received) throw std::runtime_error("cannot parse");
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
