// One folder, one gateway: a lock that dies with its holder, and in the same file what a command
// beside a running gateway needs to know. Called by cluster.cc only.
//
// The lock is flock(2) on the file; its text is
//   pid 4711 / role server / host /path/of/socket / state ready / end
// one word pair per line. Text after "end" is left over from a longer one.
#ifndef GATEWAY_CLUSTER_LOCK_FILE_H_
#define GATEWAY_CLUSTER_LOCK_FILE_H_

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/result.h"
#include "gateway/cluster/process.h"

namespace gateway::cluster {

enum class Role { server, command };

struct LockText {
  pid_t pid = 0;
  Role role = Role::server;
  std::string host;  // socket folder, once chosen
  bool ready = false;

  bool operator==(const LockText&) const = default;
};

std::string print_lock(const LockText& text);
// Nothing for text that is not whole.
std::optional<LockText> parse_lock(std::string_view text);

// Thread-confined.
class LockFile {
 public:
  static Result<LockFile> open(const std::filesystem::path& file);
  // True when the lock is ours now; false when another process has it.
  Result<bool> try_lock();
  // What the holder, or the last one, wrote.
  std::optional<LockText> read() const;
  // Only while locked.
  Result<> write(const LockText& text);

 private:
  LockFile(std::filesystem::path file, Fd fd) : file_(std::move(file)), fd_(std::move(fd)) {}
  std::filesystem::path file_;
  Fd fd_;
};

}  // namespace gateway::cluster

#endif  // GATEWAY_CLUSTER_LOCK_FILE_H_
