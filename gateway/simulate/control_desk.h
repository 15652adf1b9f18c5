// Where the control APIs of several simulated platforms meet: /_simulate/<platform>/...
//
// Filled before the first of them starts, then only read, from their HTTP threads.
#ifndef GATEWAY_SIMULATE_CONTROL_DESK_H_
#define GATEWAY_SIMULATE_CONTROL_DESK_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "gateway/simulate/api_server.h"

namespace gateway::simulate {

inline constexpr std::string_view kControlPath = "/_simulate";

HttpReply control_json(std::string body, int status = 200);
HttpReply control_error(int status, std::string_view detail);
HttpReply control_done();

class ControlDesk {
 public:
  // `rest` is the path behind the platform's name: "/faults".
  using Handler =
      std::function<void(const HttpRequest& request, std::string rest, ApiServer::Respond respond)>;

  void add(const std::string& platform, std::string help, Handler handler);
  // False where the path names no platform of this desk.
  bool handle(const HttpRequest& request, const ApiServer::Respond& respond) const;
  // What every platform takes.
  std::string help() const;

 private:
  struct Entry {
    std::string help;
    Handler handler;
  };
  std::map<std::string, Entry, std::less<>> platforms_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_CONTROL_DESK_H_
