#include "gateway/settings/toml.h"

#include <boost/test/unit_test.hpp>

using namespace gateway::settings;

namespace {

// "name=value|value@line ..." or the error.
std::string describe(std::string_view text) {
  const auto entries = parse_toml(text);
  if (!entries) return "error: " + entries.error().message;
  std::string out;
  for (const TomlEntry& entry : *entries) {
    if (!out.empty()) out += ' ';
    out += entry.name + "=";
    for (std::size_t i = 0; i < entry.values.size(); ++i)
      out += (i == 0 ? "" : "|") + entry.values[i];
    out += "@" + std::to_string(entry.line);
  }
  return out;
}

bool is_error(std::string_view text, std::string_view words) {
  const std::string said = describe(text);
  BOOST_TEST_INFO(said);
  return said.starts_with("error: line ") && said.find(words) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(toml)

BOOST_AUTO_TEST_CASE(values_of_every_kind_are_read) {
  BOOST_TEST(describe("") == "");
  BOOST_TEST(describe("\n# only a comment") == "");
  BOOST_TEST(describe("http = \"127.0.0.1:80\"\nthreads = 4\nunsafe = true\n") ==
             "http=127.0.0.1:80@1 threads=4@2 unsafe=true@3");
  BOOST_TEST(describe("a='C:\\x'\r\n\r\nb = 1_000 # one\r\nc=-3") == "a=C:\\x@1 b=1000@3 c=-3@4");
  BOOST_TEST(describe("a = [ 'x', \"y\" ,\n # why\n 3,\n]\nb = []") == "a=x|y|3@1 b=@5");
  BOOST_TEST(describe("\"a\" = 'x'") == "a=x@1");
  BOOST_TEST(describe("\xef\xbb\xbf"
                      "a = 1") == "a=1@1");
}

BOOST_AUTO_TEST_CASE(a_hash_inside_quotes_is_part_of_the_text) {
  BOOST_TEST(describe("token = \"abc#def\" # a comment") == "token=abc#def@1");
  BOOST_TEST(describe("token = 'a b, c#=[x]'") == "token=a b, c#=[x]@1");
}

// https://toml.io/en/v1.0.0#string, read 2026-11-21.
BOOST_AUTO_TEST_CASE(escapes_are_those_of_toml) {
  BOOST_TEST(describe("a = \"q\\\" b\\\\ t\\t\\u00e9\\U0001F600\"") ==
             "a=q\" b\\ t\t\xc3\xa9\xf0\x9f\x98\x80@1");
  BOOST_TEST(is_error("a = \"\\x41\"", "escape"));
  BOOST_TEST(is_error("a = \"\\ud800\"", "escape"));
  BOOST_TEST(is_error("a = \"\\u12\"", "escape"));
  BOOST_TEST(is_error("a = \"\\", "escape"));
}

BOOST_AUTO_TEST_CASE(what_is_not_understood_is_an_error_with_its_line) {
  BOOST_TEST(is_error("\n[server]\n", "line 2: a [section]"));
  BOOST_TEST(is_error("http 127.0.0.1", "no '='"));
  BOOST_TEST(is_error("http = 127.0.0.1:80", "neither"));
  BOOST_TEST(is_error("a = 1.5", "neither"));
  BOOST_TEST(is_error("a =", "neither"));
  BOOST_TEST(is_error("= 1", "name"));
  BOOST_TEST(is_error("a = \"x", "closing quote"));
  BOOST_TEST(is_error("a = \"x\ny\"", "closing quote"));
  BOOST_TEST(is_error("a = \"\"\"x\"\"\"", "several lines"));
  BOOST_TEST(is_error("a = \"x\" y", "more after"));
  BOOST_TEST(is_error("a = 1 b = 2", "more after"));
  BOOST_TEST(is_error("a = [1 2]", "','"));
  BOOST_TEST(is_error("a = [1,", "closing ']'"));
  BOOST_TEST(is_error("a = 1\nb = 2\na = 3", "line 3: a is there twice"));
  BOOST_TEST(is_error(std::string_view("a = \"x\0y\"", 9), "control"));
  BOOST_TEST(is_error("a = tru", "neither"));
}

BOOST_AUTO_TEST_CASE(an_error_never_quotes_a_value) {
  for (const char* text : {"t = \"hunter2\" x", "t = hunter2", "t = \"hunter2", "t = [hunter2"}) {
    const std::string said = describe(text);
    BOOST_TEST(said.starts_with("error: "), said);
    BOOST_TEST(said.find("hunter2") == std::string::npos, said);
  }
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_good_file_is_read_or_refused) {
  const std::string text = "a = \"x\\u00e9\" # c\r\nb = [ 'y', 2, ]\nc = true\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const auto entries = parse_toml(std::string_view(text).substr(0, cut));
    if (entries) BOOST_TEST(entries->size() <= 3u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
