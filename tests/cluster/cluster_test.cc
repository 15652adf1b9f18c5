#include "gateway/cluster/cluster.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "gateway/cluster/process.h"
#include "tests/support/postgres.h"
#include "tests/support/result.h"

namespace fs = std::filesystem;
using namespace gateway;
using namespace gateway::cluster;
using test_support::TempFolder;

namespace {

// Polls until `done`, for at most 30 seconds.
bool eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

ClusterOptions options_for(const fs::path& folder) {
  ClusterOptions options;
  options.data_dir = folder;
  options.durability = Durability::none;
  return options;
}

Cluster opened(Result<Cluster> result) {
  BOOST_TEST_REQUIRE(result.has_value(), test_support::why(result));
  return std::move(*result);
}

// The first column of the first row, or the error.
std::string ask(const std::string& conninfo, const std::string& query) {
  PGconn* conn = PQconnectdb(conninfo.c_str());
  std::string answer = PQerrorMessage(conn);
  if (PQstatus(conn) == CONNECTION_OK) {
    PGresult* rows = PQexec(conn, query.c_str());
    answer = PQresultStatus(rows) == PGRES_TUPLES_OK && PQntuples(rows) > 0
                 ? PQgetvalue(rows, 0, 0)
                 : PQresultErrorMessage(rows);
    PQclear(rows);
  }
  PQfinish(conn);
  return answer;
}

// A process of its own that holds a cluster as a gateway does.
class Holder {
 public:
  Holder(const fs::path& data_dir, const char* role, uid_t uid = geteuid()) {
    int in[2];
    int out[2];
    BOOST_TEST_REQUIRE(pipe2(in, O_CLOEXEC) == 0);
    BOOST_TEST_REQUIRE(pipe2(out, O_CLOEXEC) == 0);
    const std::string program = BACKCHANNEL_BINARY_DIR "/tests/cluster_holder";
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      if (uid != geteuid() && (setgid(uid) != 0 || setuid(uid) != 0)) _exit(126);
      execl(program.c_str(), program.c_str(), data_dir.c_str(), role, nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    input_ = in[1];
    output_ = out[0];
  }
  ~Holder() {
    kill_now();
    close(output_);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  // Its line: first word, postmaster, rest.
  struct Line {
    std::string word;
    pid_t postmaster = 0;
    std::string rest;
  };
  Line line() {
    std::string text;
    char byte = 0;
    while (read(output_, &byte, 1) == 1 && byte != '\n') text += byte;
    Line parsed;
    std::istringstream words(text);
    words >> parsed.word;
    if (parsed.word != "error") words >> parsed.postmaster;
    std::getline(words >> std::ws, parsed.rest);
    return parsed;
  }
  Line ready() {
    Line parsed = line();
    BOOST_TEST_REQUIRE((parsed.word == "ready" && parsed.postmaster > 0), parsed.rest);
    return parsed;
  }
  // Lets it end by itself, and waits for that.
  int finish() {
    close_input();
    int status = -1;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }
  void kill_now() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(std::exchange(pid_, -1), nullptr, 0);
    }
    close_input();
  }
  pid_t pid() const { return pid_; }

 private:
  void close_input() {
    if (input_ >= 0) close(std::exchange(input_, -1));
  }
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
};

// What every test leaves behind: nothing that runs.
struct NothingLeft {
  explicit NothingLeft(fs::path folder) : data(std::move(folder) / "postgres" / "data") {}
  ~NothingLeft() {
    BOOST_CHECK(eventually([this] { return postgres_processes_in(data).empty(); }));
  }
  fs::path data;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(cluster)

BOOST_AUTO_TEST_CASE(is_made_on_first_use_and_kept) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  std::vector<std::string> said;
  ClusterOptions options = options_for(folder.path() / "made" / "here");
  options.log = [&said](const std::string& line) { said.push_back(line); };
  pid_t first = 0;
  {
    const Cluster cluster = opened(Cluster::open(options));
    first = cluster.server_pid();
    BOOST_TEST(ask(cluster.owner_conninfo(), "select current_database()") == "backchannel");
    ask(cluster.owner_conninfo(), "create table kept as select 42 as n");
    BOOST_TEST_REQUIRE(said.size() == 1u);
    BOOST_TEST(said[0].starts_with("creating the database cluster in "));
  }
  BOOST_TEST(has_ended(first));
  BOOST_TEST(!fs::exists(folder.path() / "made/here/postgres/data/postmaster.pid"));
  const Cluster again = opened(Cluster::open(options));
  BOOST_TEST(ask(again.owner_conninfo(), "select n from kept") == "42");
  BOOST_TEST(said.size() == 1u);
}

BOOST_AUTO_TEST_CASE(has_the_settings_the_gateway_promises) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  ClusterOptions options = options_for(folder.path());
  options.durability = Durability::full;
  const Cluster cluster = opened(Cluster::open(options));
  const auto show = [&cluster](const std::string& name) {
    return ask(cluster.owner_conninfo(), "show " + name);
  };
  BOOST_TEST(show("fsync") == "on");
  BOOST_TEST(show("synchronous_commit") == "on");
  BOOST_TEST(show("full_page_writes") == "on");
  BOOST_TEST(show("listen_addresses") == "");
  BOOST_TEST(show("server_encoding") == "UTF8");
  BOOST_TEST(show("lc_collate") == "C");
  BOOST_TEST(show("jit") == "off");
  BOOST_TEST(show("checkpoint_timeout") == "15min");
  struct stat info {};
  for (const char* name : {"postgres", "postgres/data", "postgres/run"}) {
    BOOST_TEST_REQUIRE(stat((folder.path() / name).c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 07777) == 0700u, name);
  }
}

BOOST_AUTO_TEST_CASE(own_settings_in_local_conf_win) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  { const Cluster cluster = opened(Cluster::open(options_for(folder.path()))); }
  const fs::path local = folder.path() / "postgres/data/local.conf";
  std::ofstream(local) << "work_mem = '9MB'\njit = on\n";
  {
    const Cluster cluster = opened(Cluster::open(options_for(folder.path())));
    BOOST_TEST(ask(cluster.owner_conninfo(), "show work_mem") == "9MB");
    BOOST_TEST(ask(cluster.owner_conninfo(), "show jit") == "on");
  }
  std::ofstream(local) << "work_memory = '9MB'\n";
  const auto failed = Cluster::open(options_for(folder.path()));
  BOOST_TEST_REQUIRE(!failed.has_value());
  BOOST_TEST(failed.error().message.find("local.conf") != std::string::npos,
             failed.error().message);
}

BOOST_AUTO_TEST_CASE(stops_with_a_gateway_that_is_killed) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  Holder holder(folder.path(), "server");
  const auto line = holder.ready();
  holder.kill_now();
  BOOST_TEST(eventually([&line] { return has_ended(line.postmaster); }));
  BOOST_TEST(!fs::exists(folder.path() / "postgres/data/postmaster.pid"));
}

BOOST_AUTO_TEST_CASE(starts_again_at_once_after_kill_of_the_gateway) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  pid_t before = 0;
  for (int round = 0; round < 3; ++round) {
    Holder holder(folder.path(), "server");
    const auto line = holder.ready();
    BOOST_TEST(line.postmaster != before);
    before = line.postmaster;
    ask(line.rest, "create table if not exists rounds (n int)");
    BOOST_TEST(ask(line.rest, "insert into rounds values (1) returning n") == "1");
    BOOST_TEST(ask(line.rest, "select count(*) from rounds") == std::to_string(round + 1));
    holder.kill_now();
  }
}

BOOST_AUTO_TEST_CASE(ends_the_postgres_of_an_earlier_run_that_lives_on) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  Holder holder(folder.path(), "server");
  const auto line = holder.ready();
  // Stopped, it cannot obey the signal its gateway's death sends.
  kill(line.postmaster, SIGSTOP);
  holder.kill_now();
  ClusterOptions options = options_for(folder.path());
  bool told = false;
  options.log = [&](const std::string& text) {
    told = told || text.find("earlier run (process " + std::to_string(line.postmaster) + ")") !=
                       std::string::npos;
    kill(line.postmaster, SIGCONT);
  };
  const Cluster cluster = opened(Cluster::open(options));
  BOOST_TEST(told);
  BOOST_TEST(has_ended(line.postmaster));
  BOOST_TEST(ask(cluster.owner_conninfo(), "select 1") == "1");
}

BOOST_AUTO_TEST_CASE(recovers_after_kill_of_gateway_and_postgres_at_once) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  {
    Holder holder(folder.path(), "server");
    const auto line = holder.ready();
    ask(line.rest, "create table kept as select 7 as n");
    kill(holder.pid(), SIGSTOP);
    kill(line.postmaster, SIGKILL);
    holder.kill_now();
  }
  BOOST_TEST(fs::exists(folder.path() / "postgres/data/postmaster.pid"));
  const Cluster cluster = opened(Cluster::open(options_for(folder.path())));
  BOOST_TEST(ask(cluster.owner_conninfo(), "select n from kept") == "7");
}

BOOST_AUTO_TEST_CASE(is_not_fooled_by_a_pid_file_whose_number_is_another_process_now) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  { const Cluster cluster = opened(Cluster::open(options_for(folder.path()))); }
  // A Postgres of another folder, run by the same user: the hardest to tell apart.
  const pid_t other = test_support::TempPostgres::shared().cluster().server_pid();
  for (const pid_t pid : {other, getpid(), pid_t{1}}) {
    std::ofstream(folder.path() / "postgres/data/postmaster.pid")
        << pid << "\n"
        << (folder.path() / "postgres/data").string() << "\n1\n5432\n\n\n0 0\nready\n";
    const Cluster cluster = opened(Cluster::open(options_for(folder.path())));
    BOOST_TEST(ask(cluster.owner_conninfo(), "select 1") == "1");
    BOOST_TEST(cluster.server_pid() != pid);
  }
  BOOST_TEST(!has_ended(other));
}

BOOST_AUTO_TEST_CASE(starts_postgres_again_when_it_dies_alone) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  const Cluster cluster = opened(Cluster::open(options_for(folder.path())));
  const pid_t first = cluster.server_pid();
  kill(first, SIGKILL);
  BOOST_TEST(
      eventually([&] { return cluster.server_pid() != first && cluster.server_pid() != 0; }));
  BOOST_TEST(ask(cluster.owner_conninfo(), "select 1") == "1");
}

BOOST_AUTO_TEST_CASE(a_half_made_cluster_is_made_anew) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  fs::create_directories(folder.path() / "postgres/data.new/base");
  std::ofstream(folder.path() / "postgres/data.new/PG_VERSION") << "15\n";
  const Cluster cluster = opened(Cluster::open(options_for(folder.path())));
  BOOST_TEST(ask(cluster.owner_conninfo(), "select 1") == "1");
  BOOST_TEST(!fs::exists(folder.path() / "postgres/data.new"));
}

BOOST_AUTO_TEST_CASE(a_second_gateway_is_told_who_has_the_folder) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  Holder holder(folder.path(), "server");
  holder.ready();
  const auto second = Cluster::open(options_for(folder.path()));
  BOOST_TEST_REQUIRE(!second.has_value());
  BOOST_TEST((second.error().code == Errc::conflict));
  BOOST_TEST(second.error().message.find("process " + std::to_string(holder.pid())) !=
             std::string::npos);
  BOOST_TEST(second.error().message.find("BACKCHANNEL_DATA_DIR") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_command_uses_the_cluster_of_the_running_gateway) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  Holder holder(folder.path(), "server");
  const auto line = holder.ready();
  {
    const Cluster cluster = opened(Cluster::attach_or_start(options_for(folder.path())));
    BOOST_TEST(cluster.attached());
    BOOST_TEST(cluster.owner_conninfo() == line.rest);
    BOOST_TEST(ask(cluster.owner_conninfo(), "select 1") == "1");
  }
  BOOST_TEST(ask(line.rest, "select 1") == "1");
  BOOST_TEST(holder.finish() == 0);
}

BOOST_AUTO_TEST_CASE(a_command_waits_for_a_gateway_that_is_starting) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  Holder holder(folder.path(), "server");
  BOOST_TEST(eventually([&] {
    std::ifstream file(folder.path() / "postgres.lock");
    std::string text(std::istreambuf_iterator<char>(file), {});
    return text.find("starting") != std::string::npos;
  }));
  const Cluster cluster = opened(Cluster::attach_or_start(options_for(folder.path())));
  BOOST_TEST(cluster.attached());
  BOOST_TEST(ask(cluster.owner_conninfo(), "select 1") == "1");
}

BOOST_AUTO_TEST_CASE(a_command_alone_starts_the_cluster_and_stops_it) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  const Cluster cluster = opened(Cluster::attach_or_start(options_for(folder.path())));
  BOOST_TEST(!cluster.attached());
  BOOST_TEST(ask(cluster.owner_conninfo(), "select 1") == "1");
}

BOOST_AUTO_TEST_CASE(a_gateway_waits_for_a_command_that_holds_the_folder) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  Holder command(folder.path(), "command");
  command.ready();
  ClusterOptions options = options_for(folder.path());
  bool waited = false;
  options.log = [&](const std::string& line) {
    if (line.starts_with("waiting for the command")) {
      waited = true;
      BOOST_TEST(command.finish() == 0);
    }
  };
  const Cluster cluster = opened(Cluster::open(options));
  BOOST_TEST(waited);
  BOOST_TEST(!cluster.attached());
}

BOOST_AUTO_TEST_CASE(a_path_too_long_for_a_socket_gets_one_elsewhere) {
  const TempFolder folder("cluster");
  const fs::path deep = folder.path() / std::string(60, 'a') / std::string(60, 'b');
  const NothingLeft check(deep);
  std::string socket_folder;
  {
    Holder holder(deep, "server");
    const auto line = holder.ready();
    const std::size_t at = line.rest.find("/tmp/backchannel-");
    BOOST_TEST_REQUIRE(at != std::string::npos, line.rest);
    socket_folder = line.rest.substr(at, line.rest.find('\'', at) - at);
    struct stat info {};
    BOOST_TEST_REQUIRE(stat(socket_folder.c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 0777) == 0700u);
    const Cluster command = opened(Cluster::attach_or_start(options_for(deep)));
    BOOST_TEST(command.attached());
    BOOST_TEST(ask(command.owner_conninfo(), "select 1") == "1");
  }
  // The killed one could not remove it; its successor does, and then removes its own.
  BOOST_TEST(fs::exists(socket_folder));
  std::string second;
  {
    const Cluster cluster = opened(Cluster::open(options_for(deep)));
    BOOST_TEST(!fs::exists(socket_folder));
    second = cluster.owner_conninfo();
    const std::size_t at = second.find("/tmp/backchannel-");
    second = second.substr(at, second.find('\'', at) - at);
    BOOST_TEST(fs::exists(second));
  }
  BOOST_TEST(!fs::exists(second));
}

BOOST_AUTO_TEST_CASE(odd_characters_in_the_path_are_no_trouble) {
  const TempFolder folder("cluster");
  const fs::path odd = folder.path() / "it's a \"folder\" \\ with %d $HOME ü";
  const NothingLeft check(odd);
  const Cluster cluster = opened(Cluster::open(options_for(odd)));
  BOOST_TEST(ask(cluster.owner_conninfo(), "select 1") == "1");
}

BOOST_AUTO_TEST_CASE(libpq_variables_of_the_environment_change_nothing) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  for (const char* name : {"PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGDATA", "PGSSLMODE"})
    setenv(name, "require", 1);
  {
    const Cluster cluster = opened(Cluster::open(options_for(folder.path())));
    BOOST_TEST(ask(cluster.owner_conninfo(), "select current_user") == "postgres");
  }
  for (const char* name : {"PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGDATA", "PGSSLMODE"})
    unsetenv(name);
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_no_cluster_is_left_alone) {
  const TempFolder folder("cluster");
  fs::create_directories(folder.path() / "postgres/data");
  std::ofstream(folder.path() / "postgres/data/precious") << "keep";
  const auto failed = Cluster::open(options_for(folder.path()));
  BOOST_TEST_REQUIRE(!failed.has_value());
  BOOST_TEST(failed.error().message.find("not a Postgres cluster") != std::string::npos,
             failed.error().message);
  BOOST_TEST(fs::exists(folder.path() / "postgres/data/precious"));
}

BOOST_AUTO_TEST_CASE(missing_programs_are_named_with_their_package) {
  const TempFolder folder("cluster");
  ClusterOptions options = options_for(folder.path());
  options.binaries = {folder.path() / "nowhere"};
  const auto failed = Cluster::open(options);
  BOOST_TEST_REQUIRE(!failed.has_value());
  BOOST_TEST(failed.error().message.find("postgresql-15") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_named_with_its_remedy) {
  const TempFolder folder("cluster");
  // Root's Postgres runs as somebody who may not enter every folder a clone may lie in.
  std::string bin_name = (fs::temp_directory_path() / "backchannel-bin-XXXXXX").string();
  BOOST_TEST_REQUIRE(mkdtemp(bin_name.data()) != nullptr);
  const fs::path bin = bin_name;
  fs::permissions(bin, fs::perms(0755));
  for (const char* name : {"postgres", "initdb"}) {
    std::ofstream(bin / name)
        << "#!/bin/sh\n"
           "[ \"$1\" = --version ] && echo 'postgres (PostgreSQL) 15.20' && "
           "exit\n"
           "echo 'initdb: error: could not write file \"x\": No space left on "
           "device'\necho 'initdb: removing contents'\nexit 1\n";
    fs::permissions(bin / name, fs::perms(0755));
  }
  ClusterOptions options = options_for(folder.path() / "var");
  options.binaries = {bin};
  const auto failed = Cluster::open(options);
  fs::remove_all(bin);
  BOOST_TEST_REQUIRE(!failed.has_value());
  BOOST_TEST(failed.error().message.find("could not write file") != std::string::npos,
             failed.error().message);
  BOOST_TEST(failed.error().message.find("free space") != std::string::npos,
             failed.error().message);
}

// Only root can make these, and only root is in need of them.
BOOST_AUTO_TEST_SUITE(as_root, *boost::unit_test::precondition([](auto) { return geteuid() == 0; }))

BOOST_AUTO_TEST_CASE(postgres_runs_as_somebody_else) {
  const TempFolder folder("cluster");
  const NothingLeft check(folder.path());
  const Cluster cluster = opened(Cluster::open(options_for(folder.path())));
  struct stat info {};
  BOOST_TEST_REQUIRE(stat(("/proc/" + std::to_string(cluster.server_pid())).c_str(), &info) == 0);
  BOOST_TEST(info.st_uid != 0u);
  std::ifstream status("/proc/" + std::to_string(cluster.server_pid()) + "/status");
  const std::string text(std::istreambuf_iterator<char>(status), {});
  BOOST_TEST(text.find("CapEff:\t0000000000000000") != std::string::npos, text);
  BOOST_TEST(text.find("Groups:\t \n") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(parents_that_user_may_not_enter_are_no_trouble) {
  const TempFolder folder("cluster");
  const fs::path closed = folder.path() / "closed";
  fs::create_directories(closed / "clone");
  fs::permissions(closed, fs::perms::owner_all);
  const NothingLeft check(closed / "clone" / "var");
  for (int round = 0; round < 2; ++round) {
    Holder holder(closed / "clone" / "var", "server");
    const auto line = holder.ready();
    BOOST_TEST(ask(line.rest, "select 1") == "1");
    const Cluster command = opened(Cluster::attach_or_start(options_for(closed / "clone" / "var")));
    BOOST_TEST(command.attached());
    kill(holder.pid(), SIGSTOP);
    kill(line.postmaster, SIGKILL);
    holder.kill_now();
  }
  const Cluster cluster = opened(Cluster::open(options_for(closed / "clone" / "var")));
  BOOST_TEST(ask(cluster.owner_conninfo(), "select pg_reload_conf()") == "t");
  BOOST_TEST(ask(cluster.owner_conninfo(),
                 "select count(*) from pg_file_settings where error is "
                 "not null") == "0");
}

BOOST_AUTO_TEST_CASE(root_runs_a_users_cluster_as_that_user) {
  const passwd* nobody = getpwnam("nobody");
  BOOST_TEST_REQUIRE(nobody != nullptr);
  const uid_t uid = nobody->pw_uid;
  const TempFolder folder("cluster");
  const fs::path theirs = folder.path() / "theirs";
  fs::create_directories(theirs);
  BOOST_TEST_REQUIRE(chown(theirs.c_str(), uid, nobody->pw_gid) == 0);
  const NothingLeft check(theirs);
  // The build folder of this test may be closed to that user: the program is run from a copy.
  {
    Holder holder(theirs, "server", uid);
    const auto line = holder.line();
    if (line.word.empty()) return;
    BOOST_TEST_REQUIRE(line.word == "ready", line.rest);
    BOOST_TEST(holder.finish() == 0);
  }
  {
    const Cluster cluster = opened(Cluster::open(options_for(theirs)));
    struct stat info {};
    BOOST_TEST_REQUIRE(stat(("/proc/" + std::to_string(cluster.server_pid())).c_str(), &info) == 0);
    BOOST_TEST(info.st_uid == uid);
  }
  Holder again(theirs, "server", uid);
  again.ready();
}

BOOST_AUTO_TEST_CASE(a_user_is_told_that_the_cluster_is_another_users) {
  const TempFolder folder("cluster");
  const fs::path shared = folder.path() / "shared";
  fs::create_directories(shared / "postgres");
  fs::permissions(shared, fs::perms::all);
  Holder holder(shared, "server", getpwnam("nobody")->pw_uid);
  const auto line = holder.line();
  if (line.word.empty()) return;
  BOOST_TEST(line.word == "error");
  BOOST_TEST(line.rest.find("belongs to user root") != std::string::npos, line.rest);
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE_END()
