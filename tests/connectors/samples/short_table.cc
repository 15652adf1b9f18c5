// Describes itself in fewer bytes than the interface has.
#include "tests/connectors/samples/sample.h"

namespace {

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = sample::receive,
                                       .plan = sample::plan};

constexpr gwc_connector shortened() {
  gwc_connector table = connector::thunk::table<kSample>();
  table.size = offsetof(gwc_connector, plan);
  return table;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const gwc_connector* gwc_connector_v1(void) {
  static constexpr gwc_connector kTable = shortened();
  return &kTable;
}
