#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "connectors/sdk/connector_abi.h"
#include "gateway/base/log.h"
#include "gateway/plugins/connector.h"

namespace gateway::plugins {
namespace {

constexpr std::size_t kMaxTypeBytes = 32;
// The table of 1.0; later ones are longer.
constexpr std::size_t kLeastTableBytes =
    offsetof(gwc_connector, accounts) + sizeof(gwc_connector::accounts);
constexpr std::size_t kMaxSchemaBytes = 64u << 10;
constexpr std::string_view kSuffix = ".so";

Error refuse(const std::string& path, const std::string& why) {
  return fail(Errc::invalid_argument, path + ": " + why);
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Empty where nobody but its owner and group can change it.
std::string complaint_about_access(const std::string& path, bool is_folder) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return std::string("cannot be read: ") + strerror(errno);
  if (is_folder ? !S_ISDIR(found.st_mode) : !S_ISREG(found.st_mode)) {
    return is_folder ? "is no folder" : "is no regular file";
  }
  if ((found.st_mode & S_IWOTH) != 0) {
    return "is writable by everybody; remove that right (chmod o-w)";
  }
  return {};
}

bool is_type(std::string_view type) {
  return !type.empty() && std::all_of(type.begin(), type.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string complaint_about_table(const gwc_connector* table, const std::string& expected_type) {
  if (table == nullptr) return "has an entry that returns nothing";
  // The major version and the size lie where every version has them, so both can be read first.
  if (table->abi_major != GWC_ABI_MAJOR) {
    return "was built for connector ABI " + std::to_string(table->abi_major) + "." +
           std::to_string(table->abi_minor) + ", this gateway speaks " +
           std::to_string(GWC_ABI_MAJOR) + "." + std::to_string(GWC_ABI_MINOR) +
           "; rebuild it with the connectors/sdk of this gateway";
  }
  if (!GWC_HAS(table, gwc_connector, accounts)) {
    return "describes itself in " + std::to_string(table->size) + " bytes (ABI " +
           std::to_string(table->abi_major) + "." + std::to_string(table->abi_minor) +
           "), this gateway needs " + std::to_string(kLeastTableBytes) + " (ABI " +
           std::to_string(GWC_ABI_MAJOR) + "." + std::to_string(GWC_ABI_MINOR) +
           "); rebuild it with the connectors/sdk of this gateway";
  }
  const std::string_view type(table->type == nullptr ? "" : table->type,
                              table->type == nullptr ? 0 : strnlen(table->type, kMaxTypeBytes + 1));
  if (!is_type(type) || type.size() > kMaxTypeBytes) {
    return "has a type that is not 1 to 32 characters of a-z, 0-9 and _";
  }
  if (type != expected_type) {
    return "is a connector of type \"" + std::string(type) + "\"; name the file \"" +
           std::string(type) + ".so\"";
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Connector>> load_connector(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string file = slash == std::string::npos ? path : path.substr(slash + 1);
  if (file.size() <= kSuffix.size() || !file.ends_with(kSuffix)) {
    return refuse(path, "is not named <type>.so");
  }
  if (std::string why = complaint_about_access(folder_of(path), true); !why.empty()) {
    return refuse(folder_of(path), why);
  }
  if (std::string why = complaint_about_access(path, false); !why.empty()) return refuse(path, why);

  // Without a slash dlopen would search the system's folders. The handle is never closed: answers
  // may still be converted on other threads, and unloading C++ code is undefined in too many ways.
  const std::string exact = slash == std::string::npos ? "./" + path : path;
  void* handle = dlopen(exact.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return refuse(path, std::string("cannot be loaded: ") + dlerror());
  const auto entry = reinterpret_cast<gwc_entry>(dlsym(handle, GWC_ENTRY_NAME));
  if (entry == nullptr) {
    return refuse(path, "exports no " GWC_ENTRY_NAME "; is it a connector of ABI " +
                            std::to_string(GWC_ABI_MAJOR) + ", built with EXPORT_CONNECTOR?");
  }
  const gwc_connector* table = entry();
  const std::string expected = file.substr(0, file.size() - kSuffix.size());
  if (std::string why = complaint_about_table(table, expected); !why.empty()) {
    return refuse(path, why);
  }
  if (table->config_schema == nullptr ||
      strnlen(table->config_schema, kMaxSchemaBytes + 1) > kMaxSchemaBytes) {
    return refuse(path, "has no config schema of at most 64 KiB");
  }
  auto schema = ConfigSchema::parse(table->config_schema);
  if (!schema) return refuse(path, schema.error().message);
  if (table->verify == nullptr || table->receive == nullptr || table->plan == nullptr) {
    return refuse(path, "lacks one of verify, receive and plan");
  }
  return std::make_unique<Connector>(*table, *std::move(schema), path);
}

Result<Registry> Registry::load(std::span<const std::string> folders) {
  Registry registry;
  const auto refuse_object = [&](const std::string& path, const std::string& reason) {
    log::warn("plugins", "connector refused", {{"path", path}, {"reason", reason}});
    registry.refused_.push_back({path, reason});
  };
  for (const std::string& folder : folders) {
    if (std::string why = complaint_about_access(folder, true); !why.empty()) {
      return fail(Errc::invalid_argument, "connector folder " + folder + " " + why);
    }
    DIR* directory = opendir(folder.c_str());
    if (directory == nullptr) {
      return fail(Errc::invalid_argument,
                  "connector folder " + folder + " cannot be read: " + strerror(errno));
    }
    std::vector<std::string> files;
    while (const dirent* entry = readdir(directory)) {
      const std::string_view name(entry->d_name);
      if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) files.emplace_back(name);
    }
    closedir(directory);
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
      const std::string path = folder + "/" + file;
      const std::string type = file.substr(0, file.size() - kSuffix.size());
      if (const Connector* taken = registry.find(type)) {
        refuse_object(path,
                      "the type is already taken by " + taken->path() + "; remove one of the two");
        continue;
      }
      auto loaded = load_connector(path);
      if (!loaded) {
        const std::string& why = loaded.error().message;
        refuse_object(path, why.starts_with(path + ": ") ? why.substr(path.size() + 2) : why);
        continue;
      }
      registry.by_type_.emplace(type, *std::move(loaded));
    }
  }
  return registry;
}

const Connector* Registry::find(std::string_view type) const {
  const auto found = by_type_.find(type);
  return found == by_type_.end() ? nullptr : found->second.get();
}

std::vector<const Connector*> Registry::all() const {
  std::vector<const Connector*> connectors;
  connectors.reserve(by_type_.size());
  for (const auto& [type, connector] : by_type_) connectors.push_back(connector.get());
  return connectors;
}

}  // namespace gateway::plugins
