// Asks the machine for its settings.
#include "tests/connectors/samples/sample.h"

#include <cstdlib>

namespace {
connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request) {
  if (std::getenv("SAMPLE_OFF") != nullptr) return connector::Received{};
  return sample::receive(channel, request);
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
