#include "gateway/api/cursors.h"

#include <cstdint>

namespace gateway::api {
namespace {

// Postgres's timestamps end there; a cursor beyond is not one of ours.
bool is_time(std::int64_t us) {
  constexpr std::int64_t kFarthest = 9'000'000'000'000'000;
  return us > -kFarthest && us < kFarthest;
}

}  // namespace

std::string cursor_of(const store::InboxPosition& at) {
  return std::to_string(at.last_message_us) + "_" + at.id.text();
}

std::string cursor_of(const store::MessagePosition& at) {
  return std::to_string(at.sort_us) + "_" + std::to_string(at.sort_seq) + "_" + at.id.text();
}

std::optional<store::InboxPosition> parse_inbox_cursor(std::string_view text) {
  const auto split = text.find('_');
  if (split == std::string_view::npos) return std::nullopt;
  const auto us = parse_number<std::int64_t>(text.substr(0, split));
  const auto id = domain::ConversationId::parse(text.substr(split + 1));
  if (!us || !id || !is_time(*us)) return std::nullopt;
  return store::InboxPosition{*us, *id};
}

std::optional<store::MessagePosition> parse_message_cursor(std::string_view text) {
  const auto first = text.find('_');
  const auto second = first == std::string_view::npos ? first : text.find('_', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto us = parse_number<std::int64_t>(text.substr(0, first));
  const auto seq = parse_number<std::int64_t>(text.substr(first + 1, second - first - 1));
  const auto id = domain::MessageId::parse(text.substr(second + 1));
  if (!us || !seq || !id || !is_time(*us)) return std::nullopt;
  return store::MessagePosition{*us, *seq, *id};
}

}  // namespace gateway::api
