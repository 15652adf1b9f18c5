#include "gateway/settings/settings.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>

#include "gateway/settings/table.h"
#include "gateway/settings/toml.h"

namespace gateway::settings {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfigName = "config";
constexpr std::string_view kConfigVariable = "BACKCHANNEL_CONFIG";
constexpr std::size_t kMaxFileBytes = 256u << 10;

// How many letters must change to make one of the other (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

const Setting* find_setting(std::string_view name) {
  for (const Setting& setting : all_settings()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

std::string suggestion(std::string_view text) {
  const std::string near = did_you_mean(text);
  return near.empty() ? "" : "; did you mean " + near + "?";
}

// Gathers problems, so that an operator sees all of them at once.
class Loader {
 public:
  Loader(const Given& flags, const Environment& environment)
      : flags_(flags), environment_(environment) {}

  Result<Settings> load() {
    read_file();
    for (const Setting& setting : all_settings()) apply(setting);
    look_for_typos();
    if (!problems_.empty()) return fail(Errc::invalid_argument, problems_);
    std::error_code error;
    if (settings_.keys.empty()) settings_.keys = settings_.data_dir / "master.keys";
    if (settings_.connector_dirs.empty()) {
      const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
      const fs::path installed = folder.parent_path() / "lib/backchannel/connectors";
      const bool beside = fs::is_directory(folder / "connectors", error);
      settings_.connector_dirs.push_back(
          beside || !fs::is_directory(installed, error) ? folder / "connectors" : installed);
    }
    return std::move(settings_);
  }

 private:
  void problem(const std::string& text) {
    if (!problems_.empty()) problems_ += '\n';
    problems_ += text;
  }

  void read_file() {
    std::string source = "--config";
    std::string path;
    if (const auto flag = flags_.find(std::string(kConfigName)); flag != flags_.end()) {
      path = flag->second.back();
    } else if (const auto found = environment_.find(std::string(kConfigVariable));
               found != environment_.end()) {
      source = kConfigVariable;
      path = found->second;
    }
    if (path.empty()) return;
    struct stat info {};
    std::ifstream file(path, std::ios::binary);
    if (!file || stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
      const int error = errno == 0 || S_ISDIR(info.st_mode) ? EISDIR : errno;
      return problem(source + ": cannot read the settings file " + path + ": " +
                     std::generic_category().message(error));
    }
    std::string text(kMaxFileBytes + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMaxFileBytes)
      return problem(source + ": the settings file " + path + " is larger than 256 KiB");
    auto entries = parse_toml(text);
    if (!entries) return problem(path + ", " + entries.error().message);
    bool has_secret = false;
    for (TomlEntry& entry : *entries) {
      const Setting* setting = find_setting(entry.name);
      const std::string where = path + ", line " + std::to_string(entry.line);
      if (setting == nullptr) {
        problem(where + ": there is no setting " + entry.name + suggestion(entry.name));
        continue;
      }
      has_secret = has_secret || setting->kind == Kind::secret;
      file_[entry.name] = {where + ": " + entry.name, std::move(entry.values)};
    }
    if (has_secret && (info.st_mode & 077) != 0)
      settings_.warnings.push_back("other users may read the settings file " + path +
                                   ", which has secrets in it; chmod 600 it");
  }

  void apply(const Setting& setting) {
    const std::string name(setting.name);
    std::string where;
    std::vector<std::string> values;
    if (const auto flag = flags_.find(name); flag != flags_.end()) {
      where = flag_of(setting);
      values = flag->second;
      if (setting.kind == Kind::secret)
        settings_.warnings.push_back(
            where + " shows a secret to every user of this machine (ps); " + "use " +
            std::string(setting.variable) + " or a settings file instead");
    } else if (const auto variable = environment_.find(std::string(setting.variable));
               variable != environment_.end() && !variable->second.empty()) {
      where = variable->first;
      values = {variable->second};
    } else if (const auto entry = file_.find(name); entry != file_.end()) {
      where = entry->second.where;
      values = entry->second.values;
    } else {
      return;
    }
    if (setting.kind != Kind::list && values.size() != 1)
      return problem(where + ": takes one value, and " + std::to_string(values.size()) +
                     " are given");
    if (setting.kind != Kind::list && values.front().empty())
      return problem(where + ": is empty; give a value or leave the setting out");
    if (auto applied = setting.apply(settings_, values); !applied) {
      const bool hidden = setting.kind == Kind::secret;
      problem(where + ": " + (hidden ? "the value" : "'" + join(values) + "'") + " " +
              applied.error().message);
    }
  }

  // A warning, not an error: Kubernetes puts BACKCHANNEL_SERVICE_HOST and more there by itself
  // where a service has the name backchannel.
  void look_for_typos() {
    for (const auto& [name, value] : environment_) {
      if (!name.starts_with("BACKCHANNEL_") || name == kConfigVariable) continue;
      const auto known = [&name = name](const Setting& s) { return s.variable == name; };
      const auto settings = all_settings();
      if (std::none_of(settings.begin(), settings.end(), known))
        settings_.warnings.push_back("the variable " + name + " is no setting and changes nothing" +
                                     suggestion(name));
    }
  }

  static std::string join(const std::vector<std::string>& values) {
    std::string out;
    for (const std::string& value : values) {
      if (!out.empty()) out += ", ";
      out += value.substr(0, 200);
    }
    return out;
  }

  struct FromFile {
    std::string where;
    std::vector<std::string> values;
  };
  const Given& flags_;
  const Environment& environment_;
  std::map<std::string, FromFile> file_;
  Settings settings_;
  std::string problems_;
};

std::string help_of(const Setting& setting) {
  std::string help(setting.help);
  help += ". Default: " + std::string(setting.default_value) + ". Variable: ";
  help += setting.variable;
  if (setting.kind == Kind::secret) help += "; prefer it, arguments are seen by every user (ps)";
  return help;
}

}  // namespace

Environment environment_of(const char* const* variables) {
  Environment environment;
  for (; variables != nullptr && *variables != nullptr; ++variables) {
    const std::string_view entry(*variables);
    const std::size_t equals = entry.find('=');
    if (equals != std::string_view::npos)
      environment.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return environment;
}

void add_settings(CLI::App& app, Given& flags) {
  const auto store = [&flags](std::string name) {
    return [&flags, name = std::move(name)](const CLI::results_t& results) {
      flags[name] = results;
      return true;
    };
  };
  app.add_option("--config", store(std::string(kConfigName)),
                 "settings file (TOML: names as in these flags, with '_' for '-'). Variable: " +
                     std::string(kConfigVariable))
      ->type_name("FILE")
      ->group("Settings");
  for (const Setting& setting : all_settings()) {
    const std::string name(setting.name);
    if (setting.kind == Kind::flag) {
      app.add_flag_function(
             flag_of(setting),
             [&flags, name](std::int64_t count) { flags[name] = {count > 0 ? "true" : "false"}; },
             help_of(setting))
          ->group("Settings");
      continue;
    }
    auto* option = app.add_option(flag_of(setting), store(name), help_of(setting));
    option->type_name(std::string(setting.value))->group("Settings");
    option->multi_option_policy(setting.kind == Kind::list ? CLI::MultiOptionPolicy::TakeAll
                                                           : CLI::MultiOptionPolicy::TakeLast);
  }
}

Result<Settings> load_settings(const Given& flags, const Environment& environment) {
  return Loader(flags, environment).load();
}

std::string did_you_mean(std::string_view text) {
  const bool is_flag = text.starts_with("--");
  const bool is_variable = text.starts_with("BACKCHANNEL_") || text == "DATABASE_URL";
  std::string best;
  std::size_t best_distance = 0;
  const auto consider = [&](const std::string& candidate) {
    const std::size_t found = distance(text, candidate);
    if (best.empty() || found < best_distance) {
      best = candidate;
      best_distance = found;
    }
  };
  for (const Setting& setting : all_settings())
    consider(is_flag       ? flag_of(setting)
             : is_variable ? std::string(setting.variable)
                           : std::string(setting.name));
  // The common beginning says nothing about likeness.
  const std::size_t letters = text.size() - (is_flag ? 2 : is_variable ? 12 : 0);
  return best_distance <= std::max<std::size_t>(2, letters / 3) ? best : "";
}

std::string settings_table() {
  std::string out =
      "| variable | flag | in the file | default | what it does |\n"
      "|---|---|---|---|---|\n";
  const auto row = [&out](std::string_view variable, const std::string& flag,
                          std::string_view value, std::string_view name,
                          std::string_view default_value, std::string_view help) {
    out += "| `" + std::string(variable) + "` | `" + flag;
    if (!value.empty()) out += " " + std::string(value);
    out += "` | " + (name.empty() ? std::string() : "`" + std::string(name) + "`") + " | " +
           std::string(default_value) + " | " + std::string(help) + " |\n";
  };
  for (const Setting& setting : all_settings())
    row(setting.variable, flag_of(setting), setting.value, setting.name, setting.default_value,
        std::string(setting.help) +
            (setting.kind == Kind::secret ? " (secret: not as a flag)" : ""));
  row(kConfigVariable, "--config", "FILE", "", "none",
      "settings file in TOML, with the names of the third column");
  return out;
}

}  // namespace gateway::settings
