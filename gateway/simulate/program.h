// Another program as a child of this one: how the demonstration and the end-to-end tests run the
// gateway.
//
// A Program belongs to one thread; the child is told to stop when that thread ends. The destructor
// stops it.
#ifndef GATEWAY_SIMULATE_PROGRAM_H_
#define GATEWAY_SIMULATE_PROGRAM_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::simulate {

struct ProgramOptions {
  std::vector<std::string> argv;  // argv[0] is the path of the program
  // Replaces variables of ours by name; an empty value removes one.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string output;  // file that standard output and error are appended to; empty: ours
};

class Program {
 public:
  static Result<Program> start(const ProgramOptions& options);
  Program(Program&& other) noexcept;
  Program& operator=(Program&& other) noexcept;
  ~Program();  // SIGTERM, and SIGKILL where that does not end it within 30 s

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // The wait status once it has ended, absent where it still runs when patience is over.
  std::optional<int> wait(std::chrono::milliseconds patience);

 private:
  explicit Program(pid_t pid) : pid_(pid) {}
  void stop();
  pid_t pid_ = -1;
  std::optional<int> status_;
};

// A TCP port of 127.0.0.1 that was free a moment ago; 0 where none could be had.
std::uint16_t free_port();

// The last `lines` lines of a text file, at most 16 KiB.
std::string tail_of(const std::string& path, std::size_t lines);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_PROGRAM_H_
