#include "gateway/cluster/config.h"

#include <libpq-fe.h>

#include <boost/test/unit_test.hpp>

using namespace gateway::cluster;

namespace {

bool has_line(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(durability_is_never_given_away_in_production) {
  const std::string text = server_config({16'000, 100'000}, Durability::full, "../run");
  for (const char* name : {"fsync", "synchronous_commit", "full_page_writes"})
    BOOST_TEST(has_line(text, std::string(name) + " = on"), name);
}

BOOST_AUTO_TEST_CASE(nothing_listens_on_the_network) {
  const std::string text = server_config({16'000, 100'000}, Durability::full, "../run");
  BOOST_TEST(has_line(text, "listen_addresses = ''"));
  BOOST_TEST(has_line(text, "unix_socket_permissions = 0700"));
}

// Figures of the ingest measurements: WAL of 2 and 8 GB, checkpoints every 15 minutes.
BOOST_AUTO_TEST_CASE(a_roomy_disk_keeps_two_gigabytes_of_wal) {
  const std::string text = server_config({16'000, 100'000}, Durability::full, "../run");
  BOOST_TEST(has_line(text, "min_wal_size = 2048MB"));
  BOOST_TEST(has_line(text, "max_wal_size = 8192MB"));
  BOOST_TEST(has_line(text, "checkpoint_timeout = 15min"));
}

BOOST_AUTO_TEST_CASE(wal_never_takes_more_than_a_quarter_of_a_small_disk) {
  const std::string text = server_config({16'000, 4'000}, Durability::full, "../run");
  BOOST_TEST(has_line(text, "max_wal_size = 1000MB"));
  BOOST_TEST(has_line(text, "min_wal_size = 250MB"));
}

BOOST_AUTO_TEST_CASE(shared_buffers_follow_the_memory_within_bounds) {
  BOOST_TEST(has_line(server_config({128, 1}, Durability::full, ""), "shared_buffers = 64MB"));
  BOOST_TEST(has_line(server_config({8'192, 1}, Durability::full, ""), "shared_buffers = 2048MB"));
  BOOST_TEST(
      has_line(server_config({900'000, 1}, Durability::full, ""), "shared_buffers = 4096MB"));
}

BOOST_AUTO_TEST_CASE(this_machine_can_be_measured) {
  const Machine machine = measure_machine("/");
  BOOST_TEST(machine.memory_mb > 0u);
  BOOST_TEST(machine.free_disk_mb > 0u);
}

BOOST_AUTO_TEST_CASE(libpq_reads_back_a_conninfo_value_with_quotes_blanks_and_backslashes) {
  for (const std::string value : {"/tmp/it's here", "/a\\b", "", "dbname=x host=evil"}) {
    char* error = nullptr;
    PQconninfoOption* options =
        PQconninfoParse(("host=" + conninfo_value(value) + " port=5432").c_str(), &error);
    BOOST_TEST_REQUIRE(options != nullptr, error);
    for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
      if (std::string(option->keyword) == "host") BOOST_TEST(option->val == value);
      if (std::string(option->keyword) == "dbname") BOOST_TEST(option->val == nullptr);
    }
    PQconninfoFree(options);
  }
}

BOOST_AUTO_TEST_SUITE_END()
