#include "gateway/cluster/lock_file.h"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/support/postgres.h"

using namespace gateway::cluster;

BOOST_AUTO_TEST_SUITE(lock_file)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  const LockText text{4711, Role::command, "/a folder/with blanks", true};
  BOOST_TEST((parse_lock(print_lock(text)) == text));
  const LockText bare{1, Role::server, "", false};
  BOOST_TEST((parse_lock(print_lock(bare)) == bare));
}

BOOST_AUTO_TEST_CASE(text_that_is_not_whole_is_nothing) {
  const std::string whole = print_lock({4711, Role::server, "/run", true});
  for (std::size_t cut = 0; cut < whole.size(); ++cut)
    BOOST_TEST(!parse_lock(whole.substr(0, cut)).has_value(), cut);
  BOOST_TEST(!parse_lock("pid 12x\nend\n").has_value());
  BOOST_TEST(!parse_lock("pid -4\nend\n").has_value());
  BOOST_TEST(!parse_lock("state ready\nend\n").has_value());
}

BOOST_AUTO_TEST_CASE(the_rest_of_a_longer_text_is_ignored) {
  const LockText shorter{7, Role::server, "", false};
  BOOST_TEST((parse_lock(print_lock(shorter) + "ady\nhost /old\nend\n") == shorter));
}

BOOST_AUTO_TEST_CASE(only_one_has_the_lock_and_the_other_reads_who) {
  const test_support::TempFolder folder("lock");
  auto first = LockFile::open(folder.path() / "x.lock");
  auto second = LockFile::open(folder.path() / "x.lock");
  BOOST_TEST_REQUIRE(first.has_value());
  BOOST_TEST_REQUIRE(second.has_value());
  BOOST_TEST(*first->try_lock());
  BOOST_TEST(!*second->try_lock());
  const LockText text{4711, Role::server, "/run", true};
  BOOST_TEST(first->write(text).has_value());
  BOOST_TEST((second->read() == text));
  first = LockFile::open(folder.path() / "x.lock");
  BOOST_TEST(*second->try_lock());
}

BOOST_AUTO_TEST_CASE(a_symbolic_link_is_no_lock_file) {
  const test_support::TempFolder folder("lock");
  std::ofstream(folder.path() / "victim") << "keep";
  std::filesystem::create_symlink(folder.path() / "victim", folder.path() / "x.lock");
  BOOST_TEST(!LockFile::open(folder.path() / "x.lock").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
