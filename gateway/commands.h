// The short commands: each opens what it needs, says what it did on standard output, and ends.
#ifndef GATEWAY_COMMANDS_H_
#define GATEWAY_COMMANDS_H_

#include <string>

#include "gateway/base/result.h"
#include "gateway/settings/settings.h"

namespace gateway::commands {

Result<> migrate(const settings::Settings& settings);
Result<> set_plan(const settings::Settings& settings, const std::string& business,
                  const std::string& plan);
Result<> show_plan(const settings::Settings& settings, const std::string& business);
Result<> list_connectors(const settings::Settings& settings);
// The contract suite over one shared object; 0 when it found nothing. `write`: first writes what
// the connector says beside its fixtures.
int check_connector(const std::string& object, const std::string& fixtures, bool write);
// Everything that can be checked without changing anything; 0 when nothing is wrong.
int doctor(const settings::Settings& settings);
Result<> replay(const settings::Settings& settings, const std::string& channel, bool dry_run);

}  // namespace gateway::commands

#endif  // GATEWAY_COMMANDS_H_
