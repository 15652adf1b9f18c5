// Names the host of its calls, and how their bodies are framed.
#include "tests/connectors/samples/sample.h"

namespace {

connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                     const connector::Event& input, std::span<const connector::Response> so_far) {
  connector::Step step = sample::plan(channel, operation, input, so_far);
  if (auto* call = std::get_if<connector::Call>(&step)) {
    call->headers.emplace_back("host", "elsewhere.example");
    call->headers.emplace_back("content-length", "0");
    call->headers.emplace_back("transfer-encoding", "chunked");
    call->headers.emplace_back("connection", "close");
  }
  return step;
}

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = sample::receive,
                                       .plan = plan};

}  // namespace

EXPORT_CONNECTOR(kSample)
