// Exports a second symbol.
#include "tests/connectors/samples/sample.h"

extern "C" __attribute__((visibility("default"))) int sample_second_symbol(void);
int sample_second_symbol(void) { return 2; }

namespace {

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = sample::receive,
                                       .plan = sample::plan};

}  // namespace

EXPORT_CONNECTOR(kSample)
