#include "tests/support/postgres.h"

#include <libpq-fe.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace test_support {
namespace {

namespace fs = std::filesystem;

// Folders are named <purpose>-<pid>-<number>.
void sweep(const fs::path& parent) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename();
    const std::size_t last = name.rfind('-');
    if (last == std::string::npos || last == 0) continue;
    const std::size_t first = name.rfind('-', last - 1);
    if (first == std::string::npos) continue;
    pid_t pid = 0;
    std::from_chars(name.data() + first + 1, name.data() + last, pid);
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), ignored);
  }
}

struct FreeConn {
  void operator()(PGconn* conn) const { PQfinish(conn); }
};

void execute(const std::string& conninfo, const std::string& statement) {
  const std::unique_ptr<PGconn, FreeConn> conn(PQconnectdb(conninfo.c_str()));
  if (PQstatus(conn.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(conn.get()));
  PGresult* rows = PQexec(conn.get(), statement.c_str());
  const bool done = PQresultStatus(rows) == PGRES_COMMAND_OK;
  PQclear(rows);
  if (!done) throw std::runtime_error(PQerrorMessage(conn.get()));
}

}  // namespace

TempFolder::TempFolder(const std::string& purpose) {
  static int number = 0;
  const fs::path parent = fs::path(BACKCHANNEL_BINARY_DIR) / "tests" / "tmp";
  fs::create_directories(parent);
  sweep(parent);
  path_ = parent / (purpose + "-" + std::to_string(getpid()) + "-" + std::to_string(++number));
  fs::create_directory(path_);
  // As root another user runs Postgres below this folder.
  fs::permissions(path_, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

TempPostgres& TempPostgres::shared() {
  static TempPostgres instance(gateway::cluster::Durability::none);
  return instance;
}

TempPostgres::TempPostgres(gateway::cluster::Durability durability) : folder_("postgres") {
  gateway::cluster::ClusterOptions options;
  options.data_dir = folder_.path();
  options.durability = durability;
  options.stop_timeout =
      std::chrono::seconds(durability == gateway::cluster::Durability::none ? 5 : 60);
  auto opened = gateway::cluster::Cluster::open(std::move(options));
  if (!opened) throw std::runtime_error(opened.error().message);
  cluster_ = std::make_unique<gateway::cluster::Cluster>(std::move(*opened));
}

TempPostgres::~TempPostgres() { cluster_.reset(); }

std::string TempPostgres::fresh_database(const std::string& original) {
  newest_ = "test_" + std::to_string(++made_);
  execute(conninfo("postgres", "postgres"),
          "create database " + newest_ + " template \"" + original + "\"");
  return conninfo("postgres", newest_);
}

std::string TempPostgres::conninfo(const std::string& user, const std::string& database) const {
  return cluster_->conninfo(user, database);
}

std::string TempPostgres::owner_conninfo() const { return cluster_->owner_conninfo(); }

}  // namespace test_support
