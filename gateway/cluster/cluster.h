// The embedded Postgres: makes a cluster on first use, runs it as a child of this process, and
// stops it with this process, whatever ends it.
//
//   <data_dir>/postgres.lock        who holds the folder, and where its socket is
//   <data_dir>/postgres/data        the cluster, owned by the user who runs Postgres
//   <data_dir>/postgres/run         its socket, mode 0700; no TCP, and no password behind the 0700
//   <data_dir>/postgres/server.log  what Postgres says
//
// Called by main and the commands before anything else, and by test programs. A supervisor thread
// inside starts Postgres again should it die alone. Thread-confined to its owner.
#ifndef GATEWAY_CLUSTER_CLUSTER_H_
#define GATEWAY_CLUSTER_CLUSTER_H_

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::cluster {

// `none` is for tests: a power cut loses the cluster, a crash of Postgres does not.
enum class Durability { full, none };

struct ClusterOptions {
  std::filesystem::path data_dir;  // BACKCHANNEL_DATA_DIR; made where absent
  // Progress for the person at the terminal, one line without newline each. Called while open()
  // runs only.
  std::function<void(const std::string&)> log;
  std::string database = "backchannel";  // made where absent
  Durability durability = Durability::full;
  std::vector<std::filesystem::path> binaries;  // folders to look in; empty: the usual ones
  std::chrono::seconds start_timeout{600};      // recovery after a crash may take minutes
  std::chrono::seconds stop_timeout{60};        // then the fast way: recovery at the next start
};

class Cluster {
 public:
  // For the gateway itself. Errc::conflict names the process that holds the folder; a short command
  // that holds it is waited for.
  static Result<Cluster> open(ClusterOptions options);
  // For a command: uses the cluster of the gateway that runs on this folder, else starts it for as
  // long as this object lives.
  static Result<Cluster> attach_or_start(ClusterOptions options);

  Cluster(Cluster&&) noexcept;
  Cluster& operator=(Cluster&&) noexcept;
  ~Cluster();  // stops Postgres where we started it

  // libpq connection strings. The owner is the superuser, for migrations only; the role
  // backchannel_gateway is made by them.
  std::string owner_conninfo() const;
  std::string gateway_conninfo() const;
  std::string conninfo(const std::string& user, const std::string& database) const;

  bool attached() const;     // true: another process holds the cluster
  pid_t server_pid() const;  // the postmaster; 0 while there is none, or when attached

 private:
  class Impl;
  explicit Cluster(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::cluster

#endif  // GATEWAY_CLUSTER_CLUSTER_H_
