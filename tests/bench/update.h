// The event both sides of the benchmark store: one Telegram text update of about 1 KB.
//
// Pure functions, any thread.
#ifndef TESTS_BENCH_UPDATE_H_
#define TESTS_BENCH_UPDATE_H_

#include <cstdint>
#include <cstdio>
#include <string>

namespace bench {

inline constexpr std::int64_t kFirstChat = 5'500'000'000;

// The text alone, as it ends in message.content.
inline std::string event_text(std::int64_t update_id) {
  std::string text = "Order " + std::to_string(update_id) + ": ";
  while (text.size() < 520) text += "where is my parcel, it was to come on Tuesday? ";
  text.resize(520);
  return text;
}

// Replaces `out` with the update, in Telegram's own form.
inline void write_update(std::string& out, std::int64_t update_id, std::int64_t chat,
                         std::int64_t message_id, std::int64_t date) {
  char head[640];
  const long long user = kFirstChat + chat;
  const int size = std::snprintf(
      head, sizeof head,
      "{\"update_id\":%lld,\"message\":{\"message_id\":%lld,\"from\":{\"id\":%lld,\"is_bot\":false,"
      "\"first_name\":\"Customer %lld\",\"last_name\":\"M\\u00fcller\",\"username\":\"c%lld\","
      "\"language_code\":\"de\"},\"chat\":{\"id\":%lld,\"first_name\":\"Customer %lld\","
      "\"last_name\":\"M\\u00fcller\",\"username\":\"c%lld\",\"type\":\"private\"},\"date\":%lld,"
      "\"text\":\"",
      static_cast<long long>(update_id), static_cast<long long>(message_id), user,
      static_cast<long long>(chat), static_cast<long long>(chat), user,
      static_cast<long long>(chat), static_cast<long long>(chat), static_cast<long long>(date));
  out.assign(head, static_cast<std::size_t>(size));
  out += event_text(update_id);
  out += "\"}}";
}

}  // namespace bench

#endif  // TESTS_BENCH_UPDATE_H_
