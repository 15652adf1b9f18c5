// What an operator can set, from command line, environment and a file, as one checked value.
//
// A flag wins over the environment, the environment over the file (--config), the file over the
// default. Every name, default and explanation is in one table (table.cc), from which --help and
// the table of docs/OPERATIONS.md are made. Called by main.cc before anything else; Settings is
// immutable after that.
//
//   Given flags;
//   CLI::App app;
//   add_settings(app, flags);
//   CLI11_PARSE(app, argc, argv);
//   auto settings = load_settings(flags, environment_of(environ));
#ifndef GATEWAY_SETTINGS_SETTINGS_H_
#define GATEWAY_SETTINGS_SETTINGS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/result.h"
#include "gateway/base/secret.h"

namespace CLI {
class App;
}

namespace gateway::settings {

struct Listen {
  std::string address = "127.0.0.1";  // numeric, without the brackets of IPv6
  std::uint16_t port = 8080;          // 0: chosen by the kernel
};

struct Settings {
  Listen http;
  std::string public_url;  // no slash at the end; empty: not given
  Secret database_url;     // empty: the embedded cluster in data_dir
  Secret migrate_url;      // empty: database_url
  std::filesystem::path data_dir = "var";
  std::vector<std::pair<std::string, std::string>> upstreams;  // origin -> origin
  std::vector<std::string> private_hosts;                      // "host:port", lower-case
  std::filesystem::path ca_file;                               // empty: the system's alone
  std::vector<std::filesystem::path> connector_dirs;           // never empty after load_settings
  std::filesystem::path keys;                                  // never empty after load_settings
  Secret operator_token;
  Secret meta_app_secret;
  std::string log_level = "info";
  int threads = 0;  // 0: half the processors, the others being Postgres's
  bool expose_channel_secrets = false;
  int token_ttl_hours = 24;
  int media_bytes = 25 << 20;                // the longest file that is fetched from a platform
  std::vector<std::string> trusted_proxies;  // addresses and networks
  int drain_seconds = 10;
  std::string node = "0";  // one letter or digit
  bool unsafe = false;     // start although the self-check objects

  // For the log at start: a variable that looks like a setting and is none, a secret in plain view.
  std::vector<std::string> warnings;
};

// Values as text by setting name; a setting that takes several may have several.
using Given = std::map<std::string, std::vector<std::string>>;
using Environment = std::map<std::string, std::string>;

// `variables` as in environ: NAME=value, ended by a null pointer.
Environment environment_of(const char* const* variables);

// One option per setting. Parsing fills `flags`, which must outlive it.
void add_settings(CLI::App& app, Given& flags);

// Checks everything; an error has one line for each problem, saying where the value is from, what
// is wrong with it and what would be right. The value of a secret is in no message.
Result<Settings> load_settings(const Given& flags, const Environment& environment);

// The valid name nearest to `text`, in the same spelling (--flag, VARIABLE or name_in_file); empty
// where none is near.
std::string did_you_mean(std::string_view text);

// The table of docs/OPERATIONS.md, as Markdown.
std::string settings_table();

}  // namespace gateway::settings

#endif  // GATEWAY_SETTINGS_SETTINGS_H_
