// Takes refused credentials for a passing trouble.
#include "tests/connectors/samples/sample.h"

namespace {
connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                     const connector::Event& input, std::span<const connector::Response> so_far) {
  connector::Step step = sample::plan(channel, operation, input, so_far);
  if (auto* fail = std::get_if<connector::Fail>(&step);
      fail != nullptr && fail->code == connector::Failure::auth) {
    fail->code = connector::Failure::retry;
  }
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
