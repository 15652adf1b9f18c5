// Events and steps as readable text, one fact per line: what fixtures expect and what failed checks
// show. Empty values are left out; line breaks are written \n; long texts are cut and told by their
// length and hash. Pure functions, any thread.
#ifndef GATEWAY_PLUGINS_DESCRIBE_H_
#define GATEWAY_PLUGINS_DESCRIBE_H_

#include <string>

#include "connectors/sdk/values.h"
#include "gateway/base/result.h"

namespace gateway::plugins {

std::string_view name_of(connector::EventKind kind);
std::string_view name_of(connector::Operation operation);
std::string_view name_of(connector::Failure failure);

std::string describe(const connector::Event& event);
// What a delivery meant, in the format of tests/fixtures/<type>/<case>.expect.
std::string describe(const Result<connector::Received>& received);
// A Call as it goes out ("> " lines), Done and Fail as outcomes ("= " lines), in the format of
// transcripts.
std::string describe(const connector::Step& step);

}  // namespace gateway::plugins

#endif  // GATEWAY_PLUGINS_DESCRIBE_H_
