#include "gateway/base/log.h"

#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <string>

#include "connectors/sdk/json.h"

namespace {

// What `write` sends to standard error.
template <class F>
std::string captured(F write) {
  std::FILE* file = std::tmpfile();
  BOOST_TEST_REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int saved = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  write();
  std::fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  std::rewind(file);
  std::string text(64 * 1024, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(an_event_is_one_json_line) {
  const std::string line = captured([] {
    gateway::log::info("store", "migrated", {{"name", "0001_core.sql"}, {"count", 3}});
  });
  const auto document = sdk::json::Document::parse(line);
  BOOST_TEST_REQUIRE(document.has_value());
  const auto root = document->root();
  BOOST_TEST(root["level"].text_or("") == "info");
  BOOST_TEST(root["area"].text_or("") == "store");
  BOOST_TEST(root["event"].text_or("") == "migrated");
  BOOST_TEST(root["name"].text_or("") == "0001_core.sql");
  BOOST_TEST(root["count"].text_or("") == "3");
}

BOOST_AUTO_TEST_CASE(a_value_cannot_forge_a_line) {
  const std::string text = captured([] {
    gateway::log::warn("http", "odd", {{"path", "/x\r\n{\"level\":\"error\"}\x1b[2J\"\\\x7f"}});
  });
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 1);
  BOOST_TEST(text.find('\x1b') == std::string::npos);
  const auto document = sdk::json::Document::parse(text);
  BOOST_TEST_REQUIRE(document.has_value());
  BOOST_TEST(document->root()["level"].text_or("") == "warn");
}

BOOST_AUTO_TEST_CASE(a_long_value_is_cut) {
  const std::string text = captured([] {
    gateway::log::info("http", "long", {{"body", std::string(100'000, 'a')}});
  });
  BOOST_TEST(text.size() < 2'500U);
}

BOOST_AUTO_TEST_CASE(lines_below_the_level_are_not_written) {
  gateway::log::set_level(gateway::log::Level::warn);
  BOOST_TEST(captured([] { gateway::log::info("http", "quiet"); }).empty());
  BOOST_TEST(!captured([] { gateway::log::error("http", "loud"); }).empty());
  BOOST_TEST(gateway::log::set_level("info"));
  BOOST_TEST(!gateway::log::set_level("chatty"));
}

BOOST_AUTO_TEST_SUITE_END()
