// Holds the cluster of a data folder, as a gateway does, until its standard input ends or it is
// killed. Usage: cluster_holder DATA_DIR server|command. Prints one line when it is ready:
//   ready POSTMASTER_PID CONNINFO    or    attached 0 CONNINFO    or    error TEXT
#include <stdio.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "gateway/cluster/cluster.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  gateway::cluster::ClusterOptions options;
  options.data_dir = argv[1];
  options.durability = gateway::cluster::Durability::none;
  auto cluster = std::string_view(argv[2]) == "command"
                     ? gateway::cluster::Cluster::attach_or_start(options)
                     : gateway::cluster::Cluster::open(options);
  if (!cluster) {
    printf("error %s\n", cluster.error().message.c_str());
    return 1;
  }
  printf("%s %d %s\n", cluster->attached() ? "attached" : "ready",
         static_cast<int>(cluster->server_pid()), cluster->owner_conninfo().c_str());
  fflush(stdout);
  char byte = 0;
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}
