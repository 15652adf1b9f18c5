#include "gateway/settings/table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <optional>

#include "gateway/base/log.h"

namespace gateway::settings {
namespace {

using Values = std::vector<std::string>;

Error wrong(std::string what) { return fail(Errc::invalid_argument, std::move(what)); }

bool is_address(const std::string& text, int family) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(family, text.c_str(), bytes.data()) == 1;
}

std::optional<int> parse_int(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <int Settings::*Member, int kLeast, int kMost>
Result<> whole_number(Settings& settings, const Values& values) {
  const auto number = parse_int(values.front());
  if (!number || *number < kLeast || *number > kMost)
    return wrong("is no whole number from " + std::to_string(kLeast) + " to " +
                 std::to_string(kMost));
  settings.*Member = *number;
  return {};
}

template <bool Settings::*Member>
Result<> yes_or_no(Settings& settings, const Values& values) {
  for (const auto& [text, value] : {std::pair<std::string_view, bool>{"true", true},
                                    {"1", true},
                                    {"yes", true},
                                    {"on", true},
                                    {"false", false},
                                    {"0", false},
                                    {"no", false},
                                    {"off", false}}) {
    if (values.front() == text) {
      settings.*Member = value;
      return {};
    }
  }
  return wrong("is neither true nor false");
}

template <std::filesystem::path Settings::*Member>
Result<> file_path(Settings& settings, const Values& values) {
  if (values.front().find('\0') != std::string::npos) return wrong("has a NUL byte in it");
  settings.*Member = values.front();
  return {};
}

// For tokens that travel in a header or are compared as text.
template <Secret Settings::*Member, std::size_t kLeast>
Result<> secret_text(Settings& settings, const Values& values) {
  const std::string& text = values.front();
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; }))
    return wrong("has a blank, a line end or another byte that is not printable ASCII in it");
  if (text.size() < kLeast)
    return wrong("is shorter than " + std::to_string(kLeast) +
                 " characters; `openssl rand -hex 32` makes a good one");
  settings.*Member = Secret(text);
  return {};
}

template <Secret Settings::*Member>
Result<> database(Settings& settings, const Values& values) {
  const std::string& text = values.front();
  if (!text.starts_with("postgres://") && !text.starts_with("postgresql://") &&
      text.find('=') == std::string::npos)
    return wrong(
        "is no connection string of Postgres; give one like "
        "postgresql://user:password@host:5432/backchannel");
  settings.*Member = Secret(text);
  return {};
}

Result<> listen(Settings& settings, const Values& values) {
  const std::string& text = values.front();
  const char* const remedy = "give ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong(std::string("has no port; ") + remedy);
  std::string address = text.substr(0, colon);
  const auto port = parse_int(std::string_view(text).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535)
    return wrong(std::string("has no port from 0 to 65535 after the ':'; ") + remedy);
  if (address == "localhost") address = "127.0.0.1";
  const bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  if (!is_address(address, bracketed ? AF_INET6 : AF_INET))
    return wrong(std::string("has no numeric address before the ':'; ") + remedy);
  settings.http = {address, static_cast<std::uint16_t>(*port)};
  return {};
}

// Scheme, host, perhaps a port, and behind them only what the caller allows.
struct Url {
  std::string origin;
  std::string path;
};

constexpr std::array<std::pair<std::string_view, int>, 6> kSchemes = {
    {{"http", 80}, {"https", 443}, {"smtp", 25}, {"smtps", 465}, {"imap", 143}, {"imaps", 993}}};

// An origin's may be a mail server's.
enum class Schemes { web, all };

std::optional<Url> parse_url(std::string_view text, Schemes schemes) {
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  std::string scheme(text.substr(0, scheme_end));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const auto known = std::find_if(kSchemes.begin(), kSchemes.end(),
                                  [&](const auto& entry) { return entry.first == scheme; });
  if (known == kSchemes.end()) return std::nullopt;
  if (schemes == Schemes::web && !scheme.starts_with("http")) return std::nullopt;
  std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t slash = rest.find('/');
  const std::string path(slash == std::string_view::npos ? "" : rest.substr(slash));
  rest = rest.substr(0, slash);

  std::string host;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos ||
        !is_address(std::string(rest.substr(1, close - 1)), AF_INET6))
      return std::nullopt;
    host = rest.substr(0, close + 1);
    rest.remove_prefix(close + 1);
  } else {
    const std::size_t colon = rest.find(':');
    host = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon, rest.size()));
    const auto fits = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    };
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (host.empty() || !std::all_of(host.begin(), host.end(), fits)) return std::nullopt;
  }
  std::string port;
  if (!rest.empty()) {
    const auto number = parse_int(rest.substr(1));
    if (rest.front() != ':' || !number || *number < 1 || *number > 65535) return std::nullopt;
    if (*number != known->second) port = ":" + std::to_string(*number);
  }
  return Url{scheme + "://" + host + port, path};
}

Result<> public_url(Settings& settings, const Values& values) {
  auto url = parse_url(values.front(), Schemes::web);
  if (!url || url->path.find_first_of("?# \t\"<>\\") != std::string::npos)
    return wrong(
        "is no web address; give the one platforms reach the gateway at, such as "
        "https://gateway.example.com");
  while (url->path.ends_with('/')) url->path.pop_back();
  settings.public_url = url->origin + url->path;
  return {};
}

// Lists may be one text with separators, several texts, or both; blanks around do not count.
Values split(const Values& values, std::string_view separators) {
  Values parts;
  for (const std::string& value : values) {
    std::string_view rest = value;
    for (;;) {
      const std::size_t end = rest.find_first_of(separators);
      std::string_view part = rest.substr(0, end);
      while (part.starts_with(' ') || part.starts_with('\t')) part.remove_prefix(1);
      while (part.ends_with(' ') || part.ends_with('\t')) part.remove_suffix(1);
      if (!part.empty()) parts.emplace_back(part);
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
  return parts;
}

Result<> upstreams(Settings& settings, const Values& values) {
  const char* const remedy =
      "give pairs such as https://api.telegram.org=http://127.0.0.1:9000, with commas between";
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& pair : split(values, ",")) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos) return wrong("has no '=' in '" + pair + "'; " + remedy);
    std::array<std::string, 2> origins;
    for (std::size_t i = 0; i < 2; ++i) {
      const std::string text = i == 0 ? pair.substr(0, equals) : pair.substr(equals + 1);
      const auto url = parse_url(text, Schemes::all);
      if (!url || (!url->path.empty() && url->path != "/"))
        return wrong("has '" + text +
                     "' in it, which is no origin (scheme, host and perhaps a "
                     "port); " +
                     remedy);
      origins[i] = url->origin;
    }
    const auto same = [&origins](const auto& other) { return other.first == origins[0]; };
    if (std::any_of(pairs.begin(), pairs.end(), same))
      return wrong("names " + origins[0] + " twice; leave one of them out");
    pairs.emplace_back(origins[0], origins[1]);
  }
  settings.upstreams = std::move(pairs);
  return {};
}

Result<> private_hosts(Settings& settings, const Values& values) {
  std::vector<std::string> hosts;
  for (const std::string& entry : split(values, ",")) {
    // The rules of a URL's host and port; that of imaps is given although it is the default.
    const auto url = parse_url("imaps://" + entry, Schemes::all);
    const bool has_port = entry.find(']') == std::string::npos
                              ? entry.find(':') != std::string::npos
                              : entry.find("]:") != std::string::npos;
    if (!url || !url->path.empty() || !has_port)
      return wrong("has '" + entry +
                   "' in it, which is no host and port; give them as mail.example.lan:587 or "
                   "[fd00::1]:993, with commas between");
    std::string host = url->origin.substr(std::string_view("imaps://").size());
    if (host.ends_with(']') || host.find(':') == std::string::npos) host += ":993";
    hosts.push_back(std::move(host));
  }
  settings.private_hosts = std::move(hosts);
  return {};
}

// A file that libcurl cannot read would fail every call later, with nobody looking.
Result<> ca_file(Settings& settings, const Values& values) {
  std::ifstream file(values.front(), std::ios::binary);
  std::string head(64u << 10, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  if (head.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
    return wrong("names a file without certificates; give a PEM file that the gateway may read");
  settings.ca_file = values.front();
  return {};
}

Result<> connector_dirs(Settings& settings, const Values& values) {
  settings.connector_dirs.clear();
  for (const std::string& folder : split(values, ":,"))
    settings.connector_dirs.emplace_back(folder);
  return {};
}

Result<> trusted_proxies(Settings& settings, const Values& values) {
  Values list = split(values, ",");
  for (const std::string& entry : list) {
    const std::size_t slash = entry.find('/');
    const std::string address = entry.substr(0, slash);
    const bool v4 = is_address(address, AF_INET);
    if (!v4 && !is_address(address, AF_INET6))
      return wrong("has '" + entry +
                   "' in it, which is no address; give addresses or networks "
                   "such as 10.0.0.7 or 10.0.0.0/8");
    if (slash == std::string::npos) continue;
    const auto bits = parse_int(std::string_view(entry).substr(slash + 1));
    if (!bits || *bits < 0 || *bits > (v4 ? 32 : 128))
      return wrong("has '" + entry + "' in it, whose prefix length is not from 0 to " +
                   (v4 ? "32" : "128"));
  }
  settings.trusted_proxies = std::move(list);
  return {};
}

Result<> node_tag(Settings& settings, const Values& values) {
  const std::string& tag = values.front();
  if (tag.size() != 1 || std::isalnum(static_cast<unsigned char>(tag[0])) == 0)
    return wrong("is no node; one letter or digit names a gateway among those of its database");
  settings.node = tag;
  return {};
}

Result<> log_level(Settings& settings, const Values& values) {
  constexpr std::array<std::string_view, 5> kLevels = {"debug", "info", "warn", "error", "off"};
  if (std::find(kLevels.begin(), kLevels.end(), values.front()) == kLevels.end())
    return wrong("is no level; there are debug, info, warn, error and off");
  settings.log_level = values.front();
  return {};
}

constexpr std::array kSettings = {
    Setting{"http", "BACKCHANNEL_HTTP", "ADDRESS:PORT", "127.0.0.1:8080",
            "where the gateway listens, for everything; port 0 lets the kernel choose", Kind::text,
            listen},
    Setting{"public_url", "BACKCHANNEL_PUBLIC_URL", "URL", "http:// and the address it listens at",
            "base of the callback addresses that platforms are given; https in production",
            Kind::text, public_url},
    Setting{"database_url", "DATABASE_URL", "CONNINFO", "an embedded Postgres in the data folder",
            "Postgres to use; may be an administrator's, the gateway then works as its own "
            "restricted role",
            Kind::secret, database<&Settings::database_url>},
    Setting{"migrate_url", "BACKCHANNEL_MIGRATE_URL", "CONNINFO", "the same as DATABASE_URL",
            "who changes the schema, for sites that keep the two apart", Kind::secret,
            database<&Settings::migrate_url>},
    Setting{"data_dir", "BACKCHANNEL_DATA_DIR", "FOLDER", "./var",
            "holds the embedded Postgres and the file of master keys", Kind::text,
            file_path<&Settings::data_dir>},
    Setting{"upstreams", "BACKCHANNEL_UPSTREAMS", "ORIGIN=ORIGIN,...", "none",
            "sends calls for a platform's origin to another one: tests, simulators, a self-hosted "
            "Bot API server; origins are of http, smtp and imap, each with and without s",
            Kind::list, upstreams},
    Setting{"private_hosts", "BACKCHANNEL_PRIVATE_HOSTS", "HOST:PORT,...", "none",
            "destinations that channels may name although their addresses are private, such as a "
            "mail server of your own; also in clear text, where a channel says so",
            Kind::list, private_hosts},
    Setting{"ca_file", "BACKCHANNEL_CA_FILE", "FILE", "none",
            "certificates (PEM) that outgoing TLS trusts beside the system's, such as that of a "
            "mail server of your own",
            Kind::text, ca_file},
    Setting{"connector_dir", "BACKCHANNEL_CONNECTOR_DIR", "FOLDER:...",
            "the folder connectors beside the program, or where it was installed",
            "folders of connectors (.so), several with ':' or ',' between", Kind::list,
            connector_dirs},
    Setting{"keys", "BACKCHANNEL_KEYS", "FILE", "master.keys in the data folder",
            "file of the master keys that seal secrets; made with mode 0600 where absent. Keep a "
            "copy apart from the database's",
            Kind::text, file_path<&Settings::keys>},
    Setting{"operator_token", "BACKCHANNEL_OPERATOR_TOKEN", "TOKEN", "none: those routes are off",
            "bearer token of the operator's routes, 16 characters or more", Kind::secret,
            secret_text<&Settings::operator_token, 16>},
    Setting{"meta_app_secret", "BACKCHANNEL_META_APP_SECRET", "SECRET",
            "none: Meta's channels cannot be connected",
            "app secret of your app at Meta; proves that a webhook came from there", Kind::secret,
            secret_text<&Settings::meta_app_secret, 1>},
    Setting{"log_level", "BACKCHANNEL_LOG_LEVEL", "LEVEL", "info",
            "debug, info, warn, error or off", Kind::text, log_level},
    Setting{"threads", "BACKCHANNEL_THREADS", "N", "0: half the processors",
            "threads that serve HTTP, up to 256", Kind::text,
            whole_number<&Settings::threads, 0, 256>},
    Setting{"expose_channel_secrets", "BACKCHANNEL_EXPOSE_CHANNEL_SECRETS", "", "false",
            "answers show the secrets of channels in full instead of their last four characters",
            Kind::flag, yes_or_no<&Settings::expose_channel_secrets>},
    Setting{"token_ttl_hours", "BACKCHANNEL_TOKEN_TTL_HOURS", "N", "24",
            "how long a login lasts, 1 to 24", Kind::text,
            whole_number<&Settings::token_ttl_hours, 1, 24>},
    Setting{"media_bytes", "BACKCHANNEL_MEDIA_BYTES", "N", "26214400: 25 MiB",
            "the longest file of a customer that is fetched from its platform, in bytes, 65536 to "
            "41943039",
            Kind::text, whole_number<&Settings::media_bytes, 65'536, 41'943'039>},
    Setting{"trusted_proxies", "BACKCHANNEL_TRUSTED_PROXIES", "ADDRESS,...", "none",
            "proxies whose X-Forwarded-For is believed: addresses and networks", Kind::list,
            trusted_proxies},
    Setting{"drain_seconds", "BACKCHANNEL_DRAIN_SECONDS", "N", "10",
            "how long requests in flight may take when the gateway stops, 0 to 300", Kind::text,
            whole_number<&Settings::drain_seconds, 0, 300>},
    Setting{"node", "BACKCHANNEL_NODE", "TAG", "0",
            "one letter or digit, different for each gateway behind a proxy: live sessions' ids "
            "begin with it, so that the proxy finds the gateway that has the session",
            Kind::text, node_tag},
    Setting{"unsafe", "BACKCHANNEL_UNSAFE", "", "false",
            "start although the self-check objects; for trying things out only", Kind::flag,
            yes_or_no<&Settings::unsafe>},
};

}  // namespace

std::span<const Setting> all_settings() { return kSettings; }

std::string flag_of(const Setting& setting) {
  std::string flag = "--" + std::string(setting.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

}  // namespace gateway::settings
