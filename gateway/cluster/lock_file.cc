#include "gateway/cluster/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace gateway::cluster {

std::string print_lock(const LockText& text) {
  std::string out = "pid " + std::to_string(text.pid) + "\n";
  out += text.role == Role::server ? "role server\n" : "role command\n";
  if (!text.host.empty()) out += "host " + text.host + "\n";
  out += text.ready ? "state ready\n" : "state starting\n";
  return out + "end\n";
}

std::optional<LockText> parse_lock(std::string_view text) {
  LockText parsed;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line == "end") return parsed.pid > 0 ? std::optional(parsed) : std::nullopt;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const std::string_view name = line.substr(0, space);
    const std::string_view value = line.substr(space + 1);
    if (name == "pid") {
      const auto [at, error] =
          std::from_chars(value.data(), value.data() + value.size(), parsed.pid);
      if (error != std::errc{} || at != value.data() + value.size()) return std::nullopt;
    } else if (name == "role") {
      parsed.role = value == "command" ? Role::command : Role::server;
    } else if (name == "host") {
      parsed.host = std::string(value);
    } else if (name == "state") {
      parsed.ready = value == "ready";
    }
  }
  return std::nullopt;
}

Result<LockFile> LockFile::open(const std::filesystem::path& file) {
  Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) {
    const int error = errno;
    return fail(error == EACCES || error == EPERM ? Errc::forbidden : Errc::internal,
                "cannot open the lock file " + file.string() + ": " + system_reason(error) +
                    "; run as the user who started the gateway, or check the folder's owner");
  }
  return LockFile(file, std::move(fd));
}

Result<bool> LockFile::try_lock() {
  int status = 0;
  do {
    status = flock(fd_.get(), LOCK_EX | LOCK_NB);
  } while (status != 0 && errno == EINTR);
  if (status == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return fail(Errc::internal, "cannot lock " + file_.string() + ": " + system_reason(errno) +
                                  "; put BACKCHANNEL_DATA_DIR on a local disk");
}

std::optional<LockText> LockFile::read() const {
  std::array<char, 8192> buffer{};
  const ssize_t got = pread(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return std::nullopt;
  return parse_lock({buffer.data(), static_cast<std::size_t>(got)});
}

Result<> LockFile::write(const LockText& text) {
  const std::string out = print_lock(text);
  const ssize_t put = pwrite(fd_.get(), out.data(), out.size(), 0);
  if (put != static_cast<ssize_t>(out.size()))
    return fail(Errc::internal, "cannot write " + file_.string() + ": " +
                                    system_reason(put < 0 ? errno : ENOSPC) +
                                    "; free space on the disk of the data folder");
  return {};
}

}  // namespace gateway::cluster
