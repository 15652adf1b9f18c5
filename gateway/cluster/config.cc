#include "gateway/cluster/config.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace gateway::cluster {
namespace {

std::string quoted(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

std::string megabytes(std::uint64_t mb) { return std::to_string(mb) + "MB"; }

}  // namespace

Machine measure_machine(const std::filesystem::path& data_folder) {
  Machine machine;
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0)
    machine.memory_mb = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) >> 20;
  for (const char* limit :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(limit);
    std::uint64_t bytes = 0;
    if (file >> bytes) machine.memory_mb = std::min(machine.memory_mb, bytes >> 20);
  }
  struct statvfs disk {};
  if (statvfs(data_folder.c_str(), &disk) == 0)
    machine.free_disk_mb = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize >> 20;
  return machine;
}

std::string server_config(const Machine& machine, Durability durability,
                          std::string_view socket_folder) {
  const bool durable = durability == Durability::full;
  // A quarter of the memory, as Postgres' manual advises, but the gateway lives beside it.
  const std::uint64_t buffers =
      durable ? std::clamp<std::uint64_t>(machine.memory_mb / 4, 64, 4096) : 128;
  // Recycled segments spare zero-filling new ones; a small disk must not fill up with them.
  const std::uint64_t max_wal =
      durable ? std::clamp<std::uint64_t>(machine.free_disk_mb / 4, 256, 8192) : 1024;
  std::string out =
      "# Written by the gateway at every start. Own settings belong into local.conf beside this\n"
      "# file, which is read after it.\n";
  const auto set = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(" = ").append(value).append("\n");
  };
  set("cluster_name", "'backchannel'");
  set("listen_addresses", "''");
  set("port", "5432");
  set("unix_socket_directories", quoted(socket_folder));
  set("unix_socket_permissions", "0700");
  set("max_connections", "100");
  set("shared_buffers", megabytes(buffers));
  set("fsync", durable ? "on" : "off");
  set("synchronous_commit", "on");
  set("full_page_writes", durable ? "on" : "off");
  set("max_wal_size", megabytes(max_wal));
  set("min_wal_size", megabytes(std::max<std::uint64_t>(max_wal / 4, 64)));
  set("checkpoint_timeout", "15min");
  set("checkpoint_completion_target", "0.9");
  set("jit", "off");
  // A request whose client has gone must not hold its locks until the statement ends.
  set("client_connection_check_interval", "1s");
  set("timezone", "'UTC'");
  set("log_timezone", "'UTC'");
  set("logging_collector", "off");
  set("log_destination", "'stderr'");
  // Statements that fail are the gateway's to report; here they would only fill the disk. Terse:
  // details quote values of rows.
  set("log_min_messages", "log");
  set("log_error_verbosity", "terse");
  set("log_line_prefix", "'%m [%p] '");
  set("log_checkpoints", "off");
  return out;
}

std::string conninfo_value(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace gateway::cluster
