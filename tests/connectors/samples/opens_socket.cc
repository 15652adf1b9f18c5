// Talks to the network by itself.
#include "tests/connectors/samples/sample.h"

#include <sys/socket.h>

namespace {
connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request) {
  if (request.body.size() > (1u << 20)) socket(AF_INET, SOCK_STREAM, 0);
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
