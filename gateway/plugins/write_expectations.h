// Writes what a connector says beside its fixtures: every <case>.expect, and in transcripts the
// lines that begin with > and =. For authors, who then review each difference against the
// platform's documentation; no test runs it.
#ifndef GATEWAY_PLUGINS_WRITE_EXPECTATIONS_H_
#define GATEWAY_PLUGINS_WRITE_EXPECTATIONS_H_

#include <string>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::plugins {

// The files whose text has changed. Loads the object into the calling process, where it stays.
Result<std::vector<std::string>> write_expectations(const std::string& object,
                                                    const std::string& fixtures);

}  // namespace gateway::plugins

#endif  // GATEWAY_PLUGINS_WRITE_EXPECTATIONS_H_
