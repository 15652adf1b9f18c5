// The cursors of lists, opaque to clients: microseconds, (sequence,) id. Pure functions, any
// thread.
#ifndef GATEWAY_API_CURSORS_H_
#define GATEWAY_API_CURSORS_H_

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "gateway/store/conversations.h"

namespace gateway::api {

template <class Int>
std::optional<Int> parse_number(std::string_view text) {
  Int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string cursor_of(const store::InboxPosition& at);
std::string cursor_of(const store::MessagePosition& at);
// Absent for what is no cursor of ours.
std::optional<store::InboxPosition> parse_inbox_cursor(std::string_view text);
std::optional<store::MessagePosition> parse_message_cursor(std::string_view text);

}  // namespace gateway::api

#endif  // GATEWAY_API_CURSORS_H_
