// Written against the C table alone: its exception reaches the gateway.
#include "tests/connectors/samples/sample.h"

namespace {

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = sample::receive,
                                       .plan = sample::plan};

void receive(const gwc_channel*, const gwc_request* request, const gwc_sink*) {
  throw request->body.len;
}

constexpr gwc_connector unfenced() {
  gwc_connector table = connector::thunk::table<kSample>();
  table.receive = receive;
  return table;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const gwc_connector* gwc_connector_v1(void) {
  static constexpr gwc_connector kTable = unfenced();
  return &kTable;
}
