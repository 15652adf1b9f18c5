// Prints the table of docs/OPERATIONS.md.
#include <cstdio>

#include "gateway/settings/settings.h"

int main() {
  std::fputs(gateway::settings::settings_table().c_str(), stdout);
  return 0;
}
