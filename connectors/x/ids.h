// Ids and times as X writes them, and the threads this connector makes of them. Only this
// connector builds or reads threads. Values and pure functions, any thread.
//
//   thread = smaller user id "-" greater user id       two people's direct messages; this is X's
//   own
//                                                      dm_conversation_id
//          | dm_conversation_id                        a group's: digits, perhaps behind a "g"
//          | "post:" first post's id ":" user id       one person's part of a public conversation
//
// Ids are 64-bit numbers too large for a double, so they stay text
// (https://docs.x.com/x-api/fundamentals/data-dictionary, read 2026-11-20).
#ifndef CONNECTORS_X_IDS_H_
#define CONNECTORS_X_IDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/sdk/json.h"

namespace x {

// A number of 1 to 20 digits without leading zeros.
bool is_id(std::string_view text);
// Of two ids, by number.
bool is_less(std::string_view a, std::string_view b);
// The id in a string or number; "" where there is none.
std::string id_of(sdk::json::Value value);

// When a snowflake was made, in ms of Unix time; 0 for ids older than snowflakes.
std::int64_t snowflake_ms(std::string_view id);
// What X says of an event's time, made equal for every way the event can come: webhooks give
// milliseconds, lookups whole seconds, the id has milliseconds. `told_ms` 0: not told.
std::int64_t event_ms(std::string_view id, std::int64_t told_ms, std::int64_t now_ms);
// The id as Event::sequence; 0 where it does not fit.
std::int64_t sequence_of(std::string_view id);

// "1795165201372", as text or number; 0 where it is no time.
std::int64_t ms_of(sdk::json::Value value);
// "2026-11-20T09:00:10.000Z", "2026-11-20T09:00:12+00:00"; 0 where it is no time.
std::int64_t iso_ms(std::string_view text);
// "Fri Nov 20 09:00:10 +0000 2026"; 0 where it is no time.
std::int64_t legacy_ms(std::string_view text);
std::string iso_of(std::int64_t ms);     // "2026-11-20T09:00:10Z"
std::string minute_of(std::int64_t ms);  // "202611200900", as replay jobs take it

std::string direct_thread(std::string_view user, std::string_view other);
std::string post_thread(std::string_view first_post, std::string_view user);
// Of a dm_conversation_id, or of X Chat's, which has a colon in place of the dash; "" for anything
// else.
std::string conversation_thread(std::string_view conversation);

struct Thread {
  enum class Kind { direct, group, post };
  Kind kind = Kind::direct;
  std::string first;   // smaller user id, group's conversation id, first post's id
  std::string second;  // greater user id, "", user id
};
std::optional<Thread> parse_thread(std::string_view thread);

}  // namespace x

#endif  // CONNECTORS_X_IDS_H_
