// Every connector of this build, linked statically; for tests and fuzzing. Any thread.
#ifndef CONNECTORS_SDK_ALL_H_
#define CONNECTORS_SDK_ALL_H_

#include <vector>

#include "connectors/sdk/connector_abi.h"

namespace connector {

std::vector<const gwc_connector*> all();

}  // namespace connector

#endif  // CONNECTORS_SDK_ALL_H_
