// Asks for more whatever the answer is.
#include "tests/connectors/samples/sample.h"

namespace {
connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                     const connector::Event& input, std::span<const connector::Response> so_far) {
  if (operation == connector::Operation::check) return sample::call(channel, "health", "{}");
  return sample::plan(channel, operation, input, so_far);
}
}  // namespace

namespace {

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = sample::receive,
                                       .plan = plan};

}  // namespace

EXPORT_CONNECTOR(kSample)
