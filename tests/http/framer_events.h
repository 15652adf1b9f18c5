// What a Framer says about a stream of bytes cut in a given way, as text, the way a Conn would
// drive it. Used by framer_test.cc and by the fuzz target, whose oracle is that the cut does not
// matter.
#ifndef TESTS_HTTP_FRAMER_EVENTS_H_
#define TESTS_HTTP_FRAMER_EVENTS_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/framer.h"

namespace probe {

// `cuts` are rising positions in `bytes`. One line per event: "head ...", "done ...", "refused
// ...".
inline std::string framer_events(std::string_view bytes, const std::vector<std::size_t>& cuts,
                                 const gateway::http::Limits& limits, std::size_t body_limit) {
  using gateway::http::Framer;
  Framer framer(limits);
  std::string events;
  const auto describe = [&] {
    const auto& request = framer.request();
    std::string text = request.method + " " + request.path + "|" + request.query;
    for (const auto& [name, value] : request.headers) text += " [" + name + "=" + value + "]";
    return text + (framer.keep_alive() ? " keep-alive" : " close") +
           (framer.expects_continue() ? " expects" : "") +
           (framer.is_websocket() ? " websocket" : "");
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t end = i < cuts.size() ? std::min(cuts[i], bytes.size()) : bytes.size();
    std::string_view segment = bytes.substr(begin, end - begin);
    begin = end;
    while (!segment.empty()) {
      switch (framer.feed(segment)) {
        case Framer::Step::more:
          continue;
        case Framer::Step::head:
          events += "head " + describe() + "\n";
          if (framer.allow_body(body_limit)) continue;
          break;
        case Framer::Step::done:
          events += "done " + describe() + " {" + framer.request().body + "}\n";
          if (!framer.keep_alive()) return events;
          framer.next();
          continue;
        case Framer::Step::refused:
          break;
      }
      return events + "refused " + std::to_string(framer.refusal().status) + "\n";
    }
  }
  return events;
}

}  // namespace probe

#endif  // TESTS_HTTP_FRAMER_EVENTS_H_
