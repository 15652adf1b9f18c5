#include "connectors/sms/moment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "connectors/sdk/text.h"

namespace sms {
namespace {

// Reads a text from the left; every step says whether it fitted.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool literal(std::string_view wanted) {
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(wanted.size());
    return true;
  }
  bool number(std::size_t digits, int& value) {
    if (rest_.size() < digits) return false;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + digits, value);
    if (error != std::errc() || end != rest_.data() + digits || rest_[0] == '-') return false;
    rest_.remove_prefix(digits);
    return true;
  }
  std::string_view word(std::size_t size) {
    const std::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(word.size());
    return word;
  }
  // Thousandths of a fraction of any length.
  int fraction() {
    int thousandths = 0;
    int weight = 100;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      thousandths += weight * (rest_[0] - '0');
      weight /= 10;
      rest_.remove_prefix(1);
    }
    return thousandths;
  }
  // "+01:00" or "+0100" in minutes.
  std::optional<int> offset() {
    const bool west = rest_.starts_with('-');
    int hours = 0;
    int minutes = 0;
    if (!literal(west ? "-" : "+") || !number(2, hours)) return std::nullopt;
    literal(":");
    if (!number(2, minutes) || hours > 23 || minutes > 59) return std::nullopt;
    return (west ? -1 : 1) * (hours * 60 + minutes);
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

struct Fields {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millisecond = 0;
  int offset_minutes = 0;
};

std::optional<std::int64_t> ms_of(const Fields& at) {
  const std::chrono::year_month_day date{std::chrono::year{at.year},
                                         std::chrono::month{static_cast<unsigned>(at.month)},
                                         std::chrono::day{static_cast<unsigned>(at.day)}};
  if (!date.ok() || at.hour > 23 || at.minute > 59 || at.second > 60) return std::nullopt;
  const auto days = std::chrono::sys_days{date}.time_since_epoch().count();
  const std::int64_t minutes =
      (static_cast<std::int64_t>(days) * 24 + at.hour) * 60 + at.minute - at.offset_minutes;
  return (minutes * 60 + at.second) * 1000 + at.millisecond;
}

}  // namespace

std::optional<std::int64_t> iso_ms(std::string_view text) {
  Reader reader(sdk::trim(text));
  Fields at;
  const bool date = reader.number(4, at.year) && reader.literal("-") &&
                    reader.number(2, at.month) && reader.literal("-") && reader.number(2, at.day);
  if (!date || (!reader.literal("T") && !reader.literal(" "))) return std::nullopt;
  const bool time = reader.number(2, at.hour) && reader.literal(":") &&
                    reader.number(2, at.minute) && reader.literal(":") &&
                    reader.number(2, at.second);
  if (!time) return std::nullopt;
  if (reader.literal(".")) at.millisecond = reader.fraction();
  if (!reader.at_end() && !reader.literal("Z")) {
    const auto offset = reader.offset();
    if (!offset) return std::nullopt;
    at.offset_minutes = *offset;
  }
  return reader.at_end() ? ms_of(at) : std::nullopt;
}

std::optional<std::int64_t> mail_date_ms(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  Reader reader(sdk::trim(text));
  Fields at;
  reader.word(3);
  if (!reader.literal(", ") || !reader.number(2, at.day) || !reader.literal(" ")) {
    return std::nullopt;
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), reader.word(3));
  if (month == kMonths.end()) return std::nullopt;
  at.month = static_cast<int>(month - kMonths.begin()) + 1;
  const bool rest = reader.literal(" ") && reader.number(4, at.year) && reader.literal(" ") &&
                    reader.number(2, at.hour) && reader.literal(":") &&
                    reader.number(2, at.minute) && reader.literal(":") &&
                    reader.number(2, at.second) && reader.literal(" ");
  const auto offset = rest ? reader.offset() : std::nullopt;
  if (!offset || !reader.at_end()) return std::nullopt;
  at.offset_minutes = *offset;
  return ms_of(at);
}

std::optional<std::int64_t> unix_ms(std::string_view digits) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  constexpr std::int64_t kLatest = 253'402'300'799;  // the year 9999
  if (error != std::errc() || end != digits.data() + digits.size() || seconds < 0 ||
      seconds > kLatest) {
    return std::nullopt;
  }
  return seconds * 1000;
}

std::string utc_date(std::int64_t ms) {
  const auto day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>{std::chrono::milliseconds(ms)});
  const std::chrono::year_month_day date{day};
  const auto two = [](unsigned n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return std::to_string(static_cast<int>(date.year())) + "-" +
         two(static_cast<unsigned>(date.month())) + "-" + two(static_cast<unsigned>(date.day()));
}

bool is_within(std::int64_t ms, std::int64_t now_ms, std::int64_t tolerance_ms) {
  return ms >= now_ms - tolerance_ms && ms <= now_ms + tolerance_ms;
}

}  // namespace sms
