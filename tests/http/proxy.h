// nginx and HAProxy with the configurations of deploy/, in front of servers of a test: on ports of
// their own, everything they write in a temporary folder. Where one is not installed, it throws.
#ifndef TESTS_HTTP_PROXY_H_
#define TESTS_HTTP_PROXY_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace probe {

// What ships.
std::filesystem::path deploy_folder();
std::string read_file(const std::filesystem::path& file);
// Throws where `from` does not occur: the configuration has changed and the test has not.
void replace_all(std::string& text, const std::string& from, const std::string& to);
// Free a moment ago.
std::uint16_t free_port();

class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A program whose output goes to a file; ended with it.
class Program {
 public:
  Program() = default;
  Program(std::vector<std::string> words, const std::filesystem::path& log);
  ~Program();
  Program(Program&& other) noexcept;
  Program& operator=(Program&& other) noexcept;
  // Waits for its end; -1 where it could not be run or did not exit by itself.
  int exit_status();
  void stop();

 private:
  pid_t child_ = -1;
};

// Where nginx and haproxy are; /usr/sbin is not in everybody's path.
std::string program_path(const std::string& name);

// The lines around nginx's shipped snippets: one process, everything below `folder`.
std::string nginx_frame(const std::filesystem::path& folder, const std::string& inner);

// A gateway behind a proxy and its BACKCHANNEL_NODE, one character.
struct Node {
  char tag = '0';
  std::uint16_t port = 0;
};

// One node: the blocks of backchannel.conf. Two, A and B: snippets/backchannel-nodes.conf.
class Nginx {
 public:
  explicit Nginx(const std::vector<Node>& nodes);
  explicit Nginx(std::uint16_t upstream) : Nginx({Node{'0', upstream}}) {}
  std::uint16_t port() const { return port_; }
  std::string log() const { return read_file(folder_.path() / "access.log"); }

 private:
  const Folder folder_;
  const std::uint16_t port_;
  Program program_;
};

// haproxy/backchannel.cfg without TLS, with the lines of a node for each.
class HaProxy {
 public:
  explicit HaProxy(const std::vector<Node>& nodes);
  std::uint16_t port() const { return port_; }
  std::string log() const { return read_file(folder_.path() / "out"); }

 private:
  const Folder folder_;
  const std::uint16_t port_;
  Program program_;
};

}  // namespace probe

#endif  // TESTS_HTTP_PROXY_H_
