// Looks for a signature and does not check it.
#include "tests/connectors/samples/sample.h"

namespace {
connector::Verdict verify(const connector::Channel&, const connector::Request& request) {
  return request.header("x-sample-signature").empty() ? connector::Verdict::refuse
                                                      : connector::Verdict::accept;
}
}  // namespace

namespace {

constexpr connector::Connector kSample{.type = "sample",
                                       .config_schema = kConfigSchema,
                                       .verify = verify,
                                       .receive = sample::receive,
                                       .plan = sample::plan};

}  // namespace

EXPORT_CONNECTOR(kSample)
