#include "tests/http/proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/http/http_client.h"

namespace probe {
namespace {

// The part of `text` that begins with `from` and ends with `to`, both included.
std::string part(const std::string& text, const std::string& from, const std::string& to) {
  const auto begin = text.find(from);
  const auto end = text.find(to, begin);
  if (begin == text.npos || end == text.npos) {
    throw std::runtime_error("not in the configuration: " + from + " ... " + to);
  }
  return text.substr(begin, end + to.size() - begin);
}

std::string address(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

std::string nginx_upstreams(const std::vector<Node>& nodes) {
  if (nodes.size() == 1) {
    const std::string text = read_file(deploy_folder() / "nginx/backchannel.conf");
    std::string blocks =
        part(text, "upstream backchannel {", "}\n") + part(text, "map $arg_sid", "}\n");
    replace_all(blocks, "127.0.0.1:8080", address(nodes[0].port));
    return blocks;
  }
  if (nodes.size() != 2 || nodes[0].tag != 'A' || nodes[1].tag != 'B') {
    throw std::logic_error("the shipped configuration has the nodes A and B");
  }
  std::string blocks = read_file(deploy_folder() / "nginx/snippets/backchannel-nodes.conf");
  replace_all(blocks, "127.0.0.1:8081", address(nodes[0].port));
  replace_all(blocks, "127.0.0.1:8082", address(nodes[1].port));
  return blocks;
}

void wait_until_it_serves(std::uint16_t port, const std::filesystem::path& output) {
  const bool serves = eventually([&] {
    try {
      Client client(port);
      const auto answer = client.send(get("/readyz")) ? client.answer() : std::nullopt;
      return answer && answer->status < 500;
    } catch (const std::system_error&) {
      return false;
    }
  });
  if (!serves) throw std::runtime_error("the proxy does not serve: " + read_file(output));
}

}  // namespace

std::filesystem::path deploy_folder() { return BACKCHANNEL_SOURCE_DIR "/deploy"; }

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("missing " + file.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  if (text.find(from) == text.npos) throw std::runtime_error("not in the configuration: " + from);
  for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(fd, reinterpret_cast<const sockaddr*>(&address), length);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(fd);
  return ntohs(address.sin_port);
}

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "backchannel-proxy-XXXXXX");
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

Folder::~Folder() { std::filesystem::remove_all(path_); }

Program::Program(std::vector<std::string> words, const std::filesystem::path& log) {
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&files, 1, 2);
  const int code =
      ::posix_spawnp(&child_, arguments[0], &files, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (code != 0) child_ = -1;
}

Program::~Program() { stop(); }

Program::Program(Program&& other) noexcept : child_(std::exchange(other.child_, -1)) {}

Program& Program::operator=(Program&& other) noexcept {
  std::swap(child_, other.child_);
  return *this;
}

int Program::exit_status() {
  int status = 0;
  const pid_t child = std::exchange(child_, -1);
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

void Program::stop() {
  if (child_ <= 0) return;
  ::kill(child_, SIGTERM);
  exit_status();
}

std::string program_path(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/usr/local/sbin/", "/usr/local/bin/"}) {
    if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
  }
  throw std::runtime_error(name + " is not installed: run scripts/install-packages test");
}

std::string nginx_frame(const std::filesystem::path& folder, const std::string& inner) {
  const std::string at = folder.string() + "/";
  return "daemon off; master_process off; pid " + at + "pid; error_log " + at +
         "error.log;\nevents { worker_connections 1024; }\nhttp {\nclient_body_temp_path " + at +
         "body; proxy_temp_path " + at + "proxy; fastcgi_temp_path " + at +
         "fastcgi; uwsgi_temp_path " + at + "uwsgi; scgi_temp_path " + at + "scgi;\n" + inner +
         "\n}\n";
}

Nginx::Nginx(const std::vector<Node>& nodes) : port_(free_port()) {
  const auto& path = folder_.path();
  const auto snippets = deploy_folder() / "nginx/snippets";
  std::string server = read_file(snippets / "backchannel-server.conf");
  replace_all(server, "/var/log/nginx/backchannel.log", path.string() + "/access.log");
  std::ofstream(path / "nginx.conf")
      << nginx_frame(path, read_file(snippets / "backchannel-http.conf") + nginx_upstreams(nodes) +
                               "server { listen " + address(port_) + ";\n" + server + "}");
  program_ =
      Program({program_path("nginx"), "-p", path.string(), "-c", (path / "nginx.conf").string()},
              path / "out");
  wait_until_it_serves(port_, path / "out");
}

HaProxy::HaProxy(const std::vector<Node>& nodes) : port_(free_port()) {
  const auto& path = folder_.path();
  std::string text = read_file(deploy_folder() / "haproxy/backchannel.cfg");
  replace_all(text, "log /dev/log local0", "log stdout format raw local0");
  replace_all(text, part(text, "    bind :80\n", "http/1.1"), "    bind " + address(port_));
  replace_all(text, part(text, "    http-request redirect scheme", "\n"), "");
  const std::string route = part(text, "    use-server node_0", "\n");
  const std::string server = part(text, "    server node_0", "\n");
  std::string routes, servers;
  for (const auto& node : nodes) {
    std::string lines = route;
    replace_all(lines, "node_0", std::string("node_") + node.tag);
    replace_all(lines, "beg 0", std::string("beg ") + node.tag);
    routes += lines;
    lines = server;
    replace_all(lines, "node_0", std::string("node_") + node.tag);
    replace_all(lines, "127.0.0.1:8080", address(node.port));
    servers += lines;
  }
  replace_all(text, route, routes);
  replace_all(text, server, servers);
  std::ofstream(path / "haproxy.cfg") << text;
  program_ = Program({program_path("haproxy"), "-db", "-f", (path / "haproxy.cfg").string()},
                     path / "out");
  wait_until_it_serves(port_, path / "out");
}

}  // namespace probe
