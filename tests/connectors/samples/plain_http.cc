// Calls the platform without TLS.
#include "tests/connectors/samples/sample.h"

namespace {
connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                     const connector::Event& input, std::span<const connector::Response> so_far) {
  connector::Step step = sample::plan(channel, operation, input, so_far);
  if (auto* call = std::get_if<connector::Call>(&step)) call->url.erase(4, 1);
  return step;
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
