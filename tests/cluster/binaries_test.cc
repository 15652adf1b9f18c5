#include "gateway/cluster/binaries.h"

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/support/postgres.h"
#include "tests/support/result.h"

namespace fs = std::filesystem;
using namespace gateway;
using namespace gateway::cluster;

namespace {

// A folder with programs that say they are Postgres `version`.
fs::path fake_postgres(const fs::path& parent, const std::string& version) {
  const fs::path folder = parent / version;
  fs::create_directories(folder);
  for (const char* name : {"postgres", "initdb"}) {
    std::ofstream(folder / name) << "#!/bin/sh\necho 'postgres (PostgreSQL) " << version << "'\n";
    fs::permissions(folder / name, fs::perms::owner_all | fs::perms::others_exec);
  }
  return folder;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(binaries)

BOOST_AUTO_TEST_CASE(the_version_is_read_from_what_postgres_prints) {
  const auto debian = parse_version("", "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n");
  BOOST_TEST(debian.major == 15);
  BOOST_TEST(debian.version == "15.20");
  BOOST_TEST(parse_version("", "postgres (PostgreSQL) 17beta1\n").major == 17);
  BOOST_TEST(parse_version("", "postgres (PostgreSQL)").major == 0);
  BOOST_TEST(parse_version("", "").major == 0);
}

BOOST_AUTO_TEST_CASE(this_machine_has_a_postgres) {
  const auto found = find_binaries(usual_folders(), 0);
  BOOST_TEST_REQUIRE(found.has_value(), test_support::why(found));
  BOOST_TEST(found->major >= kOldestPostgres);
}

BOOST_AUTO_TEST_CASE(versions_that_are_too_old_are_passed_over) {
  const test_support::TempFolder folder("binaries");
  const auto found = find_binaries(
      {fake_postgres(folder.path(), "14.9"), fake_postgres(folder.path(), "16.2")}, 0);
  BOOST_TEST_REQUIRE(found.has_value(), test_support::why(found));
  BOOST_TEST(found->version == "16.2");
}

BOOST_AUTO_TEST_CASE(a_cluster_gets_the_version_that_made_it_even_beside_a_newer_one) {
  const test_support::TempFolder folder("binaries");
  const std::vector<fs::path> folders = {fake_postgres(folder.path(), "17.1"),
                                         fake_postgres(folder.path(), "15.20")};
  const auto found = find_binaries(folders, 15);
  BOOST_TEST_REQUIRE(found.has_value(), test_support::why(found));
  BOOST_TEST(found->version == "15.20");
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_named_with_the_package_that_brings_it) {
  const test_support::TempFolder folder("binaries");
  const auto none = find_binaries({folder.path()}, 0);
  BOOST_TEST_REQUIRE(!none.has_value());
  BOOST_TEST(none.error().message.find("install the package postgresql-15") != std::string::npos);
  BOOST_TEST(none.error().message.find("DATABASE_URL") != std::string::npos);

  const auto other = find_binaries({fake_postgres(folder.path(), "15.20")}, 16);
  BOOST_TEST_REQUIRE(!other.has_value());
  BOOST_TEST(other.error().message.find("made by Postgres 16") != std::string::npos);
  BOOST_TEST(other.error().message.find("found version 15.20") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
