#include "tests/outbound/gateway_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace test_outbound {

GatewayProcess::GatewayProcess(const std::string& conninfo, const std::string& keys,
                               const std::string& origin, Fetches fetches) {
  int to_child[2];
  int from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) std::abort();
  const char* const arguments[] = {OUTBOUND_GATEWAY, conninfo.c_str(),
                                   keys.c_str(),     origin.c_str(),
                                   FAKE_CONNECTORS,  fetches == Fetches::media ? "media" : nullptr,
                                   nullptr};
  pid_ = fork();
  if (pid_ == 0) {
    dup2(to_child[0], STDIN_FILENO);
    dup2(from_child[1], STDOUT_FILENO);
    execv(OUTBOUND_GATEWAY, const_cast<char* const*>(arguments));
    _exit(127);
  }
  close(to_child[0]);
  close(from_child[1]);
  input_ = to_child[1];
  output_ = from_child[0];
}

GatewayProcess::~GatewayProcess() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  close(input_);
  close(output_);
}

bool GatewayProcess::ready() const {
  char line[6] = {};
  return read(output_, line, sizeof line) > 0;
}

std::size_t GatewayProcess::peak_mib() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) / 1024;
  }
  return 0;
}

}  // namespace test_outbound
