#include "gateway/api/router.h"

#include <algorithm>

#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace gateway::api {
namespace {

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

// Without the leading slash and one trailing slash.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return segments;
  for (;;) {
    const auto slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos || segments.size() > Router::kMaxSegments) break;
    path.remove_prefix(slash + 1);
  }
  return segments;
}

bool is_safe(std::string_view segment) {
  return segment.find('\0') == std::string_view::npos &&
         segment.find('/') == std::string_view::npos && sdk::is_valid_utf8(segment);
}

}  // namespace

Router::Router(std::span<const Route> routes) : routes_(routes) {
  for (const auto& route : routes_) {
    Pattern pattern;
    pattern.segments = split(route.pattern);
    pattern.literals = static_cast<std::size_t>(std::count_if(
        pattern.segments.begin(), pattern.segments.end(), [](auto s) { return !is_parameter(s); }));
    patterns_.push_back(std::move(pattern));
  }
}

Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  if (!path.starts_with('/')) return match;
  const auto raw = split(path);
  if (raw.size() > kMaxSegments) return match;
  std::vector<std::string> segments;
  for (const auto segment : raw) {
    auto decoded = sdk::percent_decode(segment);
    if (!decoded || !is_safe(*decoded)) {
      match.kind = Match::Kind::malformed;
      return match;
    }
    segments.push_back(std::move(*decoded));
  }
  std::size_t best = 0;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    const auto& pattern = patterns_[i];
    if (pattern.segments.size() != segments.size()) continue;
    bool fits = true;
    for (std::size_t s = 0; s < segments.size() && fits; ++s) {
      fits = is_parameter(pattern.segments[s]) ? !segments[s].empty()
                                               : pattern.segments[s] == segments[s];
    }
    if (!fits) continue;
    // "/channels/types" is not a channel called types.
    if (match.siblings.empty() || pattern.literals > best) {
      match.siblings.clear();
      best = pattern.literals;
    }
    if (pattern.literals == best) match.siblings.push_back(i);
  }
  if (match.siblings.empty()) return match;
  match.kind = Match::Kind::unknown_method;
  const auto wanted = method == "HEAD" ? std::string_view("GET") : method;
  for (const auto i : match.siblings) {
    // A connector answers to exactly what its platform sends.
    if (routes_[i].method != wanted ||
        (method == "HEAD" && routes_[i].access == Access::platform)) {
      continue;
    }
    match.kind = Match::Kind::found;
    match.route = i;
    for (std::size_t s = 0; s < segments.size(); ++s) {
      const auto name = patterns_[i].segments[s];
      if (is_parameter(name)) {
        match.params.add(name.substr(1, name.size() - 2), std::move(segments[s]));
      }
    }
    break;
  }
  return match;
}

std::string Router::allowed(const Match& match) const {
  std::vector<std::string_view> methods;
  for (const auto i : match.siblings) {
    const auto& route = routes_[i];
    methods.push_back(route.method);
    if (route.method == "GET" && route.access != Access::platform) methods.emplace_back("HEAD");
    if (route.origins != Origins::none) methods.emplace_back("OPTIONS");
  }
  std::sort(methods.begin(), methods.end());
  methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
  std::string list;
  for (const auto method : methods) {
    if (!list.empty()) list += ", ";
    list += method;
  }
  return list;
}

}  // namespace gateway::api
