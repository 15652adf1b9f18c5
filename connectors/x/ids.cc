#include "connectors/x/ids.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>

namespace x {
namespace {

constexpr std::string_view kPost = "post:";
// https://docs.x.com/fundamentals/x-ids (read 2026-11-20): the upper 42 bits count milliseconds
// since this moment.
constexpr std::int64_t kSnowflakeEpochMs = 1'288'834'974'657;
// Ids below were given out one by one.
constexpr std::uint64_t kFirstSnowflake = 29'000'000'000;
// Two clocks' rounding of one moment.
constexpr std::int64_t kSameMomentMs = 2'000;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kLastMs = 253'402'300'799'999;  // the year 9999

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) {
    return std::nullopt;
  }
  return value;
}

struct Clock {
  std::int64_t year = 0;
  std::uint64_t month = 0;
  std::uint64_t day = 0;
  std::uint64_t hour = 0;
  std::uint64_t minute = 0;
  std::uint64_t second = 0;
  std::int64_t offset_minutes = 0;
};

std::int64_t utc_ms(const Clock& clock) {
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(clock.year)),
                                         std::chrono::month(static_cast<unsigned>(clock.month)),
                                         std::chrono::day(static_cast<unsigned>(clock.day))};
  if (!date.ok() || clock.hour > 23 || clock.minute > 59 || clock.second > 60) return 0;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t minutes =
      (static_cast<std::int64_t>(days) * 24 + static_cast<std::int64_t>(clock.hour)) * 60 +
      static_cast<std::int64_t>(clock.minute) - clock.offset_minutes;
  const std::int64_t ms = (minutes * 60 + static_cast<std::int64_t>(clock.second)) * 1000;
  return ms > 0 && ms <= kLastMs ? ms : 0;
}

// "+hhmm" or "+hh:mm"; absent for anything else.
std::optional<std::int64_t> offset_minutes(std::string_view text) {
  if (text.size() == 6 && text[3] == ':') {
    const auto short_form = std::string(text.substr(0, 3)) + std::string(text.substr(4));
    return offset_minutes(short_form);
  }
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto hours = number(text.substr(1, 2));
  const auto minutes = number(text.substr(3, 2));
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const auto offset = static_cast<std::int64_t>(*hours * 60 + *minutes);
  return text[0] == '-' ? -offset : offset;
}

struct Parts {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<std::chrono::seconds> time;
};

Parts parts_of(std::int64_t ms) {
  const std::chrono::sys_seconds when{
      std::chrono::seconds(std::clamp<std::int64_t>(ms, 0, kLastMs) / 1000)};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss(when - day)};
}

std::string padded(std::int64_t value, std::size_t width) {
  std::string digits = std::to_string(value);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

}  // namespace

bool is_id(std::string_view text) {
  if (text.size() > 1 && text[0] == '0') return false;
  return !text.empty() && text.size() <= 20 && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_less(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::string id_of(sdk::json::Value value) {
  const std::string_view digits = value.digits().value_or("");
  return is_id(digits) ? std::string(digits) : std::string();
}

std::int64_t snowflake_ms(std::string_view id) {
  const auto value = is_id(id) ? number(id) : std::nullopt;
  if (!value || *value < kFirstSnowflake) return 0;
  return static_cast<std::int64_t>(*value >> 22) + kSnowflakeEpochMs;
}

std::int64_t event_ms(std::string_view id, std::int64_t told_ms, std::int64_t now_ms) {
  const std::int64_t made_ms = snowflake_ms(id);
  if (told_ms == 0) return made_ms <= now_ms + kDayMs ? made_ms : 0;
  return std::llabs(made_ms - told_ms) < kSameMomentMs ? made_ms : told_ms;
}

std::int64_t sequence_of(std::string_view id) {
  const auto value = is_id(id) ? number(id) : std::nullopt;
  return value && *value <= static_cast<std::uint64_t>(INT64_MAX)
             ? static_cast<std::int64_t>(*value)
             : 0;
}

std::int64_t ms_of(sdk::json::Value value) {
  const auto ms = number(value.digits().value_or(""));
  return ms && *ms <= static_cast<std::uint64_t>(kLastMs) ? static_cast<std::int64_t>(*ms) : 0;
}

std::int64_t iso_ms(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':') {
    return 0;
  }
  const auto year = number(text.substr(0, 4));
  const auto month = number(text.substr(5, 2));
  const auto day = number(text.substr(8, 2));
  const auto hour = number(text.substr(11, 2));
  const auto minute = number(text.substr(14, 2));
  const auto second = number(text.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second) return 0;
  std::string_view rest = text.substr(19);
  std::int64_t ms = 0;
  if (rest.starts_with('.')) {
    std::size_t digits = 0;
    while (digits + 1 < rest.size() && is_digit(rest[digits + 1])) ++digits;
    if (digits == 0 || digits > 9) return 0;
    const std::string thousandths = (std::string(rest.substr(1, digits)) + "00").substr(0, 3);
    ms = static_cast<std::int64_t>(number(thousandths).value_or(0));
    rest.remove_prefix(digits + 1);
  }
  const auto offset = rest == "Z" ? std::optional<std::int64_t>(0) : offset_minutes(rest);
  if (!offset) return 0;
  const std::int64_t whole =
      utc_ms({static_cast<std::int64_t>(*year), *month, *day, *hour, *minute, *second, *offset});
  return whole == 0 ? 0 : whole + ms;
}

std::int64_t legacy_ms(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 30 || text[3] != ' ' || text[7] != ' ' || text[10] != ' ' || text[13] != ':' ||
      text[16] != ':' || text[19] != ' ' || text[25] != ' ') {
    return 0;
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(4, 3));
  const auto day = number(text.substr(8, 2));
  const auto hour = number(text.substr(11, 2));
  const auto minute = number(text.substr(14, 2));
  const auto second = number(text.substr(17, 2));
  const auto offset = offset_minutes(text.substr(20, 5));
  const auto year = number(text.substr(26, 4));
  if (month == kMonths.end() || !day || !hour || !minute || !second || !offset || !year) return 0;
  return utc_ms({static_cast<std::int64_t>(*year),
                 static_cast<std::uint64_t>(month - kMonths.begin()) + 1, *day, *hour, *minute,
                 *second, *offset});
}

std::string iso_of(std::int64_t ms) {
  const Parts parts = parts_of(ms);
  return padded(static_cast<int>(parts.date.year()), 4) + "-" +
         padded(static_cast<unsigned>(parts.date.month()), 2) + "-" +
         padded(static_cast<unsigned>(parts.date.day()), 2) + "T" +
         padded(parts.time.hours().count(), 2) + ":" + padded(parts.time.minutes().count(), 2) +
         ":" + padded(parts.time.seconds().count(), 2) + "Z";
}

std::string minute_of(std::int64_t ms) {
  const Parts parts = parts_of(ms);
  return padded(static_cast<int>(parts.date.year()), 4) +
         padded(static_cast<unsigned>(parts.date.month()), 2) +
         padded(static_cast<unsigned>(parts.date.day()), 2) +
         padded(parts.time.hours().count(), 2) + padded(parts.time.minutes().count(), 2);
}

std::string direct_thread(std::string_view user, std::string_view other) {
  if (is_less(other, user)) std::swap(user, other);
  std::string thread(user);
  thread += '-';
  thread += other;
  return thread;
}

std::string post_thread(std::string_view first_post, std::string_view user) {
  std::string thread(kPost);
  thread += first_post;
  thread += ':';
  thread += user;
  return thread;
}

std::string conversation_thread(std::string_view conversation) {
  const auto between = conversation.find_first_of("-:");
  if (between != std::string_view::npos) {
    const std::string_view user = conversation.substr(0, between);
    const std::string_view other = conversation.substr(between + 1);
    return is_id(user) && is_id(other) ? direct_thread(user, other) : std::string();
  }
  const std::string_view digits = conversation.substr(conversation.starts_with('g') ? 1 : 0);
  return is_id(digits) ? std::string(conversation) : std::string();
}

std::optional<Thread> parse_thread(std::string_view thread) {
  if (thread.starts_with(kPost)) {
    const std::string_view rest = thread.substr(kPost.size());
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view post = rest.substr(0, colon);
    const std::string_view user = rest.substr(colon + 1);
    if (!is_id(post) || !is_id(user)) return std::nullopt;
    return Thread{Thread::Kind::post, std::string(post), std::string(user)};
  }
  // One place, one thread: ids in the wrong order are no thread of ours.
  if (thread.empty() || conversation_thread(thread) != thread) return std::nullopt;
  const auto dash = thread.find('-');
  if (dash == std::string_view::npos) return Thread{Thread::Kind::group, std::string(thread), {}};
  return Thread{Thread::Kind::direct, std::string(thread.substr(0, dash)),
                std::string(thread.substr(dash + 1))};
}

}  // namespace x
