// Keeps the contract.
#include "tests/connectors/samples/sample.h"

namespace {

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = sample::verify,
                                       .receive = sample::receive,
                                       .plan = sample::plan};

}  // namespace

EXPORT_CONNECTOR(kSample)
