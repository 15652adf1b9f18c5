#include "connectors/telegram/place.h"

#include <algorithm>

#include "connectors/sdk/form.h"

namespace telegram {
namespace {

std::string digits_of(sdk::json::Value value) {
  const std::string_view digits = value.digits().value_or("");
  return is_id(digits) ? std::string(digits) : std::string();
}

}  // namespace

bool is_id(std::string_view text) {
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    if (text == "0") return false;
  }
  if (text.size() > 1 && text[0] == '0') return false;
  return !text.empty() && text.size() <= 19 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<Place> place_of(sdk::json::Value message) {
  Place place{.chat = digits_of(message["chat"]["id"])};
  if (place.chat.empty()) return std::nullopt;
  // A thread id without is_topic_message belongs to a mere chain of replies.
  if (message["is_topic_message"].boolean().value_or(false)) {
    place.topic = digits_of(message["message_thread_id"]);
  }
  place.direct_topic = digits_of(message["direct_messages_topic"]["topic_id"]);
  place.business = message["business_connection_id"].text_or("");
  return place;
}

std::string thread_of(const Place& place) {
  std::string thread = place.chat;
  if (!place.topic.empty()) thread += "/t" + place.topic;
  if (!place.direct_topic.empty()) thread += "/d" + place.direct_topic;
  if (!place.business.empty()) thread += "/b" + sdk::url_encode(place.business);
  return thread;
}

std::optional<Place> parse_thread(std::string_view thread) {
  std::string_view rest = thread;
  const auto next = [&rest] {
    const std::string_view part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    return part;
  };
  Place place{.chat = std::string(next())};
  if (!is_id(place.chat)) return std::nullopt;
  while (!rest.empty()) {
    const std::string_view part = next();
    const std::string_view value = part.substr(std::min<std::size_t>(part.size(), 1));
    if (part.starts_with('t') && is_id(value)) {
      place.topic = value;
    } else if (part.starts_with('d') && is_id(value)) {
      place.direct_topic = value;
    } else if (part.starts_with('b') && !value.empty()) {
      const auto business = sdk::percent_decode(value);
      if (!business) return std::nullopt;
      place.business = *business;
    } else {
      return std::nullopt;
    }
  }
  // One place, one thread: repeated, empty or reordered parts are no id of ours.
  if (thread_of(place) != thread) return std::nullopt;
  return place;
}

std::string message_of(const Place& place, std::string_view message_id) {
  std::string message = thread_of({.chat = place.chat, .business = place.business});
  message += ':';
  message += message_id;
  return message;
}

std::optional<std::string> message_id_in(const Place& place, std::string_view message) {
  const auto colon = message.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view id = message.substr(colon + 1);
  if (!is_id(id) || message_of(place, id) != message) return std::nullopt;
  return std::string(id);
}

}  // namespace telegram
