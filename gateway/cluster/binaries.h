// Finds the programs of an installed Postgres. Called by cluster.cc at start; values only.
#ifndef GATEWAY_CLUSTER_BINARIES_H_
#define GATEWAY_CLUSTER_BINARIES_H_

#include <filesystem>
#include <string>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::cluster {

constexpr int kOldestPostgres = 15;

struct Binaries {
  std::filesystem::path folder;  // holds initdb and postgres
  int major = 0;
  std::string version;  // "15.20"
};

// "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)" -> 15 and "15.20"; nothing but 0 for
// other text.
Binaries parse_version(const std::filesystem::path& folder, std::string_view text);

// Where Postgres is usually installed, newest version first.
std::vector<std::filesystem::path> usual_folders();

// `wanted_major` 0: the newest that is at least kOldestPostgres; else exactly that version, since a
// cluster can only be run by the version that made it. `folders` are tried in order.
Result<Binaries> find_binaries(const std::vector<std::filesystem::path>& folders, int wanted_major);

}  // namespace gateway::cluster

#endif  // GATEWAY_CLUSTER_BINARIES_H_
