// Was built for a later interface.
#include "tests/connectors/samples/sample.h"

namespace {

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = sample::receive,
                                       .plan = sample::plan};

constexpr gwc_connector later() {
  gwc_connector table = connector::thunk::table<kSample>();
  table.abi_major = GWC_ABI_MAJOR + 1;
  return table;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const gwc_connector* gwc_connector_v1(void) {
  static constexpr gwc_connector kTable = later();
  return &kTable;
}
