#include "gateway/cluster/cluster.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "gateway/base/log.h"
#include "gateway/cluster/binaries.h"
#include "gateway/cluster/config.h"
#include "gateway/cluster/lock_file.h"
#include "gateway/cluster/process.h"

namespace gateway::cluster {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kSocketName = ".s.PGSQL.5432";
constexpr std::string_view kIncludes =
    "\ninclude 'backchannel.conf'\ninclude_if_exists 'local.conf'\n";
constexpr off_t kMaxLogBytes = off_t{8} << 20;
constexpr seconds kCommandTimeout{30};  // how long a command may hold the folder before we give up

struct FreeConn {
  void operator()(PGconn* conn) const { PQfinish(conn); }
};
struct FreeRows {
  void operator()(PGresult* rows) const { PQclear(rows); }
};

Deadline after(std::chrono::nanoseconds duration) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(duration);
}

bool past(Deadline deadline) { return std::chrono::steady_clock::now() >= deadline; }

// Waits without a descriptor to wait for, between two looks at something outside.
void pause_for(milliseconds duration) { poll(nullptr, 0, static_cast<int>(duration.count())); }

std::string remedy(std::string_view reason, const fs::path& folder) {
  const auto says = [reason](std::string_view words) {
    return reason.find(words) != std::string_view::npos;
  };
  if (says("No space left on device") || says("Disk quota exceeded"))
    return "free space on the disk that holds " + folder.string();
  if (says("Read-only file system")) return "choose a writable folder with BACKCHANNEL_DATA_DIR";
  if (says("ermission denied"))
    return "check who owns " + folder.string() +
           ", or choose another folder with "
           "BACKCHANNEL_DATA_DIR";
  if (says("shared memory"))
    return "free memory, or see whether another postgres still runs on " + folder.string();
  if (says("configuration file") || says("unrecognized configuration parameter"))
    return "correct data/local.conf in " + folder.string();
  return "see " + (folder / "server.log").string();
}

Error file_error(std::string_view doing, const fs::path& file, int error_number) {
  const std::string reason = system_reason(error_number);
  return fail(error_number == EACCES || error_number == EPERM ? Errc::forbidden : Errc::internal,
              "cannot " + std::string(doing) + " " + file.string() + ": " + reason + "; " +
                  remedy(reason, file.parent_path()));
}

// Below a folder that belongs to the database user, root follows no symbolic links.
Result<Fd> open_folder(int parent, const fs::path& folder) {
  const std::string name = folder.filename();
  Fd fd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return file_error("open the folder", folder, errno);
  return fd;
}

// Makes the folder where it is absent, and gives it to `account`.
Result<Fd> make_folder(int parent, const fs::path& folder, const Account& account) {
  const std::string name = folder.filename();
  if (mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST)
    return file_error("make the folder", folder, errno);
  auto fd = open_folder(parent, folder);
  if (!fd) return fd;
  struct stat info {};
  if (fstat(fd->get(), &info) != 0) return file_error("look at the folder", folder, errno);
  if (info.st_uid != account.uid && fchown(fd->get(), account.uid, account.gid) != 0)
    return file_error("give user " + account.name + " the folder", folder, errno);
  if ((info.st_mode & 077) != 0 && fchmod(fd->get(), 0700) != 0)
    return file_error("protect the folder", folder, errno);
  return fd;
}

// The first `limit` bytes from `offset`; empty where there is no such file.
std::string read_at(int folder, const char* name, off_t offset, std::size_t limit) {
  const Fd fd(openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return {};
  std::string text(limit, '\0');
  std::size_t filled = 0;
  while (filled < limit) {
    const ssize_t got =
        pread(fd.get(), text.data() + filled, limit - filled, offset + static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  text.resize(filled);
  return text;
}

// Replaces `name` as a whole, owned by `account`.
Result<> replace_file(int folder, const fs::path& file, std::string_view text,
                      const Account& account) {
  const std::string name = file.filename();
  const std::string fresh = name + ".new";
  unlinkat(folder, fresh.c_str(), 0);
  const Fd fd(
      openat(folder, fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return file_error("write", file, errno);
  const ssize_t put = write(fd.get(), text.data(), text.size());
  if (put != static_cast<ssize_t>(text.size()))
    return file_error("write", file, put < 0 ? errno : ENOSPC);
  if (account.switches && fchown(fd.get(), account.uid, account.gid) != 0)
    return file_error("give user " + account.name, file, errno);
  if (renameat(folder, fresh.c_str(), folder, name.c_str()) != 0)
    return file_error("write", file, errno);
  return {};
}

struct PidFile {
  pid_t pid = 0;
  bool ready = false;
};

// Line 1 of postmaster.pid is the process, line 8 its state since Postgres 10.
std::optional<PidFile> read_pid_file(int data_fd) {
  const std::string text = read_at(data_fd, "postmaster.pid", 0, 4096);
  PidFile parsed;
  std::string_view rest = text;
  for (int line = 1; line <= 8 && !rest.empty(); ++line) {
    const std::size_t end = rest.find('\n');
    const std::string_view content = rest.substr(0, end);
    if (line == 1)
      std::from_chars(content.data(), content.data() + content.size(), parsed.pid);
    else if (line == 8)
      parsed.ready = content.starts_with("ready");
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  if (parsed.pid <= 0) return std::nullopt;
  return parsed;
}

// True where process `pid` is certainly not a postmaster of `data`: gone, or a number that belongs
// to something else by now.
bool is_something_else(pid_t pid, const fs::path& data) {
  if (has_ended(pid)) return true;
  const fs::path proc = fs::path("/proc") / std::to_string(pid);
  const Fd comm(open((proc / "comm").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 32> name{};
  if (!comm) return false;
  const ssize_t got = read(comm.get(), name.data(), name.size());
  if (got <= 0) return false;
  if (!std::string_view(name.data(), static_cast<std::size_t>(got)).starts_with("postgres"))
    return true;
  struct stat theirs {};
  struct stat ours {};
  return stat((proc / "cwd").c_str(), &theirs) == 0 && stat(data.c_str(), &ours) == 0 &&
         (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev);
}

// Why Postgres gave up, out of what it wrote: the last line that says so, without its prefix.
std::string last_complaint(std::string_view log) {
  std::string last;
  while (!log.empty()) {
    const std::size_t end = log.find('\n');
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
    for (const std::string_view mark : {"FATAL:  ", "PANIC:  ", "error: ", "could not "}) {
      const std::size_t at = line.find(mark);
      if (at == std::string_view::npos) continue;
      last = line.substr(at + (mark.back() == ' ' && mark[0] != 'c' ? mark.size() : 0));
      break;
    }
  }
  return last;
}

// Whether clients can reach a socket there: its name has at most 107 bytes, and some shared and
// network folders take none.
bool takes_sockets(const fs::path& folder, int folder_fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (folder.native().size() + kSocketName.size() + 1 >= sizeof address.sun_path) return false;
  const std::string probe = "/proc/self/fd/" + std::to_string(folder_fd) + "/.probe";
  std::memcpy(address.sun_path, probe.c_str(), probe.size() + 1);
  unlinkat(folder_fd, ".probe", 0);
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool bound =
      fd && bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  unlinkat(folder_fd, ".probe", 0);
  return bound;
}

}  // namespace

class Cluster::Impl {
 public:
  explicit Impl(ClusterOptions options) : options_(std::move(options)) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<> open(Role role);
  std::string conninfo(const std::string& user, const std::string& database) const;
  const std::string& database() const { return options_.database; }
  bool attached() const { return attached_; }
  pid_t server_pid() const { return pid_; }

 private:
  Result<> prepare_folder();
  Result<> acquire(Role role);
  Result<> attach(const LockText& holder);
  Result<> prepare_home();
  Result<> create_cluster();
  Result<> choose_socket_folder(const std::optional<LockText>& predecessor);
  Result<> ensure_database() const;
  Result<> clear_predecessors();
  Result<Child> start_server();
  Result<> wait_until_ready(Child& child, off_t log_start);
  void stop_server(Child& child);
  void supervise(std::promise<Result<>> first);
  bool stop_requested(milliseconds wait) const;
  void say(const std::string& line) const;
  std::string complaint(off_t log_start) const;

  ClusterOptions options_;
  fs::path base_;  // data_dir, absolute
  fs::path home_;  // base_/postgres
  fs::path data_;  // home_/data
  std::optional<LockFile> lock_;
  bool attached_ = false;
  Account account_;
  Binaries binaries_;
  Fd home_fd_;
  Fd data_fd_;
  Fd socket_fd_;
  std::string host_;         // socket folder, as clients name it
  std::string server_host_;  // the same as Postgres names it from inside the data folder
  Fd stop_fd_;
  std::thread supervisor_;
  std::atomic<bool> starting_{false};
  std::atomic<pid_t> pid_{0};
};

Cluster::Impl::~Impl() {
  if (supervisor_.joinable()) {
    eventfd_write(stop_fd_.get(), 1);
    supervisor_.join();
  }
  if (!attached_ && host_.starts_with("/tmp/")) {
    std::error_code ignored;
    fs::remove_all(host_, ignored);
  }
}

void Cluster::Impl::say(const std::string& line) const {
  if (options_.log) options_.log(line);
}

std::string Cluster::Impl::conninfo(const std::string& user, const std::string& database) const {
  // Said in full, so that PGHOST, PGSSLMODE and the like in the environment change nothing.
  return "host=" + conninfo_value(host_) + " port=5432 user=" + conninfo_value(user) +
         " dbname=" + conninfo_value(database) + " sslmode=disable gssencmode=disable";
}

Result<> Cluster::Impl::open(Role role) {
  if (auto done = prepare_folder(); !done) return done;
  if (auto done = acquire(role); !done) return done;
  if (attached_) return {};
  const std::optional<LockText> predecessor = lock_->read();
  LockText text{getpid(), role, predecessor ? predecessor->host : "", false};
  if (auto done = lock_->write(text); !done) return done;
  if (auto done = prepare_home(); !done) return done;
  if (auto done = choose_socket_folder(predecessor); !done) return done;
  text.host = host_;
  if (auto done = lock_->write(text); !done) return done;

  stop_fd_ = Fd(eventfd(0, EFD_CLOEXEC));
  if (!stop_fd_) return fail(Errc::internal, "cannot make an eventfd: " + system_reason(errno));
  std::promise<Result<>> first;
  auto started = first.get_future();
  starting_ = true;
  // Signals are the owner's business: the supervisor's thread must not be chosen for them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  supervisor_ =
      std::thread([this, promise = std::move(first)]() mutable { supervise(std::move(promise)); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (auto result = started.get(); !result) return result;
  starting_ = false;
  if (auto done = ensure_database(); !done) return done;
  text.ready = true;
  return lock_->write(text);
}

Result<> Cluster::Impl::prepare_folder() {
  std::error_code error;
  base_ = fs::absolute(options_.data_dir, error).lexically_normal();
  if (options_.data_dir.empty() || error)
    return fail(Errc::invalid_argument, "the data folder has no name; set BACKCHANNEL_DATA_DIR");
  if (!base_.has_filename()) base_ = base_.parent_path();
  const std::string& name = base_.native();
  if (std::any_of(name.begin(), name.end(), [](char c) { return c >= 0 && c < ' '; }))
    return fail(Errc::invalid_argument,
                "the name of the data folder has a control character in it; set "
                "BACKCHANNEL_DATA_DIR to another one");
  home_ = base_ / "postgres";
  data_ = home_ / "data";
  if (!fs::exists(base_, error)) {
    fs::create_directories(base_.parent_path(), error);
    // As root another user runs Postgres and should be able to pass; there is nothing to list.
    if (mkdir(base_.c_str(), geteuid() == 0 ? 0711 : 0700) != 0 && errno != EEXIST)
      return file_error("make the data folder", base_, errno);
  }
  auto lock = LockFile::open(base_ / "postgres.lock");
  if (!lock) return std::move(lock).error();
  lock_ = std::move(*lock);
  return {};
}

Result<> Cluster::Impl::acquire(Role role) {
  const Deadline command_deadline = after(kCommandTimeout);
  const Deadline attach_deadline = after(options_.start_timeout);
  bool told = false;
  for (milliseconds wait{5};; wait = std::min(wait * 2, milliseconds{100})) {
    auto locked = lock_->try_lock();
    if (!locked) return std::move(locked).error();
    if (*locked) return {};
    // Unreadable for the moment between its lock and its first word, hence not an error by itself.
    const auto holder = lock_->read();
    if (holder && holder->role == Role::server) {
      if (role == Role::command && holder->ready) return attach(*holder);
      // A text from before the lock was taken names a process that is gone.
      const bool current = kill(holder->pid, 0) == 0 || errno == EPERM;
      if (role == Role::server && current)
        return fail(Errc::conflict, "another gateway (process " + std::to_string(holder->pid) +
                                        ") uses the data folder " + base_.string() +
                                        "; stop it, or give this one a folder of its own with "
                                        "BACKCHANNEL_DATA_DIR");
    } else if (holder && !told) {
      say("waiting for the command with process " + std::to_string(holder->pid) + " to finish ...");
      told = true;
    }
    const bool waits_for_server = role == Role::command && holder && holder->role == Role::server;
    if (past(waits_for_server ? attach_deadline : command_deadline))
      return fail(Errc::conflict,
                  "process " + (holder ? std::to_string(holder->pid) : "(unknown)") +
                      " holds the data folder " + base_.string() +
                      " and does not let go; stop it, or choose another folder with "
                      "BACKCHANNEL_DATA_DIR");
    pause_for(wait);
  }
}

Result<> Cluster::Impl::attach(const LockText& holder) {
  attached_ = true;
  host_ = holder.host;
  const Deadline deadline = after(seconds(30));
  for (milliseconds wait{10};; wait = std::min(wait * 2, milliseconds{200})) {
    auto connected = ensure_database();
    if (connected || past(deadline)) return connected;
    pause_for(wait);
  }
}

Result<> Cluster::Impl::prepare_home() {
  auto account = database_account(home_);
  if (!account) return std::move(account).error();
  account_ = std::move(*account);
  const Fd base_fd(::open(base_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!base_fd) return file_error("open the data folder", base_, errno);
  auto home = make_folder(base_fd.get(), home_, account_);
  if (!home) return std::move(home).error();
  home_fd_ = std::move(*home);

  struct stat info {};
  const bool exists = fstatat(home_fd_.get(), "data", &info, AT_SYMLINK_NOFOLLOW) == 0;
  int major = 0;
  if (exists) {
    auto data = open_folder(home_fd_.get(), data_);
    if (!data) return std::move(data).error();
    data_fd_ = std::move(*data);
    const std::string version = read_at(data_fd_.get(), "PG_VERSION", 0, 16);
    std::from_chars(version.data(), version.data() + version.size(), major);
    if (major == 0)
      return fail(Errc::internal, data_.string() +
                                      " is not a Postgres cluster (no PG_VERSION in it); move it "
                                      "away, or choose another folder with BACKCHANNEL_DATA_DIR");
  }
  auto binaries =
      find_binaries(options_.binaries.empty() ? usual_folders() : options_.binaries, major);
  if (!binaries) return std::move(binaries).error();
  binaries_ = std::move(*binaries);
  return exists ? Result<>{} : create_cluster();
}

// initdb works in data.new, so that a folder named data is always a whole cluster.
Result<> Cluster::Impl::create_cluster() {
  say("creating the database cluster in " + home_.string() + " (Postgres " + binaries_.version +
      (account_.switches ? ", user " + account_.name : "") + ") ...");
  const fs::path fresh = home_ / "data.new";
  std::error_code error;
  fs::remove_all(fresh, error);
  if (error) return file_error("remove", fresh, error.value());
  auto folder = make_folder(home_fd_.get(), fresh, account_);
  if (!folder) return std::move(folder).error();

  Command initdb;
  initdb.argv = {binaries_.folder / "initdb",
                 "-D",
                 fresh,
                 "--username=postgres",
                 "--auth-local=trust",
                 "--auth-host=reject",
                 "--encoding=UTF8",
                 "--locale=C",
                 "--lc-ctype=C.UTF-8",
                 "--no-instructions"};
  if (options_.durability == Durability::none) initdb.argv.emplace_back("--no-sync");
  initdb.account = account_;
  initdb.folder_fd = folder->get();
  initdb.folder_argument = 2;
  initdb.death_signal = SIGTERM;
  if (auto output = run(initdb, after(options_.start_timeout)); !output) {
    std::string reason = last_complaint(output.error().cause);
    if (reason.empty()) reason = output.error().message;
    fs::remove_all(fresh, error);
    return fail(Errc::unavailable, "cannot create the database cluster in " + home_.string() +
                                       ": " + reason + "; " + remedy(reason, home_));
  }
  const Fd config(
      openat(folder->get(), "postgresql.conf", O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC));
  if (!config ||
      write(config.get(), kIncludes.data(), kIncludes.size()) !=
          static_cast<ssize_t>(kIncludes.size()) ||
      fsync(config.get()) != 0)
    return file_error("write", fresh / "postgresql.conf", errno);
  if (renameat(home_fd_.get(), "data.new", home_fd_.get(), "data") != 0 ||
      fsync(home_fd_.get()) != 0)
    return file_error("rename to data", fresh, errno);
  data_fd_ = std::move(*folder);
  return {};
}

Result<> Cluster::Impl::choose_socket_folder(const std::optional<LockText>& predecessor) {
  std::error_code ignored;
  // A gateway that was killed could not remove its own.
  if (predecessor && predecessor->host.starts_with("/tmp/backchannel-")) {
    struct stat info {};
    if (lstat(predecessor->host.c_str(), &info) == 0 && info.st_uid == account_.uid)
      fs::remove_all(predecessor->host, ignored);
  }
  const fs::path run = home_ / "run";
  auto folder = make_folder(home_fd_.get(), run, account_);
  if (!folder) return std::move(folder).error();
  if (takes_sockets(run, folder->get())) {
    host_ = run;
    server_host_ = "../run";
    socket_fd_ = std::move(*folder);
    return {};
  }
  std::string name = "/tmp/backchannel-XXXXXX";
  if (!mkdtemp(name.data())) return file_error("make the socket folder", name, errno);
  if (account_.switches && chown(name.c_str(), account_.uid, account_.gid) != 0)
    return file_error("give user " + account_.name + " the socket folder", name, errno);
  host_ = server_host_ = name;
  socket_fd_ = Fd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  say("the path " + run.string() + " is no place for a socket; it is in " + name);
  return {};
}

Result<> Cluster::Impl::ensure_database() const {
  const auto problem = [this](const std::string& text) {
    std::string reason = text.substr(0, text.find('\n'));
    return fail(Errc::unavailable, "cannot prepare the database " + options_.database + ": " +
                                       reason + "; " + remedy(reason, home_));
  };
  const std::unique_ptr<PGconn, FreeConn> conn(
      PQconnectdb((conninfo("postgres", "postgres") + " connect_timeout=10").c_str()));
  if (PQstatus(conn.get()) != CONNECTION_OK) return problem(PQerrorMessage(conn.get()));
  const char* name = options_.database.c_str();
  const std::unique_ptr<PGresult, FreeRows> found(
      PQexecParams(conn.get(), "select 1 from pg_database where datname = $1", 1, nullptr, &name,
                   nullptr, nullptr, 0));
  if (PQresultStatus(found.get()) != PGRES_TUPLES_OK) return problem(PQerrorMessage(conn.get()));
  if (PQntuples(found.get()) > 0 || attached_) return {};
  struct FreeText {
    void operator()(char* text) const { PQfreemem(text); }
  };
  const std::unique_ptr<char, FreeText> identifier(
      PQescapeIdentifier(conn.get(), name, options_.database.size()));
  if (!identifier) return problem(PQerrorMessage(conn.get()));
  const std::unique_ptr<PGresult, FreeRows> created(
      PQexec(conn.get(),
             ("create database " + std::string(identifier.get()) + " template template0").c_str()));
  if (PQresultStatus(created.get()) != PGRES_COMMAND_OK) return problem(PQerrorMessage(conn.get()));
  return {};
}

// After kill -9 of a gateway its Postgres is still shutting down; after kill -9 of the postmaster
// its children may still be at work, and its pid file names a number that may be anything by now.
// We hold the lock, so whatever runs in our folder is such a left-over.
Result<> Cluster::Impl::clear_predecessors() {
  struct Stage {
    int signal_number;
    seconds patience;
  };
  const std::array<Stage, 3> stages = {Stage{SIGINT, options_.stop_timeout},
                                       Stage{SIGQUIT, seconds(10)}, Stage{SIGKILL, seconds(5)}};
  bool told = false;
  for (const Stage& stage : stages) {
    std::vector<pid_t> left = postgres_processes_in(data_);
    if (left.empty()) break;
    if (!told && starting_) {
      say("waiting for the Postgres of an earlier run (process " + std::to_string(left.front()) +
          ") to end ...");
      told = true;
    }
    const auto file = read_pid_file(data_fd_.get());
    const bool led = file && std::find(left.begin(), left.end(), file->pid) != left.end();
    if (led) {
      kill(file->pid, stage.signal_number);
    } else {
      // Orphans: they end by themselves unless busy. SIGINT would only cancel a statement.
      for (const pid_t pid : left)
        kill(pid, stage.signal_number == SIGINT ? SIGTERM : stage.signal_number);
    }
    const Deadline deadline = after(stage.patience);
    while (!left.empty() && wait_for_others(left, deadline)) left = postgres_processes_in(data_);
  }
  if (const auto left = postgres_processes_in(data_); !left.empty())
    return fail(Errc::conflict, "the Postgres of an earlier run (process " +
                                    std::to_string(left.front()) + ") does not end in " +
                                    data_.string() + "; end it by hand, then start again");
  const auto file = read_pid_file(data_fd_.get());
  if (file && is_something_else(file->pid, data_)) unlinkat(data_fd_.get(), "postmaster.pid", 0);
  // The socket's lock file trusts a number just as blindly, and its folder is ours alone.
  const std::string socket_name(kSocketName);
  unlinkat(socket_fd_.get(), socket_name.c_str(), 0);
  unlinkat(socket_fd_.get(), (socket_name + ".lock").c_str(), 0);
  return {};
}

Result<Child> Cluster::Impl::start_server() {
  if (auto done = clear_predecessors(); !done) return std::move(done).error();
  const std::string config =
      server_config(measure_machine(data_), options_.durability, server_host_);
  if (auto done = replace_file(data_fd_.get(), data_ / "backchannel.conf", config, account_); !done)
    return std::move(done).error();

  const Fd log(openat(home_fd_.get(), "server.log",
                      O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  struct stat info {};
  if (!log || fstat(log.get(), &info) != 0) return file_error("write", home_ / "server.log", errno);
  if (account_.switches && fchown(log.get(), account_.uid, account_.gid) != 0)
    return file_error("give user " + account_.name, home_ / "server.log", errno);
  if (info.st_size > kMaxLogBytes) {
    // One old log is kept; Postgres writes little, see log_min_messages.
    renameat(home_fd_.get(), "server.log", home_fd_.get(), "server.log.1");
    return start_server();
  }
  Command postgres;
  postgres.argv = {binaries_.folder / "postgres", "-D", data_};
  postgres.account = account_;
  postgres.folder_fd = data_fd_.get();
  postgres.folder_argument = 2;
  postgres.output_fd = log.get();
  postgres.death_signal = SIGINT;  // Postgres' fast shutdown
  auto child = spawn(postgres);
  if (!child) return child;
  if (auto ready = wait_until_ready(*child, info.st_size); !ready) {
    stop_server(*child);
    return std::move(ready).error();
  }
  return child;
}

std::string Cluster::Impl::complaint(off_t log_start) const {
  return last_complaint(read_at(home_fd_.get(), "server.log", log_start, 64u << 10));
}

Result<> Cluster::Impl::wait_until_ready(Child& child, off_t log_start) {
  const Deadline deadline = after(options_.start_timeout);
  Deadline next_word = after(seconds(3));
  for (milliseconds wait{5}; !past(deadline); wait = std::min(wait * 2, milliseconds{100})) {
    const auto file = read_pid_file(data_fd_.get());
    if (file && file->pid == child.pid() && file->ready) return {};
    if (const auto status = child.wait_until(after(wait))) {
      std::string reason = complaint(log_start);
      if (reason.empty()) reason = "it ended with " + describe_status(*status);
      return fail(Errc::unavailable,
                  "Postgres does not start: " + reason + "; " + remedy(reason, home_));
    }
    if (stop_requested(milliseconds(0)))
      return fail(Errc::unavailable, "Postgres was stopped while it started");
    if (starting_ && past(next_word)) {
      say("the database is not ready yet (it recovers after a crash); its log is " +
          (home_ / "server.log").string());
      next_word = after(seconds(15));
    }
  }
  return fail(Errc::unavailable, "Postgres is not ready after " +
                                     std::to_string(options_.start_timeout.count()) + " s; see " +
                                     (home_ / "server.log").string());
}

void Cluster::Impl::stop_server(Child& child) {
  const std::array<std::pair<int, seconds>, 3> stages = {
      std::pair{SIGINT, options_.stop_timeout}, {SIGQUIT, seconds(10)}, {SIGKILL, seconds(600)}};
  for (const auto& [number, patience] : stages) {
    if (!child.running()) return;
    child.signal(number);
    if (!child.wait_until(after(patience)) && number == SIGINT)
      log::warn("cluster", "Postgres does not shut down and is stopped the fast way",
                {{"seconds", options_.stop_timeout.count()}});
  }
}

bool Cluster::Impl::stop_requested(milliseconds wait) const {
  pollfd waiting{stop_fd_.get(), POLLIN, 0};
  return poll(&waiting, 1, static_cast<int>(wait.count())) > 0;
}

// The one thread that starts Postgres: the kernel sends the death signal when the *thread* that
// forked ends, so it must live as long as the child shall.
void Cluster::Impl::supervise(std::promise<Result<>> first) {
  milliseconds pause{100};
  bool told = false;
  for (;;) {
    auto child = start_server();
    if (!told) {
      told = true;
      if (!child) return first.set_value(std::move(child).error());
      pid_ = child->pid();
      first.set_value({});
    } else if (child) {
      pid_ = child->pid();
      log::info("cluster", "Postgres runs again", {{"pid", child->pid()}});
    } else {
      log::error("cluster", "Postgres cannot be started again",
                 {{"reason", child.error().message}});
    }
    if (child) {
      const Deadline quick = after(seconds(60));
      std::optional<int> status;
      while (!status && !stop_requested(milliseconds(0)))
        status = child->wait_until(after(std::chrono::hours(1)), stop_fd_.get());
      pid_ = 0;
      if (!status) return stop_server(*child);
      log::error("cluster", "Postgres ended by itself and is started again",
                 {{"status", describe_status(*status)}});
      if (past(quick)) pause = milliseconds{100};
    }
    if (stop_requested(pause)) return;
    pause = std::min(pause * 2, milliseconds{10'000});
  }
}

Cluster::Cluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cluster::Cluster(Cluster&&) noexcept = default;
Cluster& Cluster::operator=(Cluster&&) noexcept = default;
Cluster::~Cluster() = default;

Result<Cluster> Cluster::open(ClusterOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto opened = impl->open(Role::server); !opened) return std::move(opened).error();
  return Cluster(std::move(impl));
}

Result<Cluster> Cluster::attach_or_start(ClusterOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto opened = impl->open(Role::command); !opened) return std::move(opened).error();
  return Cluster(std::move(impl));
}

std::string Cluster::owner_conninfo() const { return conninfo("postgres", impl_->database()); }

std::string Cluster::gateway_conninfo() const {
  return conninfo("backchannel_gateway", impl_->database());
}

std::string Cluster::conninfo(const std::string& user, const std::string& database) const {
  return impl_->conninfo(user, database);
}

bool Cluster::attached() const { return impl_->attached(); }
pid_t Cluster::server_pid() const { return impl_->server_pid(); }

}  // namespace gateway::cluster
