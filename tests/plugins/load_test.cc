#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gateway/plugins/connector.h"

namespace {

namespace fs = std::filesystem;
using gateway::plugins::load_connector;
using gateway::plugins::Registry;

std::string sample(const std::string& name) {
  return std::string(BACKCHANNEL_BINARY_DIR) + "/tests/samples/" + name + "/sample.so";
}

// A folder of our own that goes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "backchannel-load-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }

  std::string path() const { return path_.string(); }
  std::string add(const std::string& from, const std::string& name) const {
    fs::copy_file(from, path_ / name);
    return (path_ / name).string();
  }

 private:
  fs::path path_;
};

std::string refusal_of(const std::string& path) {
  const auto loaded = load_connector(path);
  return loaded ? "loaded" : loaded.error().message;
}

bool mentions(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(load)

BOOST_AUTO_TEST_CASE(a_connector_is_loaded_with_its_schema) {
  const auto loaded = load_connector(sample("good"));
  BOOST_TEST_REQUIRE(loaded.has_value());
  const gateway::plugins::Connector& connector = **loaded;
  BOOST_TEST(connector.type() == "sample");
  BOOST_TEST(connector.version() == "1.1");
  BOOST_TEST(connector.path() == sample("good"));
  BOOST_TEST(connector.schema().secret_fields().size() == 2u);
  BOOST_TEST(!connector.polls());
  BOOST_TEST(!connector.shares_callback_urls());
}

BOOST_AUTO_TEST_CASE(another_major_version_is_refused_with_both_numbers_and_the_remedy) {
  const std::string why = refusal_of(sample("wrong_major"));
  BOOST_TEST(mentions(why, "was built for connector ABI 2.1, this gateway speaks 1.1"), why);
  BOOST_TEST(mentions(why, "rebuild it"), why);
}

BOOST_AUTO_TEST_CASE(a_table_that_is_too_short_is_refused) {
  BOOST_TEST(mentions(refusal_of(sample("short_table")), "this gateway needs"));
}

BOOST_AUTO_TEST_CASE(a_type_that_is_not_the_files_name_is_refused) {
  const Folder folder;
  const std::string why = refusal_of(folder.add(sample("good"), "other.so"));
  BOOST_TEST(mentions(why, "is a connector of type \"sample\"; name the file \"sample.so\""), why);
}

BOOST_AUTO_TEST_CASE(files_that_are_no_connectors_are_refused) {
  const Folder folder;
  const std::string text = folder.path() + "/text.so";
  std::ofstream(text) << "#!/bin/sh\n";
  BOOST_TEST(mentions(refusal_of(text), "cannot be loaded"));
  BOOST_TEST(mentions(refusal_of(sample("without_entry")), "exports no gwc_connector_v1"));
  BOOST_TEST(mentions(refusal_of(folder.path() + "/absent.so"), "cannot be read"));
  BOOST_TEST(mentions(refusal_of(folder.path() + "/readme.txt"), "is not named <type>.so"));
  BOOST_TEST(mentions(refusal_of(folder.path() + "/.so"), "is not named <type>.so"));
  fs::create_directory(folder.path() + "/folder.so");
  BOOST_TEST(mentions(refusal_of(folder.path() + "/folder.so"), "is no regular file"));
}

BOOST_AUTO_TEST_CASE(what_everybody_may_write_is_refused) {
  const Folder folder;
  const std::string path = folder.add(sample("good"), "sample.so");
  chmod(path.c_str(), 0666);
  BOOST_TEST(mentions(refusal_of(path), "is writable by everybody"));
  chmod(path.c_str(), 0644);
  BOOST_TEST(refusal_of(path) == "loaded");
  chmod(folder.path().c_str(), 0777);
  BOOST_TEST(mentions(refusal_of(path), "is writable by everybody"));
  const std::vector<std::string> folders{folder.path()};
  BOOST_TEST(!Registry::load(folders).has_value());
  chmod(folder.path().c_str(), 0755);
}

BOOST_AUTO_TEST_CASE(of_two_connectors_of_one_type_the_first_folder_wins) {
  const Folder first;
  const Folder second;
  first.add(sample("good"), "sample.so");
  second.add(sample("good"), "sample.so");
  const std::vector<std::string> folders{first.path(), second.path()};
  const auto registry = Registry::load(folders);
  BOOST_TEST_REQUIRE(registry.has_value());
  BOOST_TEST(registry->all().size() == 1u);
  BOOST_TEST(registry->find("sample")->path() == first.path() + "/sample.so");
}

BOOST_AUTO_TEST_CASE(a_refused_connector_leaves_the_others_in_place) {
  const Folder folder;
  folder.add(sample("good"), "sample.so");
  folder.add(sample("wrong_major"), "later.so");
  std::ofstream(folder.path() + "/notes.txt") << "not looked at";
  const std::vector<std::string> folders{folder.path()};
  const auto registry = Registry::load(folders);
  BOOST_TEST_REQUIRE(registry.has_value());
  BOOST_TEST(registry->find("sample") != nullptr);
  BOOST_TEST(registry->find("later") == nullptr);
  BOOST_TEST(registry->find("") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_read_fails_and_an_empty_one_does_not) {
  const Folder folder;
  const std::vector<std::string> absent{folder.path() + "/absent"};
  BOOST_TEST(!Registry::load(absent).has_value());
  const std::vector<std::string> empty{folder.path()};
  BOOST_TEST(Registry::load(empty).value().all().empty());
}

BOOST_AUTO_TEST_SUITE_END()
