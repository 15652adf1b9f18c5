// A gateway's outbound thread in a process of its own (outbound_gateway), for tests that kill it.
#ifndef TESTS_OUTBOUND_GATEWAY_PROCESS_H_
#define TESTS_OUTBOUND_GATEWAY_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

namespace test_outbound {

class GatewayProcess {
 public:
  enum class Fetches { messages, media };  // media: files besides messages

  // Returns as soon as the process is there; ready() waits. With this test's own fake connectors.
  GatewayProcess(const std::string& conninfo, const std::string& keys, const std::string& origin,
                 Fetches fetches = Fetches::messages);
  // Kills it, as kill -9 does.
  ~GatewayProcess();
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;

  // Blocks until it runs; false where it ended instead.
  bool ready() const;
  // The most memory it ever had resident.
  std::size_t peak_mib() const;

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
};

}  // namespace test_outbound

#endif  // TESTS_OUTBOUND_GATEWAY_PROCESS_H_
