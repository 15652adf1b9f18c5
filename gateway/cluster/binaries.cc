#include "gateway/cluster/binaries.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "gateway/cluster/process.h"

namespace gateway::cluster {
namespace {

namespace fs = std::filesystem;

Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(10); }

bool is_program(const fs::path& file) { return access(file.c_str(), X_OK) == 0; }

int leading_number(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Account ourselves() { return {geteuid(), getegid(), "", false}; }

}  // namespace

Binaries parse_version(const fs::path& folder, std::string_view text) {
  constexpr std::string_view kMark = "(PostgreSQL) ";
  Binaries binaries{folder, 0, ""};
  const std::size_t at = text.find(kMark);
  if (at == std::string_view::npos) return binaries;
  text.remove_prefix(at + kMark.size());
  binaries.version = std::string(text.substr(0, text.find_first_of(" \n")));
  binaries.major = leading_number(binaries.version);
  return binaries;
}

std::vector<fs::path> usual_folders() {
  std::vector<fs::path> folders;
  for (const auto& [parent, prefix] :
       {std::pair<fs::path, std::string_view>{"/usr/lib/postgresql", ""}, {"/usr", "pgsql-"}}) {
    std::vector<std::pair<int, fs::path>> versions;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(parent, ignored)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with(prefix)) continue;
      const int major = leading_number(std::string_view(name).substr(prefix.size()));
      if (major > 0) versions.emplace_back(major, entry.path() / "bin");
    }
    std::sort(versions.rbegin(), versions.rend());
    for (const auto& [major, folder] : versions) folders.push_back(folder);
  }
  for (const char* folder : {"/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"})
    folders.emplace_back(folder);
  for (const char* pg_config : {"/usr/local/bin/pg_config", "/usr/bin/pg_config"}) {
    if (!is_program(pg_config)) continue;
    if (auto said = run({{pg_config, "--bindir"}, ourselves()}, soon())) {
      while (!said->empty() && said->back() == '\n') said->pop_back();
      folders.emplace_back(*said);
    }
  }
  return folders;
}

Result<Binaries> find_binaries(const std::vector<fs::path>& folders, int wanted_major) {
  std::string seen;
  for (const fs::path& folder : folders) {
    if (!is_program(folder / "postgres") || !is_program(folder / "initdb")) continue;
    auto said = run({{folder / "postgres", "--version"}, ourselves()}, soon());
    if (!said) {
      seen += "; " + said.error().message;
      continue;
    }
    Binaries binaries = parse_version(folder, *said);
    if (wanted_major == 0 ? binaries.major >= kOldestPostgres : binaries.major == wanted_major)
      return binaries;
    seen += "; found version " + binaries.version + " in " + folder.string();
  }
  const std::string major = std::to_string(wanted_major == 0 ? kOldestPostgres : wanted_major);
  return fail(Errc::unavailable,
              (wanted_major == 0 ? "Postgres " + major + " or newer is not installed"
                                 : "the database folder was made by Postgres " + major +
                                       ", which is not "
                                       "installed") +
                  " (looked for the programs initdb and postgres" + seen +
                  "); install the package postgresql-" + major +
                  ", or give DATABASE_URL to use a server that runs elsewhere");
}

}  // namespace gateway::cluster
