// A Postgres of its own for a test program: started at first use, stopped when the program ends,
// however it ends; its folder is swept by the next one.
//
//   const std::string owner = TempPostgres::shared().fresh_database();
//
// Thread-confined: use it from the test's main thread.
#ifndef TESTS_SUPPORT_POSTGRES_H_
#define TESTS_SUPPORT_POSTGRES_H_

#include <filesystem>
#include <memory>
#include <string>

#include "gateway/cluster/cluster.h"

namespace test_support {

// A folder below the build folder that nobody else uses, removed at the end. What an earlier,
// killed program left behind is removed too.
class TempFolder {
 public:
  explicit TempFolder(const std::string& purpose);
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class TempPostgres {
 public:
  // The cluster of this program, without fsync: for all tests but those of durability.
  static TempPostgres& shared();

  // Throws std::runtime_error with the reason when Postgres cannot be started.
  explicit TempPostgres(gateway::cluster::Durability durability);
  ~TempPostgres();

  // Makes an empty database, or a copy of `original`, to which nobody may be connected then.
  // Gives its owner's connection string.
  std::string fresh_database(const std::string& original = "template0");
  // The name of the newest fresh database.
  const std::string& newest() const { return newest_; }

  std::string conninfo(const std::string& user, const std::string& database) const;
  std::string owner_conninfo() const;  // database "backchannel", as the gateway's own
  const std::filesystem::path& data_dir() const { return folder_.path(); }
  gateway::cluster::Cluster& cluster() { return *cluster_; }

 private:
  TempFolder folder_;
  std::unique_ptr<gateway::cluster::Cluster> cluster_;
  std::string newest_;
  int made_ = 0;
};

}  // namespace test_support

#endif  // TESTS_SUPPORT_POSTGRES_H_
