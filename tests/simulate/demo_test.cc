// `backchannel simulate` and its demonstration, as somebody runs them.
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/simulate/program.h"
#include "tests/support/http_client.h"

namespace fs = std::filesystem;
using gateway::simulate::Program;
using namespace std::chrono_literals;

namespace {

constexpr const char* kProgram = BACKCHANNEL_BINARY_DIR "/backchannel";

// A folder of its own, which goes with its test. The embedded Postgres runs as another user where
// the tests run as root, and has to get there.
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "backchannel-demo-XXXXXX").string();
    BOOST_TEST_REQUIRE(mkdtemp(name.data()) != nullptr);
    chmod(name.c_str(), 0755);
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    poll(nullptr, 0, 20);
  }
  return true;
}

Program start(std::vector<std::string> arguments, const fs::path& output) {
  arguments.insert(arguments.begin(), kProgram);
  auto program = Program::start({arguments, {}, output.string()});
  BOOST_TEST_REQUIRE(program.has_value());
  return std::move(*program);
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simulate_program)

BOOST_AUTO_TEST_CASE(it_says_how_a_gateway_meets_it_and_ends_by_a_signal) {
  const Folder folder;
  const fs::path output = folder.path / "out";
  Program program = start({"simulate", "--listen", "127.0.0.1:0", "--only", "meta,sms"}, output);
  BOOST_TEST_REQUIRE(
      eventually([&] { return contains(read_file(output), "Ctrl-C stops it."); }, 30s));
  const std::string said = read_file(output);
  BOOST_TEST(contains(said, " BACKCHANNEL_UPSTREAMS=https://graph.facebook.com=http://127.0.0.1:"));
  BOOST_TEST(contains(said, " BACKCHANNEL_META_APP_SECRET="));
  BOOST_TEST(contains(said, R"({"type":"whatsapp","config":{"phone_number_id":")"));
  BOOST_TEST(!contains(said, "telegram"));
  const std::size_t control = said.find("curl http://127.0.0.1:");
  BOOST_TEST_REQUIRE(control != std::string::npos);
  test_support::HttpClient client(
      static_cast<std::uint16_t>(std::stoi(said.substr(control + 22, 5))));
  const auto platforms =
      sdk::json::Document::parse(client.call("GET", "/_simulate/platforms").body);
  BOOST_TEST_REQUIRE(platforms.has_value());
  BOOST_TEST(platforms->root().elements().size() == 2u);
  program.signal(SIGTERM);
  const auto status = program.wait(30s);
  BOOST_TEST_REQUIRE(status.has_value());
  BOOST_TEST(*status == 0);
}

BOOST_AUTO_TEST_CASE(a_mistyped_platform_ends_it_with_2_and_the_names_there_are) {
  const Folder folder;
  const fs::path output = folder.path / "out";
  Program program = start({"simulate", "--only", "telegram,metta"}, output);
  const auto status = program.wait(30s);
  BOOST_TEST_REQUIRE(status.has_value());
  BOOST_TEST(WEXITSTATUS(*status) == 2);
  BOOST_TEST(contains(read_file(output), "\"metta\"; there are telegram, meta, sms, x, mail"));
}

BOOST_AUTO_TEST_CASE(the_demonstration_succeeds_on_a_clean_folder_and_once_more_on_the_same) {
  const Folder folder;
  for (const char* run : {"first", "second"}) {
    const fs::path output = folder.path / run;
    Program program =
        start({"simulate", "--demo", "--demo-data", (folder.path / "data").string()}, output);
    const auto status = program.wait(280s);
    const std::string said = read_file(output);
    BOOST_TEST_REQUIRE(status.has_value(), said);
    BOOST_TEST(*status == 0, run << ": " << said);
    for (const char* line :
         {"      Telegram  5 answers `sent`", "      WhatsApp  1 answer `read`",
          "      Instagram 1 answer `read`", "      X         1 answer `sent`",
          "      SMS       1 answer `delivered`", "      Email     1 answer `sent`",
          // A Date has whole seconds: his reply may stand before an answer of that second.
          "  Email      Jürgen Weiß           open    2       3     sent       "}) {
      BOOST_TEST(contains(said, line), run << ": " << line << "\n" << said);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
