// The framer's verdict depends on the bytes alone: whole, cut at places the input chooses, and byte
// by byte it must say the same. What it lets through must be what the rest of the program relies
// on.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/framer.h"
#include "tests/http/framer_events.h"

namespace {

constexpr std::size_t kBodyLimit = 600;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void check_request(const gateway::http::Request& request) {
  require(request.body.size() <= kBodyLimit, "body within its limit");
  require(request.target == "*" || request.target.starts_with('/'), "origin-form");
  for (const char c : request.target) require(c > 0x20 && c < 0x7f, "visible target");
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  std::size_t codings = 0;
  for (const auto& [name, value] : request.headers) {
    hosts += name == "host";
    lengths += name == "content-length";
    codings += name == "transfer-encoding";
    require(!name.empty() && name.find_first_of(" \t\r\n:") == name.npos, "name of a header");
    for (const char c : name) require(c < 'A' || c > 'Z', "lower case");
    for (const char c : value) {
      require(static_cast<unsigned char>(c) >= 0x20 || c == '\t', "no control in a value");
    }
  }
  require(hosts <= 1 && lengths + codings <= 1, "single Host, one framing header");
}

// Every request that comes out whole.
void check_requests(std::string_view bytes, const gateway::http::Limits& limits) {
  using gateway::http::Framer;
  Framer framer(limits);
  while (!bytes.empty()) {
    switch (framer.feed(bytes)) {
      case Framer::Step::more:
        continue;
      case Framer::Step::head:
        if (!framer.allow_body(kBodyLimit)) return;
        continue;
      case Framer::Step::done:
        check_request(framer.request());
        framer.next();
        continue;
      case Framer::Step::refused:
        require(framer.refusal().status >= 400 && framer.refusal().status < 600, "an error status");
        return;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  gateway::http::Limits limits;
  limits.head_bytes = 1024;
  limits.header_lines = 20;
  limits.target_bytes = 200;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = probe::framer_events(bytes, {}, limits, kBodyLimit);

  std::vector<std::size_t> cuts;
  std::uint32_t random = data[0] * 2654435761u + 1;
  for (std::size_t at = 0; at < bytes.size();) {
    random = random * 1664525u + 1013904223u;
    at += 1 + (random >> 24) % 23;
    cuts.push_back(at);
  }
  require(probe::framer_events(bytes, cuts, limits, kBodyLimit) == whole, "same for every cut");

  cuts.clear();
  for (std::size_t at = 1; at < bytes.size(); ++at) cuts.push_back(at);
  require(probe::framer_events(bytes, cuts, limits, kBodyLimit) == whole, "same byte by byte");

  check_requests(bytes, limits);
  return 0;
}
