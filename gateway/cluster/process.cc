#include "gateway/cluster/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <system_error>

namespace gateway::cluster {
namespace {

constexpr int kFolderFd = 3;
constexpr std::size_t kMaxOutput = 64u << 10;

int milliseconds_left(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

Fd open_pidfd(pid_t pid) { return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

enum class Step : int { groups, user, output, folder, exec };

struct Failure {
  Step step;
  int error_number;
};

// What the child must not compute after fork(): the parent may have threads, so only
// async-signal-safe calls are allowed there.
struct Prepared {
  std::vector<char*> argv;
  std::vector<char*> environment;
  char* folder_path = nullptr;
  char* folder_name = nullptr;
};

[[noreturn]] void give_up(int report_fd, Step step) {
  const Failure failure{step, errno};
  [[maybe_unused]] const auto written = write(report_fd, &failure, sizeof failure);
  _exit(127);
}

[[noreturn]] void become(const Command& command, Prepared& prepared, int report_fd, int null_fd,
                         pid_t parent) {
  // A session of its own: Ctrl-C in a terminal must reach the gateway alone, which then stops
  // Postgres after its own work.
  setsid();
  for (int number = 1; number < 32; ++number) {
    if (number != SIGKILL && number != SIGSTOP) ::signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  umask(077);
  if (command.account.switches) {
    // Raw calls: glibc's wrappers signal all threads, of which this copy has only one.
    if (syscall(SYS_setgroups, 0, nullptr) != 0 ||
        syscall(SYS_setresgid, command.account.gid, command.account.gid, command.account.gid) != 0)
      give_up(report_fd, Step::groups);
    if (syscall(SYS_setresuid, command.account.uid, command.account.uid, command.account.uid) != 0)
      give_up(report_fd, Step::user);
  }
  // After the change of user, which would clear it.
  if (command.death_signal != 0) {
    prctl(PR_SET_PDEATHSIG, command.death_signal);
    if (getppid() != parent) _exit(127);
  }
  const int output = command.output_fd >= 0 ? command.output_fd : null_fd;
  if (dup2(null_fd, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
    give_up(report_fd, Step::output);
  // Descriptors of the gateway must not live on in Postgres, above all not its lock file; those of
  // ours close by themselves at exec.
  if (command.folder_fd >= 0 && access(prepared.folder_path, X_OK) != 0) {
    const int spare = fcntl(report_fd, F_DUPFD_CLOEXEC, kFolderFd + 1);
    if (spare < 0 || dup2(command.folder_fd, kFolderFd) < 0 || fcntl(kFolderFd, F_SETFD, 0) < 0)
      give_up(report_fd, Step::folder);
    report_fd = spare;
    prepared.argv[command.folder_argument] = prepared.folder_name;
    syscall(SYS_close_range, kFolderFd + 1, ~0U, 1U << 2);  // CLOSE_RANGE_CLOEXEC
  } else {
    syscall(SYS_close_range, 3, ~0U, 1U << 2);
  }
  // Postgres 15 walks back into the folder it was started in and fails where it may not.
  if (chdir("/") != 0) give_up(report_fd, Step::folder);
  execve(prepared.argv[0], prepared.argv.data(), prepared.environment.data());
  give_up(report_fd, Step::exec);
}

std::string describe(const Failure& failure, const Command& command) {
  const std::string reason = system_reason(failure.error_number);
  switch (failure.step) {
    case Step::groups:
    case Step::user:
      return "cannot run Postgres as user " + command.account.name + ": " + reason +
             "; start the gateway as an ordinary user instead of root";
    case Step::output:
    case Step::folder:
      return "cannot prepare " + command.argv[0] + ": " + reason;
    case Step::exec:
      return "cannot run " + command.argv[0] + ": " + reason;
  }
  return reason;
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

std::string system_reason(int error_number) {
  return std::generic_category().message(error_number) + " (errno " + std::to_string(error_number) +
         ")";
}

Result<Account> database_account(const std::filesystem::path& folder) {
  const auto named = [](const passwd* entry, bool switches) {
    return Account{entry->pw_uid, entry->pw_gid, entry->pw_name, switches};
  };
  struct stat info {};
  const bool exists = stat(folder.c_str(), &info) == 0;
  if (geteuid() != 0) {
    if (exists && info.st_uid != geteuid()) {
      const passwd* owner = getpwuid(info.st_uid);
      return fail(Errc::forbidden,
                  "the database folder " + folder.string() + " belongs to user " +
                      (owner ? std::string(owner->pw_name) : std::to_string(info.st_uid)) +
                      "; start the gateway as that user or as root, or choose another folder "
                      "with BACKCHANNEL_DATA_DIR");
    }
    if (const passwd* self = getpwuid(geteuid())) return named(self, false);
    return Account{geteuid(), getegid(), std::to_string(geteuid()), false};
  }
  if (exists && info.st_uid != 0) {
    if (const passwd* owner = getpwuid(info.st_uid)) return named(owner, true);
    return Account{info.st_uid, info.st_gid, std::to_string(info.st_uid), true};
  }
  for (const char* name : {"postgres", "nobody"}) {
    if (const passwd* entry = getpwnam(name)) return named(entry, true);
  }
  return fail(Errc::internal,
              "Postgres does not run as root, and there is neither a user postgres nor nobody; "
              "start the gateway as an ordinary user");
}

void Child::signal(int number) const {
  if (pidfd_) syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

std::optional<int> Child::wait_until(Deadline deadline, int wake_fd) {
  if (!pidfd_) return std::nullopt;
  std::array<pollfd, 2> fds = {pollfd{pidfd_.get(), POLLIN, 0}, pollfd{wake_fd, POLLIN, 0}};
  int ready = 0;
  do {
    ready = poll(fds.data(), fds.size(), milliseconds_left(deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0 || fds[0].revents == 0) return std::nullopt;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pidfd_.reset();
  return status;
}

Result<Child> spawn(const Command& command) {
  std::vector<std::string> arguments = command.argv;
  std::vector<std::string> variables = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/"
      "sbin:/bin",
      "LC_ALL=C", "TZ=UTC"};
  std::string folder_name = "/proc/self/fd/" + std::to_string(kFolderFd);
  std::string folder_path = command.folder_fd >= 0 ? command.argv.at(command.folder_argument) : "";
  Prepared prepared;
  for (std::string& text : arguments) prepared.argv.push_back(text.data());
  prepared.argv.push_back(nullptr);
  for (std::string& text : variables) prepared.environment.push_back(text.data());
  prepared.environment.push_back(nullptr);
  prepared.folder_path = folder_path.data();
  prepared.folder_name = folder_name.data();

  std::array<int, 2> report{};
  const Fd null_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_fd || pipe2(report.data(), O_CLOEXEC) != 0)
    return fail(Errc::internal, "cannot start " + command.argv[0] + ": " + system_reason(errno));
  const Fd report_reader(report[0]);
  Fd report_writer(report[1]);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0)
    return fail(Errc::internal, "cannot start " + command.argv[0] + ": " + system_reason(errno));
  if (pid == 0) become(command, prepared, report_writer.get(), null_fd.get(), parent);
  report_writer.reset();
  Child child(pid, open_pidfd(pid));
  Failure failure{};
  ssize_t got = 0;
  do {
    got = read(report_reader.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof failure)) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return fail(Errc::internal, describe(failure, command));
  }
  if (!child.running()) {
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return fail(Errc::internal,
                "the kernel has no process descriptors (pidfd_open), Linux 5.3 or newer is needed "
                "for the embedded Postgres; give DATABASE_URL instead");
  }
  return child;
}

std::string describe_status(int status) {
  if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  return "signal " + std::to_string(WTERMSIG(status));
}

Result<std::string> run(Command command, Deadline deadline) {
  std::array<int, 2> pipe_fds{};
  if (pipe2(pipe_fds.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return fail(Errc::internal, "cannot run " + command.argv[0] + ": " + system_reason(errno));
  const Fd reader(pipe_fds[0]);
  Fd writer(pipe_fds[1]);
  // The child gets a blocking end: only our own reads must not wait.
  fcntl(writer.get(), F_SETFL, 0);
  command.output_fd = writer.get();
  auto child = spawn(command);
  writer.reset();
  if (!child) return std::move(child).error();

  std::string output;
  std::array<char, 4096> buffer{};
  for (;;) {
    pollfd waiting{reader.get(), POLLIN, 0};
    const int ready = poll(&waiting, 1, milliseconds_left(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    const ssize_t got = read(reader.get(), buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) break;
    output.append(buffer.data(), static_cast<std::size_t>(got));
    if (output.size() > kMaxOutput) output.erase(0, output.size() - kMaxOutput);
  }
  auto status = child->wait_until(deadline);
  if (!status) {
    child->signal(SIGKILL);
    child->wait_until(Deadline::max());
    return fail(Errc::unavailable, command.argv[0] + " did not finish in time");
  }
  if (*status != 0) {
    while (!output.empty() && output.back() == '\n') output.pop_back();
    const std::size_t line = output.rfind('\n');
    return fail(Errc::internal,
                command.argv[0] + " failed with " + describe_status(*status) + ": " +
                    (line == std::string::npos ? output : output.substr(line + 1)),
                output);
  }
  return output;
}

bool has_ended(pid_t pid) {
  if (kill(pid, 0) != 0 && errno == ESRCH) return true;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  // "4711 (name) S ...": the name may hold anything, also brackets.
  const std::size_t at = line.rfind(") ");
  return at != std::string::npos && at + 2 < line.size() &&
         (line[at + 2] == 'Z' || line[at + 2] == 'X');
}

std::vector<pid_t> postgres_processes_in(const std::filesystem::path& folder) {
  std::vector<pid_t> found;
  struct stat wanted {};
  if (stat(folder.c_str(), &wanted) != 0) return found;
  struct Close {
    void operator()(DIR* dir) const { closedir(dir); }
  };
  const std::unique_ptr<DIR, Close> proc(opendir("/proc"));
  if (!proc) return found;
  while (const dirent* entry = readdir(proc.get())) {
    char* end = nullptr;
    const long pid = std::strtol(entry->d_name, &end, 10);
    if (pid <= 0 || *end != '\0') continue;
    const std::string base = "/proc/" + std::string(entry->d_name);
    struct stat cwd {};
    if (stat((base + "/cwd").c_str(), &cwd) != 0 || cwd.st_dev != wanted.st_dev ||
        cwd.st_ino != wanted.st_ino)
      continue;
    std::ifstream file(base + "/comm");
    std::string name;
    if (std::getline(file, name) && (name == "postgres" || name == "postmaster"))
      found.push_back(static_cast<pid_t>(pid));
  }
  return found;
}

bool wait_for_others(const std::vector<pid_t>& pids, Deadline deadline) {
  for (const pid_t pid : pids) {
    const Fd pidfd = open_pidfd(pid);
    if (!pidfd) continue;
    pollfd waiting{pidfd.get(), POLLIN, 0};
    int ready = 0;
    do {
      ready = poll(&waiting, 1, milliseconds_left(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) return false;
  }
  return true;
}

}  // namespace gateway::cluster
