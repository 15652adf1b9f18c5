// The settings of the embedded Postgres, as text. Pure; called by cluster.cc at every start.
#ifndef GATEWAY_CLUSTER_CONFIG_H_
#define GATEWAY_CLUSTER_CONFIG_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "gateway/cluster/cluster.h"

namespace gateway::cluster {

struct Machine {
  std::uint64_t memory_mb = 0;     // what this process may use: RAM or the cgroup's limit
  std::uint64_t free_disk_mb = 0;  // on the disk of the data folder
};

Machine measure_machine(const std::filesystem::path& data_folder);

// backchannel.conf, which postgresql.conf includes. `socket_folder` as Postgres shall see it.
std::string server_config(const Machine& machine, Durability durability,
                          std::string_view socket_folder);

// A value of libpq's "name=value" connection string, quoted where it needs it.
std::string conninfo_value(std::string_view value);

}  // namespace gateway::cluster

#endif  // GATEWAY_CLUSTER_CONFIG_H_
