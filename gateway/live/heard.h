// What a client has heard of the log of events, in the few bytes that it quotes when it comes back.
//
// Events do not become visible in the order of their numbers: a transaction takes a number and
// commits later than one behind it. So a place in the log is a number and those before it that were
// still open. It means the same on every gateway: whoever reads the log behind a place finds
// exactly what its holder has not heard.
//
//   17.0             event 17 was heard, the first thing said of it, and all before it
//   17.0~5,3-2       but not 12, 14 and 15: distances from the end, far ones first
//   9.1^17~5         event 9 came late, when all to 17 but 12 had been heard
//   17.0!            more was open than a place can say: nobody can go on from here
//
// Values; any thread.
#ifndef GATEWAY_LIVE_HEARD_H_
#define GATEWAY_LIVE_HEARD_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gateway::live {

// An event, and which of the things said about it.
struct Offset {
  std::int64_t seq = 0;
  int part = 0;
  auto operator<=>(const Offset&) const = default;
  std::string text() const;  // "17.0"
};

// How much of the log has been said somewhere: all up to `last`, except `open`.
struct Place {
  std::int64_t last = 0;
  std::vector<std::int64_t> open;  // ascending, below `last`

  bool has(std::int64_t seq) const;
  // The event is said.
  void add(std::int64_t seq);
  bool operator==(const Place&) const = default;
};

struct Heard {
  static constexpr std::size_t kMaxText = 512;
  static constexpr std::size_t kMaxRanges = 32;
  static constexpr std::size_t kMaxOpen = 10'000;

  Offset at;    // heard last
  Place place;  // of all events, with that one

  // As above; with "!" where `open` is too much for a place.
  std::string text() const;
  // Absent: it is no place, or one from which nobody can go on.
  static std::optional<Heard> parse(std::string_view text);
  bool operator==(const Heard&) const = default;
};

}  // namespace gateway::live

#endif  // GATEWAY_LIVE_HEARD_H_
