// Paths: a match is the same with and without the trailing slash, its parameters never hold a slash
// or NUL, and escaping every byte of a segment changes nothing.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/sdk/text.h"
#include "gateway/api/host_name.h"
#include "gateway/api/router.h"
#include "gateway/api/routes.h"

namespace {

using gateway::api::Match;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string escaped(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const gateway::api::Router router(gateway::api::routes());
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto blank = input.find(' ');
  const auto method = input.substr(0, blank);
  const auto path = blank == std::string_view::npos ? std::string_view() : input.substr(blank + 1);

  const auto match = router.match(method, path);
  if (match.kind == Match::Kind::found) {
    const std::string other = path.ends_with('/') ? std::string(path.substr(0, path.size() - 1))
                                                  : std::string(path) + "/";
    const auto again = router.match(method, other);
    require(again.kind == Match::Kind::found && again.route == match.route);
    std::string rebuilt;
    std::string_view pattern = gateway::api::routes()[match.route].pattern;
    for (const auto& [name, value] : match.params.all()) {
      require(!value.empty() && value.find('/') == std::string::npos &&
              value.find('\0') == std::string::npos && sdk::is_valid_utf8(value));
      const auto open = pattern.find('{');
      rebuilt += std::string(pattern.substr(0, open)) + escaped(value);
      pattern.remove_prefix(pattern.find('}') + 1);
    }
    rebuilt += pattern;
    const auto same = router.match(method, rebuilt);
    require(same.kind == Match::Kind::found && same.route == match.route &&
            same.params.all() == match.params.all());
  } else if (match.kind == Match::Kind::unknown_method) {
    require(!router.allowed(match).empty());
  }

  // Host names: what comes out goes in unchanged.
  if (const auto host = gateway::api::widget_domain(input)) {
    require(gateway::api::ascii_host(*host) == host && gateway::api::widget_domain(*host) == host);
  }
  if (const auto email = gateway::api::parse_email(input)) {
    const auto again = gateway::api::parse_email(email->key);
    require(again && again->key == email->key);
  }
  return 0;
}
