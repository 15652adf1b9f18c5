#include "gateway/api/content_coding.h"

#include <optional>

#include "connectors/sdk/text.h"

namespace gateway::api {
namespace {

// "q=0.5" as 500; a weight that is none counts as 0, so that nothing is sent on a guess.
int weight_of(std::string_view parameters) {
  const auto found = sdk::trim(parameters);
  if (found.empty()) return 1000;
  if (found.size() < 3 || (found[0] != 'q' && found[0] != 'Q') || found[1] != '=') return 0;
  const auto digits = found.substr(2);
  if (digits.size() > 5 || (digits[0] != '0' && digits[0] != '1')) return 0;
  if (digits.size() > 1 && digits[1] != '.') return 0;
  int weight = (digits[0] - '0') * 1000;
  int place = 100;
  for (const char c : digits.substr(digits.size() > 1 ? 2 : 1)) {
    if (c < '0' || c > '9') return 0;
    weight += (c - '0') * place;
    place /= 10;
  }
  return weight > 1000 ? 0 : weight;
}

struct Weights {
  std::optional<int> identity, gzip, brotli, any;
};

Weights read_weights(std::string_view header) {
  Weights weights;
  while (!header.empty()) {
    const auto comma = header.find(',');
    const auto element = header.substr(0, comma);
    header = comma == std::string_view::npos ? std::string_view() : header.substr(comma + 1);
    const auto semicolon = element.find(';');
    const auto name = sdk::lower_ascii(sdk::trim(element.substr(0, semicolon)));
    const auto weight = weight_of(
        semicolon == std::string_view::npos ? std::string_view() : element.substr(semicolon + 1));
    if (name == "identity") weights.identity = weight;
    if (name == "gzip" || name == "x-gzip") weights.gzip = weight;
    if (name == "br") weights.brotli = weight;
    if (name == "*") weights.any = weight;
  }
  return weights;
}

}  // namespace

std::string_view to_string(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::identity:
      return {};
    case ContentCoding::gzip:
      return "gzip";
    case ContentCoding::brotli:
      return "br";
  }
  return {};
}

ContentCoding preferred_coding(std::string_view accept_encoding) {
  const auto weights = read_weights(accept_encoding);
  const int others = weights.any.value_or(0);
  const int brotli = weights.brotli.value_or(others);
  const int gzip = weights.gzip.value_or(others);
  // Identity is acceptable unless it is refused; asked for by name alone it is preferred to
  // nothing.
  const int identity = weights.identity.value_or(weights.any ? others : 1);
  if (brotli > 0 && brotli >= gzip && brotli >= identity) return ContentCoding::brotli;
  if (gzip > 0 && gzip >= identity) return ContentCoding::gzip;
  return ContentCoding::identity;
}

}  // namespace gateway::api
