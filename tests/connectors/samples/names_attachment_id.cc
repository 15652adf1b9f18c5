// Calls a fact of an attachment what the gateway calls its own.
#include "tests/connectors/samples/sample.h"

namespace {

connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request) {
  auto received = sample::receive(channel, request);
  if (!received) return received;
  for (connector::Event& event : received->events) {
    for (connector::Attachment& attachment : event.attachments) {
      attachment.extra.emplace_back("id", "77");
    }
  }
  return received;
}

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = receive,
                                       .plan = sample::plan};

}  // namespace

EXPORT_CONNECTOR(kSample)
