// Child processes of the embedded Postgres: run as the right user, tied to our life, waited for by
// descriptor. Called by cluster.cc and binaries.cc only. Values and handles; a Child belongs to one
// thread.
#ifndef GATEWAY_CLUSTER_PROCESS_H_
#define GATEWAY_CLUSTER_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::cluster {

using Deadline = std::chrono::steady_clock::time_point;

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// "no space left on device (28)": the system's words for errno, without a full stop.
std::string system_reason(int error_number);

// Who runs the Postgres programs. Postgres refuses to run as root, so root needs somebody else.
struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
  bool switches = false;  // true: we are root and the child must change to it
};

// The user who owns `folder` where it exists; else ourselves, or as root the system user
// "postgres", or "nobody".
Result<Account> database_account(const std::filesystem::path& folder);

struct Command {
  std::vector<std::string> argv;  // argv[0] is the absolute path of the program
  Account account;
  // A folder the program works in: argument `folder_argument` is its path. Where the account cannot
  // walk that path (a clone below /root), the argument becomes a name of the open descriptor.
  int folder_fd = -1;
  std::size_t folder_argument = 0;
  int output_fd = -1;    // standard output and error; -1: discarded
  int death_signal = 0;  // sent when the thread that calls spawn ends, also by kill -9
};

class Child {
 public:
  Child() = default;
  Child(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  pid_t pid() const { return pid_; }
  bool running() const { return static_cast<bool>(pidfd_); }
  void signal(int number) const;
  // The wait status, or nothing when it still runs at the deadline or `wake_fd` became readable.
  std::optional<int> wait_until(Deadline deadline, int wake_fd = -1);

 private:
  pid_t pid_ = -1;
  Fd pidfd_;
};

Result<Child> spawn(const Command& command);

// "exit code 1" or "signal 9".
std::string describe_status(int status);

// Runs a short command to its end and gives its output, at most 64 KiB of it. An exit code other
// than 0 is an error with the last line in its message.
Result<std::string> run(Command command, Deadline deadline);

// True when no such process runs. One that ended and that nobody has collected counts as ended:
// where process 1 of a container collects nothing, such numbers stay taken.
bool has_ended(pid_t pid);

// Processes named "postgres" whose working folder is `folder`: the postmaster of a data folder and
// its children, also orphaned ones.
std::vector<pid_t> postgres_processes_in(const std::filesystem::path& folder);

// True when none of `pids` runs any more; they need not be children of ours.
bool wait_for_others(const std::vector<pid_t>& pids, Deadline deadline);

}  // namespace gateway::cluster

#endif  // GATEWAY_CLUSTER_PROCESS_H_
